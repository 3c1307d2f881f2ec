"""Conversion between aiohttp and our values: reading a request within limits, writing a reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Final, NamedTuple

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from mockserver.core.reply_plans import NUMBERS, Counted, PlannedReply, ReplyPlan, counted
from mockserver.core.wire import Headers, WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import phrase
from mockserver.server.turns import Turn

SERVER: Final = "mockserver"
CHUNK: Final = 64 * 1024
"""Bytes of a reply that are written at once."""
WHOLE: Final = 1024 * 1024
"""Bytes of a reply that are kept until its length is known; a longer one is sent in chunks as it is made."""
CHUNKED_READ: Final = 4096
"""Bytes of a body sent in chunks that are read at once: as many chunks as that take less than a turn of the loop."""
DRAIN_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a body that are read and discarded when it is refused for its size.

Many clients read no answer before they have sent everything, and closing a connection with bytes unread resets it: the
refusal would be lost. The limit keeps one sender from holding the server at work without end.
"""

DRAIN_SILENCE_S: Final = 0.5
"""Seconds of silence after which a sender of too much is answered: it may send nothing more before the answer."""


BODILESS: Final = (204, 205, 304)
"""Statuses of replies that have no body, or one whose length is not given."""

OWN: Final = ("Connection", "Content-Length", "Date", "Server", "Transfer-Encoding")
"""Headers that a reply has from the server, not from its contract."""
OWN_LOWER: Final = frozenset(map(str.lower, OWN))


class ReceivedBody(NamedTuple):
    """A body, or the part of it that was kept: it was longer than the ceiling, or not complete at the deadline."""

    body: bytes
    truncated: bool = False
    late: bool = False


async def read_body(request: web.BaseRequest, ceiling: int, deadline: float) -> ReceivedBody:
    """Read the body up to `ceiling` bytes within `deadline` seconds; bytes above it are read and discarded."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    if not request.can_read_body:
        return ReceivedBody(b"")
    content = request.content
    if content.is_eof() and (content.total_bytes <= CHUNKED_READ or request.content_length is not None):
        complete = content.read_nowait()
        return ReceivedBody(complete[:ceiling], truncated=len(complete) > ceiling)
    if (request.content_length or 0) > ceiling:
        return ReceivedBody(await _read_refused(body_pieces(content, chunked=False), ceiling, deadline), truncated=True)
    body, pieces = bytearray(), body_pieces(content, chunked=request.content_length is None)
    try:
        async with asyncio.timeout(deadline):
            async for piece in pieces:
                body += piece
                if len(body) > ceiling:
                    break
    except TimeoutError:
        return ReceivedBody(_first(body, ceiling), late=True)
    truncated = len(body) > ceiling
    if truncated:
        await _read_refused(pieces, 0, deadline)
    return ReceivedBody(_first(body, ceiling), truncated)


def _first(body: bytearray, count: int) -> bytes:
    with memoryview(body) as view:  # a slice of the array itself would be one copy more
        return bytes(view[:count])


async def body_pieces(content: StreamReader, *, chunked: bool) -> AsyncIterator[bytes]:
    """Yield the body of a request or a reply as it arrives.

    One in chunks may have millions of them, so it is read in turns of the loop.
    """
    if not chunked:
        async for piece in content.iter_any():
            yield piece
        return
    turn = Turn()
    async for piece in content.iter_chunked(CHUNKED_READ):
        yield piece
        await turn.end_if_over()


async def _read_refused(pieces: AsyncIterator[bytes], keep: int, deadline: float) -> bytes:
    """Read a body that will be refused, as long as the client sends and within limits; return its first bytes."""
    clock, size, beginning = asyncio.get_running_loop().time, 0, bytearray()
    end = clock() + deadline
    try:
        async with asyncio.timeout(DRAIN_SILENCE_S) as max_wait:
            async for piece in pieces:
                beginning += piece[: keep - len(beginning)]
                size += len(piece)
                if size > DRAIN_LIMIT:
                    break
                max_wait.reschedule(min(end, clock() + DRAIN_SILENCE_S))
    except TimeoutError:
        pass
    return bytes(beginning)


def wire_request(
    request: web.BaseRequest, target: str, received: ReceivedBody, headers: Headers | None = None
) -> WireRequest:
    """Return a request as a WireRequest, with other headers than aiohttp has where they are given."""
    headers = request.raw_headers if headers is None else headers
    fields = {name.lower(): value for name, value in reversed(headers)}
    body, truncated, late = received
    return WireRequest(
        method=request.method, target=target, headers=headers, fields=fields, body=body, truncated=truncated, late=late
    )


class Whole(web.Response):
    """A reply that is written at once, without the steps that aiohttp takes for replies of all kinds.

    aiohttp writes those after which the connection ends, those to other versions of HTTP, and those without a body.
    """

    def __init__(self, reply: WireReply) -> None:
        super().__init__(status=reply.status, headers=reply.headers, body=reply.body or None)
        self._reply, self._is_written = reply, False
        self._is_usual = is_usual(reply)
        self.headers["Server"] = SERVER

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open."""
        return self._is_written or super().keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the reply, head and body. Raises ConnectionError if the client is gone."""
        stays = request.keep_alive and super().keep_alive is None and request.version == HttpVersion11
        if not self._is_usual or not stays or request.method == "HEAD":
            return await super().prepare(request)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client disconnected")
        transport.write(raw_reply(self._reply, self.headers.get("Date")))
        self._is_written = True
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """End the reply; nothing of it is left if it was written at once."""
        if not self._is_written:
            await super().write_eof(data)


def is_usual(reply: WireReply) -> bool:
    """Return whether a reply has a body, and no header that is the server's."""
    return (
        bool(reply.body)
        and reply.status not in BODILESS
        and OWN_LOWER.isdisjoint([n.lower() for n, _ in reply.headers])
    )


