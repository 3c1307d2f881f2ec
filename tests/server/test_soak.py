"""Nothing grows: every kind of request goes on and on, against a process with a low memory limit.

The load is counted in rounds of the same size, so that a slow machine does the same as a fast one. After each round,
the clients are gone, and the process is held to what it had before the first one.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final

import pytest

from tests.conftest import COUNTED
from tests.processes import SEARCH
from tests.server.raw import Plain, once
from tests.server.soak import Soaker, settle
from tests.server.storm import SEED, process, resident, storm

MEMORY_LIMIT: Final = 64 * 1024 * 1024
FLAGS: Final = ("--no-ui", "--memory-limit", str(MEMORY_LIMIT), "--max-sessions", "1000", "--journal-limit", "5000")
GROWTH: Final = MEMORY_LIMIT * 5 // 4
"""How much more resident memory than before the first request the process may have after any round.

The limit is one on what sessions hold; a quarter of it is for caches, the allocator and rough estimates. The
interpreter and the contracts of the server are there before.
"""
IN_A_ROUND: Final = 3_000
SHORT: Final = 2
"""Rounds of which the second shows what the first one left; the limit of memory is reached in the first one."""
LONG: Final = 100
"""Rounds that take about twenty minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What a process has: tasks of the loop by kind, descriptors, resident memory in bytes."""

    tasks: dict[str, int]
    descriptors: int
    memory: int


def vitals(server: Popen[str]) -> Vitals:
    """Ask the process what it has."""
    server.send_signal(signal.SIGUSR1)
    assert server.stdout is not None
    return Vitals(**json.loads(server.stdout.readline()), memory=resident(server.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the process through /proc")
@pytest.mark.parametrize(
    "rounds", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.full)]
)
def test_nothing_grows_when_every_kind_of_request_goes_on(
    rounds: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    log, sent, statuses, wrong = tmp_path / "log", Counter[str](), Counter[int](), list[str]()
    with process(log, *FLAGS, module="tests.server.counted") as (server, port):
        asyncio.run(settle(port))
        idle, seen = vitals(server), []
        for number in range(rounds):
            run = asyncio.run(storm(port, f"round{number}", IN_A_ROUND, Soaker))
            asyncio.run(settle(port))
            seen.append(vitals(server))
            sent, statuses, wrong = sent + run.sent, statuses + run.statuses, wrong + run.wrong
        grown = max(each.memory for each in seen) - idle.memory
        record_property(COUNTED, f"soak, seed {SEED}: {sent.total()} requests, {grown / 1e6:.0f} MB more memory")
        print(dict(sent), dict(statuses))
        assert wrong == []
        assert set(Soaker.kinds) - {"mutated", "attacked"} <= set(sent)
        assert [each.tasks for each in seen] == [idle.tasks] * rounds
        assert [each.descriptors for each in seen] == [idle.descriptors] * rounds
        assert grown <= GROWTH
        assert asyncio.run(once(port, Plain(method="GET", path="/readyz"))).status == 200
        server.terminate()
        assert server.wait(SEARCH) == 0
    text = log.read_text()
    assert "journal full" in text
    assert "Traceback" not in text
    assert [line for line in text.splitlines() if line.split(" ")[1] in ("error", "critical")] == []
