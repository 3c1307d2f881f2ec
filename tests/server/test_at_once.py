"""Requests that are answered where they arrive get what `handle` gives them, and leave the same behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final, cast
from unittest import mock

import pytest

from mockserver.core.model import Judged, Terms
from mockserver.core.wire import WireRequest
from mockserver.server import connection as connections
from mockserver.server import repeated_headers, turns, vendor
from mockserver.server.app import App
from mockserver.server.connection import HEAD_INCOMPLETE, Server, Watched
from mockserver.server.repeated_headers import LenientParser
from mockserver.sessions.views import View
from mockserver.settings import Settings
from tests import cases
from tests.judging import NOW
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import outlit, whisperr
from tests.server.raw import SEARCH, Connection, Plain, received

KEY: Final = "pk_once"
_DATE: Final = re.compile(rb"\r\nDate: [^\r]*")
CLICK: Final = outlit(KEY, "click").wire()


class Wire:
    """A client without a socket."""

    def __init__(self, app: App, *, at_once: bool) -> None:
        self.taken = 0
        answer = self._noted if at_once else None
        self._app = app
        server = Server(app.handle, on_unreadable=app.count_unreadable, timeout=SEARCH, answer_at_once=answer)
        self.connection = cast(Watched, server())
        self._transport = mock.Mock(spec=asyncio.Transport)
        self._transport.get_extra_info.side_effect = {"peername": ("127.0.0.1", 8)}.get
        self._transport.is_closing.return_value = False
        self._came = asyncio.Semaphore(0)
        self._transport.write.side_effect = self._take
        self._received: list[bytes] = []
        self.connection.connection_made(self._transport)

    def _noted(self, *asked: Any) -> bytes | asyncio.Future[bytes] | None:
        reply = self._app.answer_at_once(*asked)
        self.taken += reply is not None
        return reply

    def _take(self, data: bytes) -> None:
        self._received.append(bytes(data))
        if data.startswith(b"HTTP/1.1 "):
            self._came.release()

    async def ask(self, *pieces: bytes, replies: int = 1) -> bytes:
        """Send some pieces; return the replies as they came."""
        await _pass()  # so that the connection waits for a request
        self._received.clear()
        for piece in pieces:
            self.connection.data_received(piece)
        async with asyncio.timeout(SEARCH):
            for _ in range(replies):
                await self._came.acquire()
        return b"".join(self._received)


async def _pass() -> None:
    """Let the loop run what is due."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_soon(passed.set)
    await passed.wait()


def undated(replies: bytes) -> bytes:
    return _DATE.sub(b"", replies)


