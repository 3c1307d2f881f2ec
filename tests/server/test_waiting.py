"""One wait by itself: what it makes of the clock."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Literal

import pytest

from mockserver.server import waiting
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore


class NeverSet(asyncio.Event):
    """An event that may not be waited for."""

    async def wait(self) -> Literal[True]:
        raise AssertionError("the wait goes to sleep although the session has been quiet long enough")


async def test_wait_ends_when_the_quiet_period_ends_between_two_looks_at_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was not over when the wait decided, and was over when it would have slept until then: it slept on."""
    session = MemoryStore(SessionSettings(), max_bytes=1 << 20, max_sessions=10).session("a")
    looks = count()
    monkeypatch.setattr(waiting, "monotonic", lambda: 0.03 * next(looks))
    waiter = waiting.Waiter(session, {"exactly": 0, "quiet_ms": 100})
    waiter._changed = NeverSet()
    assert await waiter.outcome(timeout_s=5) == "ok"
