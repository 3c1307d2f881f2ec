"""Stores of each kind for unit tests, that are closed and opened again as if the server were started again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from mockserver.contract.library import library_of
from mockserver.contract.serving import ServedContracts
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.stores.opening import open_store
from mockserver.settings import Settings
from tests.judging import FOURTH
from tests.redis_server import database_of

STORES: Final = ("memory", "sqlite", "redis")
"""The kinds of stores that one suite holds to one behaviour."""
DURABLE: Final = tuple(kind for kind in STORES if kind != "memory")


@cache
def contracts() -> ServedContracts:
    """Return the contracts of a server that also serves the made-up protocol."""
    settings = Settings(contracts=(FOURTH,))
    return ServedContracts(library_of(settings.contracts), settings)


def place_of(kind: str, folder: Path) -> str:
    """Return the setting of a store of a kind that keeps what it has in a folder."""
    if kind == "redis":
        return database_of(folder)
    return f"sqlite:{folder / 'sessions.db'}" if kind == "sqlite" else kind


class Opened:
    """A store of a kind, in a folder. `options` are settings of a server, `defaults` those of its sessions."""

    def __init__(self, kind: str, folder: Path, defaults: SessionSettings, **options: Any) -> None:
        self.kind, self.folder = kind, folder
        self._defaults, self._options = defaults, options

    async def open(self) -> None:
        """Open the store."""
        settings = Settings(store=place_of(self.kind, self.folder), store_sync="normal")._replace(**self._options)
        self.store = open_store(settings, contracts(), self._defaults)
        await self.store.open()

    async def again(self, **options: Any) -> MemoryStore:
        """Close the store and open it again, in memory nothing; return it."""
        if self.kind != "memory":
            await self.store.close()
            self._options |= options
            await self.open()
        return self.store

    async def session(self, name: str) -> Session:
        """Return a session as a request finds it: with all that the store has of it."""
        session = self.store.session(name)
        if session.dormant or self.store.shared:
            await self.store.wake(session)
        return session


@asynccontextmanager
async def opened(kind: str, folder: Path, *, limit: int = 100_000, **options: Any) -> AsyncIterator[Opened]:
    """Yield an open store, and close it; `limit` is the journal limit of its sessions."""
    place = Opened(kind, folder, SessionSettings(journal_limit=limit), **options)
    await place.open()
    try:
        yield place
    finally:
        await place.store.close()
