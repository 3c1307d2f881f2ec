"""Nobody can make the server fail: good and hostile requests in a mix, against a process of its own.

`HOSTILE_SEED` in the environment chooses which.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from mockserver.settings import Settings
from tests.processes import SEARCH
from tests.server.attacks import ATTACKS
from tests.server.conftest import AppServer
from tests.server.mutators import GOOD, MUTATORS, headed, outlit
from tests.server.raw import Connection, Plain, once
from tests.server.storm import SEED, control, open_sockets, process, resident, storm

SHORT: Final = 3_000
"""Requests in every run: each way to be hostile is sent some twenty times, and journals and sessions overflow."""
LONG: Final = 20_000
MEMORY_LIMIT: Final = 16 * 1024 * 1024
MAX_SESSIONS: Final = 100
JOURNAL_LIMIT: Final = 60
SLACK: Final = 64 * 1024 * 1024
"""What requests in flight, the allocator and caches may take beside the journals."""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at the process through /proc")
@pytest.mark.parametrize(
    "requests", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.full)]
)
def test_server_stays_whole_when_good_and_hostile_requests_mix(requests: int, tmp_path: Path) -> None:
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
        run = asyncio.run(storm(port, "hot", requests))
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
