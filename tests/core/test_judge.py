"""The path of a request through a contract: which gate refuses it, what is seen of its events, what it claims."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.wire import WireRequest
from tests.judging import COLLECT, MADE_UP, NOW, TERMS, collection, contract_of, judged, routed, sale, wire_request

TALLY = contract_of("tally")
WHISPERR = contract_of("whisperr")
KEY = {"X-API-Key": "wrk_a", "Content-Type": "application/json"}
TRACK = "/v1/events/track"


def reason(result: Judged) -> str | None:
    return None if result.refusal is None else result.refusal.reason


def gate_of(result: Judged) -> str | None:
    """Return the check of the gate that refused."""
    assert result.operation is not None
    order = None if result.refusal is None else result.refusal.order
    return next((gate.check for gate in result.operation.gates if gate.order == order), None)


# Each body breaks one rule more than the one before it, so the gates answer from the last to the first.
LAYERS: list[tuple[bytes | dict[str, Any], str]] = [
    (collection(sale(), total=6), "total"),
    (collection(sale(), total=6, more=1), "envelope"),
    (collection(sale(), total=6, more=1, token="TK"), "key"),
    (b"[1]", "object"),
    (b"{", "json"),
    (b"{" + b" " * 4096, "size"),
]


@pytest.mark.parametrize(("body", "check"), LAYERS)
def test_earliest_gate_refuses_when_several_would(body: bytes | dict[str, Any], check: str) -> None:
    assert gate_of(judged(TALLY, wire_request(COLLECT, body))) == check


def test_order_of_gates_is_the_contracts_when_a_patch_changes_it() -> None:
    request = wire_request(COLLECT, collection(sale(), more=1, token="TK"))
    patched = contract_of("tally", {"protocol": {"gates": {"key": {"order": 55}}}})
    assert gate_of(judged(TALLY, request)) == "key"
    assert gate_of(judged(patched, request)) == "envelope"


def test_body_over_the_limit_is_refused_for_its_size_when_the_gate_of_encodings_comes_first() -> None:
    gates = {"encoding": {"order": 29}}
    limits = {"body": {"max_bytes": 64}}
    patched = contract_of("whisperr", {"protocol": {"gates": gates, "limits": limits}})
    body = gzip.compress(b" " * 65)
    assert (
        reason(judged(patched, wire_request(TRACK, body, {**KEY, "Content-Encoding": "gzip"}))) == "payload_too_large"
    )


def test_nothing_is_judged_when_routing_refused_or_a_preflight_came() -> None:
    nowhere = judged(TALLY, wire_request("/tally/v3", b"{"))
    assert (reason(nowhere), nowhere.rate, nowhere.events) == ("unknown_path", None, [])
    preflight = judged(WHISPERR, wire_request(TRACK, b"", {"Origin": "https://a.example"}, method="OPTIONS"))
    assert (preflight.preflight, preflight.refusal, preflight.operation) == (True, None, None)


def test_terms_of_the_session_are_kept_on_the_judgement() -> None:
    terms = Terms(now_ms=NOW, keys=frozenset({"tk_two"}), rate_mode="enforce")
    result = judge(routed(TALLY, wire_request(COLLECT, collection(sale()))), terms)
    assert result.terms is terms
    assert reason(result) == "bad_token"
    assert gate_of(result) == "allowed_key"


def test_late_body_is_refused_before_every_gate_and_without_a_rate_slot() -> None:
    result = judged(TALLY, wire_request(COLLECT, b"{", late=True))
    assert result.refusal is not None
    assert (result.refusal.reason, result.refusal.order, result.refusal.status) == ("request_timeout", 0, 408)
    finding = result.refusal.finding
    assert (finding.rule, finding.expected, finding.got) == ("/server/body_timeout", "the complete body", "1 bytes")
    assert result.rate is not None
    assert result.refusal.order < result.rate.order


def test_events_are_seen_when_the_request_is_refused_before_they_are_judged() -> None:
    items = [sale("a"), {"kind": "gift"}]
    result = judged(TALLY, wire_request(COLLECT, collection(*items, token="TK")))
    assert reason(result) == "bad_token"
    assert result.events == items
    assert (result.event_errors, result.dedup) == ((), None)
    assert result.form is not None
    assert result.form.name == "items"


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"items": "a"}', b"{}", b" " * 4097])
def test_no_events_are_seen_when_a_refused_body_holds_none(body: bytes) -> None:
    result = judged(TALLY, wire_request(COLLECT, body))
    assert result.refusal is not None
    assert result.events == []


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"null"])
def test_body_that_is_no_object_is_no_event_of_a_single_form(body: bytes) -> None:
    result = judged(WHISPERR, wire_request(TRACK, body, KEY))
    assert (reason(result), result.events, result.form) == ("invalid_request", [], None)


def test_event_of_a_single_form_is_the_body_when_the_key_is_refused() -> None:
    body = {"event_type": "opened"}
    result = judged(WHISPERR, wire_request(TRACK, body, {"Content-Type": "text/plain"}))
    assert (reason(result), result.events) == ("missing_api_key", [body])


def test_lookup_is_the_id_in_the_path() -> None:
    result = judged(WHISPERR, wire_request("/v1/users/u%2F1", b"", KEY, method="GET"))
    assert (reason(result), result.lookup) == (None, b"u/1")
    long = judged(WHISPERR, wire_request(f"/v1/users/{'u' * 65}", b"", KEY, method="GET"))
    assert long.lookup is not None
    assert (long.lookup[:1], len(long.lookup)) == (b"\xff", 17)


def test_claims_name_the_good_events_only() -> None:
    items = [sale("a"), {"kind": "sale", "ref": "b"}, sale("a"), {"kind": "view", "ref": "c"}]
    result = judged(TALLY, wire_request(COLLECT, collection(*items), {"Tally-Once": "k"}))
    assert [error.index for error in result.event_errors] == [1]
    assert result.dedup == [b"a", None, b"a", b"c"]
    assert result.entities is None
    assert result.idempotency is not None
    assert (result.idempotency.value, result.idempotency.window_ms) == ("k", 600_000)
    assert result.rate is not None
    assert (result.rate.limit.name, result.rate.order, result.rate.reason) == ("per_minute", 40, "rate_limited")


def test_error_of_an_event_has_the_vendors_reason_and_text() -> None:
    items = [
        {"kind": "sale", "ref": "a", "cents": -1},
        {"kind": "gift"},
        "text",
        {"kind": "view", "ref": "b", "at": "2026-06-14T10:59:59Z"},
    ]
    result = judged(TALLY, wire_request(COLLECT, collection(*items, total=-1)))
    assert [(error.index, error.reason) for error in result.event_errors] == [
        (0, "invalid_event"),
        (1, "invalid_event"),
        (2, "invalid_event"),
        (3, "stale"),
    ]
    assert [error.message for error in result.event_errors] == [
        "cents must have minimum 0, got -1",
        'kind must be one of "sale", "view", got "gift"',
        'the value must be object, got "text"',
        "at is not of the last hour",
    ]


def test_first_bad_event_refuses_the_request_when_the_policy_is_atomic() -> None:
    good = {"external_user_id": "u", "event_type": "opened", "context": {"$message_id": "m"}}
    body = {"events": [good, {**good, "event_type": "Bad"}, {}]}
    result = judged(WHISPERR, wire_request("/v1/events/batch", body, KEY))
    assert result.refusal is not None
    assert result.refusal.reason == "invalid_request"
    assert result.refusal.finding.pointer == "/events/1/event_type"
    assert [error.index for error in result.event_errors] == [1]
    assert (result.dedup, result.entities) == (None, None)


def test_entities_are_named_beside_the_ids_of_repeats() -> None:
    body = {"external_user_id": "u", "event_type": "opened", "context": {"$message_id": "m"}}
    result = judged(WHISPERR, wire_request(TRACK, body, KEY))
    assert (reason(result), result.dedup, result.entities) == (None, [b"m"], [b"u"])


def test_event_with_the_mark_of_the_contract_brings_no_entity_into_being() -> None:
    modes: list[dict[str, Any]] = [{"$mode": "test"}, {}, {"$mode": "live"}, {"$mode": ["test"]}, {"$mode": None}]
    events = [
        {"external_user_id": f"u{number}", "event_type": "opened", "context": {"$message_id": f"m{number}", **mode}}
        for number, mode in enumerate(modes)
    ]
    result = judged(WHISPERR, wire_request("/v1/events/batch", {"events": events}, KEY))
    assert (reason(result), result.entities) == (None, [None, b"u1", b"u2", b"u3", b"u4"])
    assert judged(WHISPERR, wire_request(TRACK, events[0], KEY)).entities is None
    classic = contract_of("whisperr", revision="classic-2026-06")
    assert judged(classic, wire_request(TRACK, events[0], KEY)).entities == [b"u0"]


def test_mark_is_looked_for_where_a_contract_lets_it_stand_anywhere() -> None:
    mark = {"pointer": "/properties/a/b", "values": ["x", "y"], "source": MADE_UP}
    contract = contract_of("whisperr", {"protocol": {"entities": {"unless": mark}}})
    inner: list[Any] = [None, "text", {"a": "text"}, {"a": {"b": "y"}}, {"a": {"b": "z"}}, {}]
    events = [
        {"external_user_id": f"u{number}", "event_type": "a", "context": {"$message_id": f"m{number}"}, **member}
        for number, member in enumerate({"properties": each} if isinstance(each, dict) else {} for each in inner)
    ]
    result = judged(contract, wire_request("/v1/events/batch", {"events": events}, KEY))
    assert (reason(result), result.entities) == (None, [b"u0", b"u1", b"u2", None, b"u4", b"u5"])


@pytest.mark.parametrize(
    ("contract", "request_"),
    [
        (TALLY, wire_request(COLLECT, collection(sale()))),
        (WHISPERR, wire_request("/health", method="GET")),
        (WHISPERR, wire_request("/v1/identify", {"external_user_id": "u"}, KEY)),
    ],
)
def test_good_request_is_not_refused(contract: Contract, request_: WireRequest) -> None:
    result = judged(contract, request_, TERMS)
    assert (reason(result), result.event_errors) == (None, ())
