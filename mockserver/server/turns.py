"""Turns of the event loop: long work yields to other requests after a bounded time, however much there is of it."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator
from itertools import islice
from typing import Final

from mockserver.realtime import monotonic
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session

TURN_S: Final = 0.01
"""How long a handler works before it yields to the loop; a turn of the loop must stay under 0.05 s."""

AT_ONCE: Final = 10


class Turn:
    """What is left of a handler's turn. Call `end_if_over` between two small pieces of work."""

    def __init__(self) -> None:
        self._began = monotonic()

    async def end_if_over(self) -> None:
        """Yield to the loop if the turn has lasted `TURN_S`, and begin a new turn."""
        if monotonic() - self._began > TURN_S:
            await sleep(0)
            self._began = monotonic()


async def in_turns(session: Session, after: int = 0) -> AsyncIterator[Exchange]:
    """Yield the exchanges of a session after a request number; regularly yields to the event loop."""
    turn = Turn()
    while exchanges := list(islice(session.exchanges(after), AT_ONCE)):
        for exchange in exchanges:
            yield exchange
            await turn.end_if_over()
        after = exchanges[-1].seq
