"""Replacing values in a JSON text without touching the rest of it."""

from __future__ import annotations

import json
from typing import Any

from mockserver.recording.redaction.json_tokens import replaced


def unknown(value: Any) -> Any:
    return "hidden" if isinstance(value, str) else 0


def by(value: Any) -> tuple[type, Any]:
    return type(value), value


def test_blanks_order_escapes_duplicates_and_numbers_stay() -> None:
    text = '{ "b" : "keep\\u00e9" ,"a":[1.50, "ada\\"x", true,null, 34],\n"b":"\\ud800"}'
    replacements = {by("b"): "b", by("keepé"): "keepé", by("a"): "a", by(1.5): 1.5, by('ada"x'): "<id:1>", by(34): 7}
    shown = replaced(text, {**replacements, by("\ud800"): "\ud800"}, unknown)
    assert shown == '{ "b" : "keep\\u00e9" ,"a":[1.50, "<id:1>", true,null, 7],\n"b":"\\ud800"}'


def test_value_that_nobody_has_seen_is_hidden() -> None:
    text = '{"name": "Ada", "name": "x", "n": 5}'
    shown = replaced(text, {by("name"): "name", by("x"): "y", by("n"): "n"}, unknown)
    assert shown == '{"name": "hidden", "name": "y", "n": 0}'
    assert json.loads(shown)["name"] == "y"


def test_replacement_with_half_a_surrogate_pair_can_be_written() -> None:
    assert replaced('"a"', {by("a"): "é\udc00"}, unknown).encode() == b'"\\u00e9\\udc00"'
