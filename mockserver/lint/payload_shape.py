"""The shape of a payload: which members it has, of which kinds, and the few values that tell protocols apart.

Payloads of one shape are read in the same way, so the reading of a shape is worked out once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from mockserver.jsonkit import Json

SAMPLED: Final = 20
"""Items of a list that are looked at; the events of one batch resemble each other."""
LONGEST_NAME: Final = 64
"""Characters of a name or value of a contract; a longer one is none."""
MOST_MEMBERS: Final = 200
"""Members of an object that are looked at."""
NULL: Final = "null"
OBJECT: Final = "object"
_KINDS: Final[Mapping[type, str]] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dict: OBJECT,
    list: "array",
    type(None): NULL,
}


class Shape(NamedTuple):
    """The shape of an object.

    `members` are names with the JSON type of their values, `texts` the values of the names that were asked for,
    `items` the distinct shapes of the objects in each list.
    """

    members: tuple[tuple[str, str], ...]
    texts: tuple[tuple[str, str], ...] = ()
    items: tuple[tuple[str, tuple[Shape, ...]], ...] = ()


def shape_of(value: Mapping[str, Json], telling: Collection[str], *, with_items: bool = True) -> Shape:
    """Return the shape of an object; of the names in `telling`, short texts are a part of it."""
    members, texts, items = [], [], []
    for name, member in value.items():
        kind = _KINDS[type(member)]
        members.append((name[:LONGEST_NAME], kind))
        if kind == "string":
            if name in telling:
                texts.append((name, member[:LONGEST_NAME]))
        elif kind == "array" and with_items:
            inside = (item for item in member[:SAMPLED] if type(item) is dict)
            shapes = dict.fromkeys(shape_of(item, telling, with_items=False) for item in inside)
            if shapes:
                items.append((name, tuple(shapes)))
        if len(members) == MOST_MEMBERS:
            break
    return Shape(tuple(members), tuple(texts), tuple(items))
