"""Which store a server has, by its setting."""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

from mockserver.contract.serving import ServedContracts
from mockserver.errors import SettingsError, unknown
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.settings import Settings, StoreSync

MEMORY: Final = "memory"
SQLITE: Final = "sqlite"
REDIS: Final = ("redis", "rediss")
OF_ONE_PROCESS: Final = (MEMORY, SQLITE)
"""The stores that one process has to itself."""


def is_shared(store: str) -> bool:
    """Return whether several processes that have this store are one server."""
    return store.partition(":")[0] not in OF_ONE_PROCESS


def open_store(settings: Settings, contracts: ServedContracts, defaults: SessionSettings) -> MemoryStore:
    """Return the store of a server. Raises SettingsError for one that is not known or cannot be used."""
    kind, colon, place = settings.store.partition(":")
    if settings.store_sync not in get_args(StoreSync):
        raise SettingsError(f"--store-sync: {unknown('setting', settings.store_sync, get_args(StoreSync))}")
    if (kind, colon) == (MEMORY, ""):
        return MemoryStore(defaults, max_bytes=settings.memory_limit, max_sessions=settings.max_sessions)
    if kind == SQLITE and place:
        from mockserver.sessions.stores.sqlite import SqliteStore  # with the default store, nothing of it is loaded

        return SqliteStore(
            Path(place),
            contracts,
            defaults,
            sync=settings.store_sync,
            max_bytes=settings.memory_limit,
            max_sessions=settings.max_sessions,
        )
    if kind in REDIS:
        try:
            from mockserver.sessions.stores.redis import RedisStore
        except ImportError:
            raise SettingsError("--store: Redis needs the extra: pip install 'mockserver[redis]'") from None
        if settings.replay or settings.record_mode != "none":
            raise SettingsError("--store: --replay plays a recording in one process, so it needs memory or sqlite:FILE")
        return RedisStore(
            settings.store,
            contracts,
            defaults,
            expiry_s=settings.store_expiry,
            max_bytes=settings.memory_limit,
            max_sessions=settings.max_sessions,
        )
    if kind in (MEMORY, SQLITE):
        raise SettingsError(f"--store: expected memory, sqlite:FILE or redis://HOST, got {settings.store!r}")
    raise SettingsError(f"--store: {unknown('store', kind, (MEMORY, SQLITE, *REDIS))}")
