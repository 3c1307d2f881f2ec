"""What a journalled request was to its client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mockserver.contract.sections import DeliveryRules
from mockserver.core.model import Verdict
from mockserver.core.wire import WireReply
from mockserver.jsonkit.pointer import Tokens
from mockserver.sessions.exchange import NO_EVENTS, ReplyOverride, sent_events
from mockserver.sessions.ledger import fingerprint, identity_of, without
from mockserver.sessions.outcomes import ClientOutcome, client_outcome, client_outcome_of_event
from tests.judging import COLLECT, collection, contract_of, sale, wire_request
from tests.sessions.keeping import exchange

OUTLIT = contract_of("outlit")
WHISPERR = contract_of("whisperr")
ACCEPTED = Verdict.ACCEPTED
ACKNOWLEDGED, REFUSED, RETRY = ClientOutcome.ACKNOWLEDGED, ClientOutcome.REFUSED, ClientOutcome.RETRY


def test_events_are_found_in_a_body_with_their_types() -> None:
    body = collection(sale("a"), {"kind": 7}, "text")
    sent = sent_events(exchange(wire_request(COLLECT, body), [ACCEPTED] * 3))
    assert (sent.body, sent.events) == (body, body["items"])
    assert list(map(sent.type_of, range(3))) == ["sale", None, None]


def test_integers_keep_their_digits() -> None:
    body = b'{"token": "tk_a", "total": 1, "items": [{"kind": "sale", "cents": 1180591620717411303424}]}'
    (event,) = sent_events(exchange(wire_request(COLLECT, body), [ACCEPTED])).events
    assert event["cents"] == 2**70


def test_event_of_a_single_form_is_the_body() -> None:
    request = wire_request("/v1/identify", {"external_user_id": "u"})
    sent = sent_events(exchange(request, [ACCEPTED], contract=WHISPERR, operation="identify"))
    assert (sent.events, sent.type_of(0)) == ([{"external_user_id": "u"}], "identify")


@pytest.mark.parametrize(
    ("operation", "verdicts"), [(None, [ACCEPTED]), ("preflight", [ACCEPTED]), ("gone", [ACCEPTED]), ("collect", [])]
)
def test_request_without_an_operation_or_events_sent_none(operation: str | None, verdicts: list[Verdict]) -> None:
    kept = exchange(wire_request(COLLECT, collection(sale())), verdicts, operation=operation)
    sent = sent_events(kept)
    assert (sent.body, sent.form, sent.events) == (None, None, [None] * len(verdicts))
    assert verdicts or sent is NO_EVENTS


HTML = WireReply(status=200, headers=(), body=b"<html>")
EMPTY = WireReply(status=200, headers=(), body=b"")
JSON = WireReply(status=200, headers=(), body=b"{}")


@pytest.mark.parametrize(
    ("protocol", "status", "override", "outcome"),
    [
        ("whisperr", 202, ReplyOverride(), ACKNOWLEDGED),
        ("whisperr", 299, ReplyOverride(reply=HTML), ACKNOWLEDGED),
        ("whisperr", 400, ReplyOverride(), REFUSED),
        ("whisperr", 401, ReplyOverride(), RETRY),
        ("whisperr", 429, ReplyOverride(), RETRY),
        ("whisperr", 599, ReplyOverride(), RETRY),
        ("whisperr", 302, ReplyOverride(), REFUSED),
        ("whisperr", 202, ReplyOverride(lost=True), RETRY),
        ("whisperr", 400, ReplyOverride(lost=True), RETRY),
        ("outlit", 401, ReplyOverride(), REFUSED),
        ("outlit", 200, ReplyOverride(), ACKNOWLEDGED),
        ("outlit", 200, ReplyOverride(reply=JSON), ACKNOWLEDGED),
        ("outlit", 200, ReplyOverride(reply=HTML), RETRY),
        ("outlit", 204, ReplyOverride(reply=EMPTY), RETRY),
        ("tally", 500, ReplyOverride(), REFUSED),
    ],
)
def test_client_makes_of_a_reply_what_the_contract_says(
    protocol: str, status: int, override: ReplyOverride, outcome: ClientOutcome
) -> None:
    kept = exchange(wire_request("/"), contract=contract_of(protocol), status=status, override=override)
    assert client_outcome(kept) is outcome


@pytest.mark.parametrize(
    ("whole", "verdict", "outcome"),
    [
        (ACKNOWLEDGED, Verdict.ACCEPTED, ACKNOWLEDGED),
        (ACKNOWLEDGED, Verdict.DUPLICATE, ACKNOWLEDGED),
        (ACKNOWLEDGED, Verdict.REJECTED, REFUSED),
        (RETRY, Verdict.REJECTED, RETRY),
        (REFUSED, Verdict.ACCEPTED, REFUSED),
    ],
)
def test_success_delivers_no_event_that_was_rejected(
    whole: ClientOutcome, verdict: Verdict, outcome: ClientOutcome
) -> None:
    assert client_outcome_of_event(whole, verdict) is outcome


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, False),
        ({"a": None}, {}, False),
        ({"a": 2**70}, {"a": 2**70 + 1}, False),
        ({"a": 2**70, "b": 1}, {"b": 1, "a": 2**70}, True),
        ({"a": "\ud800"}, {"a": "\ud801"}, False),
        ({"a": "é"}, {"a": "e"}, False),
    ],
)
def test_fingerprint_is_of_the_content_whatever_its_order(left: Any, right: Any, equal: bool) -> None:
    assert (fingerprint(left) == fingerprint(right)) is equal
    assert len(fingerprint(left)) == 16


@pytest.mark.parametrize(
    ("value", "tokens", "expected"),
    [
        ({"a": 1, "b": 2}, ("a",), {"b": 2}),
        ({"a": {"b": 1, "c": 2}}, ("a", "b"), {"a": {"c": 2}}),
        ({"a": 1}, ("b",), {"a": 1}),
        ({"a": 1}, ("a", "b"), {"a": 1}),
        ([1], ("0",), [1]),
        ("text", ("a",), "text"),
    ],
)
def test_member_is_left_out_of_a_copy(value: Any, tokens: tuple[str, ...], expected: Any) -> None:
    before = repr(value)
    assert without(value, tokens) == expected
    assert repr(value) == before


def test_identity_is_what_stands_at_the_contracts_places() -> None:
    rules = DeliveryRules(
        event_identity=(Tokens.of("/user"), Tokens.of("/deep/id")), request_identity=(Tokens.of("/owner"),)
    )
    assert identity_of({"user": "u", "deep": {"id": 7}}, {"owner": ["o"]}, rules) == ["u", 7, ["o"]]
    assert identity_of({"deep": 1}, None, rules) == [None, None, None]
    assert identity_of({"user": "u"}, {}, replace(rules, event_identity=(), request_identity=())) == []
    assert identity_of({"email": "e"}, {"visitorId": "v"}, OUTLIT.delivery).count(None) == (
        len(OUTLIT.delivery.event_identity) + len(OUTLIT.delivery.request_identity) - 2
    )
