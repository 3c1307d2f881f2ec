"""An exchange without what is to be hidden: its head, its reply, and each form of its body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.recorder import Known
from mockserver.recording.redaction.redaction_rules import Personal, Rules
from mockserver.recording.redaction.scrubbed import Scrubbed, hidden_everywhere, personal_places, recorded_reply_body
from mockserver.sessions.exchange import Exchange, Relayed
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore

NOW = 1_781_000_000_000
KEY = "wrk_S3cr3tKey77"


def request_of(body: Any, headers: Mapping[str, str] | None = None, path: str = "/v1/events/batch") -> WireRequest:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Host": "127.0.0.1:8207", "Content-Type": "application/json", "X-API-Key": KEY, "Connection": "close"}
    return wire_request("POST", path, {**given, **(headers or {})}.items(), content)


def event(**members: Any) -> dict[str, Any]:
    return {"external_user_id": "bob", "event_type": "paid", "context": {"$message_id": "m1"}, **members}


async def exchanged(
    request: WireRequest, keys: frozenset[str] | None = None, relayed: Relayed | None = None
) -> Exchange:
    store = MemoryStore(SessionSettings(), max_bytes=1 << 24, max_sessions=10)
    contract = library().protocol("whisperr").contract()
    judged = judge(route(RequestBody(request), contract), Terms(now_ms=NOW, keys=keys))
    return (await store.commit(store.session("s"), judged, received_ms=NOW, relayed=relayed))[0]


def scrubbed(exchange: Exchange) -> Scrubbed:
    known = Known()
    known.add(exchange)
    return Scrubbed(exchange, known.scrubber(Rules(), shaped=False))


def test_places_of_persons_are_those_of_the_contract_wherever_events_are() -> None:
    places = personal_places(library().protocol("whisperr").contract())
    assert Personal(place=("events", "*", "external_user_id"), kind="id") in places
    assert Personal(place=("external_user_id",), kind="id") in places
    assert Personal(place=("traits",), kind="text") in places
    outlit = personal_places(library().protocol("outlit").contract())
    assert Personal(place=("visitorId",), kind="id") in outlit
    assert Personal(place=("events", "*", "formFields"), kind="text") in outlit


async def test_keys_ids_and_names_of_persons_are_collected_and_plain_words_of_traits_are_not() -> None:
    body = {"external_user_id": "bob", "traits": {"name": "Ada Lovelace", "plan": "pro", "id": "x7Yz9abc"}}
    found = dict(hidden_everywhere(await exchanged(request_of(body, path="/v1/identify"))))
    assert found == {KEY: "credential", "bob": "id", "Ada Lovelace": "text", "x7Yz9abc": "text"}


async def test_head_has_no_host_and_no_key_and_the_allow_list_has_the_keys_pseudonym() -> None:
    exchange = await exchanged(request_of({"events": [event()]}), keys=frozenset({KEY, "wrk_other"}))
    hidden = scrubbed(exchange)
    body = next(hidden.bodies())
    assert body == {"json": {"events": [event(external_user_id="<id:1>")]}}
    after = hidden.with_body(body)
    assert after.shared.head.headers == ((b"Content-Type", b"application/json"), (b"X-API-Key", b"wrk_xxxxxxxxxx1"))
    assert after.terms.keys == frozenset({"wrk_xxxxxxxxxx1"})
    assert (after.connection, after.receipt.session) == ("", "recording")
    assert (exchange.receipt.session, exchange.receipt.seq) == ("s", after.receipt.seq)


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (request_of(b""), {"text": ""}),
        (request_of(b"{"), {"left_out": "not valid JSON", "bytes": 1}),
        (request_of(b"{}", {"Content-Encoding": "gzip"}), {"left_out": "broken encoding", "bytes": 2}),
        (request_of(b"{}", {"Content-Encoding": "br"}), {"left_out": "unsupported encoding", "bytes": 2}),
        (replace(request_of(b"{}"), truncated=True), {"left_out": "body too large", "bytes": 2}),
    ],
)
async def test_body_that_is_no_document_is_left_out(request_: WireRequest, body: Any) -> None:
    hidden = scrubbed(await exchanged(request_))
    assert list(hidden.bodies()) == [body]


async def test_text_of_a_document_stays_as_it_was_written() -> None:
    text = b'{"events": [ {"context":{"$message_id":"m1"}, "external_user_id": "bob","event_type":"paid"}]}'
    _, written = scrubbed(await exchanged(request_of(text))).bodies()
    assert written == {"text": text.decode().replace("bob", "<id:1>")}


def test_body_of_a_reply_is_json_text_or_left_out() -> None:
    bodies = [
        recorded_reply_body(WireReply(status=200, headers=(), body=body), None) for body in (b"", b"[1]", b"a", b"\xff")
    ]
    assert bodies == [{"text": ""}, {"json": [1]}, {"text": "a"}, {"left_out": "not UTF-8", "bytes": 1}]
