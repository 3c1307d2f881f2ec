"""Everything that is broken in a request, not only what its refusal names."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.core.collect import BrokenRule, everything_broken
from mockserver.core.model import Terms
from mockserver.core.warnings import explained_violations
from mockserver.core.wire import WireRequest
from tests.judging import COLLECT, NOW, TERMS, collection, contract_of, judged, routed, sale, wire_request

TALLY = contract_of("tally")
WHISPERR = contract_of("whisperr")
OUTLIT = contract_of("outlit")
KEY = {"X-API-Key": "wrk_a", "Content-Type": "application/json"}
ENVELOPE = "/requests/collection"


def broken(contract: Contract, request: WireRequest, terms: Terms = TERMS) -> list[BrokenRule]:
    return everything_broken(routed(contract, request), terms)


def test_nothing_is_broken_when_the_request_is_good() -> None:
    assert broken(TALLY, wire_request(COLLECT, collection(sale()))) == []
    assert broken(WHISPERR, wire_request("/v1/identify", b"", method="OPTIONS")) == []


def test_every_gate_has_its_say_when_several_refuse() -> None:
    body = collection(sale(), token="TK", more=1, total=6)
    assert broken(TALLY, wire_request(COLLECT, body), Terms(now_ms=NOW, keys=frozenset())) == [
        BrokenRule("/protocol/credentials/token/pattern", ()),
        BrokenRule("/protocol/gates/allowed_key", ()),
        BrokenRule(f"{ENVELOPE}/additionalProperties", ("more",)),
    ]


def test_adapters_check_has_its_say_when_what_it_builds_on_is_sound() -> None:
    assert broken(TALLY, wire_request(COLLECT, collection(sale(), total=6))) == [
        BrokenRule("/protocol/gates/total", ())
    ]


def test_check_is_left_out_when_one_it_must_come_after_failed() -> None:
    body = collection(sale())
    del body["total"]
    assert broken(TALLY, wire_request(COLLECT, body)) == [BrokenRule(f"{ENVELOPE}/required/total", ("total",))]


def test_every_rule_of_a_body_is_named_once() -> None:
    body = {"token": "tk_one", "total": "5", "items": [], "more": 1, "most": 2}
    assert broken(TALLY, wire_request(COLLECT, body)) == [
        BrokenRule(f"{ENVELOPE}/additionalProperties", ("more",)),
        BrokenRule(f"{ENVELOPE}/additionalProperties", ("most",)),
        BrokenRule(f"{ENVELOPE}/properties/total/type", ("total",)),
        BrokenRule(f"{ENVELOPE}/properties/items/minItems", ("items",)),
    ]


def test_every_event_and_every_rule_of_it_is_named() -> None:
    items: list[Any] = [
        sale(),
        {"kind": "sale", "ref": "", "cents": -1, "more": 1},
        {"kind": "gift"},
        {},
        7,
        {"kind": "view", "ref": 1, "at": "2026-06-14T12:00:00.001Z"},
    ]
    assert broken(TALLY, wire_request(COLLECT, collection(*items, total=4))) == [
        BrokenRule("/events/sale/additionalProperties", ("more",), 1),
        BrokenRule("/events/shared/item/properties/ref/minLength", ("ref",), 1),
        BrokenRule("/events/sale/properties/cents/minimum", ("cents",), 1),
        BrokenRule("/events", ("kind",), 2),
        BrokenRule("/events", ("kind",), 3),
        BrokenRule("/events", (), 4),
        BrokenRule("/events/shared/item/properties/ref/type", ("ref",), 5),
        BrokenRule("/protocol/windows/at/future_ms", ("at",), 5),
    ]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"{", "/protocol/gates/json"),
        (b"[]", "/protocol/gates/object"),
        (b" " * 4097, "/protocol/limits/body/max_bytes"),
    ],
)
def test_nothing_more_is_named_when_there_is_no_object_to_look_at(body: bytes, rule: str) -> None:
    assert broken(TALLY, wire_request(COLLECT, body)) == [BrokenRule(rule, ())]


def test_gates_before_the_body_are_named_when_the_body_is_not_json() -> None:
    request = wire_request("/v1/events/track", b"{", {"Content-Type": "text/plain", "Content-Encoding": "identity"})
    assert broken(WHISPERR, request) == [
        BrokenRule("/protocol/credentials/api_key", ()),
        BrokenRule("/protocol/content_types/accepted", ()),
        BrokenRule("/protocol/gates/json", ()),
    ]


def test_body_is_not_looked_at_when_it_cannot_be_decoded() -> None:
    request = wire_request("/v1/events/track", b"{", {**KEY, "Content-Encoding": "br"})
    assert broken(WHISPERR, request) == [BrokenRule("/protocol/gates/encoding", ())]


@pytest.mark.parametrize(("target", "method"), [("/tally/v9", "POST"), (COLLECT, "GET")])
def test_routing_is_all_that_is_broken_when_no_operation_is_reached(target: str, method: str) -> None:
    assert broken(TALLY, wire_request(target, b"{", method=method)) == [BrokenRule("/protocol/operations", ())]


def test_event_of_a_single_form_is_named_without_an_index() -> None:
    request = wire_request("/v1/events/track", {"event_type": "opened", "context": {"$message_id": "m"}}, KEY)
    assert broken(WHISPERR, request) == [BrokenRule("/events/event/anyOf", ("external_user_id",))]


def test_adapters_rule_beside_the_schema_is_named() -> None:
    strict = contract_of("outlit", revision="r4-2026-08")
    event = {"type": "custom", "eventName": "a", "url": "https://a.example/", "path": "/", "timestamp": NOW}
    request = wire_request(
        "/api/i/v1/pk_a/events", {"source": "server", "events": [event]}, {"Content-Type": "application/json"}
    )
    assert [(entry.rule, entry.index) for entry in broken(strict, request)] == [("/protocol/identity/per_event", 0)]


def test_event_is_explained_under_another_contract_than_its_own() -> None:
    strict = contract_of("tally", revision="strict")
    result = judged(TALLY, wire_request(COLLECT, collection(sale())))
    assert result.form is not None
    assert explained_violations(result, result.form, sale(), TALLY) == []
    form = strict.operations["collect"].forms["items"]
    (violation,) = explained_violations(result, form, sale(), strict)
    assert (violation.keyword, violation.tokens) == ("required", ("at",))


def test_null_is_absent_to_the_explaining_engine_where_the_contract_says_so() -> None:
    absent = judged(WHISPERR, wire_request("/v1/identify", {"external_user_id": ""}, KEY))
    assert absent.form is not None
    explained = explained_violations(absent, absent.form, {"external_user_id": "", "traits": None}, WHISPERR)
    assert [violation.tokens for violation in explained] == [("external_user_id",)]
    item = {"kind": "sale", "ref": "", "cents": 1, "at": None}
    refused = judged(TALLY, wire_request(COLLECT, collection(item)))
    assert refused.form is not None
    explained = explained_violations(refused, refused.form, item, TALLY)
    assert [violation.tokens for violation in explained] == [("ref",), ("at",)]


def test_null_is_absent_where_the_contract_says_so() -> None:
    body = {"external_user_id": "u", "traits": None}
    assert broken(WHISPERR, wire_request("/v1/identify", body, KEY)) == []
    item = {**sale(), "at": None}
    assert broken(TALLY, wire_request(COLLECT, collection(item))) == [
        BrokenRule("/events/shared/item/properties/at/type", ("at",), 0)
    ]
