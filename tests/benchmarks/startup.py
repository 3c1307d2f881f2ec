"""From starting the process to the first answered request, beside the barest handler; `ready` beside a one-liner."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.benchmarks import payloads
from tests.benchmarks.servers import Server, ceiling, mock, resident_bytes

PAYLOAD = payloads.outlit(1)
REPLY = {"status": PAYLOAD.status, "headers": [["Content-Type", "application/json"]], "body": PAYLOAD.expected}
ONE_LINER = """
import http.client, sys
connection = http.client.HTTPConnection(*sys.argv[1].removeprefix("http://").split(":"))
connection.request("GET", "/readyz")
assert connection.getresponse().status == 200
"""


def _first_answer(start: Callable[[], AbstractContextManager[Server]]) -> tuple[float, float]:
    """Return seconds until the first answered request, and the bytes resident then."""
    began = time.perf_counter()
    with start() as server:
        request = urllib.request.Request(server.url + PAYLOAD.path, PAYLOAD.body.encode(), PAYLOAD.headers)
        with urllib.request.urlopen(request) as reply:
            assert json.load(reply) == json.loads(PAYLOAD.expected)
        return time.perf_counter() - began, float(resident_bytes(server.pid))


def _run_time(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def measure(rounds: int) -> dict[str, float]:
    """Measure in turns; returns medians in seconds and MB, and ratios."""
    ours, bare, probes, one_liners, memory = [], [], [], [], []
    for _ in range(rounds):
        bare.append(_first_answer(lambda: ceiling(REPLY))[0])
        seconds, resident = _first_answer(mock)
        ours.append(seconds)
        memory.append(resident)
    with mock() as server:
        for _ in range(rounds):
            one_liners.append(_run_time([sys.executable, "-c", ONE_LINER, server.url]))
            probes.append(_run_time([sys.executable, "-m", "mockserver", "ready", server.url]))
    return {
        "first answer s": statistics.median(ours),
        "ceiling s": statistics.median(bare),
        "ratio": statistics.median(o / b for o, b in zip(ours, bare, strict=True)),
        "goal at most": 2.0,
        "MB after start": statistics.median(memory) / 1e6,
        "ready ratio": statistics.median(p / o for p, o in zip(probes, one_liners, strict=True)),
    }
