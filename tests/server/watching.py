"""Learning of what a server does in this process at the moment it does it."""

from __future__ import annotations

import asyncio

from mockserver.stores.session import Session, Waiter


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
