"""A `mockserver serve` process, told apart by its ready line and its log; nothing here waits by the clock."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = ("MOCKSERVER_", "_MOCKSERVER_", "COMP_")
HOST_AND_PORT = ("HOST", "PORT")
SEARCH = 30
"""Seconds after which something hangs."""


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of this process without what would set up the command line, and with `variables`."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(OURS) and name not in HOST_AND_PORT
    }
    return {**kept, **(variables or {})}


def command_line(*arguments: str, python: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs `mockserver` with these arguments."""
    return [sys.executable, *python, "-m", "mockserver", *arguments]


def run(
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    python: tuple[str, ...] = (),
    cwd: Path = ROOT,
    input: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command_line(*arguments, python=python),
        cwd=cwd,
        env=environment(variables),
        input=input,
        capture_output=True,
        text=True,
        timeout=SEARCH,
        check=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """A running server: its process, and what its ready line says."""

    process: subprocess.Popen[str]
    ready_line: str

    @property
    def url(self) -> str:
        return self.ready_line.rpartition(" ")[2]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log_until(self, text: str) -> str:
        """Return the log up to the line that holds `text`, which is waited for; a server that hangs is killed."""
        assert self.process.stderr is not None
        lines, killer = list[str](), threading.Timer(SEARCH, self.process.kill)
        killer.start()
        try:
            for line in self.process.stderr:
                lines.append(line)
                if text in line:
                    return "".join(lines)
        finally:
            killer.cancel()
        raise AssertionError(f"no line with {text!r} in the log:\n{''.join(lines)}")

    def connect(self, request: str, host: str = "127.0.0.1") -> socket.socket:
        """Open a connection and send a beginning of a request."""
        connection = socket.create_connection((host, self.port), timeout=SEARCH)
        connection.sendall(request.encode())
        return connection

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; return the exit code, and what was not read of stdout and of the log."""
        self.tell(number)
        output, log = self.process.communicate(timeout=SEARCH)
        return self.process.returncode, output, log


@contextmanager
def served(
    *flags: str, variables: Mapping[str, str] | None = None, python: tuple[str, ...] = ()
) -> Iterator[ServerProcess]:
    """Run `mockserver serve` as long as the block runs, on a free port unless a variable names one."""
    free = () if "PORT" in (variables or {}) else ("--port", "0")
    process = subprocess.Popen(
        command_line("serve", *free, *flags, python=python),
        cwd=ROOT,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().rstrip("\n")
        if not line:
            _, log = process.communicate(timeout=SEARCH)
            raise AssertionError(f"the server did not start:\n{log}")
        yield ServerProcess(process=process, ready_line=line)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=SEARCH)
