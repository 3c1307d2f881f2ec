"""Counting what was generated: members present and absent, values of enumerations, both sides of every bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.places import Tokens
from mockserver.strategies.schema_mutations import Spot, spots

BOUNDS = {"minLength": -1, "maxLength": 1, "minItems": -1, "maxItems": 1, "minimum": -1, "maximum": 1}
"""Keywords with a limit, and on which side of it a value is refused."""


def standing(value: Json, tokens: Tokens) -> Iterator[Json]:
    """Yield everything at a place; 0 in it means every item, the last token may be missing."""
    if not tokens:
        yield value
    elif tokens[0] == 0:
        for item in value if isinstance(value, list) else ():
            yield from standing(item, tokens[1:])
    elif isinstance(value, dict):
        found = value.get(str(tokens[0]), MISSING)
        if found is not MISSING:
            yield from standing(found, tokens[1:])
        elif len(tokens) == 1:
            yield MISSING


def measure(keyword: str, value: Json) -> float | None:
    """Return what a keyword's limit is compared with, or None where the value is of another type."""
    if keyword.endswith("Length"):
        return len(value) if isinstance(value, str) else None
    if keyword.endswith("Items"):
        return len(value) if isinstance(value, list) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def unseen(schema: Mapping[str, Any], values: list[Json], fixed: frozenset[Tokens]) -> Iterator[str]:
    """Yield what good values of a schema should have shown and did not."""
    for spot in spots(schema):
        if spot.tokens in fixed:
            continue
        found = [one for value in values for one in standing(value, spot.tokens)]
        name = spot.schema[POINTER]
        yield from _presence(spot, values, name, fixed)
        if "enum" in spot.schema:
            yield from (f"{name}: never {entry!r}" for entry in spot.schema["enum"] if entry not in found)
        for keyword in BOUNDS:
            if keyword in spot.schema:
                sizes = {measure(keyword, one) for one in found}
                if spot.schema[keyword] not in sizes and not _hidden_by(keyword, spot):
                    yield f"{name}/{keyword}: never at {spot.schema[keyword]}"


def _hidden_by(keyword: str, spot: Spot) -> bool:
    """A format or pattern may leave no room at a length's limit."""
    return keyword.endswith("Length") and ("format" in spot.schema or "pattern" in spot.schema)


def _presence(spot: Spot, values: list[Json], name: str, fixed: frozenset[Tokens]) -> Iterator[str]:
    for member in spot.schema.get("properties", {}):
        place = (*spot.tokens, member)
        if place in fixed or member in spot.schema.get("required", ()):
            continue
        found = [one is not MISSING for value in values for one in standing(value, place)]
        if True not in found:
            yield f"{name}/properties/{member}: never present"
        if False not in found:
            yield f"{name}/properties/{member}: never absent"


def kinds_fixed(form: FormPlan) -> frozenset[Tokens]:
    """Return the places of events that always hold the same: credentials, and the type where it picks the schema."""
    return frozenset({*form.fixed, form.form.discriminator} if form.form.schema is None else form.fixed)
