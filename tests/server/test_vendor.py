"""Where requests are judged: on the event loop, and large ones in a thread, without losing one."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mockserver.core.body import LARGE
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.server import logs, vendor
from mockserver.server.connection import Connection as OurConnection
from mockserver.sessions import steps
from mockserver.sessions.steps import Step
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import outlit
from tests.server.raw import SEARCH, Connection, Plain, once

KEY = "pk_large"


def padded(size: int) -> Plain:
    """Return a good request whose body has at least so many bytes."""
    request = outlit(KEY, "click")
    return replace(request, body=request.body + b" " * size)


@pytest.mark.parametrize("size", [0, LARGE + 1])
@pytest.mark.parametrize("encoded", [False, True])
async def test_large_request_is_judged_in_a_thread(
    app_server: AppServer, size: int, encoded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = list[int]()

    def noted(judged: Judged, terms: Terms) -> Judged:
        threads.append(threading.get_ident())
        return judge(judged, terms)

    monkeypatch.setattr(vendor, "judge", noted)
    request = padded(size)
    if encoded:
        headers = (*request.headers, ("Content-Encoding", "gzip"))
        request = replace(request, body=gzip.compress(request.body), headers=headers)
    assert (await once(app_server.port, request)).status == 200
    assert (threads[0] == threading.get_ident()) is (size == 0)


@pytest.mark.parametrize("large", [False, True])
async def test_refusals_of_a_large_request_are_explained_for_the_log_in_a_thread(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    log, in_threads = logs.exchange_done, list[bool]()

    def noted(*values: Any) -> None:
        in_threads.append(threading.current_thread() is not threading.main_thread())
        log(*values)

    monkeypatch.setattr(logs, "exchange_done", noted)
    body = b'{"events": [{"event_type": "%s"}]}' % (b"No" * (LARGE if large else 1))
    headers = (("Content-Type", "application/json"), ("X-API-Key", "wrk_a"))
    answer = await once(app_server.port, Plain(path="/v1/events/batch", body=body, headers=headers))
    assert answer.status == 400
    assert in_threads == [large]


async def test_large_request_is_journalled_when_the_client_leaves_while_it_is_judged(
    app_server: AppServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, lost, gone = asyncio.Event(), asyncio.Event(), threading.Event()
    loop, connection_lost = asyncio.get_running_loop(), OurConnection.connection_lost

    def slow(judged: Judged, terms: Terms) -> Judged:
        loop.call_soon_threadsafe(begun.set)
        assert gone.wait(SEARCH)
        return judge(judged, terms)

    def noted(connection: OurConnection, exc: BaseException | None) -> None:
        connection_lost(connection, exc)
        lost.set()

    monkeypatch.setattr(vendor, "judge", slow)
    monkeypatch.setattr(OurConnection, "connection_lost", noted)
    waiting = asyncio.create_task(control.post(f"/_mock/sessions/{KEY}/wait", {"timeout_ms": SEARCH * 1000}))
    connection = await Connection.open(app_server.port)
    connection.writer.write(padded(LARGE).wire())
    await asyncio.wait_for(begun.wait(), SEARCH)
    await connection.close(reset=True)
    await asyncio.wait_for(lost.wait(), SEARCH)
    gone.set()
    status, answer = await waiting
    assert (status, answer["reason"]) == (200, "ok"), answer["explanation"]


@pytest.mark.parametrize(("count", "in_thread"), [(1, False), (1000, True)])
async def test_many_fault_steps_are_compared_in_a_thread(
    app_server: AppServer, control: ControlClient, count: int, in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, next_match = list[int](), steps.next_match

    def noted(matching: Iterator[Step]) -> Step | None:
        threads.append(threading.get_ident())
        return next_match(matching)

    monkeypatch.setattr(steps, "next_match", noted)
    others = [{"match": {"where": {"/eventName": f"other {number}"}}, "delay_ms": 0} for number in range(count - 1)]
    script = [*others, {"match": {"where": {"/eventName": "click"}}, "reply": {"status": 503}}]
    assert (await control.put(f"/_mock/sessions/{KEY}/faults", script))[0] == 200
    assert (await once(app_server.port, outlit(KEY, "click" + "k" * 4000))).status == 200
    assert (await once(app_server.port, outlit(KEY, "click"))).status == 503
    assert [thread != threading.get_ident() for thread in threads] == [in_thread, in_thread]
