"""A peer: Stoplight Prism at its fastest, serving the OpenAPI document that we publish."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mockserver.contract import publish
from mockserver.contract.library import library
from tests.benchmarks import payloads
from tests.benchmarks.cores import SERVER, pinned
from tests.benchmarks.load import requests_per_second
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import free_port, mock

PACKAGE = "@stoplight/prism-cli"
ONE, BATCH = 4.0, 2.5
CASES = {
    "outlit": ((payloads.outlit(1), ONE), (payloads.outlit(100), BATCH)),
    "apex": ((payloads.apex(1), ONE), (payloads.apex(100), BATCH)),
    "whisperr": ((payloads.whisperr(1), ONE), (payloads.whisperr(100), BATCH), (payloads.whisperr(500), BATCH)),
}


def _install(folder: Path) -> Path:
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", PACKAGE], cwd=folder, check=True)
    return folder / "node_modules" / ".bin" / "prism"


def _its_reply(url: str, payload: Payload) -> Payload:
    """Return the payload with the reply Prism gives it, since every reply is held to the expected one."""
    request = urllib.request.Request(url + payload.path, payload.body.encode(), payload.headers)
    with urllib.request.urlopen(request) as reply:
        return replace(payload, expected=reply.read().decode(), status=reply.status)


@contextmanager
def _prism(folder: Path, program: Path, protocol: str) -> Iterator[str]:
    """Serve a protocol's OpenAPI document; yield the URL."""
    document, port = folder / f"{protocol}.json", free_port()
    document.write_text(json.dumps(publish.openapi(library().protocol(protocol).contract())))
    command = [*pinned(SERVER), str(program), "mock", "--verbose-level", "silent", "-h", "127.0.0.1"]
    with subprocess.Popen([*command, "-p", str(port), str(document)], stdout=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            subprocess.run(["curl", "-s", "-o", "/dev/null", "--retry", "30", "--retry-connrefused", url], check=True)
            yield url
        finally:
            process.terminate()


def measure(rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Install Prism from the npm registry and measure it and ours in turns, 16 connections."""
    made: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name, mock() as ours:
        program = _install(Path(name))
        for protocol, cases in CASES.items():
            with _prism(Path(name), program, protocol) as url:
                for payload, goal in cases:
                    found = _in_turns(ours.url, url, payload, rounds, seconds)
                    made[f"beside Prism, {payload.name}"] = {**found, "goal at least": goal}
    return made


def _in_turns(ours: str, prism: str, payload: Payload, rounds: int, seconds: int) -> dict[str, float]:
    theirs = _its_reply(prism, payload)
    mine, other = [], []
    for _ in range(rounds):
        other.append(requests_per_second(prism, theirs, connections=16, seconds=seconds))
        mine.append(requests_per_second(ours, payload, connections=16, seconds=seconds))
    return {
        "ours/s": statistics.median(mine),
        "prism/s": statistics.median(other),
        "prism in its first round/s": other[0],
        "ratio": statistics.median(m / o for m, o in zip(mine, other, strict=True)),
    }
