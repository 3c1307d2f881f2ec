"""The delivery ledger that was read last, kept so that its further pages and readings cost only what is new."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import Final
from weakref import WeakKeyDictionary

from mockserver.sessions.delivery import Delivery
from mockserver.sessions.ledger import Ledger
from mockserver.sessions.session import Session

AT_ONCE: Final = 100
"""Exchanges taken into account before other requests get their turn."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    ledger: Ledger
    state: tuple[int, int]
    seen: int = 0


class Ledgers:
    """Gives the rows of a session. One ledger is kept, that of the session asked for last while it exists."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._kept: WeakKeyDictionary[Session, _Kept] = WeakKeyDictionary()

    async def rows(self, session: Session) -> list[Delivery]:
        """Return the rows of what the session's journal holds, oldest event first."""
        async with self._turn:
            kept = self._kept.get(session)
            state = (session.evicted, session.revised)
            if kept is None or kept.state != state:
                kept = _Kept(ledger=Ledger(), state=state)
                self._kept = WeakKeyDictionary({session: kept})
            while found := list(islice(session.exchanges(kept.seen), AT_ONCE)):
                for exchange in found:
                    kept.ledger.add(exchange)
                kept.seen = found[-1].seq
                await asyncio.sleep(0)
            return kept.ledger.rows
