"""What a run of `mockserver verify` with default settings costs: volume, memory, time to the first request."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Final

from tests.benchmarks.servers import ROOT, mock
from tests.benchmarks.usage import usage_of
from tests.threaded import listening

KEYS: Final[Mapping[str, str]] = {"outlit": "pk_verify", "apex": "pk_live_verify", "whisperr": "wrk_verify"}
GOALS: Final[Mapping[str, float]] = {"goal MB sent": 60, "goal MB of memory": 250, "goal s to the first request": 1}


def _run(protocol: str, url: str, *flags: str) -> tuple[float, float]:
    """Run verify to its end; return the most memory that the process took, in MB, and its processor time."""
    words = ["--target", url, "--protocol", protocol, "--key", KEYS[protocol], "--server-key", "apex_sk_verify"]
    command = [sys.executable, "-m", "mockserver", "verify", *words, *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    usage = usage_of(command, cwd=ROOT, env=environment)
    return usage.peak_bytes / 1e6, usage.cpu_seconds


def _first_request(protocol: str) -> tuple[float, float]:
    """Return the seconds from the start of the process to its first request, and the processor time of the process.

    It ends after a few requests, as the target serves nothing.
    """
    came: list[float] = []

    class Nothing(BaseHTTPRequestHandler):
        def answer(self) -> None:
            came.append(time.perf_counter())
            self.send_error(404)

    for method in ("GET", "POST"):
        setattr(Nothing, f"do_{method}", Nothing.answer)
    with listening(Nothing) as url:
        began = time.perf_counter()
        _, cpu = _run(protocol, url)
    return came[0] - began, cpu


def measure() -> dict[str, dict[str, float]]:
    """Measure each protocol."""
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, mock() as server:
        for protocol in KEYS:
            file = Path(folder) / f"{protocol}.json"
            began = time.perf_counter()
            memory, _ = _run(protocol, server.url, "--rate", "100000", "--json", str(file))
            seconds, report = time.perf_counter() - began, json.loads(file.read_text())
            first, cpu = _first_request(protocol)
            results[f"verify {protocol}"] = {
                "requests": report["requests"],
                "MB sent": report["bytes"] / 1e6,
                "MB of memory": memory,
                "s to the first request": first,
                "CPU s until then": cpu,
                "s without pauses": seconds,
                "clean": float(report["clean"]),
                **GOALS,
            }
    return results
