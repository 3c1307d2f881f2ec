"""Parsing of large JSON texts in pieces, so that other threads run in between: orjson lets none run during a call.

JSON is unambiguous, so an array may be cut at any comma, whatever that comma is: if `[`, a piece and `]` is valid for
each of the pieces, no cut was inside a string or an inner value, and the array holds what the pieces hold. For the same
reason, what is around the array may be parsed with a mark in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Final

import orjson

from mockserver.jsonkit import Json

PIECE: Final = 256 * 1024
"""Bytes that are parsed at once, in two or three milliseconds, and up to twice as many where they cannot be cut."""
MOST_TRIES: Final = 40
"""Places of an array, and cuts in it, that may turn out to be none."""
AROUND: Final = 4096
"""Bytes at the beginning and at the end of a text in which those of the array are sought."""
ENDING: Final = 16
"""Characters at the end of a piece: what is wrong before them is not due to the cut."""

_BETWEEN: Final = re.compile(rb"[}\]][ \t\r\n]*(?=,[ \t\r\n]*[\[{])")


def loads(text: bytes) -> Json:
    """Parse a JSON text as `orjson.loads` does, in pieces where it is large. Raises orjson.JSONDecodeError.

    The text is one large array, or an object with a member that is one; any other is parsed at once.
    """
    if len(text) > 2 * PIECE:
        tries = iter(range(MOST_TRIES))
        for start, end in _arrays(text):
            mark = token_hex()
            around = _parsed(b'%b"%b"%b' % (text[:start], mark.encode(), text[end + 1 :]))
            names = [name for name, member in around.items() if member == mark] if isinstance(around, dict) else []
            if around == mark or names:
                items = _items(text, start + 1, end, tries)
                if items is not None:
                    return {**around, names[0]: items} if names else items
            if next(tries, None) is None:
                break
    return orjson.loads(text)


def _parsed(text: bytes) -> Json:
    """Return the value of a text; None if it is not valid JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _arrays(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a large array may begin and end."""
    offset = max(0, len(text) - AROUND)
    ends = [offset + found.start() for found in re.finditer(rb"\]", text[offset:])]
    for found in re.finditer(rb"\[", text[:AROUND]):
        yield from ((found.start(), end) for end in reversed(ends) if end > found.start())


def _items(text: bytes, start: int, end: int, tries: Iterator[int]) -> list[Json] | None:
    """Return what is in an array, or None if it cannot be cut within the tries that are left."""
    items: list[Json] = []
    while start < end:
        for cut in _cuts(text, start, end):
            try:
                piece = orjson.loads(b"[%b]" % text[start:cut])
            except orjson.JSONDecodeError as error:
                if error.pos < len(error.doc) - ENDING or next(tries, None) is None:
                    return None
                continue
            if not piece:
                return None
            items += piece
            start = cut + 1
            break
        else:
            return None
    return items if start > end else None


def _cuts(text: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where the array may be cut next: between two inner values, or at any comma; at its end if that is near."""
    if end - start <= 2 * PIECE:
        yield end
        return
    first, last = start + PIECE, start + 2 * PIECE
    yield from (found.end() for found in _BETWEEN.finditer(text, first, last))
    yield from (first + found.start() for found in re.finditer(b",", text[first:last]))
