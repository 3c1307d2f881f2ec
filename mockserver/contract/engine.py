"""Schemas of the contract language compiled for jsonschema-rs, with patterns as `jsonkit.patterns` reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import jsonschema_rs

from mockserver.jsonkit import Json
from mockserver.jsonkit.pattern_syntax import LookAround, parse
from mockserver.jsonkit.patterns import engine_text, matcher, options

Engine: TypeAlias = jsonschema_rs.Draft202012Validator
Formats: TypeAlias = Mapping[str, Callable[[str], bool]]

NO_FORMATS: Final[Formats] = {}


def compile_schema(schema: Mapping[str, Json], formats: Formats = NO_FORMATS) -> Engine:
    """Compile a schema; `formats` has the check of each format. Raises ValueError for a pattern that cannot be used.

    One pattern has one meaning and one bound wherever it stands: a schema in which any looks around asks `matcher`
    about each of its patterns; in any other schema the engine matches them itself, which is faster.
    """
    looks: set[LookAround] = set()

    def for_engine(pattern: str) -> str:
        read = parse(pattern)
        looks.add(read.look_around)
        return engine_text(read)

    linear = _with_patterns(schema, for_engine)
    if looks <= {LookAround.NONE}:
        return Engine(
            linear,
            formats=dict(formats),
            validate_formats=bool(formats),
            pattern_options=options(LookAround.NONE),
        )
    return Engine(
        dict(schema), formats=dict(formats), validate_formats=bool(formats), keywords={"pattern": _PatternKeyword}
    )


class _PatternKeyword:
    """`pattern` as jsonschema-rs asks a keyword that is not its own."""

    def __init__(self, parent_schema: Mapping[str, Json], value: str, schema_path: Sequence[str | int]) -> None:
        self._pattern = value
        self._matches = matcher(value)

    def validate(self, instance: Json) -> None:
        """Raise ValueError for a text that does not match."""
        if isinstance(instance, str) and not self._matches(instance):
            raise ValueError(f"does not match {self._pattern}")


def _with_patterns(schema: Mapping[str, Json], change: Callable[[str], str]) -> dict[str, Json]:
    """Return a copy of a schema with each pattern in it changed."""
    changed: dict[str, Json] = dict(schema)
    if "pattern" in changed:
        changed["pattern"] = change(changed["pattern"])
    if "properties" in changed:
        changed["properties"] = {name: _with_patterns(inner, change) for name, inner in changed["properties"].items()}
    for keyword in ("anyOf", "allOf"):
        if keyword in changed:
            changed[keyword] = [_with_patterns(inner, change) for inner in changed[keyword]]
    for keyword in ("items", "additionalProperties"):
        if isinstance(changed.get(keyword), dict):
            changed[keyword] = _with_patterns(changed[keyword], change)
    return changed
