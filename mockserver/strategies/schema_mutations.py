"""How to break one keyword of a schema and nothing else.

Each keyword proposes edits of a good value. An edit is kept when the validator finds, in the smallest good value it can
be made in, exactly the one violation it was made for; this happens once, when the schema is compiled. A keyword left
without an edit cannot be broken alone: `hidden` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

from mockserver.contract.schema import POINTER
from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.keywords import LEAVES
from mockserver.strategies.places import Change, Edit, Tokens
from mockserver.strategies.plausible import NEW_NAMES, SCALARS
from mockserver.strategies.subschemas import Schema, inner
from mockserver.strategies.values import Values

NEW_ITEM: Final = "note"
"""The member that stands for all members an open object may have."""
MOST_WAYS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One schema object inside another: where it stands, and every schema above it."""

    tokens: Tokens
    levels: tuple[Schema, ...]

    @property
    def schema(self) -> Schema:
        """The schema object itself."""
        return self.levels[-1]


Way: TypeAlias = tuple[Tokens, Edit]
"""Where a finding will point, and the edit that earns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One rule and the ways to break it. `reason` and `message` are None where the contract has its defaults."""

    rule: str
    keyword: str
    ways: tuple[Way, ...]
    reason: str | None = None
    message: str | None = None


def spots(schema: Schema, tokens: Tokens = (), above: tuple[Schema, ...] = ()) -> Iterator[Spot]:
    """Yield a schema and those inside it, but for the branches of `anyOf`, which are broken together."""
    levels = (*above, schema)
    yield Spot(tokens=tokens, levels=levels)
    for name, member in schema.get("properties", {}).items():
        yield from spots(member, (*tokens, name), levels)
    if "items" in schema:
        yield from spots(schema["items"], (*tokens, 0), levels)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from spots(schema["additionalProperties"], (*tokens, NEW_ITEM), levels)


def drafts(values: Values) -> Iterator[Mutation]:
    """Yield every rule of a schema with the edits that may break it.

    That the whole value is an object is no rule of its own: whoever picks the schema has looked before.
    """
    for spot in spots(values.root):
        for keyword in spot.schema:
            if keyword in LEAVES and (spot.tokens or keyword != "type"):
                outside = LEAVES[keyword].outside(spot.schema, values.clock.now_ms)
                yield _fault(spot, keyword, [(spot.tokens, ((spot.tokens, value),)) for value in outside])
            elif keyword in BREAKERS:
                yield from BREAKERS[keyword](spot, values)


def _fault(spot: Spot, keyword: str, ways: Iterable[Way], *, name: str | None = None) -> Mutation:
    """`name` is the member that a `required` asks for."""
    levels = list(spot.levels)
    if name is not None and name in spot.schema.get("properties", {}):
        levels.append(spot.schema["properties"][name])
    return Mutation(
        rule=spot.schema[POINTER] + pointer.build([keyword] if name is None else [keyword, name]),
        keyword=keyword,
        ways=tuple(ways),
        reason=nearest(levels, "refusal", keyword),
        message=nearest(levels, "message", keyword),
    )


def nearest(levels: Iterable[Schema], member: str, keyword: str) -> str | None:
    """Return what the nearest schema above a broken keyword says of it."""
    for level in reversed(list(levels)):
        said = level.get(member)
        said = said.get(keyword) if isinstance(said, Mapping) else said
        if said is not None:
            return str(said)
    return None


def _required(spot: Spot, values: Values) -> Iterator[Mutation]:
    for name in spot.schema["required"]:
        place = (*spot.tokens, name)
        yield _fault(spot, "required", [(place, ((place, MISSING),)), (place, ((place, None),))], name=name)


def _additional(spot: Spot, values: Values) -> Iterator[Mutation]:
    if spot.schema["additionalProperties"] is False:
        declared = spot.schema.get("properties", {})
        names = [*NEW_NAMES, *(name.upper() for name in declared), *(f"{name} " for name in declared)]
        places = [(*spot.tokens, name) for name in dict.fromkeys(names) if name not in declared]
        yield _fault(spot, "additionalProperties", [(at, ((at, value),)) for at in places for value in ("x", None)])


def _items(spot: Spot, values: Values, size: int) -> Way:
    made = values.fixed.get(spot.tokens)
    schema = spot.schema.get("items", {})
    item = made[0] if isinstance(made, list) and made else values.smallest(schema, (*spot.tokens, 0))
    return spot.tokens, ((spot.tokens, [item] * size),)


def _min_items(spot: Spot, values: Values) -> Iterator[Mutation]:
    sizes = [size for size in dict.fromkeys((spot.schema["minItems"] - 1, 0)) if 0 <= size < spot.schema["minItems"]]
    yield _fault(spot, "minItems", [_items(spot, values, size) for size in sizes])


def _max_items(spot: Spot, values: Values) -> Iterator[Mutation]:
    yield _fault(spot, "maxItems", [_items(spot, values, spot.schema["maxItems"] + 1)])


def _any_of(spot: Spot, values: Values) -> Iterator[Mutation]:
    """Break every branch at once: by taking away what it asks for, or by what only the branch refuses."""
    each = [list(_branch_changes(spot, branch, values)) for branch in spot.schema["anyOf"]]
    edits: list[Edit] = [tuple(dict(way).items()) for way, _ in zip(product(*each), range(MOST_WAYS), strict=False)]
    if not each[0]:
        edits = [((spot.tokens, value),) for value in SCALARS]
    yield _fault(spot, "anyOf", [(_pointed_at(spot, edit), edit) for edit in edits])


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
    "minItems": _min_items,
    "maxItems": _max_items,
    "anyOf": _any_of,
}
WALKED: Final = ("properties", "items")
"""Keywords that only lead to other schemas."""
