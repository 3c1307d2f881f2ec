"""Lines of a recording, and what is refused to be one."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from msgspec import structs

from mockserver.core.wire import WireReply
from mockserver.recording.recorder import Known, Recorder, UnfaithfulError, ordered
from mockserver.recording.redaction.find_secrets import secrets_of_url
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.sessions.exchange import Relayed, ReplyOverride
from tests.recording.redaction.test_scrubbed import KEY, NOW, event, exchanged, request_of
from tests.recording.secret_ways import MAIL, OTHER


def reply_of(body: Any, *headers: tuple[str, str], status: int = 200) -> WireReply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireReply(status=status, headers=headers, body=content)


UPSTREAMS: dict[str, tuple[WireReply, tuple[str, ...]]] = {
    "token": (reply_of({"access_token": OTHER}), (OTHER,)),
    "token in text": (reply_of(f"token={OTHER}".encode()), (OTHER,)),
    "token in HTML": (reply_of(f'<meta name="csrf-token" content="{OTHER}">'.encode()), (OTHER,)),
    "token in a compressed body": (
        reply_of(gzip.compress(json.dumps({"token": OTHER, "mail": MAIL}).encode()), ("Content-Encoding", "gzip")),
        (OTHER, MAIL),
    ),
    "number": (reply_of({"token": 48151623}), ("48151623",)),
    "cookie": (reply_of({}, ("Set-Cookie", f"sid={OTHER}; Path=/"), ("Server", f"a ({OTHER})")), (OTHER,)),
    "redirect": (reply_of({}, ("Location", f"https://a.example/?token={OTHER}&m={MAIL}")), (OTHER, MAIL)),
    "header": (reply_of({}, ("X-Auth-Token", OTHER), ("ETag", f'"{KEY}"')), (OTHER, KEY)),
    "name of a header": (reply_of({}, (f"X-{KEY}", "1")), (KEY,)),
    "message": (reply_of({"error": {"message": f"no {KEY} for bob, {MAIL}"}}, status=401), (KEY, "bob", MAIL)),
    "person": (
        reply_of(
            {"data": [{"external_user_id": "grace", "traits": {"name": "Grace", "age": 12345}}], "address": "Nile 1"}
        ),
        ("grace", "Grace", "12345", "Nile 1"),
    ),
}
"""Replies of an upstream, and what must not be in a recording of them."""


@pytest.mark.parametrize("name", UPSTREAMS)
async def test_nothing_secret_or_personal_of_a_reply_is_recorded_wherever_it_comes_again(name: str) -> None:
    reply, hidden = UPSTREAMS[name]
    first = await exchanged(request_of({"events": [event()]}), relayed=Relayed(reply=reply))
    second = await exchanged(request_of({"events": [event(properties={"text": f"goes on with {hidden[0]}"})]}))
    known = Known()
    for exchange in (first, second):
        known.add(exchange)
    made = Recorder(known.scrubber(Rules(), shaped=False))
    text = b"".join([made.line(first), made.line(second)]).decode()
    assert {word: word in text for word in hidden} == dict.fromkeys(hidden, False)


async def test_url_of_an_upstream_has_no_key_in_its_path() -> None:
    url = "http://10.0.0.7:8080/hooks/wrk_Zx9SecretValue42"
    made = Recorder(Known(secrets_of_url(url)).scrubber(Rules(), shaped=False))
    made.line(await exchanged(request_of({"events": [event()]}), relayed=Relayed(reply=reply_of({}))))
    head = json.loads(made.head({"whisperr": url}, Rules(), 0))
    assert head["upstreams"] == {"whisperr": "http://10.0.0.7:8080/hooks/xxxxxxxxxxxxxxxxxxx2"}


async def test_number_that_is_an_id_is_the_same_number_wherever_it_is() -> None:
    body = {
        "events": [event(external_user_id="88421", properties={"a": 88421, "b": 88421, "c": 88422, "d": "no 88421"})]
    }
    exchange = await exchanged(request_of(body))
    known = Known()
    known.add(exchange)
    (sent,) = json.loads(Recorder(known.scrubber(Rules(), shaped=False)).line(exchange))["request"]["body"]["json"][
        "events"
    ]
    assert sent["external_user_id"] == "<id:1>"
    assert sent["properties"] == {"a": 1_555_000_001, "b": 1_555_000_001, "c": 88422, "d": "no <id:1>"}


def recorder(*rules: str, shaped: bool = False) -> Recorder:
    return Recorder(Known().scrubber(Rules.of(rules), shaped=shaped))


async def test_head_names_contracts_and_when_the_first_exchange_was() -> None:
    made = recorder()
    made.line(await exchanged(request_of({"events": [event()]})))
    head = json.loads(made.head({"whisperr": "http://a.test"}, Rules(), 0))
    assert (head["recording"], head["upstreams"]) == (1, {})
    assert head["contracts"]["whisperr"]["revision"] == "base"
    assert head["created"] == "2026-06-09T10:13:20.000Z"
    assert head["redaction"] == {"values": 2, "kinds": {"credential": 1, "id": 1}, "rules": 0}
    assert NOW == 1_781_000_000_000


async def test_id_that_no_longer_equals_what_it_was_equal_to_is_refused() -> None:
    """Nothing tells that two ids are one but the store, so a rule that changes one of them only is not faithful."""
    made = recorder("/events/1/context/$message_id")
    with pytest.raises(UnfaithfulError, match="request r1 cannot be recorded: an id of its dedup is no longer equal"):
        made.line(await exchanged(request_of({"events": [event(), event()]})))


async def test_rule_that_changes_a_verdict_is_refused_and_named() -> None:
    made = recorder("/events/*/event_type")
    with pytest.raises(UnfaithfulError) as refused:
        made.line(await exchanged(request_of({"events": [event()]})))
    assert refused.value.request == "r1"
    assert "error /events/event/properties/event_type/pattern" in str(refused.value)
    assert json.loads(
        recorder("/events/*/event_type", shaped=True).line(await exchanged(request_of({"events": [event()]})))
    )


def test_members_keep_their_order_on_top_only() -> None:
    assert ordered({"b": {"d": 1, "c": 2}, "a": 0}) == '{"b":{"c":2,"d":1},"a":0}'


async def test_compressed_reply_of_an_upstream_is_compared_by_what_is_in_it() -> None:
    body = gzip.compress(b'{"accepted": 1, "rejected": 0}')
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
    exchange = await exchanged(request_of({"events": [event()]}))
    for status, differences in ((202, []), (203, ["/reply/status"])):
        reply = WireReply(status=status, headers=headers, body=body)
        override = ReplyOverride(reply=reply, relayed=Relayed(reply=reply))
        row = json.loads(recorder().line(structs.replace(exchange, override=override, status=status)))
        assert row["reply"]["body"] == {"json": {"accepted": 1, "rejected": 0}}
        assert [difference["pointer"] for difference in row["differs"]] == differences
