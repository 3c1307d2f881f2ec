"""A reply of an upstream as it is written to the client: its status, headers and body, and nothing of ours."""

from __future__ import annotations

from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

from mockserver.core.wire import WireReply
from mockserver.jsonkit.template import phrase
from mockserver.server.aiohttp_io import CHUNK

BODILESS: Final = (204, 304)
"""Statuses whose replies have neither a body nor a length."""


class HandedThrough(web.Response):
    """A reply that is written past aiohttp, which would add headers of its own."""

    def __init__(self, reply: WireReply) -> None:
        super().__init__(status=reply.status)
        self._reply, self._stays = reply, True

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open."""
        return self._stays

    def force_close(self) -> None:
        """Close the connection after this reply."""
        self._stays = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the reply, in pieces where the client reads slowly. Raises ConnectionError if it is gone."""
        transport, reply = request.transport, self._reply
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client disconnected")
        self._stays = self._stays and bool(request.keep_alive) and request.version == HttpVersion11
        bare = reply.status in BODILESS or request.method == "HEAD"
        transport.write(head(reply, bare=bare, close=not self._stays))
        body = b"" if bare else reply.body
        for start in range(0, len(body), CHUNK):
            transport.write(body[start : start + CHUNK])
            await request.writer.drain()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """End the reply; all of it is written."""


def head(reply: WireReply, *, bare: bool, close: bool) -> bytes:
    """Return the head of a reply. Without a body (`bare`), it has no length either."""
    lines = [f"HTTP/1.1 {reply.status} {phrase(reply.status)}", *map(": ".join, reply.headers)]
    lines += [] if bare else [f"Content-Length: {len(reply.body)}"]
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
