"""Long repetitions in generated values, written short as the golden cases of `fixtures/` do it."""

from __future__ import annotations

import json
from typing import Final

from mockserver.jsonkit import Json

REPEAT: Final = "$repeat"
LONG_TEXT: Final = 200
LONG_LIST: Final = 12
COUNTER: Final = "${i}"


def compact(value: Json) -> Json:
    """Return the value with `{"$repeat": ...}` for long texts of one character and long lists of equal items.

    Items may differ by their own number after a dash (`m-0`, `m-1`), which becomes `${i}`.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        return {name: compact(member) for name, member in value.items()}
    return value


def _text(value: str) -> Json:
    if len(value) < LONG_TEXT or value.count(value[0]) != len(value):
        return value
    return {REPEAT: {"times": len(value), "text": value[0]}}


def _list(value: list[Json]) -> Json:
    if len(value) < LONG_LIST:
        return [compact(item) for item in value]
    texts = [json.dumps(item) for item in value]
    pattern = texts[0].replace('-0"', f'-{COUNTER}"')
    if all(text == pattern.replace(COUNTER, str(index)) for index, text in enumerate(texts)):
        return [{REPEAT: {"times": len(value), "value": compact(json.loads(pattern))}}]
    return [compact(item) for item in value]
