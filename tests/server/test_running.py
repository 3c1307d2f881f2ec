"""Starting and stopping: where the server listens, how it says so, how it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import aiohttp
import pytest

from mockserver.errors import SettingsError
from mockserver.server import running
from mockserver.server.running import announce, serving
from mockserver.server.sockets import bound_sockets
from mockserver.settings import Settings, url_of
from tests.processes import ROOT, SEARCH, ServerProcess, environment, served

ALLOWED_S = 3.0
"""How long a server may take to end after the first signal."""

WAIT = '{"match": {}, "timeout_ms": 60000}'
OPEN_WAIT = (
    "POST /_mock/sessions/somebody/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(WAIT)}\r\n\r\n{WAIT}"
)
BODY = '{"events": []}'
REFUSED_BATCH = (
    "POST /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nX-API-Key: wsk_some_project_key\r\nConnection: close\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
)
SLOW_UPLOAD = (
    "POST /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n"
)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")


async def alive(url: str) -> bool:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/livez") as reply:
        return reply.status == 200


def begin_upload(server: ServerProcess) -> socket.socket:
    """Send the head of a request, and return once the server is reading its body."""
    connection = server.connect(SLOW_UPLOAD)
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    return connection


def test_one_line_and_a_file_say_where_it_listens(tmp_path: Path) -> None:
    ready_file = tmp_path / "url.txt"
    with served("--ready-file", str(ready_file)) as server:
        written = ready_file.read_text()
        code, more, _ = server.end()
    assert server.ready_line == f"mockserver ready on http://127.0.0.1:{server.port}"
    assert written == f"{server.url}\n"
    assert (code, more) == (0, "")
    assert list(tmp_path.iterdir()) == [ready_file]


def test_the_ready_file_is_replaced_in_one_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ready_file = tmp_path / "url.txt"
    ready_file.write_text("before")
    with ready_file.open() as reader:
        announce("http://127.0.0.1:1", ready_file)
        assert reader.read() == "before"
    assert ready_file.read_text() == "http://127.0.0.1:1\n"
    assert capsys.readouterr().out == "mockserver ready on http://127.0.0.1:1\n"


async def test_an_old_ready_file_is_gone_when_the_start_fails(tmp_path: Path) -> None:
    ready_file = tmp_path / "url.txt"
    ready_file.write_text("http://127.0.0.1:1\n")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError):
        await running.run(Settings(port=taken.getsockname()[1], ready_file=ready_file))
    assert not ready_file.exists()


def test_a_ready_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere/url\.txt: No such file"):
        announce("http://127.0.0.1:1", tmp_path / "nowhere" / "url.txt")


async def test_a_ready_file_that_is_a_pipe_or_a_device_is_refused_and_kept(tmp_path: Path) -> None:
    """Replacing it would take it away from its reader; `/dev/null` would be gone for all programs."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with asyncio.timeout(20):
        with pytest.raises(SettingsError, match="pipe is not a regular file"):
            await running.run(Settings(port=0, ready_file=pipe))
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("mock.test", "http://mock.test:80"),
    ],
)
def test_the_url_is_one_that_this_machine_can_use(host: str, url: str) -> None:
    assert url_of(host, 80) == url


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0.0.0.0", "localhost", pytest.param("::1", marks=needs_ipv6), pytest.param("::", marks=needs_ipv6)],
)
async def test_it_answers_at_its_url_when_bound_to(host: str) -> None:
    async with serving(Settings(host=host, port=0)) as (_, url):
        assert await alive(url)


@needs_ipv6
async def test_all_addresses_include_those_of_ipv4_when_bound_to_those_of_ipv6() -> None:
    async with serving(Settings(host="::", port=0)) as (_, url):
        assert await alive(f"http://127.0.0.1:{url.rpartition(':')[2]}")


