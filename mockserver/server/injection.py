"""Fault steps on a real connection: replies that are lost, changed, truncated or delayed."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import sleep
from typing import Final

from aiohttp import web

from mockserver.core.wire import WireReply
from mockserver.jsonkit.template import phrase
from mockserver.server.connection import Connection
from mockserver.sessions.steps import Step

DRIBBLE_PIECES: Final = 10
DRIBBLE_PAUSE_MS: Final = 50
MALFORMED: Final = b"HTTP/1.1 2OO Nearly\r\nContent-Length: minus one\r\n\r\n{"


async def pause(step: Step) -> bool:
    """Wait for the delay of the step in real time; return whether it has one."""
    if step.delay is None or step.connection == "dribble":
        return False
    ms = step.delay_ms()
    await sleep(ms / 1000)
    return ms > 0


def gone(request: web.BaseRequest) -> bool:
    """Return whether the connection is closed."""
    return request.transport is None or request.transport.is_closing()


def given_up(request: web.BaseRequest) -> bool:
    """Return whether the client closed its side during a delay, and so will not read the reply."""
    return gone(request) or (isinstance(request.protocol, Connection) and request.protocol.half_closed)


async def cut(request: web.BaseRequest, step: Step, reply: WireReply) -> bool:
    """Apply a connection fault instead of sending `reply`; return whether the complete reply was sent."""
    transport = request.transport
    assert transport is not None
    if request.method == "HEAD":
        reply = WireReply(status=reply.status, headers=reply.headers, body=b"")
    match step.connection:
        case "reset":
            _reset_on_close(transport)
            transport.abort()
        case "drop":
            transport.close()
        case "truncate":
            head, body = _raw(reply)
            transport.write(head + body[: len(body) // 2])
            transport.close()
        case "dribble":
            return await _dribble(transport, step, reply)
        case _:
            transport.write(MALFORMED)
            transport.close()
    return False


async def _dribble(transport: asyncio.Transport, step: Step, reply: WireReply) -> bool:
    """Send the complete reply in small pieces with pauses."""
    head, body = _raw(reply, close=True)
    data = head + body
    size = -(-len(data) // DRIBBLE_PIECES)
    ms = step.delay_ms() if step.delay is not None else DRIBBLE_PAUSE_MS * DRIBBLE_PIECES
    for start in range(0, len(data), size):
        if transport.is_closing():
            return False
        transport.write(data[start : start + size])
        await sleep(ms / 1000 / DRIBBLE_PIECES)
    transport.close()
    return True


def _raw(reply: WireReply, *, close: bool = False) -> tuple[bytes, bytes]:
    lines = [f"HTTP/1.1 {reply.status} {phrase(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines.append(f"Content-Length: {len(reply.body)}")
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"), reply.body


def _reset_on_close(transport: asyncio.Transport) -> None:
    """Make close() send a RST instead of a FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closed() -> web.StreamResponse:
    """Return a response for a closed connection, which aiohttp will not send."""
    made = web.Response()
    made.force_close()
    return made
