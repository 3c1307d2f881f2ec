"""The ledger of the session read last: built in turns of the loop, and kept to process only new exchanges."""

from __future__ import annotations

from asyncio import Lock
from weakref import WeakKeyDictionary

from mockserver.server.turns import Turn, in_turns
from mockserver.sessions.delivery import Delivery
from mockserver.sessions.ledger import Ledger
from mockserver.sessions.remains import Remains
from mockserver.sessions.session import Session
from mockserver.sessions.views import View


class Ledgers:
    """The ledgers of sessions. That of the session read last is cached, so that only new exchanges are processed."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._cached: WeakKeyDictionary[Session, Ledger] = WeakKeyDictionary()
        self._state = (0, 0)
        self._read_up_to = 0

    async def rows(self, session: Session) -> list[Delivery]:
        """Return the delivery rows of a session's journal, oldest event first."""
        async with self._turn:
            try:
                return await self._up_to_date(session)
            except BaseException:  # an exchange may be there in part
                self._cached = WeakKeyDictionary()
                raise

    async def _up_to_date(self, session: Session) -> list[Delivery]:
        state, turn = (session.evicted, session.revised), Turn()
        if session not in self._cached or state != self._state:
            remains = Remains()
            remains.add(row for ledger in self._cached.values() for row in ledger.rows)
            self._cached = WeakKeyDictionary({session: Ledger()})
            self._state, self._read_up_to = state, 0
            while remains.free_some():
                await turn.end_if_over()
        ledger = self._cached[session]
        async for exchange in in_turns(session, self._read_up_to):
            await turn.carry_out(ledger.adding(exchange), large=View(exchange).large)
            self._read_up_to = exchange.seq
        return ledger.rows
