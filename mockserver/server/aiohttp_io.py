"""Between aiohttp and our values: reading a request within its bounds, writing a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import HttpVersion11, StreamReader, web
from multidict import CIMultiDict

from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render

PROBLEM_TYPE: Final = "application/problem+json"
SERVER: Final = "mockserver"
DRAIN_LIMIT: Final = 64 * 1024 * 1024
"""Bytes that are read away of a body that is refused for its size.

Many clients read no answer before they have sent everything, and closing a connection with bytes unread resets it: the
refusal would be lost. The limit keeps one sender from holding the server at work without end.
"""

DRAIN_SILENCE_S: Final = 0.5
"""Seconds of silence after which a sender of too much is answered: it may send nothing more before the answer."""


class BodyTimeoutError(Exception):
    """The sender was slower than the deadline for a whole body; `body` is what had arrived by then."""

    def __init__(self, body: bytes) -> None:
        super().__init__(f"{len(body)} bytes of a body had arrived at the deadline")
        self.body = body


async def read_body(request: web.BaseRequest, ceiling: int, deadline: float) -> tuple[bytes, bool]:
    """Read the body up to `ceiling` bytes; returns it and whether it was longer. Raises BodyTimeoutError.

    What is over the ceiling is read away and never kept.
    """
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    if not request.can_read_body:
        return b"", False
    content = request.content
    if content.is_eof():
        body = content.read_nowait()
        return (body, False) if len(body) <= ceiling else (body[:ceiling], True)
    if (request.content_length or 0) > ceiling:
        return await _read_refused(content, ceiling, deadline), True
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout(deadline):
            size = await _read(content, ceiling, chunks)
    except TimeoutError:
        raise BodyTimeoutError(b"".join(chunks)[:ceiling]) from None
    body = b"".join(chunks)
    if size <= ceiling:
        return body, False
    await _read_refused(content, 0, deadline)
    return body[:ceiling], True


async def _read(content: StreamReader, ceiling: int, chunks: list[bytes]) -> int:
    """Read to the end, or until it is more than the ceiling allows; return the size of what was read."""
    size = 0
    async for chunk in content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > ceiling:
            break
    return size


async def _read_refused(content: StreamReader, keep: int, deadline: float) -> bytes:
    """Read what is refused anyway as long as its sender goes on sending, within bounds; return the start of it."""
    clock, size, kept = asyncio.get_running_loop().time, 0, bytearray()
    end = clock() + deadline
    try:
        async with asyncio.timeout(DRAIN_SILENCE_S) as max_wait:
            async for chunk in content.iter_any():
                kept += chunk[: keep - len(kept)]
                size += len(chunk)
                if size > DRAIN_LIMIT:
                    break
                max_wait.reschedule(min(end, clock() + DRAIN_SILENCE_S))
    except TimeoutError:
        pass
    return bytes(kept)


def wire_request(
    request: web.BaseRequest, target: str, body: bytes, *, truncated: bool = False, late: bool = False
) -> WireRequest:
    """Return our value for a request."""
    headers = request.raw_headers
    fields = {name.lower(): value for name, value in reversed(headers)}
    return WireRequest(
        method=request.method,
        target=target,
        headers=headers,
        fields=fields,
        body=body,
        truncated=truncated,
        late=late,
    )


def response(reply: WireReply) -> web.Response:
    """Return aiohttp's value for a reply."""
    headers: CIMultiDict[str] = CIMultiDict(reply.headers)
    headers["Server"] = SERVER
    return web.Response(status=reply.status, headers=headers, body=reply.body or None)


def json_response(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a reply of the control surface."""
    kind = PROBLEM_TYPE if status >= 400 else "application/json"
    made = CIMultiDict({"Content-Type": kind, "Server": SERVER, "Cache-Control": "no-store", **(headers or {})})
    return web.Response(status=status, headers=made, body=render(value))


def problem(status: int, title: str, detail: str, **members: Json) -> web.Response:
    """Return an RFC 9457 problem; `pointer` or `parameter` names the offending member."""
    headers = members.pop("headers", None)
    return json_response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}, status, headers
    )


def unreadable(status: int, detail: str) -> web.Response:
    """Return the answer to a request that cannot be read; nothing of it was journalled, and the connection ends."""
    body = render({"error": "unreadable_request", "detail": detail, "status": status})
    made = web.Response(status=status, body=body, headers={"Content-Type": "application/json", "Server": SERVER})
    made.force_close()
    return made
