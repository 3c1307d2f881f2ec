"""Warnings about a request that was answered well: what the server notes of it, what the newest revision refuses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import explain
from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.findings import MOST_EXPLAINED
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.warnings import event_warnings, request_warnings
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import pointer
from mockserver.lint.case_reader import case_of_corpus_line
from mockserver.lint.golden_cases import ExchangeStep
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from mockserver.settings import RateMode
from tests import cases
from tests.judging import COLLECT, MADE_UP, TERMS, collection, contract_of, judged, sale, tally_before, wire_request
from tests.revisions import revisions

EVENT = {"external_user_id": "u", "event_type": "opened", "context": {"$message_id": "m"}}
JSON = {"content-type": "application/json"}
KEY = {"x-api-key": "wrk_a"}
EVENTS = "/api/i/v1/pk_a/events"
VISITOR = "a1b2c3d4-e5f6-4890-abcd-ef1234567890"
PAGE = {"type": "pageview", "url": "https://a.example/", "path": "/", "timestamp": 1_781_438_400_000}
CUSTOM = {**PAGE, "type": "custom", "eventName": "a"}
USER = "/requests/envelope/properties/userIdentity"
Told = list[tuple[str, str]]
"""Rules with places."""


async def warnings(
    protocol: str, path: str, body: Any, headers: dict[str, str], *, times: int = 1, rates: RateMode = "warn"
) -> list[str]:
    """Return the rules of the warnings on the last of some equal requests, the ones about its transport."""
    contract = library().protocol(protocol).contract()
    store = MemoryStore(SessionSettings(), max_bytes=1 << 24, max_sessions=4)
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = WireRequest(method="POST", target=path, headers=pairs, fields=dict(pairs), body=text)
    rules: list[str] = []
    for _ in range(times):
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=1_781_438_402_000, rate_mode=rates))
        exchange, reply = await store.commit(store.session("s"), judged, received_ms=1)
        assert reply.status in (200, 202)
        findings = View(exchange).findings()
        assert {finding.severity for finding in findings} <= {"warning"}
        rules = [finding.rule.removeprefix("/warnings/transport/") for finding in findings]
    return rules


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/events/track", {**JSON, **KEY}, []),
        ("/v1/events/track", {**JSON, **KEY, "authorization": "Bearer wrk_a"}, []),
        ("/v1/events/track", {**JSON, **KEY, "authorization": "Bearer wrk_b"}, ["two_credentials"]),
        ("/v1/events/track/", {**JSON, **KEY}, ["trailing_slash"]),
        ("//v1/events/track", {**JSON, **KEY}, ["leading_slashes"]),
    ],
)
async def test_request_is_noted(path: str, headers: dict[str, str], expected: list[str]) -> None:
    assert await warnings("whisperr", path, EVENT, headers) == expected


async def test_member_that_stands_twice_is_noted() -> None:
    body = json.dumps(EVENT).replace('"u"', '"v", "external_user_id": "u"').encode()
    assert await warnings("whisperr", "/v1/events/track", body, {**JSON, **KEY}) == ["duplicate_members"]


async def test_content_type_is_noted_where_any_is_taken() -> None:
    body = {
        "visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "events": [PAGE],
    }
    path = "/api/i/v1/pk_a/events"
    newest = "/protocol/content_types/accepted"  # says it in place of the contract's own warning
    assert await warnings("outlit", path, body, {"content-type": "text/plain"}) == [newest]
    repeated = {**body, "source": "client"}
    text = json.dumps(repeated).replace('"source"', '"source": "server", "source"').encode()
    assert await warnings("outlit", path, text, JSON) == ["duplicate_members"]
    assert await warnings("outlit", path, body, {"content-type": "application/json; charset=utf-8"}) == []


async def test_request_over_the_rate_is_noted_when_rates_only_warn() -> None:
    body = {
        "visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "events": [PAGE],
    }
    path = "/api/i/v1/pk_a/events"
    assert await warnings("outlit", path, body, JSON, times=100) == []
    assert await warnings("outlit", path, body, JSON, times=101) == ["over_rate"]
    assert await warnings("outlit", path, body, JSON, times=101, rates="off") == []


async def rows(
    contract: Contract, request: WireRequest, terms: Terms = TERMS
) -> tuple[WireReply, list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Return the reply to a request, the findings about it, and those about each of its events."""
    store = MemoryStore(SessionSettings(), max_bytes=1 << 24, max_sessions=4)
    exchange, reply = await store.commit(store.session("s"), judged(contract, request, terms), received_ms=1)
    view = View(exchange)
    return reply, view.request_detail()["findings"], [row["findings"] for row in view.event_rows()]


