"""The probe of turns measures what it says: the time between two passes of the loop, and where it was spent."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.benchmarks.asking import carry_out
from tests.benchmarks.filling import REQUESTS, SESSIONS, history
from tests.benchmarks.heartbeat import Heartbeat
from tests.benchmarks.requests import Call, get, one, wait
from tests.benchmarks.worst_calls import CALLS


async def test_longest_turn_is_the_longest_time_between_two_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is a list here: the second pass takes 7 s, of which the thread has the processor for 5."""
    times = iter([(0.0, 0.0), (1.0, 1.0), (8.0, 6.0), (9.0, 7.0)])
    done = asyncio.get_running_loop().create_future()

    def now(self: Heartbeat) -> tuple[float, float]:
        reading = next(times, None)
        if reading is None:
            done.set_result(None) if not done.done() else None
            return (9.0, 7.0)
        return reading

    monkeypatch.setattr(Heartbeat, "_now", now)
    with Heartbeat() as turns:
        await done
    assert (turns.longest, turns.processor) == (7.0, 5.0)


async def test_turns_are_counted_one_for_each_pass_of_the_loop() -> None:
    passes = 0

    def count() -> None:
        nonlocal passes
        passes += 1
        loop.call_soon(count) if passes < 100 else done.set_result(None)

    loop = asyncio.get_running_loop()
    done = loop.create_future()
    with Heartbeat() as turns:
        loop.call_soon(count)
        await done
    assert passes <= turns.count <= passes + 2


def test_history_is_as_large_as_it_says() -> None:
    requests = Counter(session for session, _, _, _ in history())
    assert (requests.total(), len(requests)) == (REQUESTS, SESSIONS)


def test_calls_have_names_of_their_own() -> None:
    names = [call.name for call in CALLS]
    assert len(set(names)) == len(names)
    assert not any("\n" in name for name in names)


async def test_call_is_made_while_others_are_open() -> None:
    call = Call(
        name="two reads beside a wait",
        requests=lambda: [get("pk_a"), get("pk_a", "/nothing")],
        opened=one(wait("pk_a")),
    )
    async with serving(Settings(port=0)) as (_, url):
        assert await carry_out(int(url.rpartition(":")[2]), call) == {"200": 2, "404": 1}
