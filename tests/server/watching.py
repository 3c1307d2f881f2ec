"""Learning of what a server does in this process at the moment it does it."""

from __future__ import annotations

import asyncio

import pytest

from mockserver.server import injection
from mockserver.server.connection import Watched as WatchedConnection
from mockserver.server.unseen import Unseen
from mockserver.sessions.session import Session, Waiter
from mockserver.sessions.steps import Step


class Watched(set[Waiter]):
    """The open waits of a session, which tells when there are so many."""

    def __init__(self) -> None:
        super().__init__()
        self._expected: list[tuple[int, asyncio.Future[None]]] = []

    def add(self, waiter: Waiter) -> None:
        super().add(waiter)
        self._tell()

    def discard(self, waiter: object) -> None:
        super().discard(waiter)
        self._tell()

    def _tell(self) -> None:
        for count, expected in self._expected:
            if len(self) == count and not expected.done():
                expected.set_result(None)

    async def reach(self, count: int) -> None:
        """Come back when exactly so many are open."""
        expected = asyncio.get_running_loop().create_future()
        self._expected.append((count, expected))
        self._tell()
        await asyncio.wait_for(expected, 20)


def watch(session: Session) -> Watched:
    """Watch the waits of a session that has none open."""
    assert not session.waiters
    watched = Watched()
    session.waiters = watched
    return watched


class Gate:
    """Stands for the delay of fault steps: a request stops here until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived = asyncio.Event()
        self.opened = asyncio.Event()
        self.client_left = asyncio.Event()
        end_of_connection = WatchedConnection.eof_received

        def eof_received(connection: WatchedConnection) -> bool:
            self.client_left.set()
            return end_of_connection(connection)

        monkeypatch.setattr(injection, "pause", self.pause)
        monkeypatch.setattr(WatchedConnection, "eof_received", eof_received)

    async def pause(self, step: Step, request: object) -> bool:
        """Stand in for `injection.pause`."""
        if step.delay is None:
            return False
        self.arrived.set()
        await asyncio.wait_for(self.opened.wait(), 20)
        return True


class WatchedUnseen:
    """Hears of traffic that no session shows as it is counted."""

    def __init__(self, unseen: Unseen) -> None:
        self._reasons: asyncio.Queue[str] = asyncio.Queue()
        self._add = unseen.add
        unseen.add = self.add  # type: ignore[method-assign]

    def add(self, reason: str) -> None:
        """Stand in for `Unseen.add`."""
        self._add(reason)
        self._reasons.put_nowait(reason)

    async def next(self) -> str:
        """Return the reason of the next one."""
        return await asyncio.wait_for(self._reasons.get(), 20)
