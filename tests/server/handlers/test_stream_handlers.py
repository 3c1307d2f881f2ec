"""Streams: woken by the commit, resumed without a gap or a repeat, bounded, and closed to pages of other sites."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
import aiohttp.web
import pytest

from mockserver.server import stream_rows
from mockserver.server.aiohttp_io import write
from mockserver.server.connection import Connection
from mockserver.server.handlers import stream_handlers
from mockserver.server.running import serving
from mockserver.server.stream_rows import StreamRows
from mockserver.sessions.feed import Feed
from mockserver.settings import Settings
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.event_stream import opened, what
from tests.server.raw import SEARCH, Plain
from tests.server.vendor_client import VendorClient, track_body
from tests.server.watching import Gate

ALL = "/_mock/stream"


def client_of(vendor: VendorClient, key: str) -> VendorClient:
    return VendorClient(http=vendor.http, url=vendor.url, key=key)


async def test_request_comes_as_the_lists_show_it(
    app_server: AppServer, http: aiohttp.ClientSession, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    async with opened(http, app_server.url + session + "/stream") as stream:
        await vendor.track("m1", "m2")
        await vendor.post("/v1/events/batch", b"{", {"X-API-Key": vendor.key})
        begun, first, second = await stream.take(3)
    assert (begun.kind, begun.data) == ("session", {"session": vendor.key})
    assert first.data["request"] == (await control.get(f"{session}/requests"))[1]["requests"][0]
    assert first.data["events"] == (await control.get(f"{session}/events"))[1]["events"]
    assert second.data["events"] == []
    assert second.data["findings"] == (await control.get(f"{session}/requests/r2"))[1]["findings"]
    assert second.data["findings"][0]["severity"] == "error"


async def test_stream_of_the_server_has_all_sessions_in_the_order_of_their_commits(
    app_server: AppServer, http: aiohttp.ClientSession, control: ControlClient, vendor: VendorClient
) -> None:
    one, two = client_of(vendor, "pk_one"), client_of(vendor, "pk_two")
    await one.track("before")
    async with opened(http, app_server.url + ALL) as stream:
        await two.track("m1")
        await one.track("m1")
        await control.delete("/_mock/sessions/pk_two")
        await two.track("m2")
        events = await stream.take(5)
    assert list(map(what, events)) == [
        ("session", "pk_two"),
        ("pk_two", 1),
        ("pk_one", 2),
        ("deleted", "pk_two"),
        ("session", "pk_two"),
    ]


@pytest.mark.parametrize("by", ["header", "query"])
@pytest.mark.parametrize("where", [ALL, "/_mock/sessions/pk_1/stream"])
async def test_stream_goes_on_behind_every_cursor(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient, by: str, where: str
) -> None:
    for number in range(4):
        for key in ("pk_1", "pk_2"):
            await client_of(vendor, key).track(f"m{number}")
    async with opened(http, app_server.url + where + "?after=0") as stream:
        whole = await stream.take(10 if where == ALL else 5)
    for position, event in enumerate(whole[:-1]):
        query = f"?after={event.cursor}" if by == "query" else "?after=0"
        headers = {} if by == "query" else {"Last-Event-ID": event.cursor}
        async with opened(http, app_server.url + where + query, headers) as stream:
            assert await stream.take(len(whole) - position - 1) == whole[position + 1 :]


async def test_reader_that_is_cut_off_again_and_again_gets_each_request_once(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    sent, seen, cursor = 60, list[Any](), "0"

    async def send() -> None:
        for number in range(sent):
            await client_of(vendor, f"pk_{number % 3}").track(f"m{number}")

    sending = asyncio.create_task(send())
    while len(seen) < sent:
        async with opened(http, f"{app_server.url}{ALL}?after={cursor}") as stream:
            for event in await stream.take(min(3, sent - len(seen)) or 1):
                seen += [what(event)] if event.kind == "request" else []
                cursor = event.cursor
                if len(seen) == sent:
                    break
    await sending
    assert sorted(seen) == sorted((f"pk_{number % 3}", number // 3 + 1) for number in range(sent))


async def test_stream_without_a_cursor_begins_now_and_can_be_resumed_before_anything_happened(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    await vendor.track("before")
    async with opened(http, app_server.url + ALL) as stream:
        cursor = stream.decoder.cursor
    await vendor.track("after")
    async with opened(http, f"{app_server.url}{ALL}?after={cursor}") as stream:
        assert what(await stream.next()) == (vendor.key, 2)


async def test_cursor_of_an_earlier_run_is_told_and_followed_by_all_of_this_run(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    await vendor.track("m1")
    async with opened(http, f"{app_server.url}{ALL}?after=00000000.7") as stream:
        events = await stream.take(3)
    assert list(map(what, events)) == [("evicted", None, "restart", None), ("session", vendor.key), (vendor.key, 1)]


async def test_requests_that_the_journal_dropped_are_counted_before_what_came_later(
    app_server: AppServer, http: aiohttp.ClientSession, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.patch(session, {"journal_limit": 3})
    for number in range(10):
        await vendor.track(f"m{number}")
    async with opened(http, f"{app_server.url}{session}/stream?after=0") as stream:
        begun, evicted, *kept = await stream.take(5)
    assert (begun.kind, what(evicted)) == ("session", ("evicted", vendor.key, "journal", 7))
    assert list(map(what, kept)) == [(vendor.key, number) for number in (8, 9, 10)]
    async with opened(http, f"{app_server.url}{session}/stream?after={evicted.cursor}") as stream:
        assert await stream.take(3) == kept


async def test_requests_of_a_deleted_session_are_counted(
    app_server: AppServer, http: aiohttp.ClientSession, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    await vendor.track("m2")
    await control.delete(session)
    await vendor.track("m3")
    async with opened(http, f"{app_server.url}{session}/stream?after=0") as stream:
        events = await stream.take(5)
    key = vendor.key
    assert list(map(what, events)) == [
        ("session", key),
        ("evicted", key, "journal", 2),
        ("deleted", key),
        ("session", key),
        (key, 1),
    ]


async def test_cursor_that_is_too_old_is_told(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    app_server.app.store.feed = feed = Feed(most=4)
    for number in range(10):
        await vendor.track(f"m{number}")
    async with opened(http, f"{app_server.url}{ALL}?after={feed.run}.2") as stream:
        evicted, *kept = await stream.take(5)
    assert what(evicted) == ("evicted", None, "cursor", 5)
    assert list(map(what, kept)) == [(vendor.key, number) for number in (7, 8, 9, 10)]


async def test_evicted_session_is_told_and_how_it_was_when_it_is_there_again(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_handlers, "GATHER_S", 0)
    async with serving(Settings(port=0, max_sessions=1)) as (_, url), opened(http, url + ALL) as stream:
        for key in ("pk_1", "pk_2", "pk_1"):
            await VendorClient(http=http, url=url, key=key).track("m1")
        events = await stream.take(8)
    assert list(map(what, events)) == [
        ("session", "pk_1"),
        ("pk_1", 1),
        ("session", "pk_2"),
        ("evicted", "pk_1", "max_sessions", 1),
        ("pk_2", 1),
        ("session", "pk_1"),
        ("evicted", "pk_2", "max_sessions", 1),
        ("pk_1", 2),
    ]
    assert events[5].data["eviction"]["requests"] == 1


async def test_request_that_a_fault_delays_comes_once_it_is_answered(
    app_server: AppServer,
    http: aiohttp.ClientSession,
    control: ControlClient,
    vendor: VendorClient,
    session: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(monkeypatch)
    await control.put(f"{session}/faults", [{"times": 1, "delay_ms": 1, "when": "after_commit"}])
    async with opened(http, app_server.url + session + "/stream") as stream:
        delayed = asyncio.create_task(vendor.track("m1"))
        await asyncio.wait_for(gate.arrived.wait(), SEARCH)
        await vendor.track("m2")
        first = await stream.next()
        gate.opened.set()
        await delayed
        second = await stream.next()
    assert list(map(what, (first, second))) == [(vendor.key, 2), (vendor.key, 1)]
    assert (second.data["request"]["status"], second.data["request"]["fault"]["when"]) == (202, "after_commit")


@pytest.mark.parametrize("step", [{"connection": "reset"}, {"reply": {"status": 503}}, {"connection": "truncate"}])
async def test_request_with_a_fault_comes_as_the_list_has_it_at_the_end(
    app_server: AppServer,
    http: aiohttp.ClientSession,
    control: ControlClient,
    vendor: VendorClient,
    session: str,
    step: Mapping[str, Any],
) -> None:
    await control.put(f"{session}/faults", [step])
    async with opened(http, app_server.url + session + "/stream") as stream:
        try:
            await vendor.track("m1")
        except aiohttp.ClientError:
            assert "connection" in step
        event = await stream.next()
    assert event.data["request"] == (await control.get(f"{session}/requests"))[1]["requests"][0]


async def test_two_hundred_readers_share_each_row(
    app_server: AppServer, vendor: VendorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, block = list[str](), StreamRows._block

    def counted(self: StreamRows, cursor: str, *args: Any, **options: Any) -> bytes:
        made.append(cursor)
        return block(self, cursor, *args, **options)

    monkeypatch.setattr(StreamRows, "_block", counted)
    connector = aiohttp.TCPConnector(limit=0)

    async def read(http: aiohttp.ClientSession, ready: asyncio.Event) -> list[Any]:
        async with opened(http, app_server.url + ALL) as stream:
            ready.set()
            return list(map(what, await stream.take(21)))

    async with aiohttp.ClientSession(connector=connector) as http:
        ready = [asyncio.Event() for _ in range(200)]
        readers = [asyncio.create_task(read(http, each)) for each in ready]
        await asyncio.gather(*(asyncio.wait_for(each.wait(), SEARCH) for each in ready))
        for number in range(20):
            await vendor.track(f"m{number}")
        answers = await asyncio.gather(*readers)
    assert answers == [[("session", vendor.key), *((vendor.key, number) for number in range(1, 21))]] * 200
    assert len(made) == 20


async def test_requests_of_a_burst_share_a_write(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = list[int]()

    async def noted(stream: aiohttp.web.StreamResponse, content: bytes) -> None:
        writes.append(content.count(b"event: request"))
        await write(stream, content)

    monkeypatch.setattr(stream_handlers, "write", noted)
    monkeypatch.setattr(stream_handlers, "GATHER_S", 0.5)
    async with opened(http, app_server.url + ALL) as stream:
        for number in range(20):
            await vendor.track(f"m{number}")
        await stream.take(21)
    assert sum(writes) == 20
    assert len(writes) < 10


LARGE = 200_000
"""Characters of an event; its row has it twice, as sent and as stored."""


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The connections of the server, as they are made."""
    made, connection_made = list[Connection](), Connection.connection_made

    def noted(self: Connection, transport: asyncio.BaseTransport) -> None:
        made.append(self)
        connection_made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", noted)
    return made


