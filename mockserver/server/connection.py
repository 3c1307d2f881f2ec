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

NOT_A_URL: Final = "the request target is not a valid URL"


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
        """The name of the connection: address and port of the client."""

    @property
    def half_closed(self) -> bool:
        """Whether the client sends nothing more and still reads."""
        return False

    def answering(self, payload: StreamReader) -> None:
        """Record that the request with this payload is being answered: the rest of it is discarded."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the name of the connection."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer = f"{peer[0]}:{peer[1]}"

    def data_received(self, data: bytes) -> None:
        """Take what came. Before 3.14.4, the parser lets the error of a target that is not a URL escape."""
        try:
            super().data_received(data)
        except ValueError:
            self.end_with(400, NOT_A_URL)

    async def start(self) -> None:
        """Answer requests, one after the other. Before 3.14.4, a target such as `http://a:99999` ends this too."""
        try:
            await super().start()
        except ValueError:
            self.end_with(400, NOT_A_URL)

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
        """Answer a request that aiohttp's parser rejected. Such requests are counted, not journalled."""
        status, detail = self.what_is_wrong(status, exc, message)
        self._on_unreadable(detail)
        return unreadable(status, detail)

    def what_is_wrong(self, status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
        """Return the status and a description of a parser error, without the data, which may contain a key."""
        return status, "the request is not valid HTTP"
