"""Requests that are the same in another run, and those that are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mockserver.core.body import RequestBody
from mockserver.core.route import route
from mockserver.recording.replay.matching import Binding, NormalRequest, differences, fits, normal_request
from tests.judging import contract_of, wire_request
from tests.recording.made import event

WHISPERR = contract_of("whisperr")
OUTLIT = contract_of("outlit")
APEX = contract_of("apex")
BATCH = "/v1/events/batch"


def normal(
    body: Any,
    target: str = BATCH,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    contract: Any = None,
) -> NormalRequest:
    """Return the normal form of a request; one of Whisperr with a key unless there are other headers."""
    given = {"x-api-key": "wrk_1", "content-type": "application/json"} if headers is None else headers
    request = wire_request(target, body, given, method=method)
    return normal_request(route(RequestBody(request), contract or WHISPERR))


def of(**members: Any) -> NormalRequest:
    return normal({"events": [event(**members)]})


SAME = {
    "other ids": (event(), event("paid", "other", "user_99")),
    "times": (
        event(
            occurred_at="2026-06-14T12:00:00.000Z", properties={"at": "2026-06-14T12:00:00Z", "sent_at": 1781438400000}
        ),
        event(
            occurred_at="2027-01-01T00:00:00.5Z", properties={"at": "2027-01-01T00:00:00Z", "sent_at": 1798761600123}
        ),
    ),
    "UUIDs": (
        event(properties={"cart": "00000000-0000-4000-8000-000000000001"}),
        event(properties={"cart": "8c1e9b62-3f5d-4c0a-9a39-0d9b8f1a2b3c"}),
    ),
    "a UUID in a text": (
        event(properties={"url": "https://a.example/cart/00000000-0000-4000-8000-000000000001?x=1"}),
        event(properties={"url": "https://a.example/cart/8c1e9b62-3f5d-4c0a-9a39-0d9b8f1a2b3c?x=1"}),
    ),
    "a port of this machine": (
        event(properties={"url": "http://127.0.0.1:43121/a"}),
        event(properties={"url": "http://127.0.0.1:5001/a"}),
    ),
    "an e-mail address": (
        event(properties={"by": "user-1@example.test"}),
        event(properties={"by": "ada@corp.example"}),
    ),
    "an encoded e-mail address": (
        event(properties={"url": "https://a.example/?e=user-1@example.test"}),
        event(properties={"url": "https://a.example/?e=ada%40corp.example"}),
    ),
    "a password": (event(properties={"password": "xxxxxx3"}), event(properties={"password": "hunter2"})),
    "a key in a text": (event(properties={"note": "<credential>"}), event(properties={"note": "pk_S3cr3tKey88"})),
    "an address": (event(properties={"ip": "192.0.2.1"}), event(properties={"ip": "84.113.7.1"})),
    "what a rule hid": (event(properties={"plan": "<value:3>"}), event(properties={"plan": "pro"})),
    "a user in a text": (
        event(properties={"note": "hello <id:1>"}),
        event(user="ada_7", properties={"note": "hello ada_7"}),
    ),
    "a user in a URL, by a pseudonym of the same shape": (
        event(properties={"url": "server://xxx_4"}),
        event(properties={"url": "server://usr_1"}),
    ),
    "the order of members": (event(properties={"a": 1, "b": 2}), event(properties={"b": 2, "a": 1})),
    "a name with an address": (
        event(properties={"for user-1@example.test": 1}),
        event(properties={"for ada@corp.example": 1}),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_request_of_another_run_is_the_same(name: str) -> None:
    recorded, live = (normal({"events": [one]}) for one in SAME[name])
    assert fits(recorded, live)
    assert differences(recorded, live, 10) == []
    assert Binding().pairs(0, recorded, live) is not None


DIFFERENT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "type": ({}, {"kind": "other"}, "/body/events/0/event_type"),
    "value": ({"properties": {"plan": "pro"}}, {"properties": {"plan": "team"}}, "/body/events/0/properties/plan"),
    "number": ({"properties": {"n": 1}}, {"properties": {"n": 2}}, "/body/events/0/properties/n"),
    "kind of a value": ({"properties": {"n": 1}}, {"properties": {"n": True}}, "/body/events/0/properties/n"),
    "missing member": ({"properties": {"n": 1, "m": 2}}, {"properties": {"n": 1}}, "/body/events/0/properties/m"),
    "further member": ({"properties": {}}, {"properties": {"n": 1}}, "/body/events/0/properties"),
    "null": ({"properties": {"n": None}}, {"properties": {"n": 1}}, "/body/events/0/properties/n"),
    "host": (
        {"properties": {"url": "http://a.example:81/"}},
        {"properties": {"url": "http://a.example:82/"}},
        "/body/events/0/properties/url",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_difference_is_named_by_its_place(name: str) -> None:
    old, new, place = DIFFERENT[name]
    recorded, live = of(**old), of(**new)
    assert not fits(recorded, live)
    assert place in [found.pointer for found in differences(recorded, live, 10)]


def test_what_a_rule_hid_still_has_a_place_and_the_rest_still_counts() -> None:
    recorded = of(properties={"plan": "<value:3>", "n": 1})
    assert not fits(recorded, of(properties={"n": 1}))
    assert not fits(recorded, of(properties={"plan": "pro", "n": 2}))
    assert fits(recorded, of(properties={"plan": None, "n": 1}))
    part = of(properties={"plan": "from <value:3> to <value:4>!"})
    assert fits(part, of(properties={"plan": "from free to pro!"}))
    for other in ("from free to pro", "free to pro!", "from free for pro!", "from to !", 3, None):
        assert not fits(part, of(properties={"plan": other}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"target": BATCH}, {"target": "/v1/events/track"}),
        ({"target": BATCH}, {"target": f"{BATCH}?debug=1"}),
        ({"headers": {"x-api-key": "wrk_1"}}, {"headers": {}}),
        ({"headers": {"content-type": "text/plain"}}, {"headers": {"content-type": "application/json"}}),
        ({"body": b"{"}, {"body": b""}),
        ({"method": "POST"}, {"method": "PUT"}),
    ],
)
def test_request_to_another_place_or_with_other_headers_is_another_one(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    body = {"events": [event()]}
    assert not fits(normal(**{"body": body, **one}), normal(**{"body": body, **other}))


def test_body_that_cannot_be_read_is_the_same_as_another_such_one() -> None:
    assert fits(normal(b"\xff" * 9), normal(b"{"))
    gzipped = {"x-api-key": "wrk_1", "content-encoding": "gzip"}
    assert fits(normal(b"\xff" * 9, headers=gzipped), normal(b"no gzip", headers=gzipped))
    assert not fits(normal(b"{", headers=gzipped), normal(b"{"))


def test_key_and_person_in_a_path_are_left_out() -> None:
    body = {"source": "server", "events": []}
    paths = ("/api/i/v1/pk_xxx1/events", "/api/i/v1/pk_live_abc/events")
    assert fits(*(normal(body, path, {}, contract=OUTLIT) for path in paths))
    people = ("/v1/users/%3Cid%3A1%3E", "/v1/users/ada")
    assert fits(*(normal(b"", path, method="GET") for path in people))
    recorded, live = (normal(b"", path, method="GET") for path in people)
    assert Binding().pairs(0, recorded, live) == {"<id:1>": "ada", "wrk_1": "wrk_1"}


def test_project_and_idempotency_key_count() -> None:
    def sent(key: str | None, project: str) -> NormalRequest:
        headers = {"authorization": "Bearer apex_sk_1", "content-type": "application/json", "x-project": project}
        names = APEX.projects
        assert names is not None
        headers[names.header.lower()] = project
        operation = next(known for known in APEX.operations.values() if known.idempotency is not None)
        assert operation.idempotency is not None
        if key is not None:
            headers[operation.idempotency.header.lower()] = key
        return normal({"events": []}, operation.path, headers, contract=APEX)

    assert fits(sent("k-1", "shop"), sent("k-2", "shop"))
    assert not fits(sent("k-1", "shop"), sent(None, "shop"))
    assert not fits(sent("k-1", "shop"), sent("k-1", "other"))
    assert Binding().pairs(0, sent("k-1", "shop"), sent("k-2", "shop"))["k-1"] == "k-2"  # type: ignore[index]


def test_id_stands_for_one_id_throughout_and_in_one_part() -> None:
    binding = Binding()
    recorded, live = of(user="<id:1>", message="m-1"), of(user="ada", message="k-1")
    assert binding.pairs(0, recorded, live) is not None
    binding.bind(0, recorded, live)
    assert binding.live(0, "<id:1>") == "ada"
    assert binding.pairs(0, of(user="<id:1>", message="m-2"), of(user="bob", message="k-2")) is None
    assert binding.pairs(0, of(user="<id:2>", message="m-2"), of(user="ada", message="k-2")) is None
    assert binding.pairs(0, of(user="<id:2>", message="m-1"), of(user="bob", message="k-2")) is None
    assert binding.pairs(0, of(user="<id:2>", message="m-2"), of(user="bob", message="k-2")) is not None
    assert binding.pairs(1, of(user="<id:1>", message="m-2"), of(user="bob", message="k-2")) is not None
    (clash,) = binding.clashes(0, of(user="<id:1>", message="m-2"), of(user="bob", message="k-2"))
    assert (clash.pointer, clash.expected) == ("/body/events/0/external_user_id", "the same value as before")


def test_id_stands_for_one_id_within_a_request() -> None:
    def two(first: str, second: str) -> NormalRequest:
        return normal({"events": [event(user=first, message="a"), event(user=second, message="b")]})

    assert Binding().pairs(0, two("<id:1>", "<id:1>"), two("ada", "ada")) is not None
    assert Binding().pairs(0, two("<id:1>", "<id:1>"), two("ada", "bob")) is None
    assert Binding().pairs(0, two("<id:1>", "<id:2>"), two("ada", "ada")) is None
    assert [clash.pointer for clash in Binding().clashes(0, two("<id:1>", "<id:2>"), two("ada", "ada"))] == [
        "/body/events/1/external_user_id"
    ]


def test_words_about_a_person_may_be_others_each_time() -> None:
    def identify(first: str, second: str) -> NormalRequest:
        return normal({"external_user_id": "<id:1>", "traits": {"a": first, "b": second}}, "/v1/identify")

    assert Binding().pairs(0, identify("<text:1>", "<text:1>"), identify("now", "then")) is not None
    assert not fits(
        identify("<text:1>", "<text:2>"), normal({"external_user_id": "u", "traits": {"a": "x"}}, "/v1/identify")
    )


def test_differences_are_bounded() -> None:
    recorded, live = of(properties={f"n{n}": 1 for n in range(50)}), of(properties={f"n{n}": 2 for n in range(50)})
    assert len(differences(recorded, live, 10)) == 10
