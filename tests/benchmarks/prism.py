"""A peer: Stoplight Prism at its fastest, serving the OpenAPI documents that we publish."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from mockserver.contract import publish
from mockserver.contract.library import library
from tests.benchmarks.cores import SERVER, pinned
from tests.benchmarks.load import requests_per_second
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import Server, free_port
from tests.benchmarks.throughput import Peer

PACKAGE: Final = "@stoplight/prism-cli"
WARM_UP_S: Final = 3
"""Prism reaches its speed when its code is compiled: its first two seconds are three times slower."""


def is_available() -> bool:
    """Return whether Prism can be installed."""
    return shutil.which("npm") is not None and shutil.which("node") is not None


def _install(folder: Path) -> Path:
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", PACKAGE], cwd=folder, check=True)
    return folder / "node_modules" / ".bin" / "prism"


def _its_reply(url: str, payload: Payload) -> Payload:
    """Return the payload with the reply Prism gives it, since every reply is held to the expected one."""
    request = urllib.request.Request(url + payload.path, payload.body.encode(), payload.headers)
    with urllib.request.urlopen(request) as reply:
        return replace(payload, expected=reply.read().decode(), status=reply.status)


@contextmanager
def _serving(folder: Path, program: Path, protocol: str) -> Iterator[Server]:
    """Serve a protocol's OpenAPI document."""
    document, port = folder / f"{protocol}.json", free_port()
    document.write_text(json.dumps(publish.openapi(library().protocol(protocol).contract())))
    command = [*pinned(SERVER), str(program), "mock", "--verbose-level", "silent", "-h", "127.0.0.1"]
    with subprocess.Popen([*command, "-p", str(port), str(document)], stdout=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            subprocess.run(["curl", "-s", "-o", "/dev/null", "--retry", "30", "--retry-connrefused", url], check=True)
            yield Server(url=url, pid=process.pid)
        finally:
            process.terminate()


@contextmanager
def warm() -> Iterator[Callable[[Payload], Peer]]:
    """Install Prism from the npm registry; yield what gives it as a peer for a payload, warmed up with that.

    The server of each protocol stays until the end; it takes no processor time while nobody asks it.
    """
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        program = _install(Path(name))

        @cache
        def serving(protocol: str) -> Server:
            return running.enter_context(_serving(Path(name), program, protocol))

        def peer(payload: Payload) -> Peer:
            server = serving(payload.name.split()[0])
            theirs = _its_reply(server.url, payload)
            requests_per_second(server.url, theirs, connections=16, seconds=WARM_UP_S)
            return Peer("Prism", server, theirs)

        yield peer
