"""Violations of a JSON Schema in words."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from mockserver.jsonkit import pointer
from mockserver.jsonkit.violations import LONGEST_TEXT, deepest, describe

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
