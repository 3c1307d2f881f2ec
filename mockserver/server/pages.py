"""Pages of rows: made and rendered row by row, bounded in bytes, and sent as they are made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of rows on a page. A page that would be larger ends earlier; a larger row is alone on its page.

Bodies that arrive compressed count as what they hold: a page of 1000 events could take gigabytes otherwise.
"""

RenderedRow = tuple[int, bytes]
"""The position of a row, for `after`, and the row as JSON."""


def rendered(rows: Iterable[tuple[int, Json] | None]) -> Iterator[RenderedRow | None]:
    """Render rows, each with its position; None stands for a piece of work without a row."""
    for row in rows:
        yield None if row is None else (row[0], render(row[1]))


def next_page(last: int | None, more: bool) -> int | None:
    """Return the `next` of a list: the position of the last row on the page, or None at the end of the list."""
    return last if more else None


async def page(
    name: str,
    rows: AsyncIterator[RenderedRow | None],
    limit: int,
    *,
    head: Mapping[str, Json] | None = None,
    next_of: Callable[[int | None, bool], int | None] = next_page,
) -> AsyncIterator[bytes]:
    """Yield a page as pieces of JSON: the members of `head`, at most `limit` rows as the member `name`, and `next`.

    `next_of` is called with the position of the last row (None for no row) and whether rows were left off.
    """
    members = render(dict(head or {}))[:-1]
    yield members + b"," * (len(members) > 1) + render(name) + b":["
    count, size, last, more = 0, 0, None, False
    async for row in rows:
        if row is None:
            continue
        position, text = row
        if count and (count == limit or size + len(text) > MAX_BYTES):
            more = True
            break
        count, size, last = count + 1, size + len(text), position
        yield b"," * (count > 1) + text
    yield b'],"next":' + render(next_of(last, more)) + b"}"