async def refused_by_newest(contract: Contract, request: WireRequest) -> Told:
    """Return what the newest revision refuses in a request that is taken, outside its events.

    Each warning is on the request and on all of its events, once, with a rule that `contracts explain` has.
    """
    newest = contract.newest
    assert newest is not None
    reply, of_request, of_events = await rows(contract, request)
    assert reply.status < 300
    for finding in of_request:
        assert finding["severity"] == "warning"
        assert finding["source"] in {row["source"] for row in explain(contract, finding["rule"])}
    start = f"{newest.revision} refuses this request: "
    found = [finding for finding in of_request if finding["message"].startswith(start)]
    assert all(finding["message"] != start for finding in found)
    for findings in of_events:
        assert [finding for finding in findings if finding["message"].startswith(start)] == found
        named = [(finding["rule"], finding["pointer"]) for finding in findings]
        assert len(named) == len(set(named))
    return [(finding["rule"], finding["pointer"]) for finding in found]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({}, []),
        ({"visitorId": "visitor-123"}, [("/requests/envelope/properties/visitorId/pattern", "/visitorId")]),
        (
            {"userIdentity": {"email": "nope"}},
            [(f"{USER}/properties/email/pattern", "/userIdentity/email")],
        ),
        (
            {"userIdentity": {"userId": ""}},
            [(f"{USER}/properties/userId/minLength", "/userIdentity/userId")],
        ),
        (
            {"userIdentity": {"userId": None}, "sessionId": None},
            [
                (f"{USER}/properties/userId/type", "/userIdentity/userId"),
                ("/requests/envelope/properties/sessionId/type", "/sessionId"),
            ],
        ),
        (
            {"userIdentity": {"traits": {"a": {"b": 1}, "c": 1}}},
            [(f"{USER}/properties/traits/additionalProperties/type", "/userIdentity/traits/a")],
        ),
        (
            {"userIdentity": {"customerId": "c"}},
            [(f"{USER}/additionalProperties", "/userIdentity/customerId")],
        ),
        (
            {"customerIdentity": {"customerId": ""}},
            [
                (
                    "/requests/envelope/properties/customerIdentity/properties/customerId/minLength",
                    "/customerIdentity/customerId",
                )
            ],
        ),
        ({"source": "pixel"}, [("/requests/envelope/properties/source/enum", "/source")]),
        ({"sessionId": "s"}, [("/requests/envelope/properties/sessionId/pattern", "/sessionId")]),
    ],
)
async def test_request_warns_of_what_the_newest_revision_refuses_in_its_envelope(
    members: Mapping[str, Any], told: Told
) -> None:
    body = {"visitorId": VISITOR, "events": [PAGE, {**CUSTOM, "email": "a@b.example"}], **members}
    request = wire_request(EVENTS, body, JSON)
    assert await refused_by_newest(contract_of("outlit"), request) == told


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain;charset=UTF-8"}])
async def test_request_warns_of_its_content_type_once(headers: dict[str, str]) -> None:
    request = wire_request(EVENTS, {"visitorId": VISITOR, "events": [PAGE]}, headers)
    assert await refused_by_newest(contract_of("outlit"), request) == [("/protocol/content_types/accepted", "")]
    _, of_request, _ = await rows(contract_of("outlit"), request)
    (finding,) = of_request
    assert (finding["expected"], finding["got"]) == (["application/json"], headers.get("content-type"))


async def test_finding_says_which_revision_refuses_what() -> None:
    newest = contract_of("outlit", revision="r4-2026-08").documents
    pattern = pointer.get(newest, pointer.parse(f"{USER}/properties/email/pattern"))
    body = {"visitorId": VISITOR, "events": [PAGE], "userIdentity": {"email": "nope"}}
    _, of_request, _ = await rows(contract_of("outlit"), wire_request(EVENTS, body, JSON))
    assert of_request == [
        {
            "rule": f"{USER}/properties/email/pattern",
            "severity": "warning",
            "pointer": "/userIdentity/email",
            "expected": {"pattern": pattern},
            "got": "nope",
            "source": "spec: openapi.json@65ae3ac",
            "message": f'r4-2026-08 refuses this request: userIdentity.email must match {pattern}, got "nope"',
        }
    ]


