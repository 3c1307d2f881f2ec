"""Replacing strings and numbers in a JSON text, of which everything else stays byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from mockserver.jsonkit import Json

_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|-?[0-9][0-9.eE+-]*+', re.DOTALL)

Replacements = Mapping[tuple[type, Json], Json]
"""What becomes of the strings and numbers of a document, by type and value."""


def replaced(text: str, replacements: Replacements, unknown: Callable[[Json], Json]) -> str:
    """Return a JSON text with its strings and numbers replaced.

    `unknown` replaces a value that has no replacement: in a member that a later one of the same name shadows.
    """

    def new(token: re.Match[str]) -> str:
        value = json.loads(token[0])
        key = (type(value), value)
        after = replacements[key] if key in replacements else unknown(value)
        return token[0] if after == value else json.dumps(after, ensure_ascii=_is_odd(after))

    return _TOKEN.sub(new, text)


def _is_odd(value: Json) -> bool:
    """Return whether a text holds lone surrogates, which cannot be written as UTF-8."""
    return isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value)
