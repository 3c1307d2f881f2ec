"""Pages of rows: as many as asked for, no more bytes than allowed, and where the next page begins."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from mockserver.server import pages
from mockserver.server.pages import RenderedRow, page, rendered


async def rows(numbers: Iterable[int | None], text: str = "") -> AsyncIterator[RenderedRow | None]:
    for row in rendered(None if number is None else (number, {"n": number, "text": text}) for number in numbers):
        yield row


async def read(pieces: AsyncIterator[bytes]) -> tuple[Any, list[int]]:
    """Return the page as JSON, and the lengths of its pieces."""
    received = [piece async for piece in pieces]
    return json.loads(b"".join(received)), list(map(len, received))


@pytest.mark.parametrize(
    ("count", "limit", "shown", "following"),
    [(0, 3, [], None), (2, 3, [1, 2], None), (3, 3, [1, 2, 3], None), (4, 3, [1, 2, 3], 3), (9, 1, [1], 1)],
)
async def test_page_has_as_many_rows_as_asked_for(
    count: int, limit: int, shown: list[int], following: int | None
) -> None:
    answer, _ = await read(page("things", rows(range(1, count + 1)), limit))
    assert [row["n"] for row in answer["things"]] == shown
    assert answer["next"] == following


async def test_work_without_a_row_is_no_row() -> None:
    answer, _ = await read(page("things", rows([None, 4, None, None, 7, None]), 2))
    assert ([row["n"] for row in answer["things"]], answer["next"]) == ([4, 7], None)


async def test_page_ends_before_it_has_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_BYTES", 1000)
    answer, lengths = await read(page("things", rows(range(1, 20), "x" * 200), 10_000))
    assert ([row["n"] for row in answer["things"]], answer["next"]) == ([1, 2, 3, 4], 4)
    assert max(lengths) < 300, "rows are rendered by themselves"


async def test_row_that_is_larger_than_a_page_is_alone_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_BYTES", 100)
    answer, _ = await read(page("things", rows([5, 6], "x" * 200), 10))
    assert ([row["n"] for row in answer["things"]], answer["next"]) == ([5], 5)


async def test_other_members_stand_before_the_rows() -> None:
    answer, _ = await read(page("things", rows([1]), 9, head={"a": [1]}, next_of=lambda last, more: (last or 0) + 10))
    assert list(answer.items()) == [("a", [1]), ("things", [{"n": 1, "text": ""}]), ("next", 11)]