def test_one_free_port_is_taken_on_every_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    sockets = bound_sockets("two.test", 0)
    names = [sock.getsockname() for sock in sockets]
    for sock in sockets:
        sock.close()
    assert [address for address, _ in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({port for _, port in names}) == 1


def test_a_taken_port_is_an_error_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingsError, match=f"cannot listen on 127.0.0.1 port {port}: the port is in use; .*--port"
        ):
            bound_sockets("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 70])
def test_an_address_of_another_machine_is_an_error_that_says_what_to_do(host: str) -> None:
    with pytest.raises(SettingsError, match=f"{host}.*: .*set --host"):
        bound_sockets(host, 0)


def answer_on(connection: socket.socket) -> str:
    """Read until the server closes the connection."""
    with connection, connection.makefile("rb") as reader:
        return reader.read().decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_finishes_when_the_server_is_told_to_stop(number: signal.Signals) -> None:
    with served() as server:
        idle = server.connect("")
        wait = server.connect(OPEN_WAIT)
        server.log_until("new session ")
        upload = begin_upload(server)
        began = time.monotonic()
        server.tell(number)
        answered = answer_on(wait)
        assert answer_on(idle) == ""
        with pytest.raises(ConnectionRefusedError):
            server.connect("")
        upload.sendall(BODY.encode())
        uploaded = answer_on(upload)
        server.process.communicate(timeout=SEARCH)
        took = time.monotonic() - began
    assert '"reason":"evicted"' in answered
    assert uploaded.startswith("HTTP/1.1 401 ")
    assert "missing_api_key" in uploaded
    assert server.process.returncode == 0
    assert took < ALLOWED_S


def test_a_request_that_does_not_finish_is_cut_off_in_time() -> None:
    with served() as server, begin_upload(server):
        began = time.monotonic()
        code, _, log = server.end()
        took = time.monotonic() - began
    assert code == 0
    assert took < ALLOWED_S
    assert "requests cancelled because they did not finish within 2 s: 1" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_server_at_once(second: signal.Signals) -> None:
    with served() as server, begin_upload(server):
        server.tell(signal.SIGTERM)
        server.log_until("stopping")
        code, _, log = server.end(second)
    assert code == 128 + second
    assert "cut off" not in log


SIGNALLED_AT_IMPORT = """\
import os, sys
number, module = int(sys.argv[1]), sys.argv[2]
class Finder:
    def find_spec(name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Finder)
sys.argv[1:3] = []
from mockserver.__main__ import main
main()
"""
IMPORTED_AT_START = ("mockserver.cli.main", "click", "mockserver.cli.serve", "aiohttp", "decimal", "uvloop")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", [*IMPORTED_AT_START, "mockserver.server.running"])
def test_a_signal_during_start_up_ends_the_process_cleanly(tmp_path: Path, number: signal.Signals, module: str) -> None:
    command = [sys.executable, "-c", SIGNALLED_AT_IMPORT, str(int(number)), module, "serve", "--port", "0"]
    command += ["--ready-file", str(tmp_path / "url.txt")]
    ended = subprocess.run(command, cwd=ROOT, env=environment(), check=False, capture_output=True, timeout=SEARCH)
    assert ended.returncode == (0 if number == signal.SIGTERM else 130), ended.stderr
    assert (ended.stdout, ended.stderr, list(tmp_path.iterdir())) == (b"", b"", [])


def test_a_signal_before_the_ready_line_stops_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    listen = bound_sockets

    def signalled(host: str, port: int, **more: bool) -> list[socket.socket]:
        signal.raise_signal(signal.SIGTERM)
        return listen(host, port, **more)

    monkeypatch.setattr(running, "bound_sockets", signalled)
    ready_file = tmp_path / "url.txt"
    asyncio.run(running.run(Settings(port=0, ready_file=ready_file)))
    gc.unfreeze()
    assert (capsys.readouterr().out, ready_file.exists()) == ("", False)


async def test_a_stopped_server_leaves_nothing_to_wait_for() -> None:
    async with serving(Settings(port=0)) as (app, url):
        assert await alive(url)
    assert app.handlers.stopping
    with pytest.raises(aiohttp.ClientConnectionError):
        await alive(url)


def test_it_imports_nothing_that_only_tests_need() -> None:
    with served(python=("-X", "importtime")) as server:
        refused = answer_on(server.connect(REFUSED_BATCH))
        _, _, log = server.end()
    assert refused.startswith("HTTP/1.1 400 ")
    imported = {line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:")}
    assert "mockserver.server.app" in imported
    assert not {name for name in imported if name.partition(".")[0] in ("hypothesis", "pytest", "_pytest")}


async def test_what_is_needed_later_is_loaded_in_a_thread_once_the_server_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[object] = []

    def loaded() -> None:
        order.append(threading.current_thread() is threading.main_thread())
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(running, "announce", lambda *arguments, **keywords: order.append("ready"))
    monkeypatch.setattr(running, "preload", loaded)
    await running.run(Settings(port=0))
    gc.unfreeze()
    assert order == ["ready", False]


async def test_garbage_is_collected_again_once_the_server_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []

    def announced(url: str, ready_file: Path | None, ca_file: Path | None, *, page: bool) -> None:
        collecting.append(gc.isenabled())
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(running, "announce", announced)
    gc.disable()
    try:
        await running.run(Settings(port=0))
    finally:
        gc.enable()
        gc.unfreeze()
    assert collecting == [True]
