"""A million generated requests, good, spoiled and hostile: none is answered with a 5xx, and none hangs.

`-m full` sends them, to a server for each core. Otherwise, a few show that what is sent is what it should be.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import pytest

from mockserver import strategies
from tests.conftest import COUNTED
from tests.processes import SEARCH
from tests.server.mutators import MUTATORS
from tests.server.raw import Plain, once
from tests.server.storm import Run, Worker, process, storm
from tests.strategies.playing import collect

MILLION: Final = 1_000_000
FEW: Final = 800
OF_EACH_KIND: Final = 100
"""Requests that are generated for each protocol, good ones and bad ones; most are spoiled before they are sent."""
PROTOCOLS: Final = ("outlit", "apex", "whisperr")


@cache
def generated() -> tuple[Plain, ...]:
    """Return requests that Hypothesis has made from the contracts."""
    made = []
    for protocol in PROTOCOLS:
        for strategy in (strategies.requests(protocol), strategies.invalid_requests(protocol)):
            made += [_plain(sample.request) for sample in collect(strategy, OF_EACH_KIND)]
    return tuple(made)


def _plain(request: Any) -> Plain:
    headers = tuple((name, value) for name, value in request.headers)
    return Plain(method=request.method, path=request.path, headers=headers, body=request.body or b"")


@cache
def with_objects() -> tuple[Plain, ...]:
    """Return the generated requests whose body is a JSON object, which is what most ways to spoil one need."""
    return tuple(request for request in generated() if _is_object(request.body))


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


class Generating(Worker):
    """One client whose requests are generated ones."""

    kinds: Mapping[str, float] = {"plainly": 0.4, "mutated": 0.4, "attacked": 0.2}

    async def plainly(self) -> None:
        self.doing = "plainly"
        self.run.take("plainly", [await self.ask(self.rng.choice(generated()))])

    def plain(self, key: str) -> Plain:
        return self.rng.choice(with_objects())


def share(folder: Path, number: int, requests: int) -> Run:
    """Send a share of the requests to a server of their own; returns what came back, and what its log says is wrong."""
    log = folder / f"log{number}"
    with process(log, "--memory-limit", "64MiB") as (server, port):
        run = asyncio.run(storm(port, f"share{number}", requests, Generating))
        assert asyncio.run(once(port, Plain(method="GET", path="/readyz"))).status == 200
        server.terminate()
        assert server.wait(SEARCH) == 0
    run.wrong += [line for line in log.read_text().splitlines() if line.split(" ")[1:2] in (["error"], ["critical"])]
    return run


@pytest.mark.skipif(sys.platform != "linux", reason="the server is ended with a signal")
@pytest.mark.parametrize("requests", [FEW, pytest.param(MILLION, marks=pytest.mark.full)])
def test_no_request_is_answered_with_an_error_of_the_server(
    requests: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    shares = min(os.cpu_count() or 1, requests // FEW)
    with ProcessPoolExecutor(shares, get_context("spawn")) as pool:
        runs = list(pool.map(share, [tmp_path] * shares, range(shares), [-(-requests // shares)] * shares))
    sent, statuses = sum((run.sent for run in runs), Counter()), sum((run.statuses for run in runs), Counter())
    record_property(COUNTED, f"generated: {sent.total()} requests, answered with {dict(sorted(statuses.items()))}")
    assert Counter(wrong for run in runs for wrong in run.wrong) == Counter()
    assert sent.total() >= requests * 0.99
    assert min(statuses[200], statuses[400]) > requests / 100
    assert max(statuses) < 500
    if requests == MILLION:
        assert set(MUTATORS) < set(sent)
