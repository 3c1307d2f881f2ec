"""Between aiohttp and our values: bodies read within their bounds, replies written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest
from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http import HttpVersion
from aiohttp.test_utils import make_mocked_request

from mockserver.core.wire import WireReply
from mockserver.server import aiohttp_io, turns
from mockserver.server.aiohttp_io import (
    ReceivedBody,
    in_pieces,
    json_response,
    problem,
    raw_head,
    read_body,
    response,
    unreadable,
    wire_request,
)
from tests.server.passes import Passes

CEILING = 10
DEADLINE_S = 30.0


def arriving(
    *chunks: bytes,
    ended: bool = True,
    headers: Mapping[str, str] | None = None,
    version: HttpVersion = HttpVersion11,
) -> web.Request:
    """Return a request whose body has arrived so far, in chunks."""
    payload = StreamReader(mock.Mock(_reading_paused=False), 1 << 16, loop=asyncio.get_running_loop())
    for chunk in chunks:
        payload.feed_data(chunk)
    if ended:
        payload.feed_eof()
    return make_mocked_request("POST", "/x?y=1", headers=headers, version=version, payload=payload)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((), ReceivedBody(b"", truncated=False)),
        ((b"12345",), ReceivedBody(b"12345", truncated=False)),
        ((b"12345", b"67890"), ReceivedBody(b"1234567890", truncated=False)),
        ((b"1234567890a",), ReceivedBody(b"1234567890", truncated=True)),
        ((b"123456", b"7890ab"), ReceivedBody(b"1234567890", truncated=True)),
    ],
)
async def test_whole_body_is_cut_at_the_ceiling(chunks: tuple[bytes, ...], expected: ReceivedBody) -> None:
    assert await read_body(arriving(*chunks), CEILING, DEADLINE_S) == expected


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ((b"345", b"67890"), ReceivedBody(b"1234567890", truncated=False)),
        ((b"34567890abc", b"d"), ReceivedBody(b"1234567890", truncated=True)),
    ],
)
async def test_body_is_read_as_it_comes(later: tuple[bytes, ...], expected: ReceivedBody) -> None:
    request = arriving(b"12", ended=False)
    reading = asyncio.ensure_future(read_body(request, CEILING, DEADLINE_S))
    for chunk in later:
        asyncio.get_running_loop().call_soon(request.content.feed_data, chunk)
    asyncio.get_running_loop().call_soon(request.content.feed_eof)
    assert await reading == expected


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("ceiling", [30_000, CEILING])
async def test_body_of_many_small_chunks_is_read_in_turns(
    ended: bool, ceiling: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)
    count = 5 * aiohttp_io.CHUNKED_READ
    request = arriving(*[b"x"] * count, ended=ended)
    if not ended:
        asyncio.get_running_loop().call_soon(request.content.feed_eof)
    with Passes() as passes:
        received = await read_body(request, ceiling, DEADLINE_S)
    assert received == ReceivedBody(b"x" * min(count, ceiling), truncated=ceiling < count)
    assert passes.count >= 4


async def test_sender_is_too_slow_when_the_body_is_not_whole_at_the_deadline() -> None:
    received = await read_body(arriving(b"123", b"45", ended=False), CEILING, 0.001)
    assert received == ReceivedBody(b"12345", truncated=False, late=True)


async def test_announced_body_over_the_ceiling_is_refused_when_its_sender_falls_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiohttp_io, "DRAIN_SILENCE_S", 0.001)
    request = arriving(b"12345", b"678", ended=False, headers={"Content-Length": "11"})
    assert await read_body(request, CEILING, DEADLINE_S) == ReceivedBody(b"12345678", truncated=True)


async def test_announced_body_over_the_ceiling_is_read_away() -> None:
    request = arriving(b"12345", ended=False, headers={"Content-Length": "1000"})
    loop = asyncio.get_running_loop()
    for _ in range(100):
        loop.call_soon(request.content.feed_data, b"x" * 10)
    loop.call_soon(request.content.feed_eof)
    assert await read_body(request, CEILING, DEADLINE_S) == ReceivedBody(b"12345xxxxx", truncated=True)
    assert request.content.at_eof()


async def test_no_more_than_the_bound_is_read_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp_io, "DRAIN_LIMIT", 20)
    request = arriving(b"x" * 15, ended=False, headers={"Content-Length": "1000"})
    reading = asyncio.ensure_future(read_body(request, CEILING, DEADLINE_S))
    asyncio.get_running_loop().call_soon(request.content.feed_data, b"x" * 15)
    assert await reading == ReceivedBody(b"x" * 10, truncated=True)


@pytest.mark.parametrize(
    ("headers", "version", "continued"),
    [
        ({"Expect": "100-Continue"}, HttpVersion11, True),
        ({"Expect": "100-continue"}, HttpVersion10, False),
        ({"Expect": "miracles"}, HttpVersion11, False),
        ({}, HttpVersion11, False),
    ],
)
async def test_client_that_asks_is_told_to_go_on(
    headers: dict[str, str], version: HttpVersion, continued: bool
) -> None:
    request = arriving(b"1", headers=headers, version=version)
    await read_body(request, CEILING, DEADLINE_S)
    writer: Any = request.writer
    assert [call.args for call in writer.write.call_args_list] == [(b"HTTP/1.1 100 Continue\r\n\r\n",)] * continued


async def test_wire_request_keeps_headers_as_they_came_and_the_first_of_a_name() -> None:
    request = make_mocked_request("PUT", "/s/x", headers={"X-A": "1"})
    request._message = request._message._replace(raw_headers=((b"X-A", b"1"), (b"x-a", b"2")))
    wire = wire_request(request, "/x?y", ReceivedBody(b"body", truncated=True))
    assert (wire.method, wire.target, wire.body, wire.truncated, wire.late) == ("PUT", "/x?y", b"body", True, False)
    assert wire.fields == {b"x-a": b"1"}


def test_reply_keeps_its_headers_beside_the_servers_name() -> None:
    sent = response(WireReply(status=207, headers=(("Content-Type", "a/b"), ("Vary", "x"), ("Vary", "y")), body=b"{}"))
    assert (sent.status, sent.body) == (207, b"{}")
    assert list(sent.headers.items()) == [
        ("Content-Type", "a/b"),
        ("Vary", "x"),
        ("Vary", "y"),
        ("Server", "mockserver"),
    ]


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.is_closing = mock.Mock(return_value=False)
        self.write = self.sent.extend
        self.get_extra_info = mock.Mock(return_value=None)


async def written(reply: web.StreamResponse, method: str = "POST", version: HttpVersion = HttpVersion11) -> bytes:
    """Send a reply as aiohttp does; return what was written at once, nothing where aiohttp put it together."""
    wire = Wire()
    request = make_mocked_request(method, "/x", version=version, transport=wire)
    await reply.prepare(request)
    await reply.write_eof()
    return bytes(wire.sent)


async def test_reply_with_a_body_is_written_at_once() -> None:
    reply = response(WireReply(status=207, headers=(("Content-Type", "a/b"), ("Vary", "x"), ("Vary", "y")), body=b"{}"))
    head, _, body = (await written(reply)).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    dates = [line for line in lines if line.startswith("Date: ")]
    lines.remove(dates[0])
    expected = ["Content-Type: a/b", "Vary: x", "Vary: y", "Server: mockserver", "Content-Length: 2"]
    assert (lines, body) == (["HTTP/1.1 207 Multi-Status", *expected], b"{}")
    assert [line for line in dates if line.endswith(" GMT")] == dates
    assert len(dates) == 1
    assert reply.keep_alive is True


async def test_reply_has_the_date_that_it_was_given() -> None:
    reply = response(WireReply(status=200, headers=(), body=b"{}"))
    reply.headers["Date"] = "then"
    assert b"\r\nDate: then\r\n" in await written(reply)


@pytest.mark.parametrize(
    ("method", "version", "status", "header"),
    [
        ("HEAD", HttpVersion11, 200, "X"),
        ("POST", HttpVersion10, 200, "X"),
        ("POST", HttpVersion11, 204, "X"),
        ("POST", HttpVersion11, 200, "content-length"),
        ("POST", HttpVersion11, 200, "Connection"),
    ],
)
async def test_reply_that_needs_more_than_its_own_lines_is_left_to_aiohttp(
    method: str, version: HttpVersion, status: int, header: str
) -> None:
    reply = response(WireReply(status=status, headers=((header, "2"),), body=b"{}"))
    assert await written(reply, method, version) == b""


async def test_last_reply_of_a_connection_is_left_to_aiohttp() -> None:
    reply = response(WireReply(status=200, headers=(), body=b"{}"))
    reply.force_close()
    assert await written(reply) == b""
    assert reply.keep_alive is False


async def test_reply_to_a_client_that_is_gone_raises_as_with_aiohttp() -> None:
    wire = Wire()
    wire.is_closing.return_value = True
    request = make_mocked_request("POST", "/x", transport=wire)
    with pytest.raises(ConnectionError):
        await response(WireReply(status=200, headers=(), body=b"{}")).prepare(request)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb"])
def test_head_with_a_line_break_in_a_header_is_not_made(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        raw_head(200, [("X", value)], 0, close=False)


@pytest.mark.parametrize(("status", "media_type"), [(200, "application/json"), (404, "application/problem+json")])
def test_control_reply_is_json_that_is_not_stored(status: int, media_type: str) -> None:
    sent = json_response({"a": 1}, status, {"X": "y"})
    assert (sent.status, sent.body) == (status, b'{"a":1}')
    assert (sent.headers["Content-Type"], sent.headers["Cache-Control"], sent.headers["X"]) == (
        media_type,
        "no-store",
        "y",
    )


def test_control_reply_is_a_success_unless_told_otherwise() -> None:
    sent = json_response([])
    assert (sent.status, sent.body) == (200, b"[]")


def test_problem_names_the_member_to_blame() -> None:
    sent = problem(400, "too much", pointer="/a", headers={"Allow": "GET"})
    assert isinstance(sent.body, bytes)
    assert json.loads(sent.body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "too much",
        "pointer": "/a",
    }
    assert sent.headers["Allow"] == "GET"


def test_unreadable_request_ends_its_connection() -> None:
    sent = unreadable(431, "too long")
    assert isinstance(sent.body, bytes)
    assert json.loads(sent.body) == {"error": "unreadable_request", "detail": "too long", "status": 431}
    assert sent.keep_alive is False


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("POST", web.Response(body=b"x" * aiohttp_io.CHUNK)),
        ("HEAD", web.Response(body=b"x" * (aiohttp_io.CHUNK + 1))),
        ("POST", web.Response()),
        ("POST", web.StreamResponse()),
    ],
)
async def test_reply_that_is_not_large_is_left_as_it_is(method: str, reply: web.StreamResponse) -> None:
    assert await in_pieces(make_mocked_request(method, "/"), reply) is reply


async def test_large_reply_is_sent_in_pieces_with_its_status_headers_and_length() -> None:
    body = bytes(range(256)) * 1024
    writer = mock.Mock(write=mock.AsyncMock(), write_headers=mock.AsyncMock(), write_eof=mock.AsyncMock())
    request = make_mocked_request("POST", "/", writer=writer)
    sent = await in_pieces(request, web.Response(status=418, headers={"X-A": "b"}, body=body))
    assert (sent.status, sent.headers["X-A"], sent.content_length) == (418, "b", len(body))
    pieces = [call.args[0] for call in writer.write.await_args_list]
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= aiohttp_io.CHUNK
