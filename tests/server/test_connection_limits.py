"""Connections cost little: silent, idle and unread ones are ended, and there is room for one more."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest
import trustme
import uvloop
from aiohttp import web

from mockserver.server import connection as connections
from mockserver.server.aiohttp_io import in_pieces
from mockserver.server.connection import Connection as OurConnection
from mockserver.server.connection import Server, Watched
from mockserver.server.running import FEWEST, RESERVED, descriptors_left
from mockserver.settings import Settings
from tests.processes import SEARCH, served
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.raw import Connection, Plain
from tests.server.vendor_client import VendorClient

DEADLINE = 0.3
FEW_DESCRIPTORS = """\
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
del sys.argv[1:3]
runpy.run_module("mockserver", run_name="__main__", alter_sys=True)
"""
TOO_FEW = FEW_DESCRIPTORS.replace("256", str(FEWEST - 1))
HUGE = b"x" * 20_000_000
"""More than the buffers of the system take for one connection."""

LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0, body_timeout=DEADLINE)


class Calls:
    """Counts the calls of a method of connections."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self._count = asyncio.Semaphore(0)
        method = getattr(OurConnection, name)

        def counted(connection: OurConnection) -> None:
            method(connection)
            self._count.release()

        monkeypatch.setattr(OurConnection, name, counted)

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(SEARCH):
            for _ in range(count):
                await self._count.acquire()


