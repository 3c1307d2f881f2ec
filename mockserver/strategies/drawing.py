"""From schemas to what Hypothesis draws: the edges of `values`, the examples of the contract, with chance in between.

Each member takes one choice, whether it is there or not: 0 leaves it out, 1 is its first edge. So members shrink one by
one, and all together to the plainest value. An example is followed member by member too, and nearly always as a whole.
What is drawn shares values with others that are drawn; `bodies` makes copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from mockserver.contract.provenance import SOURCE, SOURCES
from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.chance import Chance, Site
from mockserver.strategies.free import Value
from mockserver.strategies.places import Tokens, look
from mockserver.strategies.plausible import ODD_NAMES, SCALARS
from mockserver.strategies.values import MOST_ITEMS, Schema, Values, distinct, is_array, is_object
from mockserver.strategies.varied import VARIED, varied

LONG: Final = 400
"""Values longer than so many bytes of JSON are drawn less often."""
ODDS: Final = 6
"""How many times more likely a short value is than a long one."""
LEAST_OPTIONS: Final = 8
"""Shorter lists of options are repeated, so that few members are left out where an example is followed."""
MOST_OPTIONS: Final = 40
"""Short values are not repeated beyond so many options: a longer list takes two draws."""
DIFFERENT: Final = 4
"""Long arrays are made of so many different items, which come again."""
EXTRA_NAME: Final = "x_extra"
EXTRA_NAMES: Final = (EXTRA_NAME, *ODD_NAMES)
PLAIN: Final = object()
"""In place of an example: none is followed."""
PRESENCE: Final = 16
"""Outcomes of whether a nested member is there: odd ones say that it is."""
NULL: Final = 3
"""The outcome that makes a nested member null, where null counts as absent."""
EXTRAS: Final = (1, 3)
"""The outcomes that give an object a member that its schema does not name."""


class Node(Protocol):
    """Draws the values at one place, after an example where there is one: else it is PLAIN, or MISSING in one."""

    def must(self, chance: Chance, example: Any) -> Json:
        """Draw a value."""

    def may(self, chance: Chance, example: Any) -> Json:
        """Draw a value or MISSING: either as often as the other, or nearly always what an example has."""


class Fixed:
    """Always the same value."""

    def __init__(self, value: Json) -> None:
        self.value = value

    def must(self, chance: Chance, example: Any) -> Json:
        """Return the value."""
        return self.value

    may = must


class Leaf:
    """A value that is drawn whole. One choice is what most of them cost."""

    def __init__(self, options: Sequence[Json], between: Value | None = None, *, even: bool = False) -> None:
        self.options = [*options] * -(-LEAST_OPTIONS // len(options))
        self.between = between
        self.only = len(options) == 1 and between is None
        numbers = [self.options.index(option) for option in self.options] if even else []
        self.optional = Site(2 * len(self.options), [cell for number in numbers for cell in (None, number)])
        self.required = Site(2 * len(self.options), [cell for number in numbers for cell in (number, number)])

    def must(self, chance: Chance, example: Any) -> Json:
        """Draw a value."""
        if example is PLAIN or example is MISSING:
            return self._value(chance, 0 if self.only else chance.pick(self.required) // 2)
        if not self.only:
            chance.number(self.required)
        return example

    def may(self, chance: Chance, example: Any) -> Json:
        """Draw a value or MISSING."""
        if example is PLAIN:
            number = chance.pick(self.optional)
            return self._value(chance, number // 2) if number % 2 else MISSING
        number = chance.number(self.optional)
        if example is MISSING:
            return self._value(chance, 0) if number == 1 else MISSING
        return example if number else MISSING

    def _value(self, chance: Chance, number: int) -> Json:
        option = self.options[number]
        return self.between(chance) if option is VARIED and self.between is not None else option


class Nested:
    """What objects and arrays have in common: one choice says whether they are there."""

    def __init__(self, *, null: bool) -> None:
        self.null = null
        self.presence = Site(PRESENCE)

    def must(self, chance: Chance, example: Any) -> Json:
        """Draw a value."""
        raise NotImplementedError

    def may(self, chance: Chance, example: Any) -> Json:
        """Draw a value or MISSING."""
        number = chance.pick(self.presence)
        if not (number % 2 if example is PLAIN else number if example is not MISSING else number == 1):
            return MISSING
        if example is None or (example is PLAIN and self.null and number == NULL):
            return None
        return self.must(chance, example)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object: whether it is always there, and what draws it."""

    name: str
    always: bool
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One alternative of an object's `anyOf`: the members it asks for, as they are in the plainest value.

    `fits` tells whether an object with those members meets the rest of it.
    """

    least: dict[str, Json]
    fits: Callable[[Json], bool] | None

    def is_met(self, found: dict[str, Json]) -> bool:
        """Tell whether an object meets the alternative, where a null is as good as no member."""
        if any(found.get(name) is None for name in self.least):
            return False
        return self.fits is None or self.fits({name: value for name, value in found.items() if value is not None})


class Object(Nested):
    """An object, drawn member by member; where no alternative is met then, one of them is."""

    def __init__(
        self,
        members: Sequence[Member],
        alternatives: Sequence[Alternative],
        extra: Node | None,
        least: dict[str, Json],
        *,
        fewest: int,
        null: bool,
    ) -> None:
        super().__init__(null=null)
        self.members = members
        # Nested members come last: without one of them, what was drawn for the others stays what it was.
        self.ordered = sorted(members, key=lambda member: isinstance(member.node, Nested))
        self.known = {member.name for member in members}
        self.alternatives = alternatives
        self.least = least
        self.fewest = fewest
        self.alternative = Site(max(1, len(alternatives)))
        self.extra = extra
        self.names = Site(len(EXTRA_NAMES))
        self.extras = Site(PRESENCE)

    def must(self, chance: Chance, example: Any) -> Json:
        """Draw a value."""
        number = chance.pick(self.alternative) if len(self.alternatives) > 1 else 0
        is_followed = isinstance(example, dict)
        found: dict[str, Json] = {}
        for member in self.ordered:
            own = example.get(member.name, MISSING) if is_followed else PLAIN
            always = member.always and own is not None
            value = member.node.must(chance, own) if always else member.node.may(chance, own)
            if value is not MISSING:
                found[member.name] = value
        if self.alternatives and not any(each.is_met(found) for each in self.alternatives):
            found |= self.alternatives[number].least
        found = {member.name: found[member.name] for member in self.members if member.name in found}
        for name in example if is_followed else ():
            if name not in self.known and chance.pick(self.presence):
                found[name] = example[name]
        if self.extra is not None and chance.pick(self.extras) in EXTRAS:
            name = EXTRA_NAMES[chance.pick(self.names)]
            if name not in self.known:
                found.setdefault(name, self.extra.must(chance, PLAIN))
        there = {name: value for name, value in found.items() if value is not None}  # null may count as absent
        return found if len(there) >= self.fewest else {**self.least, **there}


class Array(Nested):
    """An array of items, of each of the `lengths`."""

    def __init__(self, item: Node, sizes: Sequence[int], *, null: bool) -> None:
        super().__init__(null=null)
        self.item = item
        self.sizes = sizes
        self.size = Site(len(sizes))

    def must(self, chance: Chance, example: Any) -> Json:
        """Draw a value."""
        size = self.sizes[chance.pick(self.size)]
        if example is not PLAIN and example is not MISSING:
            return example
        return repeated([self.item.must(chance, PLAIN) for _ in range(min(size, DIFFERENT))], size)


def repeated(items: Sequence[Json], size: int) -> list[Json]:
    """Return so many items: these, again and again."""
    return [items[index % len(items)] for index in range(size)]


def lengths(least: int, most: int | None) -> list[int]:
    """Return how long arrays are drawn: few items, and as many as there may be."""
    return [*range(least, least + 4)] if most is None else [*range(least, min(least + 3, most) + 1), most]


class Drawing:
    """What draws the values of one schema, built once; `examples` are values that fit it."""

    def __init__(self, values: Values, examples: Iterable[Json] = ()) -> None:
        self.values = values
        self.examples = [*examples]
        self.root = self._node(values.root, (), null=False)

    def draw(self, chance: Chance, example: Any = PLAIN) -> Json:
        """Draw a value of the whole schema, after an example if one is given."""
        return self.root.must(chance, example)

    def _node(self, schema: Schema, tokens: Tokens, *, null: bool) -> Node:
        if tokens in self.values.fixed:
            return Fixed(self.values.fixed[tokens])
        if is_object(schema) and schema.get("properties"):
            members = list(self.members(schema, tokens))
            alternatives, fewest = list(self._alternatives(schema, tokens)), schema.get("minProperties", 0)
            least = self.values.object_with(schema, tokens, ()) if fewest else {}
            extra = self._extra(schema, tokens)
            return Object(members, alternatives, extra, least, fewest=fewest, null=null)
        if is_array(schema) and "items" in schema:
            self.values.smallest(schema, tokens)  # raises ContractError where an array would be too long
            most = min(schema["maxItems"], MOST_ITEMS) if "maxItems" in schema else None
            item = self._node(schema["items"], (*tokens, 0), null=False)
            return Array(item, lengths(schema.get("minItems", 0), most), null=null)
        return self._leaf(schema, tokens, null=null)

    def _leaf(self, schema: Schema, tokens: Tokens, *, null: bool) -> Node:
        edges, between = self.choices(schema, tokens), varied(self.values, schema, tokens)
        nulls = [None] * (len(edges) // 8 + 1) if null else []
        places = [VARIED] * (len(edges) // 2) if between is not None else []
        return Leaf([*edges, *nulls, *places], between, even="enum" in schema)

    def choices(self, schema: Schema, tokens: Tokens) -> list[Json]:
        """Return what a value drawn whole is picked from: edges, short ones several times, and what examples have."""
        edges = self.values.edges(schema, tokens)
        seen = (look(example, tokens) for example in self.examples) if tokens and 0 not in tokens else ()
        others = [value for value in seen if value is not MISSING and self.values.takes(schema, tokens, value)]
        every = list(distinct([*edges, *others]))
        short = [edge for edge in every if len(render(edge)) <= LONG]
        odds = max(1, min(ODDS, MOST_OPTIONS // max(1, len(short))))
        return short * odds + [edge for edge in every if len(render(edge)) > LONG]

    def members(self, schema: Schema, tokens: Tokens) -> Iterator[Member]:
        """Yield the members that an object's schema names, those of its alternatives included."""
        required = set(schema.get("required", ()))
        declared = dict(schema["properties"])
        for branch in self.values.branches(schema):
            declared = {**branch.get("properties", {}), **declared}
        for name in [*schema["properties"], *sorted(declared.keys() - schema["properties"].keys())]:
            null = self.values.may_be_null({**schema, "properties": declared}, name)
            yield Member(name, name in required, self._node(declared[name], (*tokens, name), null=null))
        yield from (Member(name, True, Fixed("x")) for name in sorted(required - set(declared)))

    def _alternatives(self, schema: Schema, tokens: Tokens) -> Iterator[Alternative]:
        for branch, whole in zip(schema.get("anyOf", ()), self.values.branches(schema), strict=False):
            least = self.values.object_with({**whole, "required": branch.get("required", ())}, tokens, ())
            simple = set(branch) <= {"required", POINTER, SOURCE, SOURCES}
            yield Alternative(least=least, fits=None if simple else partial(self.values.fits, branch))

    def _extra(self, schema: Schema, tokens: Tokens) -> Node | None:
        """Return what draws members that the schema does not name: at the top, and where it says what they are."""
        inner = schema.get("additionalProperties", {})
        if inner is False or (tokens and not inner):
            return None
        return (
            self._node(inner, (*tokens, EXTRA_NAME), null=False) if isinstance(inner, dict) and inner else Leaf(SCALARS)
        )
