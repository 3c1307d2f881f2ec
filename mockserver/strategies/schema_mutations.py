"""How to break one keyword of a schema and nothing else.

Each keyword proposes edits of a good value. An edit is kept when the validator finds, in the smallest good value it can
be made in, exactly the one violation it was made for; this happens once, when the schema is compiled. A keyword left
without an edit cannot be broken alone: other keywords shadow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, product
from typing import Final, TypeAlias

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json, formats, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.keywords import LEAVES
from mockserver.strategies.near_misses import (
    format_misses,
    listed_misses,
    mistyped,
    other_spellings,
    pattern_misses,
)
from mockserver.strategies.places import Change, Edit, Tokens
from mockserver.strategies.plausible import NEW_NAMES, SCALARS
from mockserver.strategies.samples import BreakableRule
from mockserver.strategies.texts import FORMATS
from mockserver.strategies.values import MOST_ITEMS, Schema, Values, distinct, inner

NEW_ITEM: Final = "note"
"""The member that stands for all members an open object may have."""
MOST_WAYS: Final = 64
MADE_FROM: Final = 2
"""Of how many good texts near misses are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One schema object inside another, and where it stands."""

    tokens: Tokens
    schema: Schema


Way: TypeAlias = tuple[Tokens, Edit]
"""Where a finding will point, and the edit that earns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation(BreakableRule):
    """One rule, what of it is broken, and the ways to break it."""

    ways: tuple[Way, ...]


def spots(schema: Schema, tokens: Tokens = ()) -> Iterator[Spot]:
    """Yield a schema and those inside it, except the branches of `anyOf`, which are broken together."""
    yield Spot(tokens=tokens, schema=schema)
    for name, member in schema.get("properties", {}).items():
        yield from spots(member, (*tokens, name))
    if "items" in schema:
        yield from spots(schema["items"], (*tokens, 0))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from spots(schema["additionalProperties"], (*tokens, NEW_ITEM))


def drafts(values: Values) -> Iterator[Mutation]:
    """Yield every rule of a schema with the edits that may break it.

    That the whole value is an object is no rule of its own: whoever picks the schema has looked before.
    """
    for spot in spots(values.root):
        for keyword in spot.schema:
            if keyword in LEAVES and (spot.tokens or keyword != "type"):
                outside = distinct(_outside(spot, keyword, values))
                yield _mutation(spot, keyword, [(spot.tokens, ((spot.tokens, value),)) for value in outside])
            elif keyword in BREAKERS:
                yield from BREAKERS[keyword](spot, values)


def _outside(spot: Spot, keyword: str, values: Values) -> Iterator[Json]:
    """Yield values that a keyword refuses, near misses last.

    Of a pattern beside a format, these are texts that have the format too.
    """
    schema, now_ms = spot.schema, values.time_frame.now_ms
    yield from LEAVES[keyword].outside(schema[keyword], now_ms)
    if keyword == "pattern" and "format" in schema:
        yield from FORMATS[schema["format"]](now_ms).good
    yield from _near_misses(spot, keyword, values)


def _near_misses(spot: Spot, keyword: str, values: Values) -> Iterable[Json]:
    schema, name, now_ms = spot.schema, str(spot.tokens[-1]) if spot.tokens else "", values.time_frame.now_ms
    if keyword == "enum":
        return listed_misses(schema["enum"])
    if keyword not in ("pattern", "format", "type"):
        return ()
    good = [values.fixed[spot.tokens]] if spot.tokens in values.fixed else values.edges(schema, spot.tokens)
    if keyword == "type":
        return chain.from_iterable(mistyped(value, name, now_ms) for value in good[:1])
    texts = [text for text in good if isinstance(text, str) and text and text.isascii()][:MADE_FROM]
    if keyword == "pattern":
        return pattern_misses(schema["pattern"], tuple(texts))
    return format_misses(texts, formats.FORMATS[schema["format"]])


def _mutation(spot: Spot, keyword: str, ways: Iterable[Way], *, member: str | None = None) -> Mutation:
    """Return the mutation of one keyword; of a `required`, of one `member` that it asks for."""
    rule = spot.schema[POINTER] + pointer.build([keyword] if member is None else [keyword, member])
    return Mutation(rule=rule, keyword=keyword, ways=tuple(ways))


