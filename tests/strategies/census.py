"""What good values of a schema must show: members present and absent, every value of an enumeration, every limit.

All of it is looked for in what strategies draw from; presence is also counted in what was drawn, where that is much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.drawing import Drawing, lengths
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.places import Tokens
from mockserver.strategies.schema_mutations import Spot, spots

BOUNDS = {
    "minLength": -1,
    "maxLength": 1,
    "minItems": -1,
    "maxItems": 1,
    "minimum": -1,
    "maximum": 1,
    "minProperties": -1,
}
"""Keywords with a limit, and on which side of it a value is refused."""


def standing(value: Json, tokens: Tokens) -> Iterator[Json]:
    """Yield everything at a place; 0 in it means every item, the last token may be missing."""
    if not tokens:
        yield value
    elif tokens[0] == 0:
        for item in value if isinstance(value, list) else ():
            yield from standing(item, tokens[1:])
    elif isinstance(value, dict):
        member = value.get(str(tokens[0]), MISSING)
        if member is not MISSING:
            yield from standing(member, tokens[1:])
        elif len(tokens) == 1:
            yield MISSING


def measure(keyword: str, value: Json) -> float | None:
    """Return what a keyword's limit is compared with, or None where the value is of another type."""
    if keyword.endswith("Length"):
        return len(value) if isinstance(value, str) else None
    if keyword.endswith("Items"):
        return len(value) if isinstance(value, list) else None
    if keyword.endswith("Properties"):
        return len(value) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def left_out(drawing: Drawing, fixed: Iterable[Tokens]) -> Iterator[str]:
    """Yield values of enumerations and limits that no edge shows, and optional members that are always there or never.

    Places in `fixed` always hold the same.
    """
    for spot in spots(drawing.values.root):
        if spot.tokens in fixed:
            continue
        choices = drawing.choices(spot.schema, spot.tokens)
        name = spot.schema[POINTER]
        yield from (f"{name}/properties/{member}: never optional" for member in _never_optional(drawing, spot, fixed))
        yield from (f"{name}: never {entry!r}" for entry in spot.schema.get("enum", ()) if entry not in choices)
        for keyword in BOUNDS.keys() & spot.schema.keys():
            if keyword.endswith("Items"):
                sizes: set[float | None] = {*lengths(spot.schema.get("minItems", 0), spot.schema.get("maxItems"))}
            else:
                sizes = {measure(keyword, choice) for choice in choices}
            if spot.schema[keyword] not in sizes and not _shadowed(keyword, spot):
                yield f"{name}/{keyword}: never at {spot.schema[keyword]}"


def _never_optional(drawing: Drawing, spot: Spot, fixed: Iterable[Tokens]) -> Iterator[str]:
    if spot.schema.get("properties"):
        optional = {member.name for member in drawing.members(spot.schema, spot.tokens) if not member.always}
        names = spot.schema["properties"].keys() - set(spot.schema.get("required", ())) - optional
        yield from (name for name in names if (*spot.tokens, name) not in fixed)


def _shadowed(keyword: str, spot: Spot) -> bool:
    """A format or pattern may leave no room at a length's limit."""
    return keyword.endswith("Length") and ("format" in spot.schema or "pattern" in spot.schema)


def never_seen(schema: Mapping[str, Any], values: list[Json], fixed: frozenset[Tokens]) -> Iterator[str]:
    """Yield optional members that were never there, or always, in good values of a schema."""
    for spot in spots(schema):
        for member in () if spot.tokens in fixed else spot.schema.get("properties", {}):
            place = (*spot.tokens, member)
            if place in fixed or member in spot.schema.get("required", ()):
                continue
            present = {each is not MISSING for value in values for each in standing(value, place)}
            if True not in present:
                yield f"{spot.schema[POINTER]}/properties/{member}: never present"
            if False not in present:
                yield f"{spot.schema[POINTER]}/properties/{member}: never absent"


def kinds_fixed(form: FormPlan) -> frozenset[Tokens]:
    """Return the places of events that always hold the same: credentials, and the type where it picks the schema."""
    return frozenset({*form.fixed, form.form.discriminator} if form.form.schema is None else form.fixed)
