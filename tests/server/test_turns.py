"""Long work yields to the loop once its turn is over, and not before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from mockserver.server import turns
from mockserver.server.turns import Turn, in_turns, spread
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, SessionSettings
from tests.judging import wire_request
from tests.server.passes import Passes
from tests.sessions.keeping import exchange


async def _pauses(pieces: int) -> int:
    """Return how often the loop ran other callbacks while `pieces` of work were done."""
    turn = Turn()
    with Passes() as passes:
        for _ in range(pieces):
            await turn.end_if_over()
    return passes.count


async def test_turn_ends_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)
    assert await _pauses(20) >= 19


async def test_turn_goes_on_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", 60)
    assert await _pauses(20) == 0


async def test_handlers_that_work_at_the_same_time_share_one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass of the loop runs one of the handlers whose turn is over, in the order in which they yielded."""
    monkeypatch.setattr(turns, "TURN_S", -1)
    ran = list[tuple[int, int]]()

    async def work(number: int) -> None:
        turn = Turn()
        await turn.end_if_over()
        for _ in range(5):
            await turn.end_if_over()
            ran.append((passes.count, number))

    with Passes() as passes:
        await asyncio.gather(*map(work, range(20)))
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
    loop = asyncio.get_running_loop()
    for task in working[::2]:
        loop.call_soon(task.cancel)  # after all of them have begun
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


def _threads(pieces: int) -> Iterator[int]:
    """Yield the thread that each piece of work is done in."""
    for _ in range(pieces):
        yield threading.get_ident()


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("turn_s", [-1, 60])
async def test_spread_work_is_done_completely_and_large_pieces_in_a_thread(
    large: bool, turn_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_S", turn_s)
    threads = [thread async for thread in spread(_threads(20), large=large)]
    assert len(threads) == 20
    assert len(set(threads)) == 1
    assert (threads[0] == threading.get_ident()) is not large


@pytest.mark.parametrize("large", [False, True])
async def test_other_callbacks_run_between_the_pieces_of_spread_work(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)
    with Passes() as passes:
        assert [piece async for piece in spread(iter(range(20)), large=large)] == list(range(20))
    assert passes.count >= 19


@pytest.mark.parametrize("large", [False, True])
async def test_error_in_spread_work_reaches_its_reader(large: bool) -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise LookupError("the work failed")

    with pytest.raises(LookupError, match="the work failed"):
        assert [piece async for piece in spread(failing(), large=large)]


@pytest.mark.parametrize("large", [False, True])
async def test_large_piece_of_work_is_done_in_a_thread(large: bool) -> None:
    thread = await Turn().do(threading.get_ident, large=large)
    assert (thread == threading.get_ident()) is not large


async def test_thread_ends_with_the_last_server_on_the_loop() -> None:
    with turns.working():
        with turns.working():
            assert await Turn().do(lambda: 1, large=True) == 1
        assert await Turn().do(lambda: 2, large=True) == 2
        names = [thread.name for thread in threading.enumerate()]
        assert any(name.startswith("mockserver-reads") for name in names)
        before = set(threading.enumerate())
    assert len(before - set(threading.enumerate())) == 1
