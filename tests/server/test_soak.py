"""Nothing grows: every kind of request goes on and on, against a process with a low memory limit."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

import pytest

from tests.processes import SEARCH
from tests.server.raw import Plain, once
from tests.server.soak import Soaker
from tests.server.storm import process, resident, storm

MEMORY_LIMIT: Final = 64 * 1024 * 1024
IN_A_ROUND: Final = 4_000
FLAGS: Final = ("--memory-limit", str(MEMORY_LIMIT), "--max-sessions", "1000", "--journal-limit", "5000")


def vitals(server: Popen[str]) -> dict[str, Any]:
    """Return what the process has open, and its resident memory in bytes."""
    server.send_signal(signal.SIGUSR1)
    assert server.stdout is not None
    return {**json.loads(server.stdout.readline()), "memory": resident(server.pid)}


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the process through /proc")
@pytest.mark.parametrize("rounds", [pytest.param(2, id="short"), pytest.param(100, id="long", marks=pytest.mark.full)])
def test_nothing_grows_when_every_kind_of_request_goes_on(rounds: int, tmp_path: Path) -> None:
    log, sent, wrong = tmp_path / "log", Counter[str](), list[str]()
    with process(log, *FLAGS, module="tests.server.counted") as (server, port):
        idle, seen = vitals(server), []
        print(idle)
        for number in range(rounds):
            run = asyncio.run(storm(port, f"round{number}", IN_A_ROUND, Soaker))
            sent += run.sent
            wrong += run.wrong
            seen.append(vitals(server))
            print(seen[-1], dict(run.statuses), wrong)
        assert wrong == []
        assert asyncio.run(once(port, Plain(method="GET", path="/readyz"))).status == 200
        server.terminate()
        assert server.wait(SEARCH) == 0
    text = log.read_text()
    assert "Traceback" not in text