async def test_batch_that_names_nobody_warns_once_where_the_newest_revision_refuses_it_whole() -> None:
    contract = contract_of("outlit", {"protocol": {"newest": {"value": "r1-2026-01"}}})
    body = {"source": "server", "userIdentity": {"email": "a@b.example"}, "events": [CUSTOM, CUSTOM]}
    request = wire_request(EVENTS, body, JSON)
    assert await refused_by_newest(contract, request) == [("/protocol/identity/batch", "")]


async def test_operation_that_the_newest_revision_does_not_have_warns() -> None:
    contract = contract_of("outlit", {"protocol": {"newest": {"value": "r3-2026-05"}}})
    request = wire_request("/api/i/v1/pk_a/bootstrap", b"", {}, method="GET")
    assert await refused_by_newest(contract, request) == [("/protocol/operations", "")]
    preflight = wire_request("/api/i/v1/pk_a/bootstrap", b"", {"Origin": "https://a.example"}, method="OPTIONS")
    assert await refused_by_newest(contract, preflight) == [("/protocol/operations", "")]


FORM = {
    "items": None,
    "more": {"request": "collection", "events": "/items", "discriminator": "/kind", "source": MADE_UP},
}


@pytest.mark.parametrize(
    ("newest", "headers", "told"),
    [
        ({"protocol": {"limits": {"body": {"max_bytes": 50}}}}, {}, ("/protocol/limits/body/max_bytes", "")),
        (
            {"protocol": {"credentials": {"token": {"pattern": "^tk_new"}}}},
            {},
            ("/protocol/credentials/token/pattern", ""),
        ),
        (
            {"protocol": {"credentials": {"token": {"pointer": "/key"}}}},
            {},
            ("/protocol/credentials/token", ""),
        ),
        (
            {
                "protocol": {
                    "cors": {
                        "own": {
                            "methods": "POST",
                            "headers": "Content-Type",
                            "credentials": False,
                            "without_origin": "nothing",
                            "preflight_status": 204,
                            "allowed_origins": ["a.example"],
                            "source": MADE_UP,
                        }
                    },
                    "operations": {"collect": {"cors": "own"}},
                    "gates": {
                        "origin": {"order": 5, "refusals": {"origin_not_allowed": "bad_token"}, "source": MADE_UP}
                    },
                }
            },
            {"Origin": "https://b.example"},
            ("/protocol/cors/own/allowed_origins", ""),
        ),
        (
            {
                "protocol": {
                    "operations": {"collect": {"query": ["v"]}},
                    "gates": {"query": {"order": 5, "source": MADE_UP}},
                }
            },
            {},
            ("/protocol/gates/query", ""),
        ),
        (
            {"protocol": {"operations": {"collect": {"forms": FORM}}}},
            {},
            ("/protocol/operations/collect/forms", ""),
        ),
        (
            {"protocol": {"operations": {"collect": {"path": "/tally/v3/{stream}/collect"}}}},
            {},
            ("/protocol/operations", ""),
        ),
        ({"protocol": {"operations": {"collect": {"method": "PUT"}}}}, {}, ("/protocol/operations", "")),
        ({"protocol": {"gates": {"size": {"order": 5}}}}, {}, None),
    ],
)
async def test_gate_of_the_newest_revision_warns(
    tmp_path: Path, newest: Any, headers: dict[str, str], told: tuple[str, str] | None
) -> None:
    contract = tally_before(tmp_path, newest)
    request = wire_request(COLLECT, collection(sale("a"), sale("b")), {**JSON, **headers})
    assert await refused_by_newest(contract, request) == ([] if told is None else [told])


async def test_time_window_of_the_newest_revision_warns(tmp_path: Path) -> None:
    contract = tally_before(tmp_path, {"protocol": {"windows": {"at": {"past_ms": 1000}}}})
    item = {**sale(), "at": "2026-06-14T11:59:00.000Z"}
    reply, of_request, of_events = await rows(contract, wire_request(COLLECT, collection(item), JSON))
    assert (reply.status, of_request) == (201, [])
    ((finding,),) = of_events
    assert (finding["rule"], finding["pointer"], finding["severity"]) == (
        "/protocol/windows/at/past_ms",
        "/at",
        "warning",
    )


