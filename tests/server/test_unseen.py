"""Traffic that no session shows is counted, with a reason that a wait, a report and the overview tell."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from mockserver import MockServer, WaitError
from mockserver.cli.report import command as report
from mockserver.client.session_calls import describe
from mockserver.server.unseen import Unseen, plain_path
from tests.server.attacks import CHUNKED
from tests.server.conftest import AppServer
from tests.server.mutators import outlit
from tests.server.raw import Connection, Plain, once, sent
from tests.server.watching import WatchedUnseen

KEY = "pk_S3CRETSECRET"
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)


def preflight(path: str = "/v1/events/batch", headers: str = "content-type", method: str = "POST") -> Plain:
    asked = (
        ("Origin", "https://shop.example"),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", headers),
    )
    return Plain(method="OPTIONS", path=path, headers=asked)


REASONS = {
    "TLS on a plain port": CLIENT_HELLO,
    "TLS on a plain port: use an http:// URL": CLIENT_HELLO[:1],
    "longer than": replace(outlit(KEY, "a"), path="/" + "a" * 20_000).wire(),
    "no protocol serves POST /event/v9/…/x": Plain(path=f"/event/v9/{KEY}/x?k={KEY}").wire(),
    "no protocol serves GET /favicon.ico": Plain(method="GET", path="/favicon.ico").wire(),
    "below /_mock/s/": Plain(path="/_mock/s/").wire(),
    "traceparent is not allowed": preflight(headers="content-type,traceparent").wire(),
    "the method PATCH is not allowed": preflight(method="PATCH").wire(),
    "no control call is POST /_mock/sessions/…/v1/events/batch; the base URL of a client is": Plain(
        path=f"/_mock/sessions/{KEY}/v1/events/batch"
    ).wire(),
    "no control call is OPTIONS /_mock/…/api/events": preflight(f"/_mock/{KEY}/api/events").wire(),
    "no control call is POST /livez": Plain(path="/livez").wire(),
    "HTTP/2 without an upgrade": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


async def overview(app_server: AppServer) -> Any:
    return (await once(app_server.port, Plain(method="GET", path="/_mock/"))).json["unseen"]


async def failed_wait(app_server: AppServer, session: str = KEY, **request: Any) -> Any:
    wait = Plain(path=f"/_mock/sessions/{session}/wait", body=json.dumps({"timeout_ms": 0, **request}).encode())
    return (await once(app_server.port, wait)).json


@pytest.mark.parametrize("reason", REASONS)
async def test_reason_is_told_where_nothing_seems_to_have_come(app_server: AppServer, reason: str) -> None:
    connection = await Connection.open(app_server.port)
    await connection.send(REASONS[reason])
    await asyncio.wait_for(connection.reader.readuntil(b"\r\n\r\n"), 20)
    await connection.close()
    waited = await failed_wait(app_server)
    sessions = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions"))).json
    assert reason in waited["unseen"]["reason"]
    assert waited["unseen"] == sessions["unseen"] == await overview(app_server)
    assert waited["unseen"]["count"] == 1
    assert waited["unseen"]["at"] is not None
    assert "S3CRET" not in waited["unseen"]["reason"]


async def test_nothing_is_counted_when_all_is_in_a_session(app_server: AppServer) -> None:
    for request in (
        outlit(KEY, "a"),
        preflight(f"/api/i/v1/{KEY}/events"),
        preflight(f"/api/i/v1/{KEY}/events", headers=""),
        replace(outlit(KEY, "a"), path="/v1/nowhere"),
    ):
        await once(app_server.port, request)
    assert await overview(app_server) == {"count": 0, "reason": None, "at": None}


async def test_client_that_leaves_within_a_body_is_counted(app_server: AppServer) -> None:
    unseen = WatchedUnseen(app_server.app.unseen)
    connection = await Connection.open(app_server.port)
    await connection.send(outlit(KEY, "a").head(CHUNKED, "Expect: 100-continue"))
    await connection.reader.readuntil(b"\r\n\r\n")
    await connection.close(reset=True)
    assert "before the body of its request was complete" in await unseen.next()


@pytest.mark.parametrize("sent", [b"P", b"POST /v1/events/batch HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\n"])
@pytest.mark.parametrize("reset", [False, True])
async def test_client_that_leaves_within_a_head_is_counted_once(
    app_server: AppServer, sent: bytes, reset: bool
) -> None:
    unseen = WatchedUnseen(app_server.app.unseen)
    connection = await Connection.open(app_server.port)
    await connection.send(sent)
    await connection.close(reset=reset)
    await unseen.next()
    assert app_server.app.unseen.count == 1


async def test_client_that_sends_nothing_or_complete_requests_is_not_counted(app_server: AppServer) -> None:
    silent = await Connection.open(app_server.port)
    await silent.close()
    kept = await Connection.open(app_server.port)
    assert (await kept.ask(outlit(KEY, "a").wire())).status == 200
    await kept.close()
    for path in ("/_mock/sessions", f"/_mock/sessions/{KEY}/requests/r99", "/_mock/sessions?typo=1"):
        await once(app_server.port, Plain(method="GET", path=path))
    assert await overview(app_server) == {"count": 0, "reason": None, "at": None}


async def test_wait_looks_back_no_further_than_the_start_of_its_test(
    app_server: AppServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = time.time_ns() - 1_000_000_000
    with monkeypatch.context() as patched:
        patched.setattr("mockserver.server.unseen.time", SimpleNamespace(time_ns=lambda: earlier))
        await sent(app_server.port, CLIENT_HELLO)
    assert (await failed_wait(app_server, since_ms=earlier // 1_000_000 + 1))["unseen"]["count"] == 0
    assert (await failed_wait(app_server, "pk_other"))["unseen"]["count"] == 1


def test_only_the_times_of_the_latest_are_kept() -> None:
    unseen = Unseen()
    for number in range(10_003):
        unseen.add(f"reason {number}")
    everything, since = unseen.as_json(), unseen.as_json(1)
    assert (everything["count"], everything["reason"]) == (10_003, "reason 10002")
    assert since["count"] == 10_000


async def test_reason_is_short_whatever_is_sent(app_server: AppServer) -> None:
    await once(app_server.port, preflight(headers=",".join(f"x-{number}" for number in range(2000))))
    assert len((await overview(app_server))["reason"]) == 300


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/i/v1/pk_live_x/events", "/api/i/v1/…/events"),
        ("/v1/event/batch?api_key=wrk_1", "/v1/event/batch"),
        ("/" + "a" * 21, "/…"),
        ("/a" * 100, ("/a" * 60)[:119] + "…"),
        ("/%70%6b_x", "/…"),
        ("/v1/AbCdEfGhIj/event", "/v1/…/event"),
    ],
)
def test_path_shows_no_segment_that_may_be_a_key(path: str, shown: str) -> None:
    assert plain_path(path) == shown


def test_reason_holds_no_key_and_no_character_that_acts() -> None:
    unseen = Unseen(["pk_"])
    unseen.add("no protocol serves pk_S3CRET\x1b of token=abc")
    assert unseen.as_json()["reason"] == "no protocol serves <credential>\\x1b of token=<credential>"


def test_report_failed_wait_and_failed_test_tell_it() -> None:
    with MockServer() as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
            connection.sendall(CLIENT_HELLO)
            connection.recv(1000)
        with pytest.raises(WaitError) as failure:
            server.wait_for(timeout=0.01)
        result = CliRunner().invoke(report, [server.url, "--session", "pk_empty"])
        failed_test = server.connections.run(describe(server.name))
    for text in (str(failure.value), result.output, failed_test):
        assert "in no session: 1 request, the last at " in text
        assert "TLS on a plain port" in text
    assert "was it flushed" not in str(failure.value)