async def test_reader_that_stops_reading_costs_little_and_misses_nothing(
    app_server: AppServer,
    http: aiohttp.ClientSession,
    vendor: VendorClient,
    session: str,
    connections: list[Connection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reader reads only after 20 MB are there for it; the buffers of its socket hold a few."""
    monkeypatch.setattr(stream_rows, "SHARE", 1.0)  # so that the stream sends as fast as requests arrive
    async with opened(http, app_server.url + session + "/stream") as stream:
        for number in range(50):
            reply = await vendor.track(f"m{number}", properties={"text": "x" * LARGE})
            assert reply.status == 202
        assert 0 < max(connection.unsent for connection in connections) < 200_000
        events = await stream.take(51)
    assert list(map(what, events[1:])) == [(vendor.key, number) for number in range(1, 51)]


async def test_reader_that_takes_nothing_is_cut_off(http: aiohttp.ClientSession) -> None:
    async with serving(Settings(port=0, body_timeout=1)) as (app, url):
        app.store.feed._listeners[None] = listeners = Told()
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as link:
            link.sendall(Plain(method="GET", path=ALL).wire())
            assert await asyncio.to_thread(link.recv, 16) == b"HTTP/1.1 200 OK\r"
            for number in range(50):
                client = VendorClient(http=http, url=url, key="pk_1")
                await client.track(f"m{number}", properties={"text": "x" * LARGE})
            await asyncio.wait_for(listeners.left.wait(), SEARCH)


class Told(set[Any]):
    """Listeners that tell when one of them is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.left = asyncio.Event()

    def discard(self, listener: Any) -> None:
        super().discard(listener)
        self.left.set()


async def test_quiet_stream_has_comments_with_its_cursor(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_handlers, "QUIET_S", 0.01)
    async with opened(http, app_server.url + "/_mock/sessions/pk_other/stream") as stream:
        await vendor.track("m1")
        await stream.until_comment("quiet")
        assert f"id: {app_server.app.store.feed.run}.".encode() in stream.seen.rpartition(b": quiet")[2]


async def test_stream_ends_when_the_server_stops(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    async with opened(http, app_server.url + ALL) as stream:
        app_server.app.stop()
        assert await stream.rest() == []


@pytest.mark.parametrize("path", [ALL, "/_mock/sessions/pk_1/stream"])
async def test_stream_ends_with_its_reader(app_server: AppServer, http: aiohttp.ClientSession, path: str) -> None:
    before = asyncio.all_tasks()
    async with opened(http, app_server.url + path):
        assert len(app_server.app.store.feed._listeners) == 1
        during = asyncio.all_tasks() - before
    await asyncio.wait(during, timeout=SEARCH)
    assert app_server.app.store.feed._listeners == {}
    assert app_server.app.handlers.open_streams == 0


async def test_there_are_only_so_many_streams(
    app_server: AppServer, http: aiohttp.ClientSession, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_handlers, "MOST_STREAMS", 1)
    async with opened(http, app_server.url + ALL):
        status, problem = await control.get(ALL)
    assert (status, problem["detail"][:36]) == (503, "1 streams are open on this server, t")


@pytest.mark.parametrize("cursor", ["1", "x", "-1", "0.1", "00000000.", "g0000000.1", "00000000.1.1", "0" * 41])
@pytest.mark.parametrize("by", ["header", "query"])
async def test_unusable_cursor_is_refused(control: ControlClient, cursor: str, by: str) -> None:
    query, headers = (f"?after={cursor}", {}) if by == "query" else ("", {"Last-Event-ID": cursor})
    status, problem = await control.get(ALL + query, headers)
    assert (status, problem["parameter"]) == (400, "after")


async def test_cursor_that_no_event_had_is_refused(app_server: AppServer, control: ControlClient) -> None:
    status, problem = await control.get(f"{ALL}?after={app_server.app.store.feed.run}.1")
    assert (status, problem["detail"]) == (400, f"after: no event has had the id {app_server.app.store.feed.run}.1")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
async def test_pages_of_other_sites_cannot_read_a_stream(
    control: ControlClient, headers: Mapping[str, str], status: int
) -> None:
    assert (await control.get(ALL, headers))[0] == status
    assert (await control.get("/_mock/sessions/pk_1/stream", headers))[0] == status


async def test_stream_needs_the_admin_token(http: aiohttp.ClientSession) -> None:
    async with serving(Settings(port=0, admin_token="secret")) as (_, url):
        assert (await ControlClient(http, url).get(ALL))[0] == 401
        async with opened(http, url + ALL, {"Authorization": "Bearer secret"}) as stream:
            assert stream.reply.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            assert stream.reply.headers["Cache-Control"] == "no-store"


async def test_page_of_an_allowed_origin_can_read_a_stream(http: aiohttp.ClientSession) -> None:
    origin = "http://localhost:5173"
    async with (
        serving(Settings(port=0, allowed_origins=(origin,))) as (_, url),
        opened(http, url + ALL, {"Origin": origin, "Sec-Fetch-Site": "cross-site"}) as stream,
    ):
        assert stream.reply.headers["Access-Control-Allow-Origin"] == origin


async def test_head_of_a_stream_is_answered_at_once(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    async with http.head(app_server.url + ALL) as reply:
        assert (reply.status, reply.content_type, await reply.read()) == (200, "text/event-stream", b"")


async def test_secrets_are_hidden_when_that_is_asked_for(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    async with (
        opened(http, app_server.url + ALL) as shown,
        opened(http, app_server.url + ALL + "?secrets=hidden") as hidden,
    ):
        await vendor.clicks("click", properties={"password": "hunter2hunter2"})
        _, plain = await shown.take(2)
        begun, row = await hidden.take(2)
    assert vendor.key in plain.data["request"]["path"]
    assert plain.data["events"][0]["event"]["properties"] == {"password": "hunter2hunter2"}
    text = json.dumps([begun.data, row.data])
    assert vendor.key not in text
    assert "hunter2hunter2" not in text
    assert begun.data["session"] == row.data["session"]


async def test_rows_of_hostile_data_are_json_on_one_line(
    app_server: AppServer, http: aiohttp.ClientSession, vendor: VendorClient
) -> None:
    text = "\u2028\u202e</script>\x00\r\n\ndata: x\nevent: y\ud800"
    body = json.dumps(track_body("m1", properties={text: text})).encode()
    async with opened(http, app_server.url + ALL) as stream:
        await vendor.post("/v1/events/batch", body, {"X-API-Key": vendor.key})
        _, row = await stream.take(2)
    assert row.data["events"][0]["event"]["properties"] == {text: text}
