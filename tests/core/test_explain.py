"""Which of several broken keywords counts."""

from __future__ import annotations

import json

import pytest

from mockserver.contract.library import library
from mockserver.contract.provenance import Scope
from mockserver.contract.schema import Schema, annotate
from mockserver.core.explain import describe, judge_spots, reference_spots, violations
from mockserver.jsonkit import Json

ENGINES = {"judging": judge_spots, "reference": reference_spots}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("keywords", [("minLength", "format"), ("format", "minLength"), ("pattern", "minLength")])
def test_first_keyword_listed_counts_when_one_value_breaks_two(engine: str, keywords: tuple[str, ...]) -> None:
    said = {"minLength": 1, "format": "uuid", "pattern": "^x"}
    member = {"type": "string", **{keyword: said[keyword] for keyword in keywords}}
    schema = Schema("events", "own", annotate({"type": "object", "properties": {"id": member}}, "/events/own"))
    found = violations(schema, {"id": ""}, ENGINES[engine])
    assert [one.keyword for one in found] == list(keywords)


def _message(member: Json, value: Json, **holder: Json) -> str:
    body = {"type": "object", "properties": {"plan": member, "seats": {"type": "integer"}}, **holder}
    schema = Schema("events", "own", annotate(body, "/events/own", Scope("schema", "docs: page")))
    messages = {
        engine: [each.finding().message for each in violations(schema, value, spots)]
        for engine, spots in ENGINES.items()
    }
    assert messages["judging"] == messages["reference"]
    (message,) = messages["judging"]
    return message


MANY = [f"name_{number}" for number in range(95)] + ["basic", "basis", "bazaar", "pro", "team"]


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        (
            {"enum": ["accepted", "duplicate"]},
            "acepted",
            'plan must be one of "accepted", "duplicate", got "acepted", did you mean "accepted"?',
        ),
        ({"enum": ["a", "b", 3]}, 7, 'plan must be one of "a", "b", 3, got 7'),
        ({"enum": MANY[:20]}, "zzz", f'plan must be one of {", ".join(map(json.dumps, MANY[:20]))}, got "zzz"'),
        (
            {"anyOf": [{"type": "string", "maxLength": 0}, {"type": "integer"}]},
            "x",
            'plan must match {"type":"string","maxLength":0} or {"type":"integer"}, got "x"',
        ),
    ],
)
def test_every_candidate_is_named_when_a_value_is_none_of_them(member: Json, value: Json, message: str) -> None:
    assert _message(member, {"plan": value}) == message


def test_nearest_candidates_and_the_number_of_others_are_named_when_there_are_many() -> None:
    message = _message({"enum": MANY}, {"plan": "basid"})
    assert message.startswith('plan must be one of "basic", "basis", "bazaar", "name_0", ')
    assert ' and 80 others, got "basid", did you mean "basi' in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plann", 'plann is an unknown member, did you mean "plan"?'),
        ("zzz", "zzz is an unknown member; available: plan, seats"),
        ("x" * 5000, f"{'x' * 5000} is an unknown member; available: plan, seats"),
    ],
)
def test_unknown_member_is_named_with_the_nearest_one_when_none_is_allowed(name: str, message: str) -> None:
    assert _message({}, {name: 1}, additionalProperties=False) == message


@pytest.mark.parametrize(("least", "members"), [(1, "1 member"), (2, "2 members")])
def test_least_number_of_members_is_named_when_there_are_fewer(least: int, members: str) -> None:
    assert _message({"minProperties": least}, {"plan": {}}) == f"plan must have at least {members}, got {{}}"


def test_alternatives_are_named_when_none_is_there() -> None:
    alternatives = [{"required": ["plan"]}, {"required": ["seats", "owner"]}]
    assert _message({}, {}, anyOf=alternatives) == "plan or seats with owner is required"


def test_text_of_a_reply_has_no_hints_when_the_finding_has() -> None:
    body = {"type": "object", "properties": {"plan": {}}, "additionalProperties": False}
    schema = Schema("events", "own", annotate(body, "/events/own", Scope("schema", "docs: page")))
    (violation,) = violations(schema, {"plann": 1})
    assert describe(violation) == "plann is not a known member"
    assert violation.finding().message.endswith('did you mean "plan"?')


@pytest.mark.parametrize(("source", "first"), [("client", "missing_visitor"), ("server", "invalid_request")])
def test_empty_visitor_is_a_missing_one_when_the_source_needs_one(source: str, first: str) -> None:
    form = library().protocol("outlit").contract("r3-2026-05").operations["events"].forms["batch"]
    assert form.request is not None
    found = violations(form.request, {"visitorId": "", "source": source, "events": [{}]})
    assert found[0].refusal == first
    assert {one.refusal for one in found} == {first, "invalid_request"}
