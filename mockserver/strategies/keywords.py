"""One entry for each keyword of the contract language: values at its inner edge, and values just beyond.

The values are candidates: what another keyword of the same schema refuses is left out when the schema is compiled.
Keywords about members and items have no values of their own; `schema_mutations` knows how to break them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from mockserver.jsonkit import Json
from mockserver.strategies.plausible import FACE, FREE_OBJECTS, JUNK, NUMBERS, ODD_TEXTS, SCALARS
from mockserver.strategies.texts import FORMATS

Candidates = Callable[[Json, int], Iterable[Json]]
"""Takes what a schema has for the keyword, and the clock in ms."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """What one keyword contributes: `inside` values it just takes, `outside` values it refuses."""

    inside: Candidates
    outside: Candidates


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
    return _types(schema.get("type"))


def _types(names: str | Iterable[str] | None) -> tuple[str, ...]:
    return tuple(TYPES) if names is None else (names,) if isinstance(names, str) else tuple(names)


def _not_listed(entries: Json, now_ms: int) -> Iterable[Json]:
    texts = [entry for entry in entries if isinstance(entry, str)]
    return ["unheard_of", *(text.upper() for text in texts), *(f"{text} " for text in texts), "", *SCALARS, [], {}]


LONGEST: Final = 20_000_000
"""No text is made longer: no protocol takes a body of this size."""


def _long(length: int) -> list[Json]:
    return ["x" * length, FACE * length] if 0 <= length <= LONGEST else []


LEAVES: Final[Mapping[str, Keyword]] = {
    "type": Keyword(
        lambda names, now_ms: [value for name in _types(names) for value in TYPES[name]],
        lambda names, now_ms: WRONG_TYPES,
    ),
    "enum": Keyword(lambda entries, now_ms: entries, _not_listed),
    "const": Keyword(lambda value, now_ms: [value], lambda value, now_ms: ["unheard_of", *SCALARS]),
    "pattern": Keyword(lambda pattern, now_ms: (), lambda pattern, now_ms: JUNK),
    "format": Keyword(lambda name, now_ms: FORMATS[name](now_ms).good, lambda name, now_ms: FORMATS[name](now_ms).bad),
    "minLength": Keyword(lambda length, now_ms: _long(length), lambda length, now_ms: _long(length - 1)),
    "maxLength": Keyword(
        lambda length, now_ms: _long(length),
        lambda length, now_ms: [*_long(length + 1), *_long(length * 2 + 100)[:1]],
    ),
    "minimum": Keyword(
        lambda limit, now_ms: [limit, limit + 1],
        lambda limit, now_ms: [limit - 1, limit - 0.5, limit - 1e-6, -1e300],
    ),
    "maximum": Keyword(
        lambda limit, now_ms: [limit, limit - 1],
        lambda limit, now_ms: [limit + 1, limit + 0.5, limit + 1e-6, 1e300],
    ),
}
"""Keywords of single values."""

STRUCTURE: Final = (
    *("required", "properties", "additionalProperties", "minProperties"),
    *("items", "minItems", "maxItems", "anyOf"),
)
"""Keywords of objects, arrays and alternatives."""

SAYINGS: Final = ("title", "description", "examples", "use", "source", "sources", "refusal", "message")
"""Words of the contract language that no value can break."""
