"""Workers with one Redis are one server: under load, when one of them is killed, and while Redis is away."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from tests.processes import ServerProcess, run, served
from tests.redis_server import RedisServer, redis_server

WORKERS = 4
CONNECTIONS = 64
SESSIONS = 64
FAULTS = 5
LIMIT = 15
AT_ONCE = 10
"""Events of one session that are sent at the same time, each twice."""
JSON = {"Content-Type": "application/json"}
LIMITED = {
    "protocol": {
        "limits": {
            "rate_few": {
                "requests": LIMIT,
                "window_ms": 3_600_000,
                "starts": "first_request",
                "source": "assumed: so few that a test can exceed it",
            }
        },
        "operations": {"track": {"rate": "rate_few"}},
    }
}


class Cluster(NamedTuple):
    """Workers that serve, the process of each by its number, and their Redis."""

    server: ServerProcess
    workers: dict[int, int]
    redis: RedisServer

    def ready(self, count: int) -> dict[int, int]:
        """Read in the log that so many workers are ready; return their processes."""
        lines = [self.server.log_until(": process ").splitlines()[-1] for _ in range(count)]
        found = [re.search(r"worker (\d) is ready: process (\d+)$", line) for line in lines]
        return {int(match[1]): int(match[2]) for match in found if match}


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run workers and a Redis that keeps its data when it is killed, for as long as the block runs."""
    with redis_server(folder, "--appendonly", "yes", "--appendfsync", "always") as redis:
        flags = ("--workers", str(WORKERS), "--store", redis.url, "--rate-limits", "enforce", "--log-level", "info")
        with served(*flags) as server:
            running = Cluster(server, {}, redis)
            running.workers.update(running.ready(WORKERS))
            yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose connections reach all workers: the system chooses one for each connection."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS + SESSIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as client:
        yield client


async def track(http: aiohttp.ClientSession, url: str, key: str, name: str, kind: str = "x") -> int:
    """Send one event; return the status, or 0 if there is no reply."""
    event = {"external_user_id": "u", "event_type": kind, "context": {"$message_id": name}}
    headers = {**JSON, "X-API-Key": key}
    try:
        async with http.post(f"{url}/v1/events/track", data=json.dumps(event), headers=headers) as reply:
            await reply.read()
            return reply.status
    except aiohttp.ClientError:
        return 0


async def call(http: aiohttp.ClientSession, method: str, url: str, body: object = None) -> Any:
    """Make a control call that succeeds; return its answer."""
    async with http.request(method, url, json=body) as reply:
        assert reply.status in (200, 204), await reply.text()
        return await reply.json() if reply.status == 200 else None


