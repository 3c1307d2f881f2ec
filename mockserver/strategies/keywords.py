"""One entry for each keyword of the contract language: values at its inner edge, and values just beyond.

The values are candidates: what another keyword of the same schema refuses is left out when the schema is compiled.
Keywords about members and items have no values of their own; `faults` knows how to break them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mockserver.jsonkit import Json
from mockserver.strategies.format_texts import FORMATS
from mockserver.strategies.plausible import FACE, FREE_OBJECTS, JUNK, NUMBERS, ODD_TEXTS, SCALARS

Values = Callable[[Mapping[str, Json], int], Iterable[Json]]
"""Takes a schema and the clock in ms."""


def _none(schema: Mapping[str, Json], now_ms: int) -> Iterable[Json]:
    return ()


@dataclass(frozen=True, slots=True)
class Keyword:
    """What one keyword contributes: `inside` values it just takes, `outside` values it refuses."""

    inside: Values = _none
    outside: Values = _none


TYPES: Final[Mapping[str, tuple[Json, ...]]] = {
    "string": ODD_TEXTS,
    "number": NUMBERS,
    "integer": tuple(number for number in NUMBERS if isinstance(number, int)),
    "boolean": (True, False),
    "object": FREE_OBJECTS,
    "array": ([], ["a"], [1, None, {"b": []}]),
    "null": (None,),
}
WRONG_TYPES: Final[tuple[Json, ...]] = ("text", "5", "", 5, 1.5, True, [], ["a"], {}, {"a": 1}, None)


def types_of(schema: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the types a schema names, all of them where it names none."""
    kinds = schema.get("type", tuple(TYPES))
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def _type_inside(schema: Mapping[str, Json], now_ms: int) -> Iterable[Json]:
    for kind in types_of(schema):
        yield from TYPES[kind]


def _enum_outside(schema: Mapping[str, Json], now_ms: int) -> Iterable[Json]:
    texts = [entry for entry in schema["enum"] if isinstance(entry, str)]
    return ["unheard_of", *(text.upper() for text in texts), *(f"{text} " for text in texts), "", *SCALARS, [], {}]


def _pattern_outside(schema: Mapping[str, Json], now_ms: int) -> Iterable[Json]:
    return JUNK


def _format_inside(schema: Mapping[str, Json], now_ms: int) -> Iterable[Json]:
    return FORMATS[schema["format"]](now_ms).good


def _format_outside(schema: Mapping[str, Json], now_ms: int) -> Iterable[Json]:
    return FORMATS[schema["format"]](now_ms).bad


def _long(length: int) -> Iterable[Json]:
    return ["x" * length, FACE * length] if length >= 0 else []


def _above(limit: float) -> Iterable[Json]:
    return [limit + 1, limit + 0.5, limit + 1e-6, 1e300]


def _below(limit: float) -> Iterable[Json]:
    return [limit - 1, limit - 0.5, limit - 1e-6, -1e300]


LEAVES: Final[Mapping[str, Keyword]] = {
    "type": Keyword(_type_inside, lambda schema, now_ms: WRONG_TYPES),
    "enum": Keyword(lambda schema, now_ms: schema["enum"], _enum_outside),
    "const": Keyword(lambda schema, now_ms: [schema["const"]], lambda schema, now_ms: ["unheard_of", *SCALARS]),
    "pattern": Keyword(_none, _pattern_outside),
    "format": Keyword(_format_inside, _format_outside),
    "minLength": Keyword(
        lambda schema, now_ms: _long(schema["minLength"]), lambda schema, now_ms: [*_long(schema["minLength"] - 1)]
    ),
    "maxLength": Keyword(
        lambda schema, now_ms: _long(schema["maxLength"]),
        lambda schema, now_ms: [*_long(schema["maxLength"] + 1), "x" * (schema["maxLength"] * 2 + 100)],
    ),
    "minimum": Keyword(
        lambda schema, now_ms: [schema["minimum"], schema["minimum"] + 1],
        lambda schema, now_ms: _below(schema["minimum"]),
    ),
    "maximum": Keyword(
        lambda schema, now_ms: [schema["maximum"], schema["maximum"] - 1],
        lambda schema, now_ms: _above(schema["maximum"]),
    ),
}
"""Keywords of single values."""

STRUCTURE: Final = ("required", "properties", "additionalProperties", "items", "minItems", "maxItems", "anyOf")
"""Keywords of objects, arrays and alternatives."""

SAYINGS: Final = ("title", "description", "examples", "use", "source", "refusal", "message")
"""Words of the contract language that no value can break."""
