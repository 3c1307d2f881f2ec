"""Fault steps on a real connection: replies that are lost, changed, truncated or delayed."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import sleep
from typing import Final

from aiohttp import web

from mockserver.core.wire import WireReply
from mockserver.server.aiohttp_io import raw_head
from mockserver.server.connection import Connection
from mockserver.sessions.steps import Step, truncated

DRIBBLE_PIECES: Final = 10
DRIBBLE_PAUSE_MS: Final = 50
MALFORMED: Final = b"HTTP/1.1 2OO Nearly\r\nContent-Length: minus one\r\n\r\n{"


async def pause(step: Step, request: web.BaseRequest) -> bool:
    """Wait for the delay of the step in real time, or until the client leaves; return whether the step has a delay."""
    if step.delay is None or step.connection == "dribble":
        return False
    ms = step.delay_ms()
    if isinstance(request.protocol, Connection):
        await request.protocol.while_connected(sleep(ms / 1000))
    else:
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
            sock = transport.get_extra_info("socket")
            if sock is not None:  # closing sends a RST instead of a FIN
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        case "drop":
            transport.close()
        case "truncate":
            head = raw_head(reply.status, reply.headers, len(reply.body), close=False)
            transport.write(head + truncated(reply.body))
            transport.close()
        case "dribble":
            return await _dribble(transport, step, reply)
        case _:
            transport.write(MALFORMED)
            transport.close()
    return False


async def _dribble(transport: asyncio.Transport, step: Step, reply: WireReply) -> bool:
    """Send the complete reply in small pieces with pauses."""
    data = raw_head(reply.status, reply.headers, len(reply.body), close=True) + reply.body
    size = -(-len(data) // DRIBBLE_PIECES)
    ms = step.delay_ms() if step.delay is not None else DRIBBLE_PAUSE_MS * DRIBBLE_PIECES
    for start in range(0, len(data), size):
        if transport.is_closing():
            return False
        transport.write(data[start : start + size])
        await sleep(ms / 1000 / DRIBBLE_PIECES)
    transport.close()
    return True


def closed() -> web.StreamResponse:
    """Return a response for a closed connection, which aiohttp will not send."""
    response = web.Response()
    response.force_close()
    return response
