"""What lies between the edges: what draws values of one schema, all its keywords taken together."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.strategies.chance import CHARACTERS, Chance, Site
from mockserver.strategies.free import FLOATS, Value, free_array, free_object, of_types
from mockserver.strategies.keywords import types_of
from mockserver.strategies.places import Tokens
from mockserver.strategies.plausible import DAY_MS
from mockserver.strategies.texts import moment_texts, python_regex
from mockserver.strategies.values import Schema, Values

VARIED: Final = object()
"""Among the options of a member: something between its edges."""
WORD: Final = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
LONGEST_DRAWN: Final = 400
"""Longer texts are drawn by repeating a short one."""
CHANGES: Final = 3
"""How many characters of a text are changed."""
_SIGNS: Final = string.ascii_letters + string.digits + "-_."
_PLACE, _SIGN, _FROM_REGEX = Site(100), Site(len(_SIGNS)), Site(8)
_FORM = Site(len(moment_texts(0)))


def varied(values: Values, schema: Schema, tokens: Tokens) -> Value | None:
    """Return what draws values of a schema, mostly between its edges; None where it has nothing but edges."""
    between = _between(values, schema, tokens)
    if between is None:
        return None
    edges = values.edges(schema, tokens)
    texts = [edge for edge in edges if isinstance(edge, str) and edge and len(edge) <= LONGEST_DRAWN]
    takes = partial(values.takes, schema, tokens)

    def draw(chance: Chance) -> Json:
        value = between(chance)
        while isinstance(value, dict) and value and tokens in values.most_bytes and not takes(value):
            value.popitem()
        if takes(value):
            return value
        edge = chance.choose(texts or edges)
        return _changed(chance, edge, takes) if texts else edge

    return draw


def _changed(chance: Chance, text: str, fits: Callable[[str], bool]) -> str:
    """Return a text with some characters replaced, as far as all keywords of its schema let it."""
    for _ in range(CHANGES):
        place, sign = chance.pick(_PLACE) % len(text), _SIGNS[chance.pick(_SIGN)]
        changed = text[:place] + sign + text[place + 1 :]
        text = changed if fits(changed) else text
    return text


def _between(values: Values, schema: Schema, tokens: Tokens) -> Value | None:
    if "enum" in schema or "const" in schema:
        return None
    reach = values.time_frame.inside(tokens)
    now_ms = values.time_frame.now_ms
    if reach is not None:
        return _moments(now_ms, *reach)
    if "anyOf" in schema:
        return _one_of([_between(values, branch, tokens) for branch in values.branches(schema)])
    if "format" in schema:
        return FORMATS[schema["format"]](now_ms)
    if "pattern" in schema:
        return _matching(schema["pattern"])
    return _one_of([_of_type(kind, schema) for kind in types_of(schema)])


def _one_of(options: Sequence[Value | None]) -> Value | None:
    known = [option for option in options if option is not None]
    site = Site(max(1, len(known)))
    return (lambda chance: known[chance.pick(site)](chance)) if known else None


def _drawn(strategy: SearchStrategy[Json]) -> Value:
    return lambda chance: chance.draw(strategy)


def _matching(pattern: str) -> Value | None:
    """Return what draws texts of a pattern; one that does not match stands for a good text with some changes."""
    regex = python_regex(pattern)
    if regex is None:
        return None
    texts = st.from_regex(regex, alphabet=CHARACTERS)
    return lambda chance: None if chance.pick(_FROM_REGEX) else chance.draw(texts)


def _of_type(kind: str, schema: Schema) -> Value | None:
    low, high = schema.get("minimum"), schema.get("maximum")
    match kind:
        case "string":
            least, most = schema.get("minLength", 0), schema.get("maxLength")
            longest = max(least, 40) if most is None else min(most, max(least, 40))
            if least <= LONGEST_DRAWN:
                return _drawn(st.text(CHARACTERS, min_size=least, max_size=longest))
            short = st.text(CHARACTERS, min_size=1, max_size=40)
            return lambda chance: (chance.draw(short) * least)[:least]
        case "integer":
            return _drawn(st.integers(low, high))
        case "number":
            first, last = -(2**53) if low is None else -(-low // 1), 2**53 if high is None else high // 1
            integers = _drawn(st.integers(int(first), int(last))) if first <= last else None
            floats = FLOATS if low is high is None else st.floats(low, high, allow_nan=False, allow_infinity=False)
            return _one_of([integers, _drawn(floats)])
        case "object":
            inner = schema.get("additionalProperties", {})
            if inner is False:
                return None
            value = of_types(types_of(inner)) if isinstance(inner, Mapping) and inner else None
            return lambda chance: free_object(chance, 0, value)
        case "array":
            return None if "items" in schema else free_array
        case _:
            return None


def _moments(now_ms: int, first: int, last: int) -> Value:
    offsets = st.integers(first, last)
    return lambda chance: moment_texts(now_ms + chance.draw(offsets))[chance.pick(_FORM)]


def _iso_8601(now_ms: int) -> Value:
    days, moments, site = st.integers(-30, 30), _moments(now_ms, -30 * DAY_MS, DAY_MS), Site(2)

    def draw(chance: Chance) -> Json:
        if chance.pick(site):
            return rfc3339_ms(now_ms + chance.draw(days) * DAY_MS)[:10]
        return moments(chance)

    return draw


def _words(template: str) -> Value:
    return lambda chance: template.format(chance.draw(WORD), chance.draw(WORD))


FORMATS: Final[dict[str, Callable[[int], Value]]] = {
    "date-time": lambda now_ms: _moments(now_ms, -30 * DAY_MS, DAY_MS),
    "iso-8601": _iso_8601,
    "uuid": lambda now_ms: _drawn(st.uuids().map(str)),
    "uri": lambda now_ms: _words("https://{}.example/{}"),
    "email": lambda now_ms: _words("{}@{}.example"),
}
"""What draws texts of each format of the contract language."""
