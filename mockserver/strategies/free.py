"""Values that no schema describes: what callers put into free-form objects, with any names, nested, long, wide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from hypothesis import strategies as st

from mockserver.jsonkit import Json
from mockserver.strategies.chance import CHARACTERS, Chance, Site
from mockserver.strategies.plausible import NUMBERS, ODD_NAMES, ODD_TEXTS, SCALARS

Value: TypeAlias = Callable[[Chance], Json]
"""Draws a value."""

TEXT: Final = st.text(CHARACTERS, max_size=40)
INTEGERS: Final = st.integers(-(2**53), 2**53)
FLOATS: Final = st.floats(allow_nan=False, allow_infinity=False)
DEEPEST: Final = 3
"""How deep objects and arrays are drawn inside one another."""
MANY: Final = 40
"""Members of an object with many."""
_WORDS: Final = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
_KNOWN: Final = (*SCALARS, *ODD_TEXTS, *NUMBERS)
_SHAPE, _SIZE, _NAME = Site(16), Site(5), Site(4)
_ODD_NAME, _SCALAR, _EDGE = Site(len(ODD_NAMES)), Site(8), Site(len(_KNOWN))


def any_value(chance: Chance, depth: int = 0) -> Json:
    """Draw a value of any type: a scalar more often than not."""
    shape = chance.pick(_SHAPE) if depth < DEEPEST else 0
    if shape >= 14:
        return free_array(chance, depth + 1)
    return free_object(chance, depth + 1) if shape >= 11 else _scalar(chance)


def free_object(chance: Chance, depth: int = 0, value: Value | None = None) -> Json:
    """Draw an object with any members; with `value`, each of them is drawn by it."""
    found = {}
    for _ in range(chance.pick(_SIZE)):
        name = _name(chance)
        found[name] = any_value(chance, depth) if value is None else value(chance)
    if depth == 0 and value is None and chance.pick(_SHAPE) == 15:
        found |= {f"member_{number}": number for number in range(MANY)}
    return found


def free_array(chance: Chance, depth: int = 0) -> Json:
    """Draw an array of anything."""
    return [any_value(chance, depth) for _ in range(chance.pick(_SIZE))]


def _name(chance: Chance) -> str:
    kind = chance.pick(_NAME)
    if kind == 1:
        return ODD_NAMES[chance.pick(_ODD_NAME)]
    name: str = chance.draw(TEXT if kind == 3 else _WORDS)
    return name


def _scalar(chance: Chance) -> Json:
    kind = chance.pick(_SCALAR)
    if kind < 4:
        return _KNOWN[chance.pick(_EDGE)]
    return chance.draw((TEXT, TEXT, INTEGERS, FLOATS)[kind - 4])


def of_types(names: Sequence[str]) -> Value:
    """Return what draws a value of one of these types."""
    kinds: dict[str, Value] = {
        "string": lambda chance: chance.draw(TEXT),
        "number": lambda chance: chance.draw(FLOATS),
        "integer": lambda chance: chance.draw(INTEGERS),
        "boolean": lambda chance: chance.draw(st.booleans()),
        "null": lambda chance: None,
        "object": free_object,
        "array": free_array,
    }
    options = [kinds[name] for name in names]
    site = Site(len(options))
    return lambda chance: options[chance.pick(site)](chance)
