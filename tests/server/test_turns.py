"""Long work yields to the loop once its turn is over, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from mockserver.server import turns
from mockserver.server.turns import Turn, in_turns
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, SessionSettings
from tests.judging import wire_request
from tests.sessions.keeping import exchange


async def _pauses(pieces: int) -> int:
    """Return how often another task ran while `pieces` of work were done."""
    ran = 0

    async def other() -> None:
        nonlocal ran
        while True:
            await asyncio.sleep(0)
            ran += 1

    task, turn = asyncio.create_task(other()), Turn()
    for _ in range(pieces):
        await turn.end_if_over()
    task.cancel()
    return ran


async def test_turn_ends_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)
    assert await _pauses(20) >= 19


async def test_turn_goes_on_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", 60)
    assert await _pauses(20) == 0


async def test_handlers_that_work_at_the_same_time_share_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass of the loop runs one of the handlers whose turn is over, in the order in which they yielded."""
    monkeypatch.setattr(turns, "TURN_S", -1)
    passes, ran = 0, list[tuple[int, int]]()

    async def count() -> None:
        nonlocal passes
        while True:
            await asyncio.sleep(0)
            passes += 1

    async def work(number: int) -> None:
        turn = Turn()
        await turn.end_if_over()
        for _ in range(5):
            await turn.end_if_over()
            ran.append((passes, number))

    counting = asyncio.create_task(count())
    await asyncio.gather(*map(work, range(20)))
    counting.cancel()
    assert len({when for when, _ in ran}) >= len(ran) - 2
    assert {number for _, number in ran[:25]} == set(range(20)), "one was passed over"


async def test_turn_left_by_a_cancelled_handler_goes_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)

    async def work() -> bool:
        turn = Turn()
        for _ in range(3):
            await turn.end_if_over()
        return True

    working = [asyncio.create_task(work()) for _ in range(6)]
    await asyncio.sleep(0)
    for task in working[::2]:
        task.cancel()
    done = await asyncio.wait_for(asyncio.gather(*working, return_exceptions=True), 20)
    assert done[1::2] == [True, True, True]


async def test_reading_a_journal_takes_time_that_grows_linearly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the journal begins with a search from its start, so there are not many parts."""
    session, parts = Session("s", SessionSettings(journal_limit=20_000)), 0
    session.journal.extend(exchange(wire_request("/"), seq=number + 1) for number in range(5_000))
    exchanges = session.exchanges

    def counted(after: int = 0) -> Iterator[Exchange]:
        nonlocal parts
        parts += 1
        return exchanges(after)

    monkeypatch.setattr(session, "exchanges", counted)
    assert [entry.seq async for entry in in_turns(session)] == list(range(1, 5_001))
    assert parts <= turns.PARTS + 2
