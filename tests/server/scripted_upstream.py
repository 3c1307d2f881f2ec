"""An upstream that says exactly the bytes that a test gives it, HTTP or not, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import repeat

Script = Callable[[asyncio.StreamWriter], object]


@dataclass(slots=True, kw_only=True)
class Upstream:
    """A running upstream. `requests` are the bytes of each request, `written` counts what an endless reply sent."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    written: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ", 2)[1].decode() for request in self.requests]


MANY = 100_000
"""How often the piece of an endless reply is sent, gigabytes together."""
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@asynccontextmanager
async def upstream(
    *replies: bytes, waits: bool = False, endless: bytes = b"", context: ssl.SSLContext | None = None
) -> AsyncIterator[Upstream]:
    """Answer the n-th request with the n-th reply, further ones with the last; each connection has one request.

    With `waits` a reply is sent when the test releases it. `endless` is sent again and again after a reply.
    """
    given, handlers = list(replies or [OK]), set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    line.partition(b":")[2]
                    for line in request.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                b"0",
            )
            request += await reader.readexactly(int(length))
            reply = given[min(len(server.requests), len(given) - 1)]
            server.requests.append(request)
            server.arrived.set()
            if waits:
                await server.released.wait()
            writer.write(reply)
            for piece in repeat(endless, MANY if endless else 0):
                writer.write(piece)
                server.written += len(piece)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()
            server.ended.set()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    server = Upstream(port=listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        server.released.set()
        listener.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
