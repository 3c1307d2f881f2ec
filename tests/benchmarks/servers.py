"""The servers under measurement, each a process of its own pinned to the first core."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.cores import SERVER, pinned

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    pid: int


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(
    arguments: list[str], ready: str, port: int, root: Path = ROOT, *, on_one_core: bool = True
) -> Iterator[Server]:
    command = [*(pinned(SERVER) if on_one_core else []), sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert ready in line, f"{arguments}: {line!r}"
            yield Server(url=f"http://127.0.0.1:{port}", pid=process.pid)
        finally:
            process.terminate()


@contextlib.contextmanager
def ceiling(reply: dict[str, Any]) -> Iterator[Server]:
    """Serve the barest handler with a given reply."""
    port = free_port()
    with _process(["tests/benchmarks/ceiling.py", str(port), json.dumps(reply)], "ready", port) as server:
        yield server


@contextlib.contextmanager
def mock(*flags: str, root: Path = ROOT, on_one_core: bool = True) -> Iterator[Server]:
    """Serve ours, with default settings; `root` is the checkout whose code it runs."""
    port = free_port()
    command = ["-m", "mockserver", "serve", "--port", str(port), "--log-level", "error", *flags]
    with _process(command, "mockserver ready", port, root, on_one_core=on_one_core) as server:
        yield server


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has taken, the kernel's for it included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
