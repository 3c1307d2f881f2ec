"""A storm of requests: clients that send good, spoiled and hostile ones in a mix, to a server process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen
from typing import Any, Final

from tests.processes import ROOT, environment
from tests.server.attacks import ATTACKS
from tests.server.mutators import GOOD, MUTATORS
from tests.server.raw import SEARCH, Answer, Connection, Plain, carry_out, once, whole

SEED: Final = int(os.environ.get("HOSTILE_SEED", "20260614"))
WORKERS: Final = 16


@dataclass(kw_only=True)
class Run:
    """What was sent so far and what was wrong with what came back. `good` counts the accepted by session."""

    port: int
    good: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def take(self, name: str, answers: list[Answer]) -> None:
        self.sent[name] += 1
        self.statuses.update(answer.status for answer in answers)
        self.wrong += [f"{name}: {what}" for what in whole(answers)]


class Worker:
    """One client: mostly on a connection that stays open, with a session of its own for what is good."""

    kinds: Mapping[str, float] = {"good": 0.4, "mutated": 0.35, "attacked": 0.25}
    """The methods that send, and how often each is chosen."""

    def __init__(self, run: Run, name: str) -> None:
        self.run = run
        self.rng = Random(f"{SEED}/{name}")
        self.key = f"pk_good_{name}"
        self.doing = ""
        self.connection: Connection | None = None

    async def work(self, requests: int) -> None:
        for kind in self.rng.choices(list(self.kinds), list(self.kinds.values()), k=requests):
            try:
                await getattr(self, kind)()
            except (AssertionError, asyncio.IncompleteReadError, OSError) as error:
                self.run.wrong.append(f"{self.doing}: {error!r}")
                self.connection = None
        if self.connection is not None:
            await self.connection.close()

    def plain(self, key: str) -> Plain:
        return GOOD[self.rng.choice(list(GOOD))](key, f"e{self.rng.randrange(10**12)}")

    async def ask(self, request: Plain, *, within: float = SEARCH) -> Answer:
        if self.connection is None:
            self.connection = await Connection.open(self.run.port)
        answer = await self.connection.ask(request.wire(), request.method, within=within)
        if answer.headers.get("connection", "").lower() == "close":
            await self.connection.close()
            self.connection = None
        return answer

    async def good(self) -> None:
        self.doing = "good"
        answer = await self.ask(self.plain(self.key))
        self.run.take("good", [answer])
        assert answer.status < 300, answer
        self.run.good[self.key] += 1

    async def mutated(self) -> None:
        request = self.plain(f"pk_bad_{self.rng.randrange(20)}")
        self.doing = self.rng.choice(list(MUTATORS))
        self.run.take(self.doing, [await self.ask(MUTATORS[self.doing](self.rng, request))])

    async def attacked(self) -> None:
        request = self.plain(f"pk_bad_{self.rng.randrange(20)}")
        self.doing = self.rng.choice(list(ATTACKS))
        attack = ATTACKS[self.doing](self.rng, request)
        self.run.take(self.doing, await carry_out(self.run.port, attack))


async def storm(port: int, name: str, requests: int, worker: type[Worker] = Worker) -> Run:
    """Send that many requests, in an order that the seed and the name alone decide for each client."""
    run = Run(port=port)
    await asyncio.gather(*(worker(run, f"{name}_{number}").work(requests // WORKERS) for number in range(WORKERS)))
    return run


async def control(port: int, path: str) -> Any:
    answer = await once(port, Plain(method="GET", path=path))
    assert answer.status == 200, answer
    return answer.json


@contextmanager
def process(log: Path, *flags: str, module: str = "mockserver") -> Iterator[tuple[Popen[str], int]]:
    """Run `mockserver serve` with its log in a file, which cannot fill up as a pipe does."""
    with log.open("w") as stderr:
        command = [sys.executable, "-m", module, "serve", "--port", "0", *flags]
        with Popen(command, cwd=ROOT, env=environment(), stdout=PIPE, stderr=stderr, text=True) as server:
            try:
                assert server.stdout is not None
                yield server, int(server.stdout.readline().rpartition(":")[2])
            finally:
                server.kill()


def resident(pid: int) -> int:
    """Return the bytes of memory a process has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


def open_sockets(pid: int) -> int:
    """Return how many sockets a process has; one that closes while they are counted is none."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += os.readlink(entry).startswith("socket:")
    return count
