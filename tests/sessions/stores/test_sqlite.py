"""The SQLite store: what it answers when its file fails, what it says at the start, what it costs the loop."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from mockserver.errors import SettingsError, StoreError
from mockserver.sessions.session import Session
from mockserver.sessions.stores import group_commit, sqlite
from mockserver.sessions.stores.sqlite import SqliteStore
from mockserver.sessions.stores.sqlite_file import SqliteFile
from mockserver.sessions.stores.waking import Woken
from mockserver.sessions.views import View
from tests.judging import sale
from tests.sessions.keeping import collected, commit
from tests.sessions.stores.opened import Opened, opened

MANY = 5_000
TURN_S = 0.05


def store_of(place: Opened) -> SqliteStore:
    assert isinstance(place.store, SqliteStore)
    return place.store


def count(folder: Path, table: str) -> int:
    connection = sqlite3.connect(folder / "sessions.db")
    ((number,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    connection.close()
    return int(number)


async def test_request_that_cannot_be_written_is_answered_with_503_and_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "RETRY_S", 3600.0)
    async with opened("sqlite", tmp_path) as place:
        session = await place.session("a")
        await commit(place.store, session, sale("one"))
        with monkeypatch.context() as patched:
            patched.setattr(SqliteFile, "write", refuse)
            exchange, reply = await commit(place.store, session, sale("two"))
        assert (reply.status, exchange.status) == (503, 503)
        assert json.loads(reply.body)["problem"] == "service_unavailable"
        assert View(exchange).reply() == reply
        assert place.store.away == "cannot write: disk full"
        assert session.held == session.counted
        with pytest.raises(StoreError):
            await place.store.durable()
        await place.again()
        session = await place.session("a")
        assert [entry.status for entry in session.journal] == [201, 503]
        again, _ = await commit(place.store, session, sale("two"))
        assert str(again.verdicts[0]) == "duplicate"


def refuse(*_: Any) -> None:
    raise StoreError("cannot write: disk full")


async def test_heads_that_no_request_has_are_removed(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path, limit=3) as place:
        for number in range(10):
            session = await place.session("a")
            judged = collected(sale(f"s{number}"), headers={"X-Trace": str(number)})
            await place.store.commit(session, judged, received_ms=0)
            if number == 5:
                await place.again()
    assert (count(tmp_path, "heads"), count(tmp_path, "requests")) == (3, 3)


async def test_request_that_is_evicted_at_once_leaves_nothing(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path, limit=0) as place:
        await commit(place.store, await place.session("a"), sale("one"))
        await place.again()
        session = await place.session("a")
        assert (len(session.journal), session.counts.requests, session.evicted) == (0, 1, 1)
    assert (count(tmp_path, "heads"), count(tmp_path, "requests")) == (0, 0)


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
async def test_damaged_session_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    async with opened("sqlite", tmp_path) as place:
        await commit(place.store, await place.session("a"), sale("one"))
    for table, column in (("sessions", "state"), ("tombstones", "tombstone")):
        connection = sqlite3.connect(tmp_path / "sessions.db")
        connection.execute("INSERT OR REPLACE INTO tombstones VALUES ('b', 1, '{}')")
        connection.execute(f"UPDATE {table} SET {column} = ?", (text,))
        connection.commit()
        connection.close()
        with pytest.raises(SettingsError, match=r"sessions\.db is damaged; restore a copy, or name another file"):
            async with opened("sqlite", tmp_path):
                pass


async def test_lower_limit_of_sessions_counts_at_the_start(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path) as place:
        for name in "abcde":
            await commit(place.store, await place.session(name), sale("one"))
        await place.again(max_sessions=2)
        assert len(place.store.sessions()) == 2
        await place.again()
        assert len(place.store.sessions()) == 2
        assert place.store.tombstones.get("a") is not None


async def test_dormant_session_takes_no_memory(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path) as place:
        for number in range(50):
            await commit(place.store, await place.session("a"), sale(f"s{number}"))
        full = place.store.bytes
        await place.again(memory_limit=full * 2 // 3)
        assert place.store.bytes < full // 5
        assert place.store.session("a").counts.requests == 50
        await commit(place.store, await place.session("b"), sale("one"))
        session = await place.session("a")
        assert 1 < len(session.journal) < 50
        assert place.store.bytes <= full * 2 // 3


async def test_large_session_is_weighed_in_several_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("sqlite", tmp_path) as place:
        for name in "ab":
            session = await place.session(name)
            await asyncio.gather(*(commit(place.store, session, sale(f"s{number}")) for number in range(100)))
        full = place.store.bytes
        await place.again(memory_limit=full * 6 // 10)
        await place.session("a")
        monkeypatch.setattr(sqlite, "WEIGHED_AT_ONCE", full // 20)
        store, steps = store_of(place), list[int]()
        weigh = store._order.weigh

        def weighed(session: Session, grown: int) -> None:
            weigh(session, grown)
            steps.append(grown)

        monkeypatch.setattr(store._order, "weigh", weighed)
        await place.session("b")
        assert len([grown for grown in steps if grown > 0]) >= 5
        assert max(steps) <= full // 20
        a, b = store.session("a"), store.session("b")
        assert place.store.bytes <= full * 6 // 10
        assert (a.held, b.held) == (a.counted, b.counted)
        left = len(a.journal), len(b.journal)
        await place.again()
        a, b = await place.session("a"), await place.session("b")
        assert (len(a.journal), len(b.journal)) == left


async def test_recording_that_is_not_kept_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened("sqlite", tmp_path) as place:
        session = await place.session("a")
        session.own_playback = True
        place.store.set_up(session)
        await place.again()
        assert "its recording is not kept in the file; give it again" in caplog.text


async def test_large_session_is_read_without_holding_up_the_loop(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path, memory_limit=1 << 30) as place:
        for start in range(0, MANY, 500):
            session = await place.session("a")
            await asyncio.gather(*(commit(place.store, session, sale(f"s{start + n}")) for n in range(500)))
        await place.again()
        store = store_of(place)
        install, taken = store._install, list[float]()

        def timed(session: Session, woken: Woken) -> None:
            began = process_time()
            install(session, woken)
            taken.append(process_time() - began)

        store._install = timed  # type: ignore[method-assign]
        session = await place.session("a")
        assert len(session.journal) == MANY
        assert taken[0] < TURN_S / 50