async def test_whisperr_warns_of_nothing_that_its_newest_revision_takes() -> None:
    contract = contract_of("whisperr")
    assert contract.newest is not None
    body = {"events": [{**EVENT, "occurred_at": "2026-06-14T12:00:00.000Z"}]}
    for path, sent in (
        ("/v1/events/batch", body),
        ("/v1/events/track", EVENT),
        ("/v1/identify", {"external_user_id": "u"}),
    ):
        _, of_request, of_events = await rows(contract, wire_request(path, sent, {**JSON, **KEY}))
        assert (of_request, of_events) == ([], [[]])


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({}, []),
        ({"traits": {"plan": "pro"}}, []),
        ({"traits": {}}, [("/warnings/events/empty_traits", "/traits")]),
        ({"channels": []}, [("/warnings/events/empty_channels", "/channels")]),
        ({"channels": [{"channel": "push", "kind": "fcm", "platform": "ios"}]}, []),
        ({"channels": [{"channel": "push", "kind": "fax"}]}, [("/warnings/events/push_metadata", "/channels/0/kind")]),
        (
            {"channels": [{"channel": "email"}, {"channel": "sms", "kind": "fcm"}]},
            [("/warnings/events/push_metadata_elsewhere", "/channels/1")],
        ),
    ],
)
async def test_identify_warns_of_what_its_page_wants_left_out(members: Any, told: Told) -> None:
    channels = [{"address": "a", "opted_in": True, **channel} for channel in members.get("channels", ())]
    body = {"external_user_id": "u", **members, **({"channels": channels} if "channels" in members else {})}
    reply, of_request, (found,) = await rows(
        contract_of("whisperr"), wire_request("/v1/identify", body, {**JSON, **KEY})
    )
    assert (reply.status, of_request) == (200, [])
    assert [(finding["rule"], finding["pointer"]) for finding in found] == told


async def test_body_that_is_the_event_itself_warns_once() -> None:
    contract = contract_of("whisperr", {"protocol": {"newest": {"value": "classic-2026-06"}}})
    sent = {"anonymous_id": "a", "external_user_id": "u"}
    _, of_request, of_events = await rows(contract, wire_request("/v1/identify", sent, {**JSON, **KEY}))
    assert of_request == []
    ((finding,),) = of_events
    assert (finding["rule"], finding["pointer"]) == ("/events/identify/additionalProperties", "/anonymous_id")
    assert finding["message"].startswith("classic-2026-06 refuses this: ")


async def test_rule_about_a_form_says_nothing_of_a_body_in_another() -> None:
    rule = {"schema": {"properties": {"data": {"required": ["a"]}}}, "message": "no a", "source": "assumed: a test"}
    rules = {"events": {"none": {**rule, "forms": []}, "one": {**rule, "forms": ["batch"]}}}
    about_bodies = {"requests": {"one": {**rule, "schema": {"required": ["sentBy"]}, "forms": ["snippet"]}}}
    contract = contract_of("apex", {"warnings": {**rules, **about_bodies}})
    event = {"type": "click", "url": "https://a.example/", "data": {}}
    snippet = {**event, "visitorId": "v", "projectKey": "pk_a"}
    batch = {"projectKey": "pk_a", "events": [event]}
    told = []
    for body in (snippet, batch):
        _, _, of_events = await rows(contract, wire_request("/api/events", body, JSON))
        told.append([finding["rule"] for findings in of_events for finding in findings])
    assert told == [["/warnings/requests/one"], ["/warnings/events/one"]]


async def test_event_of_a_type_that_the_newest_revision_lacks_warns_with_its_own_source() -> None:
    patch = {"protocol": {"source": "assumed: the base", "newest": {"value": "r4-2026-08"}}}
    contract = contract_of("outlit", patch)
    body = {"visitorId": VISITOR, "events": [{**PAGE, "type": "billing", "status": "paid", "customerId": "c"}]}
    _, of_request, of_events = await rows(contract, wire_request(EVENTS, body, JSON))
    assert of_request == []
    ((finding,),) = of_events
    assert (finding["rule"], finding["pointer"], finding["got"]) == ("/events", "/type", "billing")
    assert finding["source"] in {row["source"] for row in explain(contract, "/events") if "revision" in row}


async def test_refused_request_and_refused_event_have_no_warnings() -> None:
    contract = contract_of("outlit")
    refused = wire_request(EVENTS, {"visitorId": 5, "events": [PAGE], "userIdentity": {"email": "nope"}}, JSON)
    reply, of_request, of_events = await rows(contract, refused)
    assert reply.status == 400
    assert {finding["severity"] for findings in (of_request, *of_events) for finding in findings} == {"error"}
    bad = {"visitorId": "v", "events": [PAGE, {"type": "nope"}]}
    reply, of_request, (good, rejected) = await rows(contract, wire_request(EVENTS, bad, JSON))
    assert reply.status == 207
    assert {finding["pointer"] for finding in of_request} == {"/visitorId"}
    assert good == of_request
    assert {finding["severity"] for finding in rejected} == {"error"}


