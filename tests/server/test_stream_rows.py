"""A block of a request is made once, kept for a while, and bounded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from mockserver.server import stream_rows
from mockserver.server.stream_rows import StreamRows, block
from mockserver.server.turns import Turn
from mockserver.sessions.session import Session
from tests.server.conftest import AppServer
from tests.server.event_stream import opened
from tests.server.vendor_client import VendorClient


def data_of(made: bytes) -> Any:
    return json.loads(made.split(b"\ndata: ")[1])


@pytest.fixture
async def session(app_server: AppServer, vendor: VendorClient) -> Session:
    """A session with ten requests of two events."""
    for number in range(10):
        await vendor.track(f"a{number}", f"b{number}", properties={"text": "x" * 1000})
    return app_server.app.store.session(vendor.key)


def rows_of(app_server: AppServer) -> StreamRows:
    return StreamRows(app_server.app.handlers.contracts.served.values)


def test_block_is_one_event_of_a_stream() -> None:
    assert block("request", "run.7", b"{}") == b"id: run.7\nevent: request\ndata: {}\n\n"


async def test_events_beyond_a_size_are_left_out_and_counted(
    app_server: AppServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, exchange = rows_of(app_server), session.journal[0]
    whole = data_of(await rows.of("r.1", session, exchange, hidden=False))
    assert (len(whole["events"]), whole["left_out"]) == (2, 0)
    monkeypatch.setattr(stream_rows, "LARGEST", 4000)
    part = data_of(await rows.of("r.2", session, exchange, hidden=False))
    assert (part["events"], part["left_out"]) == (whole["events"][:1], 1)
    monkeypatch.setattr(stream_rows, "LARGEST", 1)
    none = data_of(await rows.of("r.3", session, exchange, hidden=False))
    assert (none["events"], none["left_out"]) == ([], 2)


async def test_readers_that_come_while_a_block_is_made_get_that_one(app_server: AppServer, session: Session) -> None:
    rows, exchange = rows_of(app_server), session.journal[0]
    first, second = await asyncio.gather(*(rows.of("r.1", session, exchange, hidden=False) for _ in range(2)))
    assert first is second is await rows.of("r.1", session, exchange, hidden=False)
    assert await rows.of("r.1", session, exchange, hidden=True) != first


async def test_block_is_made_although_the_first_reader_leaves(app_server: AppServer, session: Session) -> None:
    rows, exchange = rows_of(app_server), session.journal[0]
    leaving = asyncio.create_task(rows.of("r.1", session, exchange, hidden=False))
    staying = asyncio.create_task(rows.of("r.1", session, exchange, hidden=False))
    await Turn().end()
    leaving.cancel()
    assert data_of(await staying)["request"]["id"] == "r1"


async def test_only_the_latest_blocks_are_kept(
    app_server: AppServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of(app_server)
    monkeypatch.setattr(stream_rows, "KEPT_BYTES", 20_000)
    for exchange in session.journal:
        await rows.of(f"r.{exchange.seq}", session, exchange, hidden=False)
    assert 10_000 < sum(map(len, rows._kept.values())) == rows._size <= 20_000
    assert [cursor for cursor, _ in rows._kept][-1] == "r.10"
    assert rows._making == {}


async def test_large_request_is_read_in_a_thread(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, do = list[bool](), Turn.do

    async def noted(self: Turn, work: Any, *, large: bool) -> Any:
        if getattr(work, "func", None) is not None and "_block" in str(work.func):
            asked.append(large)
        return await do(self, work, large=large)

    monkeypatch.setattr(Turn, "do", noted)
    async with opened(http, app_server.url + "/_mock/stream") as stream:
        await vendor.track("small")
        await vendor.track(*(f"m{number}" for number in range(500)))
        await stream.take(3)
    assert asked == [False, True]


async def test_streams_pause_nine_times_as_long_as_they_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [100.0], list[float]()

    async def rested(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(stream_rows, "monotonic", lambda: now[0])
    monkeypatch.setattr("mockserver.server.stream_rows.sleep", rested)
    pace = stream_rows.Pace(0.1)
    await pace.rest()
    pace.spent(0.002)
    pace.spent(0.001)
    await pace.rest()
    await pace.rest()
    assert pauses == [pytest.approx(0.027)]
