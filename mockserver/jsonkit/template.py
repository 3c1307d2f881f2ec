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
        name, pieces = _split(template)
        return _joined(pieces, variables) if name is None else variables[name]
    if isinstance(template, dict):
        return {name: fill(member, variables) for name, member in template.items()}
    if isinstance(template, list):
        return [fill(item, variables) for item in template]
    return template


def fill_text(template: str, variables: Variables) -> str:
    """Return a text template with its names replaced."""
    name, pieces = _split(template)
    return _joined(pieces, variables) if name is None else str(variables[name])


def _split(template: str) -> tuple[str | None, list[str]]:
    """Split a template into alternating text and names, text first and last; the name first if there is only that."""
    return _kept_split(template) if len(template) <= LONGEST_KEPT else _new_split(template)


def _new_split(template: str) -> tuple[str | None, list[str]]:
    pieces = _NAME.split(template)
    return pieces[1] if len(pieces) == 3 and not pieces[0] and not pieces[2] else None, pieces


_kept_split: Final = lru_cache(maxsize=4096)(_new_split)


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


@lru_cache(maxsize=256)
def phrase(status: int) -> str:
    """Return the standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
