"""From JSON to frozen values: each member is read as its type says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from mockserver.jsonkit import Json

T = TypeVar("T")
KEY = "key"
"""Metadata of a field whose member has another name in JSON."""


def read(kind: type[T], row: Mapping[str, Json], **known: Json) -> T:
    """Make a value out of a JSON object with members of the same names, each read as its type says.

    A missing member takes its field's default. `known` are members that the object does not have.
    """
    values = dict(known)
    record: Any = kind
    for name, key, required, reader in _members(record):
        if name not in known and (required or key in row):
            values[name] = reader(row[key])
    return kind(**values)


def read_named(kind: type[T], rows: Mapping[str, Json]) -> dict[str, T]:
    """Make a value out of each member of a JSON object; its field `name` is the member's name."""
    return {name: read(kind, row, name=name) for name, row in rows.items()}


@cache
def _members(kind: Any) -> list[tuple[str, str, bool, Callable[[Json], Any]]]:
    """Return each field's name, its key in JSON, whether it must be there, and how it is read."""
    hints = get_type_hints(kind)
    return [
        (
            member.name,
            member.metadata.get(KEY, member.name),
            member.default is MISSING and member.default_factory is MISSING,
            _reader(hints[member.name]),
        )
        for member in fields(kind)
    ]


def _reader(hint: Any) -> Callable[[Json], Any]:
    """Return the function that reads one JSON value; a type's own `of` comes first."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is datetime:
        return datetime.fromisoformat
    if hasattr(hint, "of"):
        return cast("Callable[[Json], Any]", hint.of)
    if is_dataclass(hint):
        return partial(read, cast("type[Any]", hint))
    if origin is frozenset or (origin is tuple and parts[-1] is Ellipsis):
        read_item = _reader(parts[0])
        return lambda rows: origin(map(read_item, rows))
    if origin is Mapping:
        read_value = _reader(parts[1])
        return lambda rows: {name: read_value(row) for name, row in rows.items()}
    if isinstance(hint, UnionType) and parts[-1] is NoneType:
        read_present = _reader(parts[0])
        return lambda value: None if value is None else read_present(value)
    return lambda value: value
