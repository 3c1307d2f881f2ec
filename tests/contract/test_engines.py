"""The judging engine and the reference engine give one verdict and one story, over every schema of every contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.publish import SCHEMA_DOCUMENTS, schemas_of
from mockserver.contract.schema import Schema, annotate, drop_nulls, every_schema, subschemas
from mockserver.core.explain import judge_spots, reference_spots, violations
from mockserver.core.reference_engine import validator
from mockserver.jsonkit.jsontext import parse_exactly, without_surrogates
from mockserver.jsonkit.patterns import LONGEST_TEXT, UNDECIDED, matcher, matches
from tests import cases
from tests.ecma262 import ALL_CASES, Case

LONG = 10_000
"""Items or characters of a value that takes long to write."""


def contracts() -> Iterator[Contract]:
    for protocol in library().protocols.values():
        for revision in protocol.revision_names():
            yield protocol.contract(revision)


def schemas(contract: Contract) -> Iterator[Schema]:
    for document in SCHEMA_DOCUMENTS:
        yield from schemas_of(contract, document).values()
    rules = (*contract.warnings.events, *contract.warnings.requests)
    yield from (rule.schema for rule in rules if rule.schema is not None)


SCHEMAS: dict[str, Schema] = {
    f"{contract.name}-{contract.revision}-{schema.document}-{schema.name}": schema
    for contract in contracts()
    for schema in schemas(contract)
}


def own(schema: dict[str, Any]) -> Schema:
    return Schema("events", "own", annotate(schema, "/events/own"))


def agree(schema: Schema, value: Any) -> bool:
    """Hold all engines of a schema to one verdict, and both explanations to one story; return the verdict."""
    judged = violations(schema, value, judge_spots)
    assert violations(schema, value, reference_spots) == judged
    assert schema.engine.is_valid(value) is schema.is_valid(value) is (not judged)
    assert schema.all_valid([value, value]) is (not judged and isinstance(value, dict))
    return not judged


def samples() -> list[Any]:
    """Return the bodies and events of the golden exchanges: what clients send, good and bad."""
    found: dict[str, Any] = {}
    for case in cases.load_all():
        for step in case.exchanges:
            body = step.json
            if isinstance(body, dict) and len(json.dumps(body)) < 4000:
                for value in (body, *body.get("events", ())) if isinstance(body.get("events"), list) else (body,):
                    found.setdefault(json.dumps(value), value)
    return list(found.values())


SAMPLES = samples()
ODD_TEXTS = [
    "",
    "abc\n",
    "\nabc",
    "pageview\n",
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890\n",
    "2026-06-14T12:00:00.000Z\n",
    "٢٠٢٦-06-14T12:00:00.000Z",
    "payment_failed\u2028",
    "\ufeff",
    "\u0085",
    "\x1c",
    "\u180e",
    "\u00a0",
    "\x00",
    "\ufffd",
    "\U0001f600",
    "e\u0301",
    "\u212a",
    "\u017f",
]
ODD_NUMBERS = [0, -0.0, 1.0, 1e308, 5e-324, -1, 2**53, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 0.1, 1.5]
scalars = (
    st.none()
    | st.booleans()
    | st.sampled_from(ODD_NUMBERS)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(ODD_TEXTS)
    | st.text(max_size=12)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """Draw what a client sends, with up to three of its members changed, removed, added or moved."""
    value = json.loads(json.dumps(draw(st.sampled_from([sample for sample in SAMPLES if isinstance(sample, dict)]))))
    for _ in range(draw(st.integers(0, 3))):
        names = list(value) or ["x"]
        holder, name = value, draw(st.sampled_from(names))
        while isinstance(holder.get(name), dict) and holder[name] and draw(st.booleans()):
            holder = holder[name]
            name = draw(st.sampled_from(list(holder)))
        match draw(st.sampled_from(["change", "remove", "add", "move"])):
            case "change":
                holder[name] = draw(values)
            case "remove":
                holder.pop(name, None)
            case "add":
                holder[draw(st.text(max_size=6))] = draw(values)
            case _:
                holder[draw(st.sampled_from(names))] = holder.get(name)
    return value


@pytest.mark.parametrize("name", SCHEMAS)
def test_engines_agree_on_what_clients_send(name: str) -> None:
    verdicts = [agree(SCHEMAS[name], value) for value in SAMPLES[:: max(1, len(SAMPLES) // 40)]]
    assert len(verdicts) >= 40


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(list(SCHEMAS.values())), mutated() | values)
def test_engines_agree_on_generated_values(schema: Any, value: Any) -> None:
    assert agree(schema, value) is validator(schema).is_valid(value)


ASKING = frozenset({"pattern", "format", "enum", "const", "minLength", "maxLength", "minimum", "maximum"})
ODD: list[Any] = [*ODD_TEXTS, *ODD_NUMBERS, None, True, [], {}]


def scalar_schemas(schema: Any) -> Iterator[Any]:
    """Yield each schema inside one that asks something of a text or number."""
    if schema.keys() & ASKING:
        yield schema
    for _, inner in subschemas(schema):
        yield from scalar_schemas(inner)


def test_engines_agree_on_odd_texts_and_numbers_wherever_something_is_asked_of_them() -> None:
    narrow = [
        Schema(schema.document, "narrow", inner) for schema in SCHEMAS.values() for inner in scalar_schemas(schema.body)
    ]
    verdicts = {agree(schema, value) for schema in narrow for value in ODD}
    assert verdicts == {True, False}


SEARCHED = "[ab]*a[ab]{15}c|"
"""A beginning that makes a pattern one that is not left to the engine."""


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case.clause}:{case.pattern}")
@pytest.mark.parametrize("before", ["", SEARCHED], ids=["alone", "searched"])
def test_pattern_has_its_ecma_meaning_in_every_engine(case: Case, before: str) -> None:
    schema = own({"type": "object", "properties": {"text": {"type": "string", "pattern": before + case.pattern}}})
    assert [text for text in case.matching if not agree(schema, {"text": text})] == []
    assert [text for text in case.other if agree(schema, {"text": text})] == []


@pytest.mark.parametrize("text", ["a" * 100_000, "ab" * 50_000 + "a" * 16 + "c", "a" * (LONGEST_TEXT + 1)])
@pytest.mark.parametrize("most", [{}, {"maxLength": LONGEST_TEXT + 5}], ids=["no_maximum", "large_maximum"])
def test_engines_agree_that_a_text_does_not_match_when_it_is_beyond_the_bounds(text: str, most: dict[str, Any]) -> None:
    schema = own(
        {"type": "object", "properties": {"text": {"pattern": SEARCHED + "b$"}, "other": {"pattern": "a", **most}}}
    )
    assert agree(schema, {"text": "aab", "other": "a" * LONGEST_TEXT})
    assert not agree(schema, {"text": text})
    (violation,) = violations(schema, {"text": text})
    assert violation.finding().message.endswith(UNDECIDED)
    assert agree(schema, {"other": text}) is (len(text) <= LONGEST_TEXT)


def test_patterns_of_the_shipped_contracts_are_decided_on_any_text_that_their_bodies_hold() -> None:
    patterns = {
        inner["pattern"] for schema in SCHEMAS.values() for _, inner in every_schema(schema.body) if "pattern" in inner
    }
    assert len(patterns) > 10
    for pattern in patterns:
        for character in (*pattern, " ", "a", "0", "_", "\u4e00"):
            assert matcher(pattern).decide(character * (LONGEST_TEXT // 3)) is not None


@settings(max_examples=200)
@given(st.sampled_from([r"^\s+$", r"^\S+$", r"^\w+$", r"^\d+$", "^[^a]$", "^.+$", "b$"]), st.text(max_size=3))
@example(r"^\s+$", "\ufeff\u180e")
@example("b$", "b\n")
def test_engines_agree_on_patterns_over_any_text(pattern: str, text: str) -> None:
    assert agree(own({"pattern": pattern}), text) is matches(pattern, text)


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"type": "integer"}, 1.0, True),
        ({"type": "integer"}, -0.0, True),
        ({"type": "integer"}, 1.5, False),
        ({"type": "integer"}, 10**30, True),
        ({"type": "integer"}, 1e300, True),
        ({"type": "integer"}, True, False),
        ({"type": "number"}, False, False),
        ({"type": "number"}, 2**64, True),
        ({"minimum": 0}, -0.0, True),
        ({"minimum": 0}, "text", True),
        ({"maximum": 2**53}, 2**53 + 1, False),
        ({"minimum": 100000000000}, 99999999999.999, False),
        ({"enum": [1, "1", None]}, 1.0, True),
        ({"enum": [1]}, True, False),
        ({"enum": [0]}, False, False),
        ({"enum": [False]}, 0, False),
        ({"const": True}, 1, False),
        ({"const": 1}, True, False),
        ({"const": "a"}, "a\n", False),
        ({"minLength": 1}, "\U0001f600", True),
        ({"maxLength": 1}, "\U0001f600", True),
        ({"maxLength": 1}, "e\u0301", False),
        ({"minLength": 3}, "\ufffd\ufffd", False),
        ({"type": ["string", "null"], "pattern": "^a$"}, None, True),
        ({"required": ["a"]}, {"a": None}, True),
        ({"required": ["a"]}, [], True),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"a": 1, "": 2}, False),
        ({"additionalProperties": {"type": "string"}}, {"a": 1}, False),
        ({"minItems": 1}, [], False),
        ({"minProperties": 1}, {}, False),
        ({"minProperties": 1}, [], True),
        ({"minProperties": 2}, {"a": None, "": 1}, True),
        ({"maxItems": 1}, {"a": 1, "b": 2}, True),
        ({"items": {"type": "string"}}, ["a", 1, None], False),
        ({"type": "object", "properties": {"a/b~c": {"type": "string"}}}, {"a/b~c": 1}, False),
        ({"format": "email"}, 7, True),
        ({"format": "date-time"}, "2026-06-14T12:00:00Z\n", False),
    ],
)
def test_engines_agree_on_values_that_languages_read_differently(schema: Any, value: Any, fits: bool) -> None:
    assert agree(own(schema), value) is fits


def test_engines_agree_deep_inside_alternatives() -> None:
    leaf: Any = {
        "anyOf": [{"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}}, {"type": "string"}]
    }
    for _ in range(12):
        leaf = {"anyOf": [{"type": "object", "required": ["in"], "properties": {"in": leaf}}, {"type": "null"}]}
    schema = own(leaf)
    value: Any = {"a": 1}
    for _ in range(12):
        value = {"in": value}
    assert agree(schema, value)
    wrong: list[Any] = [{"a": True}, {"a": None}, 7, [], {}]
    for value in wrong:
        for _ in range(12):
            value = {"in": value}
        assert not agree(schema, value)


def test_engines_agree_on_values_nested_as_deep_as_a_body_may_be() -> None:
    value: Any = "leaf"
    for _ in range(120):
        value = {"a": [value]}
    assert agree(own({"type": "object", "additionalProperties": {"type": "array"}}), value)
    assert not agree(own({"type": "object", "properties": {"a": {"items": {"type": "string"}}}}), value)


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"a\\udc00b"', b'"\\ud83d\\ude00"', b'{"\\udfff": "\\ud800\\ud800"}'])
def test_lone_surrogates_are_judged_as_replacement_characters(text: bytes) -> None:
    value = without_surrogates(parse_exactly(text))
    schema = own({"type": ["string", "object"], "maxLength": 3, "additionalProperties": {"maxLength": 2}})
    assert agree(schema, value)
    assert json.dumps(value, ensure_ascii=False).encode()


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["external_user_id", "traits", "channels", "x"]), unique=True))
def test_nulls_that_count_as_absent_are_absent_to_both_engines(names: list[str]) -> None:
    schema = library().protocol("whisperr").contract().event_schemas["identify"]
    value = drop_nulls({**dict.fromkeys(names), "preferred_channel": "sms"}, schema.body)
    assert agree(schema, value) is False
    assert set(value) == {"preferred_channel"} | ({"x"} & set(names))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "maxItems": 2}, [0] * LONG),
        ({"type": "object"}, [0] * LONG),
        ({"enum": ["a", "b"]}, [0] * LONG),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, {"a": "x" * LONG}),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, {"a": [0] * LONG}),
    ],
)
def test_reference_engine_writes_no_large_value_into_a_message(schema: dict[str, Any], value: Any) -> None:
    errors = list(validator(own(schema)).iter_errors(value))
    assert errors
    assert max(len(error.message) for error in errors) < LONG
