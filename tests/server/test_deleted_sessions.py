"""A session is deleted while a request is under way: it is in no session afterwards, and its reply says so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import apex, headed, outlit, whisperr
from tests.server.raw import SEARCH, Connection, Plain
from tests.server.vendor_client import VendorClient
from tests.server.watching import Gate

KEY = "pk_under_way"
SESSION = f"/_mock/sessions/{KEY}"
SAID = "X-Mock-Session-Deleted"

BODIES: Mapping[str, Plain] = {
    "key in the path": outlit(KEY, "click"),
    "key in a header": whisperr(KEY, "m1"),
    "key in the body": apex(KEY, "click"),
    "prefix": replace(outlit("pk_other", "click"), path=f"/_mock/s/{KEY}/api/i/v1/pk_other/events"),
    "session header": headed(whisperr("pk_other", "m1"), ("X-Mock-Session", KEY)),
    "credential": whisperr("pk_second", "m1"),
}


async def begin(port: int, request: Plain) -> Connection:
    """Send the head of a request, and come back when the server reads its body."""
    connection = await Connection.open(port)
    await connection.send(request.head(f"Content-Length: {len(request.body)}", "Expect: 100-continue"))
    async with asyncio.timeout(SEARCH):
        assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    return connection


async def nothing_is_left(control: ControlClient, app_server: AppServer) -> None:
    _, listed = await control.get("/_mock/sessions")
    assert (listed["sessions"], app_server.app.store.bytes) == ([], 0)
    reason = "a request whose session was deleted or evicted while it was under way"
    assert (listed["unseen"]["count"], listed["unseen"]["reason"]) == (1, reason)


@pytest.mark.parametrize("request_", BODIES.values(), ids=BODIES.keys())
async def test_request_whose_body_is_still_coming_is_in_no_session(
    app_server: AppServer, control: ControlClient, request_: Plain
) -> None:
    await control.patch(SESSION, {"credentials": ["pk_second"]})
    connection = await begin(app_server.port, request_)
    await control.delete(SESSION)
    answer = await connection.ask(request_.body)
    assert (answer.status // 100, answer.headers[SAID.lower()]) == (2, "true")
    await connection.close()
    await nothing_is_left(control, app_server)


async def test_request_whose_body_is_still_coming_keeps_the_rules_of_its_session(
    app_server: AppServer, control: ControlClient
) -> None:
    await control.patch(SESSION, {"keys": []})
    connection = await begin(app_server.port, BODIES["key in a header"])
    await control.delete(SESSION)
    assert (await connection.ask(BODIES["key in a header"].body)).status == 401
    await connection.close()


async def test_request_is_in_the_new_session_when_it_came_after_the_deletion(
    app_server: AppServer, control: ControlClient
) -> None:
    await control.patch(SESSION, {})
    request = BODIES["key in a header"]
    early = await begin(app_server.port, request)
    await control.delete(SESSION)
    await control.delete("/_mock/sessions/pk_other")
    late = await begin(app_server.port, request)
    assert SAID.lower() not in (await late.ask(request.body)).headers
    assert (await early.ask(request.body)).headers[SAID.lower()] == "true"
    _, described = await control.get(SESSION)
    assert described["counts"]["requests"] == 1
    for connection in (early, late):
        await connection.close()


async def test_nothing_is_noted_for_requests_that_are_done(app_server: AppServer, control: ControlClient) -> None:
    request = BODIES["key in a header"]
    connection = await begin(app_server.port, request)
    await control.delete("/_mock/sessions/pk_other")
    assert SAID.lower() not in (await connection.ask(request.body)).headers
    assert app_server.app.store._noted == []
    await connection.close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Stands for the delay of a step."""
    return Gate(monkeypatch)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ({"when": "before_commit"}, 202),
        ({"when": "after_commit"}, 202),
        ({"reply": {"status": 500}, "when": "before_commit"}, 500),
        ({"reply": {"status": 500}, "when": "after_commit"}, 500),
        ({"connection": "close_idle"}, 202),
    ],
)
async def test_delayed_request_is_answered_as_its_session_would_and_says_that_it_is_gone(
    app_server: AppServer,
    control: ControlClient,
    vendor: VendorClient,
    session: str,
    gate: Gate,
    step: dict[str, Any],
    status: int,
) -> None:
    await control.put(f"{session}/faults", [{"delay_ms": 1, **step}])
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    await control.delete(session)
    gate.opened.set()
    reply = await slow
    assert (reply.status, reply.headers.get(SAID)) == (status, "true")
    await nothing_is_left(control, app_server)


async def test_wait_ends_and_a_new_one_knows_of_the_request(
    control: ControlClient, vendor: VendorClient, session: str, gate: Gate
) -> None:
    await control.put(f"{session}/faults", [{"delay_ms": 1}])
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    await control.delete(session)
    gate.opened.set()
    await slow
    _, answer = await control.post(f"{session}/wait", {"timeout_ms": 0})
    assert (answer["satisfied"], answer["unseen"]["count"]) == (False, 1)
    assert "deleted or evicted while it was under way" in answer["explanation"]


async def test_ordinary_reply_says_nothing_of_sessions(vendor: VendorClient, control: ControlClient) -> None:
    await control.delete(f"/_mock/sessions/{vendor.key}")
    assert SAID not in (await vendor.track("m1")).headers


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_fault_steps_of_a_session_that_is_deleted_meanwhile_are_a_conflict(
    app_server: AppServer,
    control: ControlClient,
    vendor: VendorClient,
    session: str,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    await vendor.track("m1")
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def held_up(*_: object) -> Any:
        reading.set()
        await go_on.wait()
        for _never in "":
            yield

    monkeypatch.setattr("mockserver.server.handlers.script_handlers.in_turns", held_up)
    step = {"match": {"request": {"attempt": 2}}, "delay_ms": 1}
    call = asyncio.create_task(control.call(method, f"{session}/faults", [step] if method == "PUT" else step))
    await reading.wait()
    await control.delete(session)
    go_on.set()
    status, problem = await call
    assert (status, "was deleted during this call" in problem["detail"]) == (409, True)
    assert app_server.app.store.bytes == 0
