"""The live page with 10 000 requests and under load: what is seen when, what stutters, and what the server pays."""

from __future__ import annotations

import http.client
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from tests.benchmarks import payloads
from tests.benchmarks.load import requests_per_second
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import Server, mock
from tests.live_page.harness import HERE, Browser, Page
from tests.npm import node_modules

KEPT: Final = 10_000
RATE: Final = 200
STUTTER: Final = """
  window.stutter = { task: 0, frame: 0, last: performance.now() };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.stutter.task = Math.max(window.stutter.task, duration);
  }).observe({ entryTypes: ["longtask"] });
  const frame = (now) => {
    window.stutter.frame = Math.max(window.stutter.frame, now - window.stutter.last);
    window.stutter.last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
"""
"""Notes the longest task of the page and the longest time between two frames, in ms."""


@contextmanager
def _browser() -> Iterator[Browser]:
    node_modules(HERE, "tools for the live page")
    command = ["node", str(HERE / "remote.mjs"), shutil.which("chromium") or ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Browser(process)


def _send(server: Server, payload: Payload, count: int, rate: float | None = None) -> None:
    """Send a request so many times, at so many a second or as fast as it goes."""
    parts, pause = urlsplit(server.url), threading.Event()
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    began = time.monotonic()
    for number in range(count):
        if rate is not None:
            pause.wait(max(0.0, began + number / rate - time.monotonic()))
        connection.request("POST", payload.path, payload.body, dict(payload.headers))
        connection.getresponse().read()
    connection.close()


def _stutter(page: Page) -> tuple[float, float]:
    """Return the longest task and the longest time between two frames since the last call, in ms."""
    task, frame = page.call("evaluate", "[window.stutter.task, window.stutter.frame]")
    page.call("evaluate", "Object.assign(window.stutter, { task: 0, frame: 0, last: performance.now() })")
    return task, frame


def measure(rounds: int, seconds: int, minute: int = 60) -> dict[str, float]:
    """Measure; returns milliseconds, MB, counts and ratios. Raises AssertionError for a lost row."""
    one = payloads.outlit(1)
    with mock() as server, _browser() as browser:
        _send(server, one, KEPT)
        page = browser.open("benchmark")
        page.go(f"{server.url}/_mock/ui/")
        page.wait_for("() => document.querySelector('#count').textContent.startsWith('10,000')")
        painted, complete = page.call(
            "evaluate",
            "[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance.now()]",
        )
        page.call("evaluate", STUTTER)
        page.call("focus", "#filter-text")
        _stutter(page)
        page.call("keyboard.type", "pricing button_clicked", {"delay": 20})
        page.call("fill", "#filter-text", "")
        typing, _ = _stutter(page)
        _send(server, one, RATE * minute, RATE)
        total = KEPT + RATE * minute
        page.wait_for("(count) => document.querySelector('#count').textContent.startsWith(count)", f"{total:,}")
        task, frame = _stutter(page)
        heap = page.call("evaluate", "performance.memory.usedJSHeapSize")
        page.call("close")
        open_rates, ratios = list[float](), list[float]()
        for number in range(rounds):
            before = requests_per_second(server.url, one, connections=16, seconds=seconds)
            page = browser.open(f"benchmark {number}")
            page.go(f"{server.url}/_mock/ui/")
            page.wait_for("() => document.querySelector('.row') !== null")
            open_rates.append(requests_per_second(server.url, one, connections=16, seconds=seconds))
            page.call("close")
            after = requests_per_second(server.url, one, connections=16, seconds=seconds)
            ratios.append(open_rates[-1] / ((before + after) / 2))
    return {
        "ms to the first paint": painted,
        "ms to 10 000 rows": complete,
        "ms of the longest task while typing": typing,
        f"ms of the longest task at {RATE}/s": task,
        f"ms between two frames at {RATE}/s": frame,
        "MB of heap": heap / 1e6,
        "requests/s with the page open": statistics.median(open_rates),
        "ratio to none": statistics.median(ratios),
    }
