"""What a client sees on the wire when a step lays hands on its connection."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import aiohttp
import pytest

from tests.processes import served
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient, track_body


def request_bytes(key: str, body: object, method: str = "POST") -> bytes:
    """Return a Whisperr request as it goes over the wire."""
    text = json.dumps(body).encode()
    head = (
        f"{method} /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


async def exchange(server: AppServer, sent: bytes) -> bytes:
    """Send bytes on a connection of their own, and return what comes until its end. Raises ConnectionResetError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.transport.abort()


async def put(control: ControlClient, session: str, step: dict[str, Any]) -> None:
    status, answer = await control.put(f"{session}/faults", [step])
    assert status == 200, answer


async def verdicts(control: ControlClient, session: str) -> list[str]:
    _, page = await control.get(f"{session}/events")
    return [row["verdict"] for row in page["events"]]


@pytest.mark.parametrize(("when", "verdict"), [("before_commit", "rejected"), ("after_commit", "accepted")])
async def test_reset_is_a_real_one(
    app_server: AppServer, control: ControlClient, session: str, key: str, when: str, verdict: str
) -> None:
    await put(control, session, {"connection": "reset", "when": when})
    with pytest.raises(ConnectionResetError):
        await exchange(app_server, request_bytes(key, track_body("m1")))
    assert await verdicts(control, session) == [verdict]


@pytest.mark.parametrize(("when", "verdict"), [("before_commit", "rejected"), ("after_commit", "accepted")])
async def test_drop_closes_without_a_byte(
    app_server: AppServer, control: ControlClient, session: str, key: str, when: str, verdict: str
) -> None:
    await put(control, session, {"connection": "drop", "when": when})
    assert await exchange(app_server, request_bytes(key, track_body("m1"))) == b""
    assert await verdicts(control, session) == [verdict]


async def test_cut_strikes_before_the_commit_when_the_step_does_not_say(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"connection": "drop"})
    await exchange(app_server, request_bytes(key, track_body("m1")))
    assert await verdicts(control, session) == ["rejected"]


async def test_truncate_promises_more_than_it_sends(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"connection": "truncate", "when": "after_commit"})
    got = await exchange(app_server, request_bytes(key, track_body("m1")))
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 202 Accepted\r\n")
    (length,) = [int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    assert 0 < len(body) < length
    assert b'{"accepted":1,"rejected":0}'.startswith(body)


async def test_malformed_answer_is_no_http(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await put(control, session, {"connection": "malformed"})
    with pytest.raises(aiohttp.ClientResponseError, match="Bad status line"):
        await vendor.track("m1")


async def test_dribble_sends_the_whole_answer_in_time_asked_for(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"connection": "dribble", "delay_ms": 200, "when": "after_commit"})
    reader, writer = await asyncio.open_connection("127.0.0.1", app_server.port)
    writer.write(request_bytes(key, track_body("m1")))
    loop = asyncio.get_running_loop()
    pieces = [await reader.read(65536)]
    began = loop.time()
    while piece := await asyncio.wait_for(reader.read(65536), 20):
        pieces.append(piece)
    assert len(pieces) > 3
    assert loop.time() - began >= 0.15
    assert b"".join(pieces).endswith(b'\r\n\r\n{"accepted":1,"rejected":0}')
    writer.close()
    await writer.wait_closed()
    _, ledger = await control.get(f"{session}/deliveries")
    assert ledger["deliveries"][0]["fate"] == "accepted"


async def test_cut_answer_to_head_has_no_body(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"connection": "dribble", "delay_ms": 1})
    got = await exchange(app_server, request_bytes(key, {}, "HEAD"))
    assert got.startswith(b"HTTP/1.1 405 ")
    assert got.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("connection", ["reset", "drop", "malformed"])
async def test_row_of_a_cut_request_has_no_status_and_says_why(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str, key: str, connection: str
) -> None:
    await put(control, session, {"connection": connection, "times": 1, "when": "after_commit"})
    sent = exchange(app_server, request_bytes(key, track_body("m1")))
    await asyncio.gather(sent, return_exceptions=True)
    await vendor.track("m1")
    _, page = await control.get(f"{session}/requests")
    first, second = page["requests"]
    assert (first["status"], first["fault"]["connection"]) == (None, connection)
    assert (second["status"], second["fault"]) == (202, None)
    _, page = await control.get(f"{session}/requests?status=202")
    assert [row["id"] for row in page["requests"]] == ["r2"]
    _, detail = await control.get(f"{session}/requests/r1")
    assert detail["reply"]["body"] == {"text": '{"accepted":1,"rejected":0}'}


def test_reset_is_a_real_one_on_the_event_loop_of_the_command() -> None:
    with served() as server:
        step = json.dumps({"connection": "reset"}).encode()
        url = f"{server.url}/_mock/sessions/wrk_1/faults"
        call = urllib.request.Request(url, step, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(call) as reply:
            assert reply.status == 200
        request = request_bytes("wrk_1", track_body("m1")).decode()
        with server.connect(request) as client, pytest.raises(ConnectionResetError):
            client.recv(1)
