"""Violations of a JSON Schema in words."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from mockserver.jsonkit import pointer
from mockserver.jsonkit.violations import LONGEST_TEXT, MOST_SEARCHED, count, deepest, describe
from mockserver.jsonkit.violations import violation as find

STEP = {"type": "object", "required": ["seed"], "additionalProperties": False, "properties": {"seed": {}}}
SCHEMA = {
    "properties": {
        "verdict": {"enum": ["accepted", "duplicate", "rejected", "any"]},
        "mixed": {"enum": [1, "b", None]},
        "delay": {"anyOf": [{"type": "number", "minimum": 0}, STEP]},
        "limits": {"anyOf": [{"enum": ["warn", "off"]}, {"type": "null"}]},
        "text": {"maxLength": 3},
    }
}


def violation(value: Any) -> tuple[str, str]:
    error = deepest(jsonschema_rs.Draft202012Validator(SCHEMA).iter_errors(value))
    return pointer.build(error.instance_path), describe(error)


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (
            {"verdict": "acepted"},
            "/verdict",
            'must be one of accepted, duplicate, rejected, any; got "acepted", did you mean "accepted"?',
        ),
        ({"verdict": 5}, "/verdict", "must be one of accepted, duplicate, rejected, any; got 5"),
        ({"mixed": "c"}, "/mixed", 'must be one of 1, b, null; got "c"'),
        ({"delay": "x"}, "/delay", '"x" is not of type number or object'),
        ({"delay": -1}, "/delay", "-1 is less than the minimum of 0"),
        ({"delay": {}}, "/delay", '"seed" is a required property'),
        ({"limits": "warm"}, "/limits", 'must be one of warn, off; got "warm", did you mean "warn"?'),
    ],
)
def test_violation_names_every_candidate(value: Any, place: str, text: str) -> None:
    assert violation(value) == (place, text)


def test_unknown_key_comes_before_what_it_causes() -> None:
    error = deepest(jsonschema_rs.Draft202012Validator(SCHEMA).iter_errors({"delay": {"sed": 1}}))
    assert "sed" in describe(error)


def test_long_value_is_cut() -> None:
    assert len(violation({"verdict": "x" * 1000})[1]) < 200
    assert len(violation({"text": "x" * 1000})[1]) <= LONGEST_TEXT + 1


class Counting:
    """An engine that counts the values of which all violations were asked for."""

    def __init__(self, schema: Any) -> None:
        self._engine = jsonschema_rs.Draft202012Validator(schema)
        self.searched = 0

    def validate(self, value: Any) -> None:
        self._engine.validate(value)

    def iter_errors(self, value: Any) -> Any:
        self.searched += count(value, 10**6)
        return self._engine.iter_errors(value)


NAMED = {"type": "array", "items": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}}


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        ([0] * 100_000, "/0", '0 is not of type "object"'),
        ([{}] * 100_000 + [{"A": 1}], "/100000", 'the name "A" does not match "^[a-z]+$"'),
        ([{f"{number}": 1 for number in range(100_000)}], "/0", 'the name "0" does not match "^[a-z]+$"'),
        ([{"a": [0] * 100_000}, 7], "/1", '7 is not of type "object"'),
    ],
)
def test_violation_of_a_large_value_is_told_without_all_the_others(value: Any, place: str, text: str) -> None:
    engine: Any = Counting(NAMED)
    broken = find(engine, value)
    assert broken is not None
    assert (pointer.build(broken[0]), describe(broken[1])) == (place, text)
    assert engine.searched <= MOST_SEARCHED + len(broken[0])


def test_clearest_violation_of_the_first_broken_part_is_told() -> None:
    engine = jsonschema_rs.Draft202012Validator({"type": "array", "items": SCHEMA})
    broken = find(engine, [{}] * 1000 + [{"delay": {"sed": 1}, "text": "long"}, {"text": "long"}])
    assert broken is not None
    assert (pointer.build(broken[0]), "sed" in describe(broken[1])) == ("/1000/delay", True)
    assert find(engine, [{}] * 1000) is None


def test_values_are_counted_up_to_a_limit() -> None:
    value: Any = {"a": [1, {"b": None}], "c": "text"}
    assert [count(value, most) for most in (0, 1, 3, 6, 100)] == [1, 2, 4, 6, 6]
