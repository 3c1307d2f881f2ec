"""One client's connection, built on what aiohttp documents: named for its client, its errors answered in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import StreamReader, web

from mockserver.server.aiohttp_io import SERVER, unreadable

LINGER_S: Final = 5.0
"""How long a refused body is read away after its answer: with bytes unread, closing would be a reset, and the answer
would be lost on its way to a client that is still sending."""


class Connection(web.RequestHandler):
    """One connection of a client. What aiohttp's parser refuses is answered in JSON, and told to `on_unreadable`."""

    __slots__ = ("_on_unreadable", "peer")

    def __init__(
        self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, on_unreadable: Callable[[str], None]
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            lingering_time=LINGER_S,
        )
        self._on_unreadable = on_unreadable
        self.peer = ""
        """A short name of the connection: the address and port of its client."""

    @property
    def half_closed(self) -> bool:
        """Whether the client sends nothing more and still reads."""
        return False

    def answering(self, payload: StreamReader) -> None:
        """Learn that the request with this payload is being answered: the rest of it is only read away."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Name the connection, once for all its requests."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer = f"{peer[0]}:{peer[1]}"

    def data_received(self, data: bytes) -> None:
        """Take what came. Before 3.14.4 aiohttp's parser lets the URL's own error escape, which asyncio would drop."""
        try:
            super().data_received(data)
        except ValueError:
            self.end_with(400, "the request target is not a URL")

    def end_with(self, status: int, detail: str) -> None:
        """Answer at once that a request cannot be read, outside of aiohttp's order of answers, and close."""
        if self.transport is not None:
            self._on_unreadable(detail)
            answer = unreadable(status, detail)
            assert isinstance(answer.body, bytes)
            lines = (
                f"HTTP/1.1 {status} {answer.reason}",
                "Content-Type: application/json",
                f"Server: {SERVER}",
                f"Content-Length: {len(answer.body)}",
                "Connection: close",
            )
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp's parser refused. Such requests are counted, not journalled."""
        status, detail = self.what_is_wrong(status, exc, message)
        self._on_unreadable(detail)
        return unreadable(status, detail)

    def what_is_wrong(self, status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
        """Return status and one line for what the parser found; what was sent is not repeated, it may hold a key."""
        return status, "the request cannot be read"
