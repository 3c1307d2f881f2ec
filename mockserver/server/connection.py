"""A client connection based on aiohttp's, which answers parser errors in JSON and handles half-closed clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import InvalidURLError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo

from mockserver.server.wire import SERVER, unreadable

LINGER_S: Final = 5.0
"""How long a refused body is read and discarded after the reply, so that the client can read the reply."""


class Connection(RequestHandler):
    """One connection of a client.

    A request that cannot be parsed gets a JSON reply, and `on_unreadable` is called. A client that closes its sending
    side still gets its replies, except that of a wait, which is cancelled. A request head that does not arrive within
    `head_timeout` seconds closes the connection.
    """

    __slots__ = ("_answered", "_half_closed", "_head_timeout", "_head_timer", "_newest", "_on_unreadable", "peer")

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        head_timeout: float,
        on_unreadable: Callable[[str], None],
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            lingering_time=LINGER_S,
        )
        self._head_timeout = head_timeout
        self._on_unreadable = on_unreadable
        self._head_timer: asyncio.TimerHandle | None = None
        self._newest: tuple[str, StreamReader] | None = None
        self._answered: StreamReader | None = None
        self._half_closed = False
        self.peer = ""
        """The name of the connection: address and port of the client."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the name of the connection."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer = f"{peer[0]}:{peer[1]}"

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered; closing with aiohttp would stop reading its body."""
        return self._request_in_progress or bool(self._messages)

    @property
    def half_closed(self) -> bool:
        """Whether the client has closed its sending side."""
        return self._half_closed

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that handles the connection."""
        return self._task_handler

    def data_received(self, data: bytes) -> None:
        """Process received data; end a body with invalid framing for its reader, who would wait forever."""
        super().data_received(data)
        if self._messages:
            for message, payload in reversed(self._messages):
                if not isinstance(message, _ErrInfo):
                    self._newest = (message.path, payload)
                    break
            message = self._messages[-1][0]
            if isinstance(message, _ErrInfo):
                self._break_body(message)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._head_timer is None:
                self._head_timer = self._loop.call_later(self._head_timeout, self._give_up_head)
        elif self._head_timer is not None:
            self._stop_head_timer()

    def _break_body(self, error: _ErrInfo) -> None:
        payload = self._newest and self._newest[1]
        if payload and not payload.is_eof():
            if payload is not self._answered:
                payload.set_exception(RequestPayloadError(what_is_wrong(error.status, error.exc, error.message)[1]))
            payload.feed_eof()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_head(self) -> None:
        self._head_timer = None
        if self.transport is not None:
            detail = f"the request head did not arrive within {self._head_timeout:g} s"
            self._on_unreadable(detail)
            body = unreadable(408, detail).body
            assert isinstance(body, bytes)
            head = f"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nServer: {SERVER}\r\n"
            self.transport.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the timer and other references."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for replies to complete requests; asyncio closes it if this returns false."""
        if not self._answer_due():
            return False
        self._half_closed = True
        self._close_when_done()
        return True

    def _answer_due(self) -> bool:
        if self._newest is None or (self._waiter is not None and not self._messages):
            return False
        target, payload = self._newest
        return payload.is_eof() and not is_wait(target)

    def answering(self, payload: StreamReader) -> None:
        """Record that the request with this payload is being answered: the rest of it is discarded."""
        self._answered = payload
        self._close_when_done()

    def _close_when_done(self) -> None:
        """Close after the current reply if the client has closed its sending side and no request is queued."""
        if self._half_closed and not self._messages:
            self.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that aiohttp's parser rejected. Such requests are counted, not journalled."""
        status, detail = what_is_wrong(status, exc, message)
        self._on_unreadable(detail)
        return unreadable(status, detail)


def what_is_wrong(status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
    """Return the status and a description of a parser error, without the data, which may contain a key."""
    if isinstance(error, LineTooLong):
        return 431, f"the request line or a header is longer than {error.args[1]} bytes"
    if isinstance(error, InvalidURLError):
        return status, "the request target is not a valid URL"
    line = (message or str(error)).partition("\n")[0].strip().rstrip(":")
    return status, line or "the request is not valid HTTP"


def is_wait(target: str) -> bool:
    """Return whether a target is a blocking call, which is useless once its client is gone."""
    return target.startswith("/_mock/sessions/") and target.partition("?")[0].endswith("/wait")