@asynccontextmanager
async def huge_replies(limit: int = 100, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Server, int]]:
    """Serve a huge reply to each request; yield the server and its port."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await in_pieces(request, web.Response(body=HUGE)) if tls else web.Response(body=HUGE)

    server = Server(answer, on_unreadable=lambda detail: None, timeout=DEADLINE, limit=limit)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    watching = asyncio.create_task(server.end_overdue())
    try:
        yield server, listener.sockets[0].getsockname()[1]
    finally:
        watching.cancel()
        listener.close()
        await server.shutdown(0)


async def unread(port: int) -> socket.socket:
    """Send a request whose reply nobody reads."""
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def unread_tls(port: int, context: ssl.SSLContext) -> socket.socket:
    """Send a request over TLS whose reply nobody reads."""
    client = context.wrap_socket(socket.create_connection(("127.0.0.1", port), SEARCH), server_hostname="127.0.0.1")
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def run(main: Callable[[], object], new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())  # type: ignore[arg-type]


def test_more_clients_than_descriptors_are_all_answered() -> None:
    with served(python=("-c", FEW_DESCRIPTORS)) as server, ExitStack() as clients:
        for _ in range(600):
            client = clients.enter_context(server.connect("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            assert client.recv(12) == b"HTTP/1.1 200"
        code, _, log = server.end(signal.SIGTERM)
    assert code == 0
    assert log.count("the least recently used ones are closed") == 1
    assert "Traceback" not in log


def test_too_few_descriptors_are_told_at_the_start() -> None:
    command = [sys.executable, "-c", TOO_FEW, "-m", "mockserver", "serve", "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SEARCH)
    assert ended.returncode == 2
    told = f"the limit of open files is {FEWEST - 1}, and the server needs at least {FEWEST}; raise it (ulimit -n)"
    assert ended.stderr == f"Error: {told}\n"


def test_some_descriptors_are_kept_for_files() -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        assert 1 <= descriptors_left() < 256 - RESERVED
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@LOOPS
def test_busy_connections_are_kept_and_a_new_one_is_refused(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        paused = Calls(monkeypatch, "pause_writing")
        async with huge_replies(limit=2) as (server, port):
            server.timeout = SEARCH
            slow = [await unread(port) for _ in range(2)]
            await paused.wait(2)
            newest = await Connection.open(port)
            [answer] = await newest.answers()
            assert (answer.status, answer.json["status"]) == (503, 503)
            assert len(server.unread) == 2
            await newest.close()
            for client in slow:
                client.close()

    run(main, new_loop)


@LOOPS
def test_connection_is_busy_from_the_arrival_of_a_request_to_its_reply(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    receive = Watched.data_received

    def look(connection: Watched) -> None:
        if connection.transport is not None and not connection.half_closed:
            seen.append(connection.busy)
            asyncio.get_running_loop().call_soon(look, connection)

    def data_received(connection: Watched, data: bytes) -> None:
        receive(connection, data)
        look(connection)

    monkeypatch.setattr(Watched, "data_received", data_received)

    async def main() -> None:
        async with huge_replies() as (_, port):
            client = await Connection.open(port)
            assert (await client.ask(Plain(method="GET", path="/").wire())).status == 200
            await client.close()

    run(main, new_loop)
    assert seen[:2] == [True, True]
    assert not any(seen[seen.index(False) :]), "it was idle before its reply"


@LOOPS
@pytest.mark.parametrize(("beginning", "statuses"), [(b"", []), (b"POST / HT", [408])])
def test_connection_without_a_request_is_ended(
    new_loop: Callable[[], asyncio.AbstractEventLoop], beginning: bytes, statuses: list[int]
) -> None:
    async def main() -> None:
        async with huge_replies() as (_, port):
            clients = [await Connection.open(port) for _ in range(50)]
            for client in clients:
                await client.send(beginning)
            for client in clients:
                assert [answer.status for answer in await client.answers()] == statuses
                await client.close()

    run(main, new_loop)


async def test_idle_connection_is_closed(app_server: AppServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_S", 0.05)
    client = await Connection.open(app_server.port)
    assert (await client.ask(Plain(method="GET", path="/livez").wire())).status == 200
    assert await client.answers() == []
    await client.close()


@LOOPS
def test_reply_that_nobody_reads_is_given_up(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        aborted = Calls(monkeypatch, "abort")
        async with huge_replies() as (server, port):
            clients = [await unread(port) for _ in range(3)]
            await aborted.wait(3)
            assert not server.unread
            for client in clients:
                client.close()

    run(main, new_loop)


@LOOPS
def test_reply_that_nobody_reads_over_tls_is_given_up(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    authority.configure_trust(client_tls)

    async def main() -> None:
        aborted = Calls(monkeypatch, "abort")
        async with huge_replies(tls=server_tls) as (server, port):
            client = await asyncio.to_thread(unread_tls, port, client_tls)
            await aborted.wait(1)
            assert not server.unread
            client.close()

    run(main, new_loop)


@LOOPS
def test_bytes_that_wait_for_clients_are_bounded(
    new_loop: Callable[[], asyncio.AbstractEventLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 0.0)
    bound = 3 * len(HUGE)
    monkeypatch.setattr(connections, "UNSENT_BYTES", bound)

    async def main() -> None:
        aborted = Calls(monkeypatch, "abort")
        async with huge_replies() as (server, port):
            server.timeout = SEARCH
            clients = [await unread(port) for _ in range(30)]
            await aborted.wait(25)
            assert sum(connection.unsent for connection in server.unread) <= bound
            for client in clients:
                client.close()

    run(main, new_loop)


async def test_next_request_waits_until_the_reply_before_is_read(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled = 0

    async def counted(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal handled
        handled += 1
        return web.Response(body=HUGE)

    monkeypatch.setattr(app_server.app.control, "handle", counted)
    aborted = Calls(monkeypatch, "abort")
    client = await unread(app_server.port)
    await asyncio.get_running_loop().sock_sendall(client, Plain(method="GET", path="/livez").wire() * 20)
    await aborted.wait(1)
    client.close()
    assert handled <= 1


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
async def test_delay_ends_when_the_client_leaves(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str, when: str
) -> None:
    await control.put(f"{session}/faults", [{"delay_ms": 60_000, "times": 1, "when": when}])
    slow = asyncio.create_task(vendor.track("m1"))
    assert await asyncio.wait([slow], timeout=0.5) == (set(), {slow})
    kept = app_server.app.store.session(vendor.key)
    assert kept.in_flight == 1
    slow.cancel()
    _, answer = await control.post(f"{session}/wait", {"quiet_ms": 1, "timeout_ms": SEARCH * 1000})
    assert answer["satisfied"], answer
    assert kept.in_flight == 0


async def test_client_that_sends_nothing_more_gets_its_delayed_answer(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.put(f"{session}/faults", [{"delay_ms": 300}])
    client = await Connection.open(app_server.port)
    await client.send(Plain(path=f"/_mock/s/{vendor.key}/v1/events/batch").wire())
    client.half_close()
    assert len(await client.answers()) == 1
    await client.close()
