"""Lines of text about findings, values and lists, for explanations and failure reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from typing import Final

from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

SHOWN_VALUE: Final = 120
SHOWN_SOURCE: Final = 60
LONGEST_ABRIDGED: Final = 2048
"""Characters of an abridged value: so many more than are shown that a secret at their end is found in it."""
SHOWN_ROWS: Final = 20
NOTHING_CAME: Final = "No requests arrived: does the client use the URL of this server, and was it flushed?"
"""The hint of a wait during which the server received nothing at all."""


def finding(row: Finding) -> str:
    """Describe a finding in one line: message, pointer, rule and source."""
    place = f" at {row.pointer}" if row.pointer else ""
    source = f"; {cut(row.source, SHOWN_SOURCE)}" if row.source else ""
    return f"{row.message}{place} [{row.rule}{source}]"


def value(shown: Json) -> str:
    """Format a JSON value in one line, truncated if it is long."""
    return cut(json.dumps(shown, ensure_ascii=False), SHOWN_VALUE)


def abridged(shown: Json) -> Json:
    """Return the beginning of a value, in which as many characters are left as could be shown of it."""
    return _abridged(shown, [LONGEST_ABRIDGED])


def _abridged(shown: Json, room: list[int]) -> Json:
    if isinstance(shown, str):
        beginning = shown[: max(room[0], 0)]
        room[0] -= len(beginning)
        return beginning
    room[0] -= 1
    if isinstance(shown, dict):
        return {_abridged(name, room): _abridged(shown[name], room) for name in takewhile(lambda _: room[0] > 0, shown)}
    if isinstance(shown, list):
        return [_abridged(item, room) for item in takewhile(lambda _: room[0] > 0, shown)]
    return shown


def cut(text: str, limit: int) -> str:
    """Truncate a text to a number of characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where English has it."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def alike(entries: Iterable[tuple[str, Sequence[str]]], separator: str = " ") -> Iterator[str]:
    """Yield the lines of entries, each an id and lines; successive entries with equal lines are told once."""
    for lines, same in groupby(entries, lambda entry: entry[1]):
        ids = [id for id, _ in same]
        head = ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]} ({len(ids)} alike)"
        yield f"{head}{separator}{lines[0]}"
        yield from lines[1:]


def block(title: str, lines: Iterable[str]) -> list[str]:
    """Return a heading with lines below it, truncated if there are many; nothing without lines."""
    rows = list(lines)
    more = [f"  … and {len(rows) - SHOWN_ROWS} more"] if len(rows) > SHOWN_ROWS else []
    return [f"{title}:", *(f"  {line}" for line in rows[:SHOWN_ROWS]), *more] if rows else []
