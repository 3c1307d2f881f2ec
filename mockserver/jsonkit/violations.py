"""Violations of a JSON Schema in words: every candidate is named, and long values are cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final

import jsonschema_rs

from mockserver.errors import LONGEST_VALUE, not_among
from mockserver.jsonkit import Json, pointer

Kind = jsonschema_rs.ValidationErrorKind
UNKNOWN_KEY: Final = Kind.AdditionalProperties
LONGEST_TEXT: Final = 300
MOST_SEARCHED: Final = 200
"""Values in a part of which all violations are compared: each costs time for all of them."""

Place = list[str | int]


def violation(
    engine: jsonschema_rs.Draft202012Validator, value: Json
) -> tuple[Place, jsonschema_rs.ValidationError] | None:
    """Return a violation and its place, or None. The time is linear in the size of the value.

    It is the one that explains most of those in the part that breaks the schema first. Raises ValueError for a lone
    surrogate.
    """
    try:
        engine.validate(value)
    except jsonschema_rs.ValidationError as error:
        first, place = error, list(error.instance_path)
    else:
        return None
    part = pointer.get(value, map(str, place))
    if count(part, MOST_SEARCHED) > MOST_SEARCHED:
        return place, first
    for token in reversed(place):
        part = [part] if isinstance(token, int) else {token: part}
    clearest = deepest(engine.iter_errors(part))
    inner = list(clearest.instance_path)
    return (place, first) if len(inner) < len(place) else ([*place, *inner[len(place) :]], clearest)


def count(value: Json, most: int) -> int:
    """Count the values in a value, itself included; after `most` no more are counted."""
    counted, remaining = 0, [value]
    while remaining and counted <= most:
        inner = remaining.pop()
        counted += 1
        if isinstance(inner, dict | list):
            members = inner.values() if isinstance(inner, dict) else inner
            remaining += islice(members, most + 1 - counted)
    return counted


def describe(error: jsonschema_rs.ValidationError) -> str:
    """Return the text of one violation."""
    match error.kind:
        case Kind.Enum(options=options):
            return not_among(error.instance, options)
        case Kind.AnyOf(context=branches) if all(_wrong_type(error, branch) for branch in branches):
            types = [inner.kind.types for branch in branches for inner in branch if isinstance(inner.kind, Kind.Type)]
            kinds = dict.fromkeys(chain.from_iterable(types))
            return f"{json.dumps(error.instance)[:LONGEST_VALUE]} is not of type {' or '.join(kinds)}"
        case Kind.Type(types=[_, _, *_] as types):
            return f"{json.dumps(error.instance)[:LONGEST_VALUE]} is not of type {' or '.join(types)}"
        case Kind.PropertyNames(error=inner):
            return f"{'a name has' if isinstance(inner.kind, Kind.MaxLength) else 'the name'} {describe(inner)}"
        case Kind.MaxItems(limit=limit):
            return _too_many(error.instance, limit, "elements")
        case Kind.MaxProperties(limit=limit):
            return _too_many(error.instance, limit, "members")
        case Kind.MaxLength(limit=limit):
            return _too_many(error.instance, limit, "characters")
    return error.message if len(error.message) <= LONGEST_TEXT else f"{error.message[:LONGEST_TEXT]}…"


def _too_many(value: Json, limit: int, parts: str) -> str:
    size = len(value) if isinstance(value, dict | list | str) else 0
    return f"{size} {parts}, but at most {limit} are allowed"


def deepest(errors: Iterable[jsonschema_rs.ValidationError]) -> jsonschema_rs.ValidationError:
    """Return the violation that is deepest in the document, an unknown key first: a misspelled key causes others.

    Of alternatives, it is that of the best match.
    """
    error = max(errors, key=lambda error: (len(list(error.instance_path)), isinstance(error.kind, UNKNOWN_KEY)))
    match error.kind:
        case Kind.AnyOf(context=branches):
            of_its_type = [branch for branch in branches if not _wrong_type(error, branch)]
            return deepest(min(of_its_type, key=lambda branch: len(list(branch)))) if of_its_type else error
    return error


def _wrong_type(error: jsonschema_rs.ValidationError, branch: Sequence[jsonschema_rs.ValidationError]) -> bool:
    """Return whether the value itself has another type than an alternative requires."""
    place = list(error.instance_path)
    return any(isinstance(inner.kind, Kind.Type) and list(inner.instance_path) == place for inner in branch)