async def test_newest_revision_is_under_the_patch_of_the_session() -> None:
    """What a user says of the vendor holds for the newest revision too, as far as it has such a thing."""
    body = {
        "visitorId": VISITOR,
        "events": [{**PAGE, "more": 1}],
        "customerIdentity": {"plan": "pro", "customerId": None},
    }
    request = wire_request(EVENTS, body, JSON)
    before = await refused_by_newest(contract_of("outlit"), request)
    assert [place for _, place in before] == ["/customerIdentity/plan", "/customerIdentity/customerId"]
    customer = {"customerIdentity": {"properties": {"plan": {"type": "string"}}}}
    patch = {
        "protocol": {"nulls": {"members": "absent"}},
        "requests": {"envelope": {"properties": customer}},
        "events": {
            "shared": {"common": {"properties": {"more": {"type": "integer"}}}},
            "stage": {"required": ["stage"]},
        },
    }
    contract = contract_of("outlit", patch)
    assert await refused_by_newest(contract, request) == []
    _, of_request, of_events = await rows(contract, request)
    assert (of_request, of_events) == ([], [[]])
    stage = {"visitorId": VISITOR, "events": [{**PAGE, "type": "stage", "stage": "activated", "email": "a@b.example"}]}
    _, _, ((finding,),) = await rows(contract, wire_request(EVENTS, stage, JSON))
    assert finding["rule"] == "/events"  # the patch of a type does not bring it back


def test_so_many_things_are_explained_that_a_reader_can_take_in() -> None:
    traits: dict[str, Any] = {f"t{number}": [] for number in range(5000)}
    body = {"visitorId": VISITOR, "userIdentity": {"traits": traits}, "events": [PAGE]}
    result = judged(contract_of("outlit"), wire_request(EVENTS, body, JSON))
    assert result.refusal is None
    assert len(request_warnings(result, notes=(), over_rate=False, refused=False)) == MOST_EXPLAINED


async def test_large_value_of_the_request_is_abridged_on_each_event() -> None:
    body = {"visitorId": "v" * 50_000, "events": [PAGE] * 3}
    _, of_request, of_events = await rows(contract_of("outlit"), wire_request(EVENTS, body, JSON))
    assert all(findings == of_request for findings in of_events)
    assert len(json.dumps(of_request)) < 8000


OLDER = [each for each in revisions() if library().protocol(each.values[0]).contract(each.values[1]).newest is not None]
"""The contracts that a newer one is known of."""


@lru_cache(maxsize=1)
def judged_by_newest(newest: Contract) -> list[tuple[WireRequest, Terms, Judged]]:
    """Return the requests of the corpus and how the newest revision judges them, once for all other revisions."""
    return [(request, terms, judged(newest, request, terms)) for request, terms in sent_in_corpus(newest.name)]


def sent_in_corpus(protocol: str) -> Iterator[tuple[WireRequest, Terms]]:
    """Yield the requests of the corpus, those of every revision."""
    with (cases.FIXTURES / "corpus" / f"{protocol}.ndjson").open() as lines:
        for line in map(json.loads, lines):
            case = case_of_corpus_line(line, "corpus", "line")
            for step in case.steps:
                if isinstance(step, ExchangeStep):
                    yield step.request, Terms(now_ms=case.clock_ms, keys=case.settings.keys)


@pytest.mark.parametrize(("protocol", "revision"), OLDER)
def test_request_warns_if_and_only_if_the_newest_revision_refuses_something(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    newest = contract.newest
    assert newest is not None
    seen: Counter[str] = Counter()
    for request, terms, ahead in judged_by_newest(newest):
        result = judged(contract, request, terms)
        if result.refusal is not None:
            continue
        of_request = request_warnings(result, notes=(), over_rate=False, refused=False)
        warned = any(finding.message.startswith(f"{newest.revision} refuses this request: ") for finding in of_request)
        by_an_event = ahead.refusal is not None and bool(ahead.event_errors)
        assert warned == (ahead.refusal is not None and not by_an_event), request
        seen["request warned" if warned else "request not warned"] += 1
        refused, bad = {error.index for error in ahead.event_errors}, {error.index for error in result.event_errors}
        for index, event in enumerate(result.events):
            if not warned and not by_an_event and index not in bad:
                told = {finding.message.partition(": ")[0] for finding in event_warnings(result, event)}
                assert (f"{newest.revision} refuses this" in told) == (index in refused), event
                seen["event warned" if index in refused else "event not warned"] += 1
    print(f"{protocol} {revision}: {dict(seen)}")
    assert seen["request not warned"] > 50
    assert seen["event not warned"] > 20
