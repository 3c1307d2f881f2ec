"""Reaching into plain JSON values by tokens, always on copies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING

Tokens: TypeAlias = tuple[str | int, ...]
Change: TypeAlias = tuple[Tokens, Json]
"""A place and what shall stand there; MISSING takes away what does."""
Edit: TypeAlias = tuple[Change, ...]


def look(value: Json, tokens: Sequence[str | int]) -> Json:
    """Return what stands at the tokens, or MISSING."""
    for token in tokens:
        member = isinstance(value, dict) and isinstance(token, str) and token in value
        item = isinstance(value, list) and isinstance(token, int) and token < len(value)
        if not (member or item):
            return MISSING
        value = value[token]
    return value


def put(value: Json, tokens: Sequence[str | int], new: Json) -> Json:
    """Return a copy in which `new` stands at the tokens; MISSING removes. What is put needs a holder."""
    if not tokens or (new is MISSING and look(value, tokens) is MISSING):
        return value if tokens else new
    head, rest = tokens[0], tokens[1:]
    if isinstance(value, list) and isinstance(head, int):
        return [*value[:head], put(value[head], rest, new), *value[head + 1 :]]
    if not isinstance(value, dict) or not isinstance(head, str):
        raise KeyError(head)
    if rest:
        return {**value, head: put(value[head], rest, new)}
    if new is MISSING:
        return {name: member for name, member in value.items() if name != head}
    return {**value, head: new}


def apply(value: Json, changes: Iterable[Change]) -> Json:
    """Return a copy with all changes made, in order."""
    for tokens, new in changes:
        value = put(value, tokens, new)
    return value


def fresh(value: Json) -> Json:
    """Return a copy that shares no object and no array with the value."""
    if isinstance(value, dict):
        return {name: fresh(member) for name, member in value.items()}
    return [fresh(item) for item in value] if isinstance(value, list) else value
