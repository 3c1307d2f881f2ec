"""A cache of the most recently read delivery ledger, so that further reads process only new exchanges."""

from __future__ import annotations

import asyncio
from asyncio import sleep
from dataclasses import dataclass
from itertools import islice
from typing import Final
from weakref import WeakKeyDictionary

from mockserver.sessions.delivery import Delivery
from mockserver.sessions.ledger import Ledger
from mockserver.sessions.session import Session

AT_ONCE: Final = 100
"""Exchanges to process before yielding to the event loop."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    ledger: Ledger
    state: tuple[int, int]
    seen: int = 0


class Ledgers:
    """The ledger rows of sessions. The ledger of the session read last is cached."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._kept: WeakKeyDictionary[Session, _Kept] = WeakKeyDictionary()

    async def rows(self, session: Session) -> list[Delivery]:
        """Return the delivery rows of a session's journal, oldest event first."""
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
                await sleep(0)
            return kept.ledger.rows
