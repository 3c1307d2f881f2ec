"""Two servers on one Redis are one server: each knows what the other has taken and what was set up there."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mockserver.server.running import serving
from mockserver.sessions.stores.redis import RedisStore
from mockserver.settings import Settings
from tests.live import Live, Reply, live
from tests.redis_server import SEARCH_S, RedisServer, redis_server
from tests.server.control_client import ControlClient

WAIT_MS = SEARCH_S * 1000


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def two(redis: RedisServer) -> AsyncIterator[list[Live]]:
    async with AsyncExitStack() as stack:
        settings = Settings(port=0, store=redis.url, rate_limits="enforce")
        yield [await stack.enter_async_context(live(settings)) for _ in range(2)]


async def track(server: Live, key: str, name: str, kind: str = "x") -> Reply:
    event = {"external_user_id": "u", "event_type": kind, "context": {"$message_id": name}}
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    return await server.send("POST", "/v1/events/track", headers, json.dumps(event).encode())


async def counts(server: Live, session: str) -> Any:
    return (await server.control.get(f"/_mock/sessions/{session}"))[1]["counts"]


async def test_totals_are_exact_whichever_server_takes_a_request(two: list[Live]) -> None:
    sent = [track(server, f"wrk_{number % 16}", f"m{number}") for number in range(320) for server in two]
    assert {reply.status for reply in await asyncio.gather(*sent)} == {202}
    for number in range(16):
        expected = {"requests": 40, "accepted": 20, "duplicate": 20, "rejected": 0}
        assert [await counts(server, f"wrk_{number}") for server in two] == [expected, expected]
    one, other = [(await server.control.get("/_mock/sessions"))[1]["sessions"] for server in two]
    assert sorted(one, key=str) == sorted(other, key=str)
    assert {f"wrk_{number}" for number in range(16)} <= {row["session"] for row in one}
    rows = [await server.events("wrk_3") for server in two]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 40


async def test_fault_step_is_used_as_often_as_it_says(two: list[Live]) -> None:
    steps = [{"reply": {"status": 500}, "times": 7}, {"reject": {}, "times": 3, "delay_ms": 5}]
    await two[0].control.put("/_mock/sessions/wrk_fault/faults", steps)
    replies = await asyncio.gather(*[track(server, "wrk_fault", f"m{n}") for n in range(20) for server in two])
    found = Counter(reply.status for reply in replies)
    assert found[500] == 7
    assert found[202] == 30
    left = (await two[1].control.get("/_mock/sessions/wrk_fault/faults"))[1]["steps"]
    assert [step["remaining"] for step in left] == [0, 0]


async def test_wait_at_one_server_ends_when_the_other_has_taken_the_event(two: list[Live]) -> None:
    waits = [
        server.control.post(f"/_mock/sessions/wrk_w{number}/wait", {"match": {"type": "late"}, "timeout_ms": WAIT_MS})
        for number in range(10)
        for server in two
    ]
    waiting = asyncio.gather(*waits)
    sent = [track(two[number % 2], f"wrk_w{number}", "a", "late") for number in range(10)]
    await asyncio.gather(*sent)
    async with asyncio.timeout(SEARCH_S):
        assert all(status == 200 and answer["satisfied"] for status, answer in await waiting)


async def test_what_is_set_up_at_one_server_holds_at_the_other(two: list[Live]) -> None:
    patch = {"protocol": {"limits": {"body": {"max_bytes": 9999}}}}
    change = {"protocols": {"whisperr": {"patch": patch}}, "credentials": ["wrk_given"], "keys": ["wrk_given"]}
    assert (await two[0].control.patch("/_mock/sessions/named", change))[0] == 200
    await two[1].control.put("/_mock/sessions/named/clock", {"now": "2030-01-01T00:00:00Z", "frozen": True})
    assert (await two[0].control.get("/_mock/sessions/named/clock"))[1]["now"] == "2030-01-01T00:00:00.000Z"
    assert (await track(two[1], "wrk_given", "a")).status == 202
    described = [(await server.control.get("/_mock/sessions/named"))[1] for server in two]
    assert described[0] == described[1]
    assert described[0]["counts"]["accepted"] == 1
    assert described[0]["protocols"]["whisperr"]["patch"] == patch
    status, refused = await two[1].control.patch("/_mock/sessions/another", {"credentials": ["wrk_given"]})
    assert (status, refused["pointer"]) == (409, "/credentials")


async def test_session_that_is_deleted_at_one_server_begins_anew_at_the_other(two: list[Live]) -> None:
    await track(two[0], "wrk_del", "a")
    await track(two[1], "wrk_del", "b")
    assert (await two[0].control.delete("/_mock/sessions/wrk_del"))[0] == 204
    assert (await counts(two[1], "wrk_del"))["requests"] == 0
    await track(two[1], "wrk_del", "a")
    assert (await counts(two[0], "wrk_del")) == {"requests": 1, "accepted": 1, "duplicate": 0, "rejected": 0}


async def test_recording_is_refused_where_several_servers_share_a_session(two: list[Live]) -> None:
    status, problem = await two[0].control.put("/_mock/sessions/wrk_r/recording", b"")
    assert status == 409
    assert "one process" in problem["detail"]


async def test_server_answers_503_while_redis_hangs_and_goes_on_by_itself(tmp_path: Path) -> None:
    with redis_server(tmp_path) as own:
        settings = Settings(port=0, store=own.url)
        async with serving(settings) as (app, url), aiohttp.ClientSession(auto_decompress=False) as http:
            server, store = Live(url=url, http=http, control=ControlClient(http, url)), app.store
            assert isinstance(store, RedisStore)
            await track(server, "wrk_h", "a")
            own.stop()
            refused = [await track(server, "wrk_h", "b") for _ in range(3)]
            assert {reply.status for reply in refused} == {503}
            assert json.loads(refused[0].body)["error"]["code"] == "temporarily_unavailable"
            assert (await server.control.get("/readyz"))[0] == 503
            status, problem = await server.control.put("/_mock/sessions/wrk_h/faults", [])
            assert status == 503
            assert "cannot use Redis" in problem["detail"]
            own.go_on()
            async with asyncio.timeout(SEARCH_S):
                await store.back.wait()
            assert (await server.control.get("/readyz"))[0] == 200
            assert (await track(server, "wrk_h", "a")).status == 202
            assert await counts(server, "wrk_h") == {"requests": 2, "accepted": 1, "duplicate": 1, "rejected": 0}
