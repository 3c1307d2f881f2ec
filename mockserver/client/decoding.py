"""From JSON to frozen values: each member is read as its type says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from mockserver.jsonkit import Json

T = TypeVar("T")


def read(kind: type[T], row: Mapping[str, Json]) -> T:
    """Make a value out of a JSON object with members of the same names, each read as its type says."""
    made_of: Any = kind
    return kind(**{name: reader(row[name]) for name, reader in _readers(made_of).items()})


@cache
def _readers(kind: Any) -> Mapping[str, Callable[[Json], Any]]:
    hints = get_type_hints(kind)
    return {member.name: _reader(hints[member.name]) for member in fields(kind)}


def _reader(hint: Any) -> Callable[[Json], Any]:
    """Return the function that reads one JSON value; a type's own `of` comes first."""
    parts = get_args(hint)
    if hint is datetime:
        return datetime.fromisoformat
    if hasattr(hint, "of"):
        return cast("Callable[[Json], Any]", hint.of)
    if is_dataclass(hint):
        return partial(read, cast("type[Any]", hint))
    if get_origin(hint) is tuple and parts[-1] is Ellipsis:
        return partial(_each, _reader(parts[0]))
    if get_origin(hint) is Mapping:
        return partial(_values, _reader(parts[1]))
    if isinstance(hint, UnionType) and parts[-1] is NoneType:
        return partial(_optional, _reader(parts[0]))
    return _as_it_is


def _as_it_is(value: Json) -> Any:
    return value


def _each(reader: Callable[[Json], Any], rows: Json) -> tuple[Any, ...]:
    return tuple(map(reader, rows))


def _values(reader: Callable[[Json], Any], rows: Json) -> dict[str, Any]:
    return {name: reader(row) for name, row in rows.items()}


def _optional(reader: Callable[[Json], Any], value: Json) -> Any:
    return None if value is None else reader(value)
