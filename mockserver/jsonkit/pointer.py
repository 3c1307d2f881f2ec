"""JSON Pointer (RFC 6901) and JSON Merge Patch (RFC 7396) over plain Python values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from mockserver.jsonkit import Json


class Missing:
    """The type of `MISSING`: the value at a pointer that does not exist, as opposed to null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # a copy, and what is read back from a pickle, is the one there is


MISSING: Final = Missing()
_INDEX: Final = re.compile("0|[1-9][0-9]{0,17}")
"""An array index: no leading zero. Longer ones are past the end of any array."""
_BAD_ESCAPE: Final = re.compile("~(?![01])")


def escape(token: str) -> str:
    """Escape one reference token for use in a pointer."""
    return token.replace("~", "~0").replace("/", "~1")


class Tokens(tuple[str, ...]):
    """A parsed JSON Pointer."""

    __slots__ = ()

    @classmethod
    def of(cls, pointer: str) -> Tokens:
        """Parse a pointer. Raises ValueError when it is malformed."""
        return cls(parse(pointer))


NOWHERE: Final = Tokens()
"""The tokens of the whole document."""


def parse(pointer: str) -> tuple[str, ...]:
    """Split a pointer into its tokens; `""` is the whole document. Raises ValueError for a malformed pointer."""
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise ValueError(f"a JSON Pointer must be empty or start with '/', got {pointer!r}")
    if _BAD_ESCAPE.search(pointer):
        raise ValueError(f"in a JSON Pointer, ~ must be followed by 0 (for ~) or 1 (for /), got {pointer!r}")
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/"))


def build(tokens: Iterable[str | int]) -> str:
    """Join tokens into a pointer."""
    return "".join("/" + escape(str(token)) for token in tokens)


def get(value: Json, tokens: Iterable[str]) -> Json | Missing:
    """Return the value at the tokens, or `MISSING`."""
    for token in tokens:
        if isinstance(value, dict):
            if token not in value:
                return MISSING
            value = value[token]
        elif isinstance(value, list):
            if _INDEX.fullmatch(token) is None or int(token) >= len(value):
                return MISSING
            value = value[int(token)]
        else:
            return MISSING
    return value


def merge_patch(target: Json, patch: Json) -> Json:
    """Apply an RFC 7396 merge patch and return a new value; the arguments are not modified."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Json] = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def leaves(value: Json, tokens: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Yield each leaf of nested objects with its tokens; arrays and empty objects are leaves."""
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from leaves(member, (*tokens, name))
    else:
        yield tokens, value
