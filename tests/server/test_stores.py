"""One behaviour for all stores over HTTP: each scenario with restarts in its middle says what it says without them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from mockserver.server.app import App
from mockserver.server.running import serving
from mockserver.sessions.stores.file_changes import Changes
from mockserver.settings import Settings
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient, track_body
from tests.server.watching import watch
from tests.sessions.stores.opened import DURABLE, STORES, place_of

HERE = "/_mock/sessions/pk_a"
VIEWS: tuple[str, ...] = ("", "/requests", "/requests/r1", "/events", "/deliveries", "/faults", "/clock", "/report")
VIEWS += ("/export?format=recording", "/export?format=har", "/requests?limit=1&after=1", "/events?verdict=duplicate")
MOVING = ("real_now", "now", "offset_ms", "url", "generated", "created")
"""Members that tell when and where they were asked for."""
FILE = ("sqlite",)
"""The store in a file: what only it can be asked."""
NOW = "2026-06-14T12:00:00Z"


class Place:
    """A server with a store of a kind that is started again, with other settings where that is asked for."""

    def __init__(self, kind: str, folder: Path, http: Any) -> None:
        self.kind, self.http = kind, http
        self._settings = Settings(port=0, store=place_of(kind, folder), store_sync="normal")
        self._stack = AsyncExitStack()
        self.app: App
        self.url = ""

    async def again(self, **changed: Any) -> None:
        """Stop the server and start it again; in memory, only the first time."""
        if self.url and self.kind == "memory" and not changed:
            return
        self._settings = self._settings._replace(**changed)
        await self.stop()
        self.app, self.url = await self._stack.enter_async_context(serving(self._settings))

    async def stop(self) -> None:
        await self._stack.aclose()

    @property
    def control(self) -> ControlClient:
        return ControlClient(self.http, self.url)

    def client(self, key: str = "pk_a") -> VendorClient:
        return VendorClient(http=self.http, url=self.url, key=key)

    async def seen(self) -> dict[str, Any]:
        """Return all that the control surface shows of a session."""
        found = {view: await self.control.get(HERE + view) for view in VIEWS}
        found["sessions"] = await self.control.get("/_mock/sessions")
        return {view: _still(answer) for view, answer in found.items()}


def _still(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _still(member) for name, member in value.items() if name not in (*MOVING, "unseen", "time")}
    return [_still(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.fixture
async def place(kind: str, tmp_path: Path, http: Any) -> AsyncIterator[Place]:
    place = Place(kind, tmp_path, http)
    await place.again()
    yield place
    await place.stop()


async def dedup(place: Place) -> None:
    assert (await place.client().track("m1", "m2")).status == 202
    await place.again()
    assert (await place.client().track("m2", "m3")).status == 202
    _, listed = await place.control.get(f"{HERE}/events")
    assert [row["verdict"] for row in listed["events"]] == ["accepted", "accepted", "duplicate", "accepted"]


async def windows(place: Place) -> None:
    await place.control.put(f"{HERE}/clock", {"now": NOW, "frozen": True})
    patch = {"protocol": {"limits": {"rate_ingest": {"requests": 3}}}}
    change = {"rate_limits": "enforce", "protocols": {"outlit": {"patch": patch}}}
    assert (await place.control.patch(HERE, change))[0] == 200
    statuses = []
    for number in range(5):
        statuses.append((await place.client().clicks(f"c{number}")).status)
        if number in (0, 2):
            await place.again()
    assert statuses == [200, 200, 200, 429, 429]


async def faults(place: Place) -> None:
    steps = [
        {"match": {"request": {"attempt": 2}}, "reply": {"status": 418}},
        {"reply": {"status": 503}, "times": 2},
        {"reply": {"status": 500}, "probability": 0.5, "seed": 5},
    ]
    status, answer = await place.control.put(f"{HERE}/faults", steps)
    assert status == 200, answer
    got = []
    for number in range(9):
        got.append((await place.client().track(f"m{number}")).status)
        if number % 2:
            await place.again()
    got.append((await place.client().track("m0")).status)
    assert got[:2] == [503, 503]
    assert got[-1] == 418, "the second attempt, counted over a restart"
    assert {500, 202} == set(got[2:-1])


async def clock(place: Place) -> None:
    await place.control.put(f"{HERE}/clock", {"now": NOW, "frozen": True})
    await place.again()
    await place.control.post(f"{HERE}/clock/advance", {"ms": 60_000})
    await place.again()
    await place.client().track("m1")
    _, listed = await place.control.get(f"{HERE}/events")
    assert listed["events"][0]["session_time"] == "2026-06-14T12:01:00.000Z"


async def waits(place: Place) -> None:
    opened = watch(place.app.store.session("pk_a"))
    waiting = asyncio.create_task(place.control.post(f"{HERE}/wait", {"count": 2, "timeout_ms": 20_000}))
    await opened.reach(1)
    await place.client().track("m1", "m2")
    assert (await waiting)[1]["reason"] == "ok"
    await place.again()
    _, answer = await place.control.post(f"{HERE}/wait", {"count": 2, "timeout_ms": 20_000})
    assert (answer["reason"], len(answer["events"])) == ("ok", 2)


async def ledger(place: Place) -> None:
    await place.control.put(f"{HERE}/faults", [{"reply": {"status": 503}, "times": 1}])
    await place.client().track("m1")
    await place.again()
    await place.client().track("m1")
    _, answer = await place.control.get(f"{HERE}/deliveries")
    (row,) = answer["deliveries"]
    assert [attempt["status"] for attempt in row["attempts"]] == [503, 202]


async def eviction(place: Place) -> None:
    assert (await place.control.patch(HERE, {"journal_limit": 2, "credentials": ["wrk_z"]}))[0] == 200
    for number in range(5):
        await place.client().track(f"m{number}")
        if number == 2:
            await place.again()
    _, listed = await place.control.get(f"{HERE}/requests")
    assert [row["seq"] for row in listed["requests"]] == [4, 5]


async def deletion(place: Place) -> None:
    await place.client().track("m1")
    await place.client("pk_b").track("m1")
    assert (await place.control.delete(HERE))[0] == 204
    await place.again()
    _, listed = await place.control.get("/_mock/sessions")
    assert [row["session"] for row in listed["sessions"]] == ["pk_b"]
    await place.client().track("m1")
    _, listed = await place.control.get(f"{HERE}/events")
    assert [(row["verdict"], row["seq"]) for row in listed["events"]] == [("accepted", 1)]


async def isolation(place: Place) -> None:
    for key in ("pk_a", "pk_b", "pk_a"):
        await place.client(key).track("m1")
        await place.again()
    counts = [(await place.control.get(f"/_mock/sessions/{key}"))[1]["counts"] for key in ("pk_a", "pk_b")]
    assert [(each["accepted"], each["duplicate"]) for each in counts] == [(1, 1), (1, 0)]


async def credentials(place: Place) -> None:
    assert (await place.control.patch(HERE, {"credentials": ["wrk_own", "apex_sk_own"]}))[0] == 200
    await place.again()
    await place.client("wrk_own").track("m1")
    assert (await place.control.patch("/_mock/sessions/pk_b", {"credentials": ["wrk_own"]}))[0] == 409
    _, listed = await place.control.get(f"{HERE}/requests")
    assert len(listed["requests"]) == 1


async def settings(place: Place) -> None:
    await place.client().track("m1")
    assert (await place.control.patch(HERE, {"keys": []}))[0] == 200
    await place.again()
    assert (await place.client().track("m2")).status == 401
    revision = {"protocols": {"whisperr": {"revision": "documented"}}, "keys": None}
    assert (await place.control.patch(HERE, revision))[0] == 200
    await place.again()
    _, shown = await place.control.get(HERE)
    assert (shown["keys"], shown["protocols"]["whisperr"]["revision"]) == (None, "documented")


SCENARIOS: list[Callable[[Place], Awaitable[None]]] = [
    dedup, windows, faults, clock, waits, ledger, eviction, deletion, isolation, credentials, settings,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("kind", STORES)
async def test_store_behaves_as_each_other_does(place: Place, scenario: Callable[[Place], Awaitable[None]]) -> None:
    await scenario(place)
    before = await place.seen()
    await place.again()
    assert await place.seen() == before


@pytest.mark.parametrize("kind", DURABLE)
async def test_many_requests_for_a_session_that_is_not_read_yet_are_all_answered(place: Place) -> None:
    for number in range(30):
        await place.client().track(f"m{number}")
    await place.again()
    ids = [f"m{number % 45}" for number in range(90)]
    reading = asyncio.create_task(place.control.get(f"{HERE}/events"))
    replies = await asyncio.gather(*(place.client().track(id_) for id_ in ids))
    assert {reply.status for reply in replies} == {202}
    assert (await reading)[0] == 200
    _, shown = await place.control.get(HERE)
    assert (shown["counts"]["accepted"], shown["counts"]["duplicate"]) == (45, 75)


@pytest.mark.parametrize("kind", DURABLE)
async def test_prefix_finds_the_larger_limit_of_a_session_that_is_not_read_yet(place: Place) -> None:
    patch = {"protocol": {"limits": {"body": {"max_bytes": 8 << 20}}}}
    assert (await place.control.patch(HERE, {"protocols": {"whisperr": {"patch": patch}}}))[0] == 200
    await place.again()
    body = BytesIO(json.dumps(track_body("m1", properties={"a": ["x" * 1000] * 6000})).encode())
    url, headers = f"{place.url}/_mock/s/pk_a/v1/events/batch", {"X-API-Key": "pk_a"}
    async with place.http.post(url, data=body, headers=headers) as reply:
        text = await reply.text()
        assert "exceeds" not in text
        assert reply.status != 413, text


@pytest.mark.parametrize("kind", DURABLE)
async def test_session_is_deleted_while_requests_are_under_way(place: Place) -> None:
    for start in range(0, 60, 20):
        sending = [asyncio.create_task(place.client().track(f"m{start + number}")) for number in range(20)]
        deleted, _ = await place.control.delete(HERE)
        replies = await asyncio.gather(*sending)
        assert {reply.status for reply in replies} == {202}
        assert deleted in (204, 404)
    _, shown = await place.control.get(HERE)
    counts, rows = shown["counts"], (await place.control.get(f"{HERE}/events"))[1]["events"]
    await place.again()
    _, shown = await place.control.get(HERE)
    assert shown["counts"] == counts
    assert (await place.control.get(f"{HERE}/events"))[1]["events"] == rows


@pytest.mark.parametrize("kind", DURABLE)
async def test_request_of_a_client_that_went_away_is_kept_with_its_log_line(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mockserver")
    head = b"POST /v1/events/track HTTP/1.1\r\nHost: localhost\r\nX-API-Key: pk_a\r\nContent-Length: 2\r\n\r\n{}"
    opened = watch(place.app.store.session("pk_a"))
    waiting = asyncio.create_task(
        place.control.post(f"{HERE}/wait", {"match": {"verdict": "any"}, "count": 1, "timeout_ms": 20_000})
    )
    await opened.reach(1)
    _, writer = await asyncio.open_connection("127.0.0.1", int(place.url.rpartition(":")[2]))
    writer.write(head)
    await writer.drain()
    writer.transport.abort()
    await waiting
    await place.again()
    _, listed = await place.control.get(f"{HERE}/requests")
    assert [row["status"] for row in listed["requests"]] == [400]
    assert "refused event 0 of POST /v1/events/track (400)" in caplog.text


@pytest.mark.parametrize("kind", DURABLE)
async def test_reload_leaves_sessions_alone_that_are_not_read_yet(place: Place, tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: whisperr\npatch: {protocol: {limits: {body: {max_bytes: 5000000}}}}\n")
    await place.client().track("m1")
    await place.again(contract_patches=(patch,))
    _, shown = await place.control.get("/_mock/fidelity?protocol=whisperr&basis=patch")
    assert len(shown["facts"]) == 1
    _, listed = await place.control.get(f"{HERE}/events")
    assert [row["verdict"] for row in listed["events"]] == ["accepted"]


@pytest.mark.parametrize("kind", FILE)
async def test_every_view_is_answered_when_the_contract_takes_other_events_now(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await place.client().track("m1", "m2")
    await place.client().track("m1", event_type="Not a slug")
    patch = tmp_path / "patch.yaml"
    form = "{request: batch, events: /others, policy: atomic}"
    patch.write_text(
        f"protocol: whisperr\npatch: {{protocol: {{operations: {{batch: {{forms: {{batch: {form}}}}}}}}}}}\n"
    )
    await place.again(contract_patches=(patch,))
    for view in VIEWS:
        assert (await place.control.get(HERE + view))[0] == 200, view
    assert "requests of whisperr were judged under another contract" in caplog.text


@pytest.mark.parametrize("kind", FILE)
async def test_recording_of_the_server_answers_sessions_of_the_run_before(place: Place, tmp_path: Path) -> None:
    await place.client().track("m1")
    _, recording = await place.control.get(f"{HERE}/export?format=recording")
    path = tmp_path / "tape.ndjson"
    path.write_text(recording.replace('"status":202', '"status":299'))
    await place.again(replay=(path,))
    assert (await place.client().track("m1")).status == 299


def database(place: Place) -> sqlite3.Connection:
    """Return the connection of the running server, to make its disk full."""
    store: Any = place.app.store
    connection: sqlite3.Connection = store._file._connection
    return connection


async def full(place: Place, action: Callable[[], Awaitable[Any]]) -> Any:
    """Do something while the disk is full."""
    ((pages,),) = database(place).execute("PRAGMA page_count").fetchall()
    database(place).execute(f"PRAGMA max_page_count = {pages}")
    try:
        return await action()
    finally:
        database(place).execute("PRAGMA max_page_count = 1000000")


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_full_disk_is_told_to_everybody_and_got_over(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.client().track("m0")
    big = "x" * 100_000

    async def send() -> None:
        first = await place.client().track("m1", properties={"a": big})
        assert first.json["error"]["code"] == "temporarily_unavailable"
        replies = [await place.client("wrk_b").track("m1"), await place.client().clicks("c1"), first]
        assert [reply.status for reply in replies] == [503, 503, 503]
        assert replies[1].json["success"] is False, "in the shape of the vendor"
        assert (await place.control.get("/readyz")) == (503, {"status": "store unavailable"})
        assert (await place.control.get("/livez"))[0] == 200
        status, problem = await place.control.patch(HERE, {"keys": []})
        assert (status, "full" in problem["detail"]) == (503, True)
        assert (await place.control.get(f"{HERE}/requests"))[0] == 200, "what is there can be read"

    await full(place, send)
    group, back = place.app.store._group, asyncio.Event()  # type: ignore[attr-defined]
    end = group._end

    def ended(*done: Any) -> None:
        end(*done)
        back.set()

    monkeypatch.setattr(group, "_end", ended)
    await asyncio.wait_for(back.wait(), 30)
    assert (await place.control.get("/readyz"))[0] == 200
    assert (await place.client().track("m1")).status == 202
    await place.again()
    _, listed = await place.control.get(f"{HERE}/events")
    assert [row["verdict"] for row in listed["events"]] == ["accepted", "accepted", "duplicate"]
    _, listed = await place.control.get(f"{HERE}/requests")
    assert [row["status"] for row in listed["requests"]] == [202, 503, 202]
    assert caplog.text.count("requests are answered with 503 until it can be written") == 1
    assert caplog.text.count("can be written again") == 1


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_damaged_session_is_answered_with_503_and_can_be_deleted(place: Place, tmp_path: Path) -> None:
    await place.client().track("m1")
    await place.client("pk_b").track("m1")
    await place.stop()
    connection = sqlite3.connect(tmp_path / "sessions.db")
    connection.execute("UPDATE requests SET body = x'7b' WHERE session = 1")
    connection.commit()
    connection.close()
    await place.again()
    reply = await place.client().track("m2")
    assert (reply.status, reply.json["error"]["code"]) == (503, "temporarily_unavailable")
    status, problem = await place.control.get(f"{HERE}/events")
    assert (status, "damaged" in problem["detail"]) == (503, True)
    assert (await place.client("pk_b").track("m2")).status == 202
    assert (await place.control.get("/_mock/sessions"))[0] == 200
    assert (await place.control.delete(HERE))[0] == 204
    assert (await place.client().track("m1")).status == 202


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_file_that_is_deleted_meanwhile_is_noticed(place: Place, tmp_path: Path) -> None:
    await place.client().track("m1")
    (tmp_path / "sessions.db").rename(tmp_path / "away.db")
    assert (await place.client().track("m2")).status == 503
    (tmp_path / "away.db").rename(tmp_path / "sessions.db")


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_server_that_cannot_listen_lets_go_of_its_file(place: Place, tmp_path: Path) -> None:
    from mockserver.errors import SettingsError

    port, other = int(place.url.rpartition(":")[2]), f"sqlite:{tmp_path / 'other.db'}"
    with pytest.raises(SettingsError, match="in use"):
        async with serving(Settings(port=port, store=other)):
            pass
    async with serving(Settings(port=0, store=other)) as (app, _):
        assert app.store.away is None


class Held:
    """A file that is not written until `free` is set."""

    def __init__(self, place: Place) -> None:
        self.free, self.asked = threading.Event(), asyncio.Event()
        file: Any = place.app.store._file  # type: ignore[attr-defined]
        loop, write = asyncio.get_running_loop(), file.write

        def held(changes: Changes) -> None:
            loop.call_soon_threadsafe(self.asked.set)
            assert self.free.wait(30)
            write(changes)

        file.write = held


def tracked(id_: str) -> bytes:
    body = json.dumps(track_body(id_)).encode()
    head = "POST /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nX-API-Key: pk_a\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_request_that_follows_is_answered_after_the_one_that_is_being_written(place: Place) -> None:
    held = Held(place)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(place.url.rpartition(":")[2]))
    writer.write(tracked("m1"))
    await held.asked.wait()
    writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    assert (await place.control.get("/livez"))[0] == 200, "others are answered meanwhile"
    held.free.set()
    first = await asyncio.wait_for(reader.readuntil(b'"rejected":0}'), 30)
    second = await asyncio.wait_for(reader.readuntil(b"}"), 30)
    assert (first[:12], second[:12]) == (b"HTTP/1.1 202", b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_server_that_stops_answers_what_is_being_written(place: Place) -> None:
    held = Held(place)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(place.url.rpartition(":")[2]))
    writer.write(tracked("m1"))
    await held.asked.wait()
    stopping = asyncio.create_task(place.stop())
    await asyncio.to_thread(lambda: None)
    held.free.set()
    assert (await asyncio.wait_for(reader.read(), 30)).startswith(b"HTTP/1.1 202")
    await stopping
    writer.close()


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_client_that_leaves_before_its_request_is_written_is_no_matter(place: Place) -> None:
    held = Held(place)
    _, writer = await asyncio.open_connection("127.0.0.1", int(place.url.rpartition(":")[2]))
    writer.write(tracked("m1"))
    await held.asked.wait()
    writer.transport.abort()
    held.free.set()
    assert (await place.client().track("m1")).status == 202
    _, listed = await place.control.get(f"{HERE}/events")
    assert [row["verdict"] for row in listed["events"]] == ["accepted", "duplicate"]


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_reply_that_ends_its_connection_waits_for_the_file_too(place: Place) -> None:
    patch = {"protocol": {"replies": {"counted": {"headers": {"Connection": "close"}}}}}
    status, answer = await place.control.patch(HERE, {"protocols": {"whisperr": {"patch": patch}}})
    assert status == 200, answer
    held = Held(place)
    sending = asyncio.create_task(place.client().track("m1"))
    await held.asked.wait()
    assert not sending.done()
    held.free.set()
    reply = await sending
    assert (reply.status, reply.headers["Connection"]) == (202, "close")
