"""Redis servers of the tests: Debian's `redis-server`, started here, each on a free port of loopback."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import pytest

PROGRAM: Final = "redis-server"
READY: Final = "Ready to accept connections"
DATABASES: Final = 10_000
SEARCH_S: Final = 30
"""Seconds after which something hangs."""


def redis_program() -> str:
    """Return the path of redis-server. Where there is none, the test is skipped, or fails in CI."""
    program = shutil.which(PROGRAM)
    if program is None and os.environ.get("CI") == "true":
        pytest.fail(f"{PROGRAM} is not installed, and in CI it must be")
    if program is None:
        pytest.skip(f"{PROGRAM} is not installed (Debian: apt-get install redis-server)")
    return program


HIGHEST_PORT: Final = 55_535
"""Nodes of a cluster talk to each other on a port that is 10 000 higher."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    port = HIGHEST_PORT + 1
    while port > HIGHEST_PORT:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
    return port


class RedisServer:
    """A redis-server process, which can be stopped, killed and started again on its port."""

    databases = 0

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        self._options = (redis_program(), *place, "--save", "", *options)
        self.start()

    @property
    def url(self) -> str:
        """The URL for `--store`."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        self.process = subprocess.Popen(self._options, stdout=subprocess.PIPE, text=True)
        killer = threading.Timer(SEARCH_S, self.process.kill)
        killer.start()
        assert self.process.stdout is not None
        try:
            assert any(READY in line for line in self.process.stdout), "redis-server has not started"
        finally:
            killer.cancel()
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def _read_on(self) -> None:
        """Read the log to its end, so that the server can always write on."""
        assert self.process.stdout is not None
        with self.process.stdout as log:
            for _ in log:
                pass

    def kill(self) -> None:
        """Kill it; what it had in memory is gone."""
        self.process.kill()
        self.process.wait(SEARCH_S)
        self._reader.join(SEARCH_S)

    def stop(self) -> None:
        """Let it hang: it takes connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """Run a Redis for as long as the block takes."""
    server = RedisServer(folder, *options)
    try:
        yield server
    finally:
        server.kill()


@cache
def shared_server() -> RedisServer:
    """Return a Redis that many tests share, each with a database of its own; it ends with this process."""
    server = RedisServer(Path(mkdtemp()), "--databases", str(DATABASES))
    atexit.register(server.kill)
    return server


@cache
def database_of(folder: Path) -> str:
    """Return the URL of the database that goes with a folder of a test."""
    server = shared_server()
    server.databases += 1
    return f"{server.url}/{server.databases}"
