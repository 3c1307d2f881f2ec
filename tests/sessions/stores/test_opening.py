"""Which store a setting names, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockserver.errors import SettingsError
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.stores.opening import open_store
from mockserver.sessions.stores.sqlite import SqliteStore
from mockserver.settings import Settings
from tests.sessions.stores.opened import contracts


def store_of(setting: str) -> MemoryStore:
    return open_store(Settings(store=setting), contracts(), SessionSettings())


def test_memory_is_the_default() -> None:
    assert type(open_store(Settings(), contracts(), SessionSettings())) is MemoryStore


async def test_sqlite_names_a_file(tmp_path: Path) -> None:
    store = store_of(f"sqlite:{tmp_path / 'a.db'}")
    assert isinstance(store, SqliteStore)
    assert (tmp_path / "a.db").is_file()
    await store.close()


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("sqlit:a.db", "sqlite"),
        ("memory:a", "expected memory, sqlite:FILE or redis://HOST, got 'memory:a'"),
        ("sqlite", "expected memory, sqlite:FILE or redis://HOST, got 'sqlite'"),
        ("sqlite:", "expected memory, sqlite:FILE or redis://HOST, got 'sqlite:'"),
        ("", "memory"),
    ],
)
def test_setting_is_refused_with_what_is_expected(setting: str, problem: str) -> None:
    with pytest.raises(SettingsError, match="--store: ") as caught:
        store_of(setting)
    assert problem in str(caught.value)


def test_unknown_sync_is_refused() -> None:
    settings = Settings(store="memory", store_sync="ful")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"--store-sync: .*full"):
        open_store(settings, contracts(), SessionSettings())
