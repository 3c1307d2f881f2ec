"""From schemas to Hypothesis: the edges of `values`, with chance in between.

Everything shrinks to the plainest: no optional member, the first alternative, the first edge of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.strategies.keywords import types_of
from mockserver.strategies.places import Tokens
from mockserver.strategies.plausible import DAY_MS, SCALARS
from mockserver.strategies.samples import TooLargeError
from mockserver.strategies.texts import moment_texts, python_regex
from mockserver.strategies.values import MOST_ITEMS, Schema, Values, is_array, is_object

Strategy: TypeAlias = SearchStrategy[Json]
Draw: TypeAlias = Callable[[Strategy], Json]

CHARACTERS: Final = st.characters(codec="utf-8", exclude_characters="\x00")
TEXT: Final = st.text(CHARACTERS, max_size=40)
WORD: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
LONG: Final = 400
"""Values longer than so many bytes of JSON are drawn less often."""
ODDS: Final = 6
"""How many times more likely a short value is than a long one."""
DIFFERENT: Final = 4
"""Long arrays are made of so many different items, which come again."""
VARIED: Final = object()
EXTRA_NAME: Final = "x_extra"


class Drawing:
    """Strategies for the values of one schema; each is built once."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._strategies: dict[tuple[int, Tokens], tuple[Schema, Strategy]] = {}

    def whole(self) -> Strategy:
        """Return the strategy of the whole schema."""
        return self.at(self.values.root, ())

    def at(self, schema: Schema, tokens: Tokens) -> Strategy:
        """Return the strategy of a schema at a place."""
        key = (id(schema), tokens)
        if key not in self._strategies:
            self._strategies[key] = (schema, self._build(schema, tokens))
        return self._strategies[key][1]

    def _build(self, schema: Schema, tokens: Tokens) -> Strategy:
        if tokens in self.values.fixed:
            return st.just(self.values.fixed[tokens])
        if _is_leaf(schema):
            return self._leaf(schema, tokens)
        if is_object(schema):
            return st.one_of([self._object(branch, tokens) for branch in self.values.branches(schema)])
        return self._array(schema, tokens)

    def _leaf(self, schema: Schema, tokens: Tokens, *, null: bool = False) -> Strategy:
        """Draw an edge; now and then something in between. One draw is what most values cost."""
        edges, varied = self.choices(schema, tokens), self._varied(schema, tokens)
        nulls = [None] * (len(edges) // 8 + 1) if null else []
        if varied is None:
            return st.sampled_from([*edges, *nulls])
        options = st.sampled_from([*edges, *nulls, *([VARIED] * (len(edges) // 2))])
        among_edges = st.sampled_from(edges)

        def pick(draw: Draw) -> Json:
            value = draw(options)
            if value is not VARIED:
                return value
            value = draw(varied)
            return value if self.values.fits(schema, value) else draw(among_edges)

        return composed(pick)

    def choices(self, schema: Schema, tokens: Tokens) -> list[Json]:
        """Return what a value drawn whole is picked from: every edge, short ones several times."""
        edges = self.values.edges(schema, tokens)
        short = [edge for edge in edges if len(render(edge)) <= LONG]
        return short * ODDS + [edge for edge in edges if len(render(edge)) > LONG]

    def _varied(self, schema: Schema, tokens: Tokens) -> Strategy | None:
        if "enum" in schema or "const" in schema:
            return None
        reach = self.values.time_frame.inside(tokens)
        now_ms = self.values.time_frame.now_ms
        if reach is not None:
            return _moments(now_ms, *reach)
        if "anyOf" in schema:
            branches = (self._varied(branch, tokens) for branch in self.values.branches(schema))
            drawn = [branch for branch in branches if branch is not None]
            return st.one_of(drawn) if drawn else None
        if "format" in schema:
            return FORMATS[schema["format"]](now_ms)
        if "pattern" in schema:
            regex = python_regex(schema["pattern"])
            if regex is None:
                return None
            return st.from_regex(regex, alphabet=CHARACTERS)
        options = [_of_type(kind, schema) for kind in types_of(schema)]
        known = [option for option in options if option is not None]
        return st.one_of(known) if known else None

    def members(self, schema: Schema, tokens: Tokens) -> Iterator[tuple[str, bool, Strategy]]:
        """Yield the members of an object, each with whether it is always there: else it is as often as not."""
        required, declared = set(schema.get("required", ())), schema["properties"]
        yield from ((name, name in required, self._member(schema, name, tokens)) for name in declared)
        yield from ((name, True, st.just("x")) for name in required - set(declared))
        if schema.get("additionalProperties") is not False:
            yield EXTRA_NAME, False, self._extra(schema, tokens)

    def _object(self, schema: Schema, tokens: Tokens) -> Strategy:
        members = list(self.members(schema, tokens))
        optional = [name for name, always, _ in members if not always]
        masks = st.integers(0, (1 << len(optional)) - 1)
        fewest = schema.get("minProperties", 0)

        def build(draw: Draw) -> Json:
            mask = draw(masks)
            absent = {name for number, name in enumerate(optional) if not mask >> number & 1}
            drawn = {name: draw(strategy) for name, _, strategy in members if name not in absent}
            there = {name: value for name, value in drawn.items() if value is not None}  # null may count as absent
            return drawn if len(there) >= fewest else {**self.values.object_with(schema, tokens, ()), **there}

        return composed(build)

    def _member(self, schema: Schema, name: str, tokens: Tokens) -> Strategy:
        member, place = schema["properties"][name], (*tokens, name)
        if place in self.values.fixed or not self.values.may_be_null(schema, name):
            return self.at(member, place)
        if _is_leaf(member):
            return self._leaf(member, place, null=True)
        return st.one_of(self.at(member, place), self.at(member, place), st.none())

    def _extra(self, schema: Schema, tokens: Tokens) -> Strategy:
        inner = schema.get("additionalProperties", {})
        if isinstance(inner, dict) and inner:
            return self.at(inner, (*tokens, EXTRA_NAME))
        return st.sampled_from(SCALARS)

    def _array(self, schema: Schema, tokens: Tokens) -> Strategy:
        self.values.smallest(schema, tokens)  # raises ContractError where an array would be too long
        most = min(schema["maxItems"], MOST_ITEMS) if "maxItems" in schema else None
        return sized(self.at(schema["items"], (*tokens, 0)), schema.get("minItems", 0), most)


def lengths(least: int, most: int | None) -> list[int]:
    """Return how long arrays are drawn: few items, and as many as there may be."""
    return [*range(least, least + 4)] if most is None else [*range(least, min(least + 3, most) + 1), most]


def sized(item: Strategy, least: int, most: int | None) -> Strategy:
    """Return arrays of items, of each of the `lengths`."""
    sizes = st.sampled_from(lengths(least, most))

    def build(draw: Draw) -> Json:
        size = draw(sizes)
        items = [draw(item) for _ in range(min(size, DIFFERENT))]
        return [items[index % DIFFERENT] for index in range(size)]

    return composed(build)


def composed(build: Callable[[Draw], Json]) -> Strategy:
    """Return a strategy that draws as a function does."""

    @st.composite
    def drawn(draw: Any) -> Json:
        try:
            return build(draw)
        except TooLargeError:  # another one may be smaller
            reject()

    return drawn()


def _is_leaf(schema: Schema) -> bool:
    """Tell whether a schema's values are drawn whole, not member by member."""
    return not (is_object(schema) and schema.get("properties")) and not (is_array(schema) and "items" in schema)


def _of_type(kind: str, schema: Schema) -> Strategy | None:
    low, high = schema.get("minimum"), schema.get("maximum")
    match kind:
        case "string":
            least, most = schema.get("minLength", 0), schema.get("maxLength")
            longest = max(least, 40) if most is None else min(most, max(least, 40))
            if least <= LONG:
                return st.text(CHARACTERS, min_size=least, max_size=longest)
            return st.text(CHARACTERS, min_size=1, max_size=40).map(lambda text: (text * least)[:least])
        case "integer":
            return st.integers(low, high)
        case "number":
            return st.one_of(
                st.integers(-(2**53) if low is None else -(-low // 1), 2**53 if high is None else high // 1).map(int),
                st.floats(low, high, allow_nan=False, allow_infinity=False),
            )
        case "object":
            inner = schema.get("additionalProperties", {})
            members = st.sampled_from(SCALARS) if not inner or inner is True else _loose(inner)
            return st.dictionaries(WORD, members, max_size=3)
        case _:
            return None


def _loose(schema: Schema) -> Strategy:
    samples = {"string": TEXT, "number": st.integers(-1000, 1000), "boolean": st.booleans(), "null": st.none()}
    return st.one_of([samples[kind] for kind in types_of(schema) if kind in samples])


def _moments(now_ms: int, first: int, last: int) -> Strategy:
    forms = st.sampled_from(range(len(moment_texts(now_ms))))
    return st.builds(lambda offset, form: moment_texts(now_ms + offset)[form], st.integers(first, last), forms)


def _iso_8601(now_ms: int) -> Strategy:
    days = st.integers(-30, 30).map(lambda days: rfc3339_ms(now_ms + days * DAY_MS)[:10])
    return st.one_of(_moments(now_ms, -30 * DAY_MS, DAY_MS), days)


FORMATS: Final[dict[str, Callable[[int], Strategy]]] = {
    "date-time": lambda now_ms: _moments(now_ms, -30 * DAY_MS, DAY_MS),
    "iso-8601": _iso_8601,
    "uuid": lambda now_ms: st.uuids().map(str),
    "uri": lambda now_ms: st.builds("https://{}.example/{}".format, WORD, WORD),
    "email": lambda now_ms: st.builds("{}@{}.example".format, WORD, WORD),
}
"""One strategy for each format of the contract language."""
