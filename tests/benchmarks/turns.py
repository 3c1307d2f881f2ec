"""The longest turn of the loop in each of the worst calls: `python -m tests.benchmarks.turns [--only TEXT]`.

The server runs in this process, on the loop that it has in production, with 100 000 requests in 1 000 sessions. A
client in a process of its own makes one call after the other, while a `Heartbeat` measures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mockserver.server.app import App
from mockserver.server.own_process import keep_turns_short
from mockserver.server.preloading import preload
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.benchmarks.cores import LOAD, pinned
from tests.benchmarks.filling import fill
from tests.benchmarks.heartbeat import Heartbeat, Turns
from tests.benchmarks.requests import Call
from tests.benchmarks.worst_calls import CALLS

GOAL_MS: Final = 50.0
NAMED: Final = 3
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured of a call."""

    call: Call
    turns: Turns
    took_s: float
    statuses: str

    @property
    def ms(self) -> float:
        """The longest turn."""
        return self.turns.longest * 1000

    @property
    def waited(self) -> bool:
        """Whether the longest turn was over the goal only because it waited: for a thread, or for a busy machine."""
        return self.ms > GOAL_MS > self.turns.processor * 1000

    @property
    def where(self) -> str:
        """What the longest turn was spent on, where that matters."""
        if self.ms < GOAL_MS / 2:
            return ""
        return "garbage collector" if self.turns.collecting > self.turns.longest / 2 else self.turns.where

    def line(self) -> str:
        """Return the row of the table."""
        over = "OVER" if self.ms > GOAL_MS else ""
        turns = self.turns
        return (
            f"{self.call.name[:58]:58}{self.ms:>9.1f}{turns.processor * 1000:>9.1f}{turns.collecting * 1000:>7.1f}"
            f"{self.took_s:>8.2f} {over:4} {self.statuses}  {self.where}"
        )


class Client:
    """The client in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str) -> Client:
        """Start the process."""
        command = [*pinned(LOAD), sys.executable, str(ROOT / "tests/benchmarks/asking.py"), url.rpartition(":")[2]]
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=ROOT))

    async def carry_out(self, call: Call) -> str:
        """Have one call made; returns the statuses of the replies."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(call.name.encode() + b"\n")
        statuses = json.loads(await self._process.stdout.readline())
        return " ".join(f"{status}×{count}" if count > 1 else status for status, count in statuses.items())

    async def end(self) -> None:
        """End the process."""
        self._process.terminate()
        await self._process.wait()


async def probe(calls: list[Call]) -> list[Result]:
    """Fill a server and measure calls; prints the table."""
    results = []
    async with serving(Settings(port=0)) as (app, url):
        await _fill(app)
        client = await Client.start(url)
        print(f"{'call':58}{'turn ms':>9}{'CPU ms':>9}{'gc ms':>7}{'took s':>8}      statuses, where the turn was")
        for call in calls:
            result = await _measured(call, client)
            if result.waited:
                result = min(result, await _measured(call, client), key=lambda each: each.ms)
            results.append(result)
            print(result.line(), flush=True)
        await client.end()
    return results


async def _measured(call: Call, client: Client) -> Result:
    began = time.perf_counter()
    with Heartbeat() as turns:
        statuses = await client.carry_out(call)
    return Result(call=call, turns=turns, took_s=time.perf_counter() - began, statuses=statuses)


async def _fill(app: App) -> None:
    gc.collect()
    keep_turns_short()
    preload()
    began = time.perf_counter()
    count = await fill(app)
    took, sessions = time.perf_counter() - began, len(app.store.sessions())
    print(f"{count} requests in {sessions} sessions, {app.store.bytes / 1e6:.0f} MB, in {took:.1f} s", flush=True)


def longest(results: list[Result]) -> list[Result]:
    """Return the calls with the longest turns."""
    return sorted(results, key=lambda result: -result.ms)[:NAMED]


def summary(results: list[Result]) -> str:
    """Return how many calls are over the goal, and those with the longest turns."""
    over = sum(result.ms > GOAL_MS for result in results)
    named = "; ".join(f"{result.call.name}: {result.ms:.0f} ms" for result in longest(results))
    return f"over {GOAL_MS:.0f} ms: {over} of {len(results)} calls. The longest turns: {named}"


def measure(only: str = "") -> dict[str, float]:
    """Measure the calls with a text in their name; returns the longest turns in ms, by call."""
    import uvloop

    logging.getLogger("mockserver").setLevel(logging.ERROR)
    calls = [call for call in CALLS if only in call.name]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(probe(calls))
    print(summary(results), flush=True)
    return {result.call.name: result.ms for result in longest(results)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.turns", description=__doc__)
    parser.add_argument("--only", default="", help="only calls with this in their name")
    measure(parser.parse_args().only)


if __name__ == "__main__":
    main()
