"""Reply templates: JSON with `${name}` in strings. A string that is a single name becomes the value itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final, TypeAlias

from mockserver.jsonkit import Json

_NAME: Final = re.compile(r"\$\{([a-z0-9_]+)\}")
_ASKED: Final = re.compile(r"\$\{([^}]*)\}|(\$\{[^}]*)$")
LONGEST_KEPT: Final = 256
"""Longer templates are split each time: a session's patch chooses how long they are."""

Variables = Mapping[str, Json]
Template: TypeAlias = "bool | int | float | str | Sequence[Template] | Mapping[str, Template] | None"
"""A JSON value whose strings may hold `${name}`."""


def fill(template: Template, variables: Variables) -> Json:
    """Return the template with its names replaced by values. Raises KeyError for a name without a value."""
    if isinstance(template, str):
        pieces = _split(template)
        return variables[pieces[1]] if _is_one_name(pieces) else _joined(pieces, variables)
    if isinstance(template, dict):
        return {name: fill(member, variables) for name, member in template.items()}
    if isinstance(template, list):
        return [fill(item, variables) for item in template]
    return template


def fill_text(template: str, variables: Variables) -> str:
    """Return a text template with its names replaced."""
    pieces = _split(template)
    return str(variables[pieces[1]]) if _is_one_name(pieces) else _joined(pieces, variables)


def _split(template: str) -> list[str]:
    """Split a template into alternating text and names, text first and last."""
    return _pieces(template) if len(template) <= LONGEST_KEPT else _NAME.split(template)


@lru_cache(maxsize=4096)
def _pieces(template: str) -> list[str]:
    return _NAME.split(template)


def _is_one_name(pieces: list[str]) -> bool:
    return len(pieces) == 3 and not pieces[0] and not pieces[2]


def _joined(pieces: list[str], variables: Variables) -> str:
    if len(pieces) == 1:
        return pieces[0]
    filled = pieces.copy()
    for index in range(1, len(filled), 2):
        filled[index] = str(variables[filled[index]])
    return "".join(filled)


def names(template: Template) -> set[str]:
    """Return the names that a template uses, malformed ones included; an unclosed one keeps its `${`."""
    if isinstance(template, str):
        return {name or unclosed for name, unclosed in _ASKED.findall(template)}
    if isinstance(template, dict | list):
        members: Json = template.values() if isinstance(template, dict) else template
        return set().union(*map(names, members))
    return set()


def phrase(status: int) -> str:
    """Return the standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
