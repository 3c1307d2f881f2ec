"""Violations of a JSON Schema in words: every candidate is named, and long values are cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

import jsonschema_rs

from mockserver.errors import LONGEST_VALUE, not_among

Kind = jsonschema_rs.ValidationErrorKind
UNKNOWN_KEY: Final = Kind.AdditionalProperties
LONGEST_TEXT: Final = 300


def describe(error: jsonschema_rs.ValidationError) -> str:
    """Return the text of one violation."""
    match error.kind:
        case Kind.Enum(options=options):
            return not_among(error.instance, options)
        case Kind.AnyOf(context=branches) if all(_wrong_type(error, branch) for branch in branches):
            types = [inner.kind.types for branch in branches for inner in branch if isinstance(inner.kind, Kind.Type)]
            kinds = dict.fromkeys(chain.from_iterable(types))
            return f"{json.dumps(error.instance)[:LONGEST_VALUE]} is not of type {' or '.join(kinds)}"
    return error.message if len(error.message) <= LONGEST_TEXT else f"{error.message[:LONGEST_TEXT]}…"


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