def statuses(replies: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1.1 (\d+)", replies)


def as_sent(request: WireRequest) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1".encode(), b"Host: localhost"]
    lines += [b": ".join(pair) for pair in request.headers if pair[0].lower() not in (b"host", b"content-length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(request.body), b"", request.body])


def left_behind(app: App) -> list[object]:
    """Return what the journals hold, without what differs between two connections."""
    found: list[object] = []
    for session in app.store.sessions():
        found.append((session.name, session.counts.as_json(), session.bytes, session.claims.remembered))
        for exchange in session.journal:
            view = View(exchange)
            found.append((view.request_detail(), list(view.event_rows()), exchange.override))
    return found


@pytest.fixture
async def apps(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[App, App]]:
    """Two servers whose clocks stand still."""
    monkeypatch.setattr(vendor, "real_ms", lambda: NOW)
    with turns.working():
        yield App(Settings()), App(Settings())


async def test_golden_requests_get_the_same_and_leave_the_same(apps: tuple[App, App]) -> None:
    here, there = Wire(apps[0], at_once=True), Wire(apps[1], at_once=False)
    asked = 0
    for case in cases.load_all():
        for step in case.exchanges:
            request = as_sent(step.request)
            if step.request.truncated or b"Connection" in request or step.request.method not in ("GET", "POST"):
                continue
            asked += 1
            assert undated(await here.ask(request)) == undated(await there.ask(request)), step.place
    assert left_behind(apps[0]) == left_behind(apps[1])
    assert here.taken > 0.9 * asked > 500


@pytest.mark.parametrize("moved", [False, True])
async def test_reply_has_the_date_of_the_session(apps: tuple[App, App], moved: bool) -> None:
    wire, app = Wire(apps[0], at_once=True), apps[0]
    session = app.store.session(KEY)
    if moved:
        session.clock = session.clock.set_to(1_000_000_000_000, NOW, frozen=True)
    assert (b"\r\nDate: Sun, 09 Sep 2001 01:46:40 GMT\r\n" in await wire.ask(CLICK)) is moved
    assert wire.taken == 1


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each request that was offered to a server of this test was answered at once."""
    found, answer = list[bool](), App.answer_at_once

    def noted(*asked: Any) -> bytes | asyncio.Future[bytes] | None:
        reply = answer(*asked)
        found.append(reply is not None)
        return reply

    monkeypatch.setattr(App, "answer_at_once", noted)
    return found


@pytest.fixture
async def client(taken: list[bool], app_server: AppServer) -> AsyncIterator[Connection]:
    """A connection that has had its first request, so that the server waits for the next one."""
    opened = await Connection.open(app_server.port)
    assert (await opened.ask(CLICK)).status == 200
    taken.clear()
    yield opened
    await opened.close()


async def test_requests_on_one_connection_are_answered_in_their_order(client: Connection, taken: list[bool]) -> None:
    await client.send(CLICK + Plain(method="GET", path="/nothing").wire() + CLICK)
    statuses = [(await client.ask(b"")).status for _ in range(3)]
    assert statuses == [200, 404, 200]
    assert taken == []
    assert (await client.ask(CLICK)).status == 200
    assert taken == [True]


async def test_request_behind_one_under_way_waits_for_its_turn(apps: tuple[App, App]) -> None:
    wire = Wire(apps[0], at_once=True)
    assert statuses(await wire.ask(CLICK, whisperr(KEY, "click").wire("Expect: 100-continue"), CLICK, replies=4)) == [
        *(b"200", b"100", b"202", b"200")
    ]
    assert wire.taken == 1


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        (outlit(KEY, "click").wire("Connection: close"), [200]),
        (outlit(KEY, "click").wire(version="1.0"), [200]),
        (outlit(KEY, "click").wire("Expect: 100-continue", "Connection: close"), [200]),
        (Plain(method="GET", path="/api/i/v1/pk_once/bootstrap").wire("Connection: close"), [200]),
    ],
    ids=["close", "1.0", "expect", "get"],
)
async def test_connection_ends_where_http_says_so(
    client: Connection, taken: list[bool], request_: bytes, statuses: list[int]
) -> None:
    await client.send(request_)
    assert [answer.status for answer in await client.answers()] == statuses
    assert taken == []


async def test_request_in_two_pieces_is_left_to_the_handler(apps: tuple[App, App]) -> None:
    wire = Wire(apps[0], at_once=True)
    assert statuses(await wire.ask(CLICK[:-5], CLICK[-5:])) == [b"200"]
    assert (wire.taken, statuses(await wire.ask(CLICK)), wire.taken) == (0, [b"200"], 1)


async def test_head_that_breaks_off_after_a_request_is_counted(apps: tuple[App, App]) -> None:
    wire = Wire(apps[0], at_once=True)
    await wire.ask(CLICK)
    wire.connection.data_received(CLICK[:20])
    wire.connection.connection_lost(None)
    assert apps[0].unseen.as_json() == {"count": 1, "reason": HEAD_INCOMPLETE, "at": mock.ANY}


async def test_error_is_answered_and_logged_once(
    client: Connection, app_server: AppServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(judged: Judged, terms: Terms) -> Judged:
        raise ZeroDivisionError("made up")

    with monkeypatch.context() as patched:
        patched.setattr(vendor, "judge", broken)
        answer = await client.ask(CLICK)
    assert (answer.status, answer.json["detail"]) == (500, "internal error; see the log of the server for details")
    assert [record.exc_text or record.exc_info for record in caplog.records if record.levelname == "ERROR"] != []
    assert (await client.ask(CLICK)).status == 200
    assert await received(app_server.port, KEY) == 2


async def test_reply_without_a_body_is_sent_once(
    client: Connection, control: ControlClient, taken: list[bool], app_server: AppServer
) -> None:
    reply = {"text": "", "body": None, "schema": None}
    patch = {"protocol": {"replies": {"processed": reply}}}
    status, told = await control.patch(f"/_mock/sessions/{KEY}", {"protocols": {"outlit": {"patch": patch}}})
    assert status == 200, told
    answer = await client.ask(CLICK)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert taken == [False]
    assert await received(app_server.port, KEY) == 2


async def test_reply_with_a_header_of_the_servers_own_is_sent_as_ever(
    client: Connection, control: ControlClient
) -> None:
    patch = {"protocol": {"replies": {"processed": {"headers": {"Connection": "close"}}}}}
    status, told = await control.patch(f"/_mock/sessions/{KEY}", {"protocols": {"outlit": {"patch": patch}}})
    assert status == 200, told
    await client.send(CLICK)
    assert [answer.headers["connection"] for answer in await client.answers()] == ["close"]


async def test_fault_step_is_carried_out(client: Connection, control: ControlClient, taken: list[bool]) -> None:
    assert (await control.put(f"/_mock/sessions/{KEY}/faults", [{"reply": {"status": 503}, "times": 1}]))[0] == 200
    assert [(await client.ask(CLICK)).status for _ in range(2)] == [503, 200]
    assert taken[0] is False


async def test_connection_that_is_idle_after_a_request_is_closed(
    client: Connection, monkeypatch: pytest.MonkeyPatch, taken: list[bool]
) -> None:
    assert (await client.ask(CLICK)).status == 200
    assert taken == [True]
    monkeypatch.setattr(connections, "IDLE_S", 0.05)
    assert await client.answers() == []


async def test_request_waits_while_others_have_their_turn(
    client: Connection, monkeypatch: pytest.MonkeyPatch, taken: list[bool]
) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)
    assert (await client.ask(CLICK)).status == 200
    assert (await client.ask(CLICK)).status == 200


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What aiohttp's parsers were given, apart from what new connections try out."""
    given = list[bytes]()
    use = LenientParser._use

    def noted(self: LenientParser, parser: Any) -> None:
        def feed_data(data: bytes) -> Any:
            given.append(data)
            return parser.feed_data(data)

        use(self, mock.Mock(wraps=parser, feed_data=feed_data))

    monkeypatch.setattr(LenientParser, "_use", noted)
    return given


def click(size: int) -> bytes:
    """Return a good request whose body has so many spaces at its end."""
    request = outlit(KEY, "click")
    return replace(request, body=request.body + b" " * size).wire()


async def test_head_that_was_seen_before_is_not_parsed_again(parsed: list[bytes], apps: tuple[App, App]) -> None:
    wire = Wire(apps[0], at_once=True)
    parsed.clear()
    for size, seen in ((0, 1), (0, 1), (1, 2), (0, 2), (1, 2)):
        assert statuses(await wire.ask(click(size))) == [b"200"]
        assert len(parsed) == seen, size
    assert wire.taken == 5


@pytest.mark.parametrize(
    ("pieces", "replies", "taken"),
    [
        ((CLICK + CLICK,), 2, 0),
        ((CLICK[:-1], CLICK[-1:]), 1, 0),
        ((CLICK[:9], CLICK[9:]), 1, 0),
        ((b"\r\n" + CLICK,), 1, 1),
        ((b"\r\n\r\n" + CLICK,), 1, 1),
        ((CLICK, CLICK), 2, 2),
        ((CLICK + CLICK[:30], CLICK[30:]), 2, 0),
    ],
    ids=["two", "body in two", "head in two", "line before", "two lines before", "one by one", "second in two"],
)
async def test_known_head_is_taken_only_with_its_whole_body(
    apps: tuple[App, App], pieces: tuple[bytes, ...], replies: int, taken: int
) -> None:
    wire = Wire(apps[0], at_once=True)
    await wire.ask(CLICK)
    assert statuses(await wire.ask(*pieces, replies=replies)) == [b"200"] * replies
    assert wire.taken == 1 + taken
    assert statuses(await wire.ask(CLICK)) == [b"200"]
    assert len(apps[0].store.session(KEY).journal) == 2 + replies


async def test_few_heads_are_kept(apps: tuple[App, App], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_headers, "MOST_KEPT", 3)
    wire = Wire(apps[0], at_once=True)
    for size in range(10):
        await wire.ask(click(size))
        assert 1 <= len(wire.connection._server.heads) <= 3
    await wire.ask(outlit(KEY, "click").wire("X-Long: " + "x" * repeated_headers.LONGEST_KEPT))
    assert max(map(len, wire.connection._server.heads)) <= repeated_headers.LONGEST_KEPT
    assert wire.taken == 11
