"""Clients that are slow, and clients that are gone: deadlines, half-closed and cut connections, nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from mockserver.server.connection import is_blocking
from mockserver.settings import Settings
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import GOOD, headed, outlit
from tests.server.raw import SEARCH, Connection, End, Plain, once, received, sent, unreadable, whole

KEY = "pk_shell"
DEADLINE = 0.3


@pytest.fixture
def settings() -> Settings:
    """Bodies and heads that are not sent on are given up soon."""
    return Settings(port=0, body_timeout=DEADLINE)


@pytest.fixture
def good() -> Plain:
    return outlit(KEY, "click")


@pytest.mark.parametrize("name", GOOD)
async def test_slow_body_is_given_up_in_the_vendors_shape(app_server: AppServer, name: str) -> None:
    good = headed(GOOD[name](KEY, "click"), ("X-Mock-Session", KEY), ("Origin", "https://app.example"))
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(good.wire()[:-5])
    assert answer.status == 408
    assert whole([answer]) == []
    assert "error" in answer.json or answer.json["errors"][0]["index"] == -1
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["connection"] == "close"
    await connection.close()
    row = (await once(app_server.port, Plain(method="GET", path=f"/_mock/sessions/{KEY}/requests/r1"))).json
    assert row["status"] == 408
    assert row["findings"][0]["message"] == "the body did not arrive before the deadline"
    assert row["request"]["body"]["text"] == good.body.decode()[:-5]
    assert row["events"] == 0


async def test_slow_body_of_a_control_call_is_given_up(app_server: AppServer) -> None:
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(Plain(method="PUT", path="/_mock/sessions/a/clock").head("Content-Length: 9"))
    await connection.close()
    assert answer.status == 408
    assert answer.json["title"] == "Request Timeout"


@pytest.mark.parametrize("beginning", [b"P", b"POST / HT", outlit(KEY, "a").head()[:-2], b"\r\n"])
async def test_slow_head_is_given_up(app_server: AppServer, beginning: bytes) -> None:
    [answer] = await sent(app_server.port, beginning)
    assert answer.status == 408
    assert "head" in answer.json["detail"]
    assert await unreadable(app_server.port) == 1


async def test_idle_connection_is_kept_when_its_requests_were_whole(app_server: AppServer, good: Plain) -> None:
    idle, slow = await Connection.open(app_server.port), await Connection.open(app_server.port)
    assert (await idle.ask(good.wire())).status == 200
    assert (await slow.ask(b"POST")).status == 408
    assert (await idle.ask(good.wire())).status == 200
    for connection in (idle, slow):
        await connection.close()


@pytest.mark.parametrize("times", [1, 3])
async def test_client_that_closed_its_sending_side_gets_its_answers(
    app_server: AppServer, good: Plain, times: int
) -> None:
    answers = await sent(app_server.port, good.wire() * times, end="half")
    assert [answer.status for answer in answers] == [200] * times
    assert await received(app_server.port, KEY) == times


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize("name", GOOD)
async def test_request_is_journalled_when_its_client_is_gone_before_the_answer(
    app_server: AppServer, control: ControlClient, name: str, end: End
) -> None:
    """The wait shows it: the commit wakes that, with nobody there to be told of the event."""
    good = headed(GOOD[name](KEY, "click"), ("X-Mock-Session", KEY))
    await sent(app_server.port, good.wire(), end=end)
    status, waited = await control.post(f"/_mock/sessions/{KEY}/wait", {"count": 1, "timeout_ms": SEARCH * 1000})
    assert (status, waited["reason"]) == (200, "ok")


@pytest.mark.parametrize("end", ["close", "reset", "half"])
async def test_nothing_is_journalled_when_a_client_is_gone_in_the_middle_of_a_body(
    app_server: AppServer, good: Plain, end: End
) -> None:
    before = asyncio.all_tasks()
    for data in (good.wire()[:-1], good.chunked(7)[:-3], good.head("Content-Length: 9", "Expect: 100-continue")):
        assert await sent(app_server.port, data, end=end) == []
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=SEARCH)
    assert left == set()
    assert await received(app_server.port, KEY) == 0


@pytest.mark.parametrize("end", ["close", "reset", "half"])
async def test_wait_ends_when_its_caller_is_gone(app_server: AppServer, end: End) -> None:
    before = asyncio.all_tasks()
    call = Plain(path=f"/_mock/sessions/{KEY}/wait", body=b'{"timeout_ms": 600000}')
    assert await sent(app_server.port, call.wire(), end=end) == []
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=SEARCH)
    assert left == set()
    assert app_server.app.store.session(KEY).waiters == set()


def test_only_waits_and_streams_end_with_their_client() -> None:
    assert is_blocking("/_mock/sessions/a/wait")
    assert is_blocking("/_mock/sessions/a/wait?x")
    assert is_blocking("/_mock/sessions/a/stream?after=0")
    assert is_blocking("/_mock/stream")
    assert not is_blocking("/_mock/streams")
    assert not is_blocking("/_mock/sessions/a/clock?/wait")
    assert not is_blocking("/_mock/s/a/v1/wait")