async def everywhere(url: str, path: str) -> list[tuple[int, Any]]:
    """Return the statuses and answers to a call that is made on so many new connections that all workers are asked."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        replies = [await http.get(f"{url}{path}") for _ in range(8 * WORKERS)]
        return [(reply.status, json.loads(await reply.read())) for reply in replies]


class Sent(NamedTuple):
    """What became of the requests of one session: the statuses by the id of the event."""

    name: str
    statuses: dict[str, list[int]]
    waited: Any


async def twice_each(http: aiohttp.ClientSession, url: str, name: str, requests: int) -> Sent:
    """Send each event of a session twice at the same moment, under fault steps, with a wait for the last one."""
    session = f"{url}/_mock/sessions/{name}"
    await call(http, "PUT", f"{session}/faults", [{"reply": {"status": 500}, "times": FAULTS}])
    wait = {"match": {"type": "last"}, "timeout_ms": 100_000}
    waiting = asyncio.create_task(call(http, "POST", f"{session}/wait", wait))
    statuses = dict[str, list[int]]()
    names = (f"m{number}" for number in range(requests // 2))
    while some := list(islice(names, AT_ONCE)):
        both = [track(http, url, name, event) for event in some for _ in range(2)]
        replies = iter(await asyncio.gather(*both))
        statuses |= {event: [next(replies), next(replies)] for event in some}
    assert await track(http, url, name, "last", "last") == 202
    return Sent(name, statuses, await waiting)


@pytest.mark.parametrize("requests", [pytest.param(20, id="few"), pytest.param(200, id="many", marks=pytest.mark.full)])
async def test_totals_are_exact_when_all_workers_serve_all_sessions(
    shared: Cluster, http: aiohttp.ClientSession, requests: int
) -> None:
    url, prefix = shared.server.url, f"wrk_{requests}_"
    some = [twice_each(http, url, f"{prefix}{number}", requests) for number in range(SESSIONS)]
    for sent in await asyncio.gather(*some):
        found = Counter(status for both in sent.statuses.values() for status in both)
        assert found == {500: FAULTS, 202: requests - FAULTS}
        assert sent.waited["satisfied"]
        session = f"{url}/_mock/sessions/{sent.name}"
        rows = (await call(http, "GET", f"{session}/events?limit=10000"))["events"]
        accepted = Counter(row["event"]["context"]["$message_id"] for row in rows if row["verdict"] == "accepted")
        assert accepted == {"last": 1, **{name: 1 for name, both in sent.statuses.items() if 202 in both}}
        counts = (await call(http, "GET", session))["counts"]
        assert counts["requests"] == requests + 1
        assert (counts["accepted"], counts["accepted"] + counts["duplicate"]) == (len(accepted), found[202] + 1)
        (step,) = (await call(http, "GET", f"{session}/faults"))["steps"]
        assert step["remaining"] == 0
    listed = [
        {row["session"]: row for row in answer["sessions"] if row["session"].startswith(prefix)}
        for _, answer in await everywhere(url, "/_mock/sessions")
    ]
    assert len(listed[0]) == SESSIONS
    assert all(answer == listed[0] for answer in listed)


async def test_rate_limit_counts_what_all_workers_take(shared: Cluster, http: aiohttp.ClientSession) -> None:
    url, names = shared.server.url, [f"wrk_rate_{number}" for number in range(8)]
    for name in names:
        await call(http, "PATCH", f"{url}/_mock/sessions/{name}", {"protocols": {"whisperr": {"patch": LIMITED}}})
    sent = [track(http, url, name, f"m{number}") for number in range(3 * LIMIT) for name in names]
    statuses = await asyncio.gather(*sent)
    for first in range(len(names)):
        assert Counter(statuses[first :: len(names)]) == {202: LIMIT, 429: 2 * LIMIT}


async def test_killed_worker_loses_nothing_that_was_answered(shared: Cluster, http: aiohttp.ClientSession) -> None:
    """A client that gets no reply sends its event again, as SDKs do; each event is stored once then."""
    url, names = shared.server.url, [f"wrk_killed_{number}" for number in range(16)]
    answered, enough = list[tuple[str, str]](), asyncio.Event()

    async def client(name: str) -> int:
        lost = 0
        for number in range(40):
            status = await track(http, url, name, f"m{number}")
            if status == 202:
                answered.append((name, f"m{number}"))
            else:
                assert status == 0
                lost += 1
                assert 202 in [await track(http, url, name, f"m{number}") for _ in range(3)]
            if len(answered) > 200:
                enough.set()
        return lost

    clients = [asyncio.create_task(client(name)) for name in names]
    await enough.wait()
    os.kill(shared.workers[3], signal.SIGKILL)
    lost = sum(await asyncio.gather(*clients))
    said = shared.server.log_until("worker 3 (")
    shared.workers.update(shared.ready(1))
    assert f"worker 3 (process {shared.workers[3]})" not in said
    assert lost > 0
    for name in names:
        rows = (await call(http, "GET", f"{url}/_mock/sessions/{name}/events?limit=10000"))["events"]
        accepted = Counter(row["event"]["context"]["$message_id"] for row in rows if row["verdict"] == "accepted")
        assert accepted == {f"m{number}": 1 for number in range(40)}
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.parametrize("how", ["hangs", "ends"])
async def test_workers_answer_503_while_redis_is_away_and_go_on_by_themselves(
    shared: Cluster, http: aiohttp.ClientSession, how: str
) -> None:
    url, name = shared.server.url, f"wrk_{how}"
    assert await track(http, url, name, "before") == 202
    (shared.redis.stop if how == "hangs" else shared.redis.kill)()
    statuses = await asyncio.gather(*[track(http, url, name, f"m{number}") for number in range(CONNECTIONS)])
    assert set(statuses) == {503}
    event = {"external_user_id": "u", "event_type": "x", "context": {"$message_id": "m0"}}
    async with http.post(f"{url}/v1/events/track", json=event, headers={"X-API-Key": name}) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (503, "temporarily_unavailable")
    assert {status for status, _ in await everywhere(url, "/readyz")} == {503}
    assert run("ready", url, "--wait", "--timeout", "5").returncode == 3
    (shared.redis.go_on if how == "hangs" else shared.redis.start)()
    log = "".join(shared.server.log_until("Redis answers again") for _ in range(WORKERS))
    assert {status for status, _ in await everywhere(url, "/readyz")} == {200}
    statuses = await asyncio.gather(*[track(http, url, name, f"m{number}") for number in range(CONNECTIONS)])
    assert set(statuses) == {202}
    counts = (await call(http, "GET", f"{url}/_mock/sessions/{name}"))["counts"]
    assert counts == {"requests": CONNECTIONS + 1, "accepted": CONNECTIONS + 1, "duplicate": 0, "rejected": 0}
    assert "another one starts" not in log
    assert sorted(set(re.findall(r"(worker \d): store: Redis answers again", log))) == [
        f"worker {number}" for number in range(1, WORKERS + 1)
    ]
