"""Nobody can make the server fail: good and hostile requests in a mix, against a process of its own.

`HOSTILE_REQUESTS` and `HOSTILE_SEED` in the environment choose how many and which.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen
from typing import Any, Final

import pytest

from mockserver.settings import Settings
from tests.processes import ROOT, SEARCH, command_line, environment
from tests.server.attacks import ATTACKS
from tests.server.conftest import AppServer
from tests.server.mutators import GOOD, MUTATORS, headed, outlit
from tests.server.raw import Answer, Connection, Plain, carry_out, once, whole

SEED: Final = int(os.environ.get("HOSTILE_SEED", "20260614"))
REQUESTS: Final = int(os.environ.get("HOSTILE_REQUESTS", "20000"))
WORKERS: Final = 16
MEMORY_LIMIT: Final = 16 * 1024 * 1024
MAX_SESSIONS: Final = 100
JOURNAL_LIMIT: Final = 300
SLACK: Final = 64 * 1024 * 1024
"""What requests in flight, the allocator and caches may take beside the journals."""


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

    def __init__(self, run: Run, name: str) -> None:
        self.run = run
        self.rng = Random(f"{SEED}/{name}")
        self.key = f"pk_good_{name}"
        self.doing = ""
        self.connection: Connection | None = None

    async def work(self, requests: int) -> None:
        for _ in range(requests):
            kind = self.rng.random()
            try:
                if kind < 0.4:
                    await self.good()
                elif kind < 0.75:
                    await self.mutated()
                else:
                    await self.attacked()
            except (TimeoutError, AssertionError, asyncio.IncompleteReadError) as error:
                self.run.wrong.append(f"{self.doing}: {error!r}")
                self.connection = None
        if self.connection is not None:
            await self.connection.close()

    def plain(self, key: str) -> Plain:
        return GOOD[self.rng.choice(list(GOOD))](key, f"e{self.rng.randrange(10**12)}")

    async def ask(self, request: Plain) -> Answer:
        if self.connection is None:
            self.connection = await Connection.open(self.run.port)
        answer = await self.connection.ask(request.wire(), request.method)
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


async def storm(port: int, name: str, requests: int) -> Run:
    """Send that many requests, in an order that the seed and the name alone decide for each client."""
    run = Run(port=port)
    await asyncio.gather(*(Worker(run, f"{name}_{number}").work(requests // WORKERS) for number in range(WORKERS)))
    return run


async def control(port: int, path: str) -> Any:
    answer = await once(port, Plain(method="GET", path=path))
    assert answer.status == 200, answer
    return answer.json


@contextmanager
def process(log: Path, *flags: str) -> Iterator[tuple[Popen[str], int]]:
    """Run `mockserver serve` with its log in a file, which cannot fill up as a pipe does."""
    with log.open("w") as stderr:
        command = command_line("serve", "--port", "0", *flags)
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


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the process through /proc")
def test_server_stays_whole_when_good_and_hostile_requests_mix(tmp_path: Path) -> None:
    log = tmp_path / "log"
    flags = [
        "--memory-limit",
        str(MEMORY_LIMIT),
        "--max-sessions",
        str(MAX_SESSIONS),
        "--journal-limit",
        str(JOURNAL_LIMIT),
    ]
    with process(log, *flags) as (server, port):
        asyncio.run(storm(port, "warm", 500))
        sockets, memory = open_sockets(server.pid), resident(server.pid)
        run = asyncio.run(storm(port, "hot", REQUESTS))
        print(f"seed {SEED}, {run.sent.total()} requests, {dict(sorted(run.statuses.items()))}")
        listed = asyncio.run(control(port, "/_mock/sessions"))
        kept = {key: asyncio.run(control(port, f"/_mock/sessions/{key}")) for key in run.good}
        assert run.wrong == []
        assert set(MUTATORS) | set(ATTACKS) <= set(run.sent)
        assert open_sockets(server.pid) <= sockets
        grown = resident(server.pid) - memory
        print(
            f"{grown / 1e6:.0f} MB more memory, {listed['evicted']} sessions evicted, {listed['unreadable']} unreadable"
        )
        assert grown < MEMORY_LIMIT + SLACK
        server.terminate()
        assert server.wait(SEARCH) == 0
    text = log.read_text()
    assert "Traceback" not in text
    assert [line for line in text.splitlines() if line.split(" ")[1] in ("error", "critical")] == []
    assert {key: row["counts"]["accepted"] for key, row in kept.items()} == run.good
    assert all(row["evicted"] >= row["counts"]["requests"] - JOURNAL_LIMIT for row in kept.values())
    assert len(listed["sessions"]) <= MAX_SESSIONS
    assert listed["evicted"] == text.count(" evicted: ") > 0
    assert "journal full" in text


SMALL_LIMIT: Final = 1024 * 1024


@pytest.fixture
def settings() -> Settings:
    return Settings(port=0, memory_limit=SMALL_LIMIT)


async def test_nothing_is_left_of_clients_when_they_are_gone(
    app_server: AppServer, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    run = await storm(app_server.port, "leak", 1000)
    assert run.wrong == []
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=SEARCH)
    assert left == set()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_event_is_readable_when_its_acknowledgement_arrives(app_server: AppServer) -> None:
    """Fifty clients send into one session at a time; each reads back what it sent right after the reply."""

    async def client(number: int) -> list[str]:
        connection, missing, after = await Connection.open(app_server.port), [], 0
        make = GOOD[list(GOOD)[number % len(GOOD)]]
        for turn in range(6):
            name = f"c{number}t{turn}"
            answer = await connection.ask(headed(make("pk_a", name), ("X-Mock-Session", "shared")).wire())
            assert answer.status < 300, answer
            page = Plain(method="GET", path=f"/_mock/sessions/shared/events?after={after}")
            rows = (await connection.ask(page.wire())).json["events"]
            if f'"{name}"' not in json.dumps([row["event"] for row in rows if row["verdict"] == "accepted"]):
                missing.append(name)
            after = rows[-1]["seq"] if rows else after
        await connection.close()
        return missing

    missing = await asyncio.gather(*(client(number) for number in range(50)))
    assert missing == [[]] * 50
    counts = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions/shared"))).json["counts"]
    assert counts == {"requests": 300, "accepted": 300, "duplicate": 0, "rejected": 0}


async def test_memory_limit_holds_when_no_two_requests_are_alike(app_server: AppServer) -> None:
    connection = await Connection.open(app_server.port)
    for number in range(400):
        request = outlit("pk_a", "click")
        await connection.ask(headed(request, ("X-Trace", f"{number:07000}")).wire())
    await connection.close()
    session = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions/pk_a"))).json
    assert app_server.app.store.bytes <= SMALL_LIMIT
    assert session["counts"]["requests"] == 400
    assert 400 - SMALL_LIMIT // 7000 <= session["evicted"] < 400


async def test_memory_is_given_back_when_batches_of_many_lengths_are_gone(app_server: AppServer) -> None:
    """The journal keeps one request, so nothing of the others may stay."""
    connection = await Connection.open(app_server.port)
    change = Plain(method="PATCH", path="/_mock/sessions/pk_a", body=b'{"journal_limit": 1}')
    assert (await connection.ask(change.wire())).status == 200
    tracemalloc.start()
    for number in range(12):
        body = b'{"events": [' + b"0," * (100_000 + number) + b"0]}"
        assert (await connection.ask(replace(outlit("pk_a", ""), body=body).wire())).status == 400
        if number == 1:
            before, _ = tracemalloc.get_traced_memory()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await connection.close()
    assert after - before < 2_000_000