def _required(spot: Spot, values: Values) -> Iterator[Mutation]:
    for name in spot.schema["required"]:
        place = (*spot.tokens, name)
        ways: list[Way] = [(place, ((place, MISSING),)), (place, ((place, None),))]
        good = values.fixed.get(place) or values.smallest(inner(spot.schema, name), place)
        others = [(*spot.tokens, other) for other in other_spellings(name)]
        ways += [(place, ((place, MISSING), (other, good))) for other in others]
        ways += [(place, ((place, MISSING), *unwrapped)) for unwrapped in _unwrapped(spot.tokens, good)]
        yield _mutation(spot, "required", ways, member=name)


def _unwrapped(tokens: Tokens, good: Json) -> Iterator[Edit]:
    """Yield the edit that puts the first of some objects where the object stands that should hold them all."""
    if isinstance(good, list) and good and isinstance(good[0], dict):
        yield tuple(((*tokens, name), member) for name, member in good[0].items())


def _additional(spot: Spot, values: Values) -> Iterator[Mutation]:
    if spot.schema["additionalProperties"] is False:
        declared = spot.schema.get("properties", {})
        names = [*NEW_NAMES[:1], *chain.from_iterable(map(other_spellings, declared)), *NEW_NAMES[1:]]
        names += [f"{name} " for name in declared]
        places = [(*spot.tokens, name) for name in dict.fromkeys(names) if name not in declared]
        yield _mutation(spot, "additionalProperties", [(at, ((at, value),)) for at in places for value in ("x", None)])


def _min_properties(spot: Spot, values: Values) -> Iterator[Mutation]:
    """Take members away from the smallest object, those that may be left out first."""
    required, least = spot.schema.get("required", ()), values.smallest(spot.schema, spot.tokens)
    names = sorted(least, key=lambda name: name not in required) if isinstance(least, dict) else []
    too_few = {name: least[name] for name in names[: max(0, spot.schema["minProperties"] - 1)]}
    if spot.schema["minProperties"]:
        yield _mutation(spot, "minProperties", [(spot.tokens, ((spot.tokens, too_few),))])


def _items(spot: Spot, values: Values, size: int) -> Way:
    fixed = values.fixed.get(spot.tokens)
    schema = spot.schema.get("items", {})
    item = fixed[0] if isinstance(fixed, list) and fixed else values.smallest(schema, (*spot.tokens, 0))
    return spot.tokens, ((spot.tokens, [item] * size),)


def _min_items(spot: Spot, values: Values) -> Iterator[Mutation]:
    sizes = [size for size in dict.fromkeys((spot.schema["minItems"] - 1, 0)) if 0 <= size < spot.schema["minItems"]]
    yield _mutation(spot, "minItems", [_items(spot, values, size) for size in sizes])


def _max_items(spot: Spot, values: Values) -> Iterator[Mutation]:
    if spot.schema["maxItems"] < MOST_ITEMS:
        yield _mutation(spot, "maxItems", [_items(spot, values, spot.schema["maxItems"] + 1)])


def _any_of(spot: Spot, values: Values) -> Iterator[Mutation]:
    """Break every branch at once: by taking away what it asks for, or by what only the branch refuses."""
    each = [list(_branch_changes(spot, branch, values)) for branch in spot.schema["anyOf"]]
    edits: list[Edit] = [tuple(dict(way).items()) for way, _ in zip(product(*each), range(MOST_WAYS), strict=False)]
    if not each[0]:
        edits = [((spot.tokens, value),) for value in SCALARS if value is not None or not values.nulls_absent]
    yield _mutation(spot, "anyOf", [(_pointed_at(spot, edit), edit) for edit in edits])


def _branch_changes(spot: Spot, branch: Schema, values: Values) -> Iterator[Change]:
    for name in branch.get("required", ()):
        yield (*spot.tokens, name), MISSING
    for name, member in branch.get("properties", {}).items():
        place = (*spot.tokens, name)
        shared = inner(spot.schema, name)
        yield from ((place, value) for value in values.edges(shared, place) if not values.fits(member, value))


def _pointed_at(spot: Spot, edit: Edit) -> Tokens:
    """A finding of an anyOf points at the first member that its first branch asks for and that is not there."""
    names = spot.schema["anyOf"][0].get("required", ())
    gone = [name for name in names if ((*spot.tokens, name), MISSING) in edit]
    return (*spot.tokens, *(gone or names)[:1])


BREAKERS: Final[Mapping[str, Callable[[Spot, Values], Iterator[Mutation]]]] = {
    "required": _required,
    "additionalProperties": _additional,
    "minProperties": _min_properties,
    "minItems": _min_items,
    "maxItems": _max_items,
    "anyOf": _any_of,
}
WALKED: Final = ("properties", "items")
"""Keywords that only lead to other schemas."""
