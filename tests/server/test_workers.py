"""`serve --workers`: several processes at one port are one server that starts, heals and stops as one.

Which store the workers share does not matter here: the process that starts them takes any store for shared.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from mockserver.errors import SettingsError
from mockserver.server.workers import check
from mockserver.settings import Settings
from tests.processes import SEARCH, ServerProcess, run, served
from tests.sdks.harness import absent

BEGIN = """\
import os, sys
os.setsid()
sys.argv[1:3] = []
from mockserver.sessions.stores import opening
opening.OF_ONE_PROCESS = ()
"""
MAIN = """\
from mockserver.__main__ import main
main()
"""
SHARED = ("-c", BEGIN + MAIN)
TOLD_AT_START = """\
import signal
from mockserver.server import workers
start = workers._started
def started(channel):
    process = start(channel)
    if "told" not in globals():
        os.kill(os.getpid(), signal.SIGTERM)
        globals()["told"] = True
    return process
workers._started = started
"""
SHORT_LIVED = """\
import subprocess
from mockserver.server import workers
workers._started = lambda channel: subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
"""
CONNECTIONS = 64
"""How many connections surely reach both of two workers: all go to one of them once in 2 ** 63 times."""
LIVE = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
TRACK = "POST /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = '{"events": []}'
UNAUTHORIZED = "HTTP/1.1 401 Unauthorized"
PATCH = "protocol: outlit\npatch: {{protocol: {{limits: {{body: {{max_bytes: {}}}}}}}}}\n"


@contextmanager
def two_workers(*flags: str, count: int = 2) -> Iterator[tuple[ServerProcess, dict[int, int]]]:
    """Run a server with workers; yield it and the process of each worker by its number."""
    with served("--workers", str(count), *flags, python=SHARED) as server:
        yield server, processes(server, count)


def processes(server: ServerProcess, count: int) -> dict[int, int]:
    """Read in the log that so many workers are ready; return their processes."""
    lines = [server.log_until(": process ").splitlines()[-1] for _ in range(count)]
    found = [re.search(r"worker (\d) is ready: process (\d+)$", line) for line in lines]
    return {int(match[1]): int(match[2]) for match in found if match}


def answers(server: ServerProcess, request: str = LIVE) -> list[str]:
    """Send a request on each of many connections; return the status lines."""
    return [status_line(server.connect(request)) for _ in range(CONNECTIONS)]


def status_line(connection: socket.socket) -> str:
    with connection, connection.makefile("rb") as reader:
        return reader.read().decode().partition("\r\n")[0]


def begin_upload(server: ServerProcess) -> socket.socket:
    """Send the head of a request, and return once a worker is reading its body."""
    connection = server.connect(f"{TRACK}Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    return connection


@pytest.mark.parametrize("store", ["memory", "sqlite:sessions.db"])
def test_workers_without_a_store_to_share_are_refused_with_the_reason(store: str) -> None:
    ended = run("serve", "--port", "0", "--workers", "2", "--store", store)
    kind = store.partition(":")[0]
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"Error: --workers 2 needs a store that several processes share, and --store {kind} is for one: each worker "
        "would have sessions of its own; use --store redis://HOST, or one worker\n"
    )


def test_system_that_cannot_share_a_port_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(SettingsError, match=r"cannot share a port.*; use one worker"):
        check(Settings(workers=2, store="redis://localhost"))


class Running(NamedTuple):
    """A server that several tests use, and the process of each of its workers as it was at the start."""

    server: ServerProcess
    workers: dict[int, int]
    ready_file: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    ready_file = tmp_path_factory.mktemp("ready") / "url.txt"
    with two_workers("--ready-file", str(ready_file), "--log-level", "debug") as (server, workers):
        yield Running(server, workers, ready_file)


def test_all_workers_answer_at_one_port_that_is_said_once(running: Running) -> None:
    server = running.server
    assert sorted(running.workers) == [1, 2]
    assert server.ready_line == f"mockserver ready on http://127.0.0.1:{server.port}"
    assert running.ready_file.read_text() == f"{server.url}\n"
    assert list(running.ready_file.parent.iterdir()) == [running.ready_file]
    assert set(answers(server, f"{TRACK}Connection: close\r\nContent-Length: 0\r\n\r\n")) == {UNAUTHORIZED}
    log = "".join(server.log_until(" -> 401 ") for _ in range(CONNECTIONS))
    assert set(re.findall(r" debug   (worker \d): POST /v1/events/batch -> 401", log)) == {"worker 1", "worker 2"}


def test_port_of_another_server_is_refused_also_if_that_one_shares_it_too(running: Running) -> None:
    ended = run("serve", "--port", str(running.server.port), "--workers", "2", python=SHARED)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: cannot listen on 127.0.0.1 port {running.server.port}: the port is in use")


def test_a_worker_that_is_killed_is_replaced_and_said_aloud(running: Running) -> None:
    server, killed = running.server, running.workers[2]
    os.kill(killed, signal.SIGKILL)
    said = server.log_until("worker 2 (")
    (again,) = processes(server, 1).items()
    assert f"error   worker 2 (process {killed}) was ended by SIGKILL; another one starts now\n" in said
    assert again[0] == 2
    assert again[1] != killed
    assert set(answers(server)) == {"HTTP/1.1 200 OK"}


def test_what_is_in_flight_finishes_when_all_processes_are_interrupted() -> None:
    """A terminal sends the signal to each process of the command; none takes that of its neighbour for a second one."""
    with two_workers() as (server, _):
        uploads = [begin_upload(server) for _ in range(8)]
        os.killpg(server.process.pid, signal.SIGINT)
        log = "".join(server.log_until("stopping") for _ in range(3))
        for upload in uploads:
            upload.sendall(BODY.encode())
        statuses = {status_line(upload) for upload in uploads}
        more, rest = server.process.communicate(timeout=SEARCH)
        with pytest.raises(ConnectionRefusedError):
            server.connect("")
    assert statuses == {UNAUTHORIZED}
    assert (server.process.returncode, more) == (0, "")
    said = sorted(re.findall(r"info    (.*stopping)", log))
    assert said == ["stopping", "worker 1: stopping", "worker 2: stopping"]
    assert "Traceback" not in log + rest
    assert "cancelled" not in rest


def test_a_second_signal_ends_all_at_once() -> None:
    with two_workers() as (server, _), begin_upload(server):
        server.tell(signal.SIGTERM)
        server.log_until("info    stopping")
        code, _, log = server.end(signal.SIGINT)
    assert code == 128 + signal.SIGINT
    assert "cancelled" not in log


def test_a_signal_while_workers_start_ends_them_without_a_ready_line(tmp_path: Path) -> None:
    flags = ("serve", "--port", "0", "--workers", "2", "--ready-file", str(tmp_path / "url.txt"))
    ended = run(*flags, python=("-c", BEGIN + TOLD_AT_START + MAIN))
    assert (ended.returncode, ended.stdout, list(tmp_path.iterdir())) == (0, "", [])
    assert ended.stderr.endswith("info    stopping\n")


def test_a_worker_that_cannot_start_again_is_tried_less_and_less_often(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text(PATCH.format(2000))
    with two_workers("--contract-patch", str(patch), "--reload") as (server, workers):
        patch.write_text(PATCH.format(3000))
        reloaded = "".join(server.log_until("contracts reloaded") for _ in workers)
        patch.write_text("protocol: nobody\n")
        os.kill(workers[1], signal.SIGKILL)
        said = server.log_until("starts in 1 s")
        statuses = answers(server)
        patch.write_text(PATCH.format(2000))
        again = processes(server, 1)
        code, _, _ = server.end()
    assert sorted(re.findall(r"(worker \d): contracts reloaded", reloaded)) == ["worker 1", "worker 2"]
    ends = re.findall(r"error   worker 1 (.*)\n", said)
    assert ends[0] == f"(process {workers[1]}) was ended by SIGKILL; another one starts now"
    assert [end.rpartition("; ")[2] for end in ends[1:]] == ["another one starts in 0.5 s", "another one starts in 1 s"]
    assert all(end.startswith(f"cannot start: {patch}#/") for end in ends[1:])
    assert set(statuses) == {"HTTP/1.1 200 OK"}
    assert list(again) == [1]
    assert code == 0


def test_settings_that_no_worker_can_start_with_are_one_error(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: nobody\n")
    flags = ("--contract-patch", str(patch), "--ready-file", str(tmp_path / "url.txt"))
    alone = run("serve", "--port", "0", *flags)
    several = run("serve", "--port", "0", "--workers", "2", *flags, python=SHARED)
    assert (several.returncode, several.stdout, list(tmp_path.iterdir())) == (2, "", [patch])
    assert several.stderr == alone.stderr


def test_worker_that_dies_before_it_is_ready_is_an_error() -> None:
    """Its process ends without a reason, as when memory runs out."""
    ended = run("serve", "--port", "0", "--workers", "2", python=("-c", BEGIN + SHORT_LIVED + MAIN))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(
        r"Error: worker 1 \(process \d+\) ended with exit code 7 before it was ready\n",
        ended.stderr.splitlines(keepends=True)[-1],
    )


def test_no_worker_is_left_when_the_process_that_started_them_is_killed() -> None:
    with two_workers() as (server, _):
        server.tell(signal.SIGKILL)
        _, log = server.process.communicate(timeout=SEARCH)  # the log ends when no process is left
        with pytest.raises(ConnectionRefusedError):
            server.connect("")
    gone = "stopping, as the process that started this worker is gone"
    assert sorted(re.findall(r"error   (.*)", log)) == [f"worker 1: {gone}", f"worker 2: {gone}"]


def test_all_workers_have_one_certificate() -> None:
    try:
        import trustme
    except ImportError:
        absent("trustme is not installed")
    assert trustme
    with two_workers("--tls", "self-signed") as (server, _):
        assert server.process.stdout is not None
        ca_file = Path(server.process.stdout.readline().rstrip("\n").removeprefix("mockserver CA file "))
        context = ssl.create_default_context(cafile=ca_file)
        certificates = set()
        for _ in range(CONNECTIONS // 2):
            with context.wrap_socket(server.connect(""), server_hostname="localhost") as connection:
                certificates.add(connection.getpeercert(binary_form=True))
                connection.sendall(LIVE.encode())
                assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        server.end()
    assert len(certificates) == 1
    assert not ca_file.exists()