def raw_reply(reply: WireReply, date: str | None = None) -> bytes:
    """Return a usual reply as it is sent on a connection of HTTP/1.1 that stays open; without `date`, of now."""
    headers = (*reply.headers, ("Server", SERVER), ("Date", date or _date(int(time.time()))))
    return raw_head(reply.status, headers, len(reply.body), close=False) + reply.body


def raw_planned(reply: PlannedReply, date: str | None = None) -> bytes | None:
    """Return a planned reply as `raw_reply` does; None where it is not a usual one."""
    head = _planned_head(reply.plan)
    if head is None:
        return None
    body = reply.body
    values = (*head.pick(reply.numbers), date or _date(int(time.time())), len(body))
    return (head.text % values).encode("utf-8", "replace") + body


@lru_cache(maxsize=256)
def _planned_head(plan: ReplyPlan) -> Counted | None:
    """Return the head of a planned reply, with places for its numbers, its date and its length."""
    trial = PlannedReply(plan, tuple(range(len(NUMBERS)))).wire()
    if not is_usual(trial):
        return None
    raw_reply(trial)
    lines = [f"HTTP/1.1 {plan.status} {phrase(plan.status)}".replace("%", "%%")]
    lines += [f"{name.replace('%', '%%')}: {value.text}" for name, value in plan.headers]
    lines += [f"Server: {SERVER}", "Date: %s", "Content-Length: %d", "", ""]
    places = tuple(place for _, value in plan.headers for place in value.places)
    return counted("\r\n".join(lines), places)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def response(reply: WireReply) -> web.Response:
    """Return a WireReply as an aiohttp response."""
    return Whole(reply)


def json_headers(status: int = 200, headers: Mapping[str, str] | None = None) -> CIMultiDict[str]:
    """Return the headers of a reply of the control surface, with other ones over them."""
    kind = "application/problem+json" if status >= 400 else "application/json"
    return CIMultiDict({"Content-Type": kind, "Server": SERVER, "Cache-Control": "no-store", **(headers or {})})


def json_response(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a reply of the control surface."""
    return web.Response(status=status, headers=json_headers(status, headers), body=render(value))


async def send_pieces(
    request: web.BaseRequest, pieces: AsyncIterator[bytes], headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Send a reply that is made piece by piece, so that no large one is in memory as a whole.

    A short one is returned as an ordinary response, with its length. An exception before that can still lead to an
    error reply.
    """
    beginning = bytearray()
    async for piece in pieces:
        beginning += piece
        if len(beginning) > WHOLE:
            break
    else:
        return web.Response(headers=headers, body=bytes(beginning))
    if request.method == "HEAD":
        return web.Response(headers=headers)
    stream = web.StreamResponse(headers=headers)
    await stream.prepare(request)
    await write(stream, bytes(beginning))
    async for piece in pieces:
        await write(stream, piece)
    return stream


async def in_pieces(request: web.BaseRequest, reply: web.StreamResponse) -> web.StreamResponse:
    """Send a large reply in pieces, and return what was sent; return any other reply as it is.

    For a connection over TLS: there a transport takes any amount at once, and does not tell that its client reads
    nothing, unless more is written after that.
    """
    body = reply.body if isinstance(reply, web.Response) else None
    if not isinstance(body, bytes) or len(body) <= CHUNK or request.method == "HEAD":
        return reply
    stream = web.StreamResponse(status=reply.status, reason=reply.reason, headers=reply.headers)
    stream.content_length = len(body)
    if reply.keep_alive is False:
        stream.force_close()
    with suppress(ConnectionError):  # nobody is there to read it
        await stream.prepare(request)
        await write(stream, body)
    return stream


async def write(stream: web.StreamResponse, content: bytes) -> None:
    """Write a part of a reply in pieces; between them, others get their turn where the client reads slowly."""
    for start in range(0, len(content), CHUNK):
        await stream.write(content[start : start + CHUNK])


def problem(status: int, detail: str, **members: Json) -> web.Response:
    """Return an RFC 9457 problem; `pointer` or `parameter` names the invalid member or parameter."""
    headers = members.pop("headers", None)
    title = "Content Too Large" if status == 413 else phrase(status)  # Python before 3.13 has the older phrase of 413
    return json_response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}, status, headers
    )


def unreadable(status: int, detail: str, origin: str | None = None) -> web.Response:
    """Return the reply to a request that cannot be parsed; it is not journalled, and the connection is closed.

    Any page may read it: without these headers a browser hides the status. `origin` is that of the page, if known.
    """
    body = render({"error": "unreadable_request", "detail": detail, "status": status})
    headers = {"Content-Type": "application/json", "Server": SERVER, "Access-Control-Allow-Origin": origin or "*"}
    if origin is not None:
        headers |= {"Access-Control-Allow-Credentials": "true", "Vary": "Origin"}
    reply = web.Response(status=status, body=body, headers=headers)
    reply.force_close()
    return reply


def raw_head(status: int, headers: Iterable[tuple[str, str]], body_size: int, *, close: bool) -> bytes:
    """Return the head of a reply that is written to the transport past aiohttp.

    Raises ValueError for a header with a line break in it.
    """
    lines = [f"HTTP/1.1 {status} {phrase(status)}"]
    lines += map(": ".join, headers)
    lines.append(f"Content-Length: {body_size}")
    lines += ["Connection: close"] if close else []
    head = "\r\n".join([*lines, "", ""])
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        raise ValueError("a header of a reply contains a line break")
    return head.encode("utf-8", "replace")
