"""Refusals made of what a gate found: reason, finding, the vendor's text."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.operation import BoundGate
from mockserver.contract.schema import Schema, annotate
from mockserver.core import refusals
from mockserver.core.explain import Violation, judge_spots, reference_spots, violations
from mockserver.core.findings import MOST_EXPLAINED
from mockserver.core.model import Judged, Terms
from mockserver.core.refusals import LARGE_TEXT, broken_by, refuse, refuse_violation, vendor_text
from tests.judging import COLLECT, MADE_UP, NOW, collection, contract_of, routed, sale, wire_request

GATE = BoundGate(name="total", check="total", order=60, reasons={"off": "wrong_total"})


def tally(body: Any = None, patch: Any = None) -> Judged:
    return routed(contract_of("tally", patch), wire_request(COLLECT, collection(sale()) if body is None else body))


def violation(**members: Any) -> Violation:
    given: dict[str, Any] = {
        "keyword": "minimum",
        "tokens": ("items", 1, "cents"),
        "rule": "/events/sale/properties/cents/minimum",
        "source": MADE_UP,
        "expected": {"minimum": 0},
        "got": -1,
        "refusal": None,
        "message": None,
        "rank": (),
        **members,
    }
    return Violation(**given)


def test_refusal_names_the_gate_when_no_rule_is_given() -> None:
    refusal = refuse(tally(), GATE, "off", "they differ", expected=5, got=6)
    assert (refusal.reason, refusal.order, refusal.detail, refusal.status) == ("wrong_total", 60, None, None)
    assert refusal.finding.as_json() == {
        "rule": "/protocol/gates/total",
        "severity": "error",
        "pointer": "",
        "expected": 5,
        "got": 6,
        "source": MADE_UP,
        "message": "they differ",
    }


def test_refusal_names_the_rule_and_the_place_it_is_given() -> None:
    refusal = refuse(tally(), GATE, "unnamed", "x", rule="/protocol/limits/body/max_bytes", place="/total")
    assert (refusal.reason, refusal.finding.pointer) == ("unnamed", "/total")
    assert refusal.finding.rule == "/protocol/limits/body/max_bytes"


def test_source_is_that_of_a_patch_when_a_patch_changed_the_fact() -> None:
    judged = tally(patch={"protocol": {"limits": {"body": {"max_bytes": 10}}}})
    refusal = refuse(judged, GATE, "off", "x", rule="/protocol/limits/body/max_bytes")
    assert refusal.finding.source == "patch: test"


def test_violation_becomes_a_refusal_with_the_prefix_before_its_place() -> None:
    refusal = refuse_violation(tally(), GATE, violation(tokens=("cents",)), ("items", 1), "off")
    assert (refusal.reason, refusal.order) == ("wrong_total", 60)
    assert refusal.finding.pointer == "/items/1/cents"
    assert refusal.detail == "cents must have minimum 0, got -1"
    assert refusal.finding.message == "cents must have minimum 0, got -1"


def test_violation_has_the_reason_that_its_schema_names() -> None:
    assert refuse_violation(tally(), GATE, violation(refusal="stale"), (), "off").reason == "stale"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("no", "no"),
        ("${field} is bad", "cents is bad"),
        ("${path} is bad", "items[1].cents is bad"),
        ("${field}: ${detail}", "cents: cents must have minimum 0, got -1"),
    ],
)
def test_text_is_the_schemas_own_when_it_has_one(message: str, text: str) -> None:
    assert vendor_text(tally(), violation(tokens=("cents",), message=message), ("items", 1)) == text


def test_text_is_the_contracts_for_the_keyword_else_its_default() -> None:
    messages = {"minimum": {"value": "${field} is too small", "source": MADE_UP}}
    patched = tally(patch={"protocol": {"messages": messages}})
    assert vendor_text(patched, violation(tokens=("cents",))) == "cents is too small"
    assert vendor_text(patched, violation(keyword="maximum", expected={"maximum": 0}, got=1, tokens=("cents",))) == (
        "cents must have maximum 0, got 1"
    )


def test_detail_is_a_placeholder_when_a_reply_is_only_predicted() -> None:
    judged = tally()
    judged.terms = Terms(now_ms=NOW, placeholders={"detail": "<detail>"})
    assert vendor_text(judged, violation(message="because ${detail}")) == "because <detail>"
    assert vendor_text(judged, violation(message="${field}", tokens=("cents",))) == "cents"


def own_schema(body: dict[str, Any]) -> Schema:
    return Schema("events", "own", annotate({"source": MADE_UP, **body}, "/events/own"))


OWN = own_schema({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "minLength": 2}}})


@pytest.mark.parametrize("size", [0, LARGE_TEXT])
def test_same_rules_are_broken_whichever_engine_explains(size: int) -> None:
    judged = tally(b" " * (size + 1))
    judged.request_body.decode(1 << 20)
    rules = [entry.rule for entry in broken_by(judged, OWN, {"a": 1, "b": "x"})]
    assert rules == ["/events/own/properties/a/type", "/events/own/properties/b/minLength"]


def test_value_with_many_violations_is_explained_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judging engine finds all of 18,000 violations before it tells the first, in 130 ms."""
    monkeypatch.setattr(refusals, "judge_spots", None)
    schema = own_schema({"type": "object", "additionalProperties": {"type": "string"}})
    broken = broken_by(tally(b"{}"), schema, {f"k{index:05}": index for index in range(18_000)})
    assert [entry.tokens for entry in broken] == [(f"k{index:05}",) for index in range(MOST_EXPLAINED)]
    nested = own_schema({"type": "object", "properties": {"a": {"items": {"items": {"type": "string"}}}}})
    assert len(broken_by(tally(b"{}"), nested, {"a": [[1, 2, 3]] * 1_000})) == MOST_EXPLAINED


def test_both_engines_find_the_same_spots() -> None:
    value = {"a": 1, "b": "x"}
    assert violations(OWN, value, judge_spots) == violations(OWN, value, reference_spots)


def test_null_member_is_left_out_only_when_the_contract_takes_it_for_absent() -> None:
    absent = routed(contract_of("whisperr"), wire_request("/v1/identify", b"{}"))
    schema = own_schema(
        {"type": "object", "required": ["b"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    )
    value = {"a": None, "b": None}
    assert [entry.rule for entry in broken_by(absent, schema, value)] == ["/events/own/required/b"]
    assert [entry.rule for entry in broken_by(tally(), schema, value)] == [
        "/events/own/properties/a/type",
        "/events/own/properties/b/type",
    ]


def test_lone_surrogate_is_judged_as_a_replacement_character() -> None:
    judged = tally(b'{"a": "\\ud800"}')
    assert judged.request_body.parse(1 << 20)
    schema = own_schema({"type": "object", "properties": {"a": {"type": "string", "pattern": "^\\ufffd$"}}})
    assert broken_by(judged, schema, judged.request_body.value) == []
