"""One client's connection, named for the client, its errors answered in JSON; and the server that makes connections.

`Connection` is built on what aiohttp documents. `Watched` sees into aiohttp: it is all that uses names which aiohttp
keeps to itself. They are looked up when a server is made. Where one is missing, a warning says so and connections are
plain ones: every request is still served, without what `Watched` adds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import aiohttp
from aiohttp import StreamReader, http_exceptions, web, web_protocol
from aiohttp.http import HttpRequestParser

from mockserver.core.wire import Headers
from mockserver.server.aiohttp_io import raw_head, unreadable
from mockserver.server.repeated_headers import HEAD_TOO_LONG, LIMITS, LenientParser, restored
from mockserver.server.tls import NO_REQUEST

_log = logging.getLogger("mockserver")

LINGER_S: Final = 5.0
"""How long a refused body is read away after its answer: with bytes unread, closing would be a reset, and the answer
would be lost on its way to a client that is still sending."""

READ_BYTES: Final = 2**18
"""How much of a body may wait to be read before its sender is held up; aiohttp's own value."""

NOT_A_URL: Final = "the request target is not a valid URL"
TLS_ON_PLAIN_PORT: Final = "TLS on a plain port: use an http:// URL, or start the server with --tls"
TLS_RECORD: Final = b"\x16"
"""The first byte that a TLS client sends; no HTTP method begins with it."""

TOO_MANY_HEADERS: Final = "Too many headers received"
"""What aiohttp's parser says of more than its limit."""

ATTRIBUTES: Final = (
    # The requests that were read and wait for their turn, each with its body. Of the newest, the body has to end when
    # its framing breaks off; and as long as one waits, an answer is due to a client that sends nothing more.
    "_messages",
    # The future that is open between requests. Bytes that came while it stays open are an incomplete head.
    "_waiter",
    # Whether a request is being answered. A server that stops closes the other connections at once.
    "_request_in_progress",
    # The task that ends with the connection. A server that stops waits for it.
    "_task_handler",
    # The parser of requests, which has one put before it that takes the first value of a repeated header.
    "_parser",
)
"""Private attributes of aiohttp's connection."""

# The entry in `_messages` for a request that aiohttp's parser refused, and has no body of its own.
_ERROR_MESSAGE: Final[Any] = getattr(web_protocol, "_ErrInfo", None)

# Errors of the parser whose text repeats what was sent, which may hold a key: it is replaced.
_LINE_TOO_LONG: Final[Any] = getattr(http_exceptions, "LineTooLong", None)
_INVALID_URL: Final[Any] = getattr(http_exceptions, "InvalidURLError", None)

CLASSES: Final = {"_ErrInfo": _ERROR_MESSAGE, "LineTooLong": _LINE_TOO_LONG, "InvalidURLError": _INVALID_URL}
"""Classes that aiohttp keeps to itself or does not document; None where they are missing."""


class Connection(web.RequestHandler):
    """One connection of a client. What aiohttp's parser refuses is answered in JSON, and told to `on_unreadable`."""

    __slots__ = ("_server", "half_closed", "origin", "peer", "secure")

    def __init__(self, server: Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            lingering_time=LINGER_S,
            max_line_size=LIMITS["line_bytes"],
            max_field_size=LIMITS["field_bytes"],
            max_headers=LIMITS["headers"],
        )
        self._server = server
        self.peer = ""
        """The name of the connection: address and port of the client."""
        self.half_closed = False
        """Whether the client sends nothing more and still reads; a plain connection cannot tell."""
        self.secure = False
        """Whether it is a TLS connection."""
        self.origin: str | None = None
        """The origin of the page that sent a request which cannot be read, where it is known."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the name of the connection."""
        super().connection_made(transport)
        self.secure = transport.get_extra_info("sslcontext") is not None
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
            self._server.on_unreadable(detail)
            reply = unreadable(status, detail, self.origin)
            assert isinstance(reply.body, bytes)
            self.transport.write(raw_head(status, reply.headers.items(), len(reply.body), close=True) + reply.body)
            self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer a request that aiohttp's parser rejected. Such requests are counted, not journalled."""
        status, detail = self.what_is_wrong(status, exc, message)
        self._server.on_unreadable(detail)
        return unreadable(status, detail, self.origin)

    def what_is_wrong(self, status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
        """Return the status and a description of a parser error, without the data, which may contain a key."""
        return status, "the request is not valid HTTP"


class Watched(Connection):
    """A connection that sees what its client does.

    A client that closes its sending side still gets its answers, except that of a wait, which ends with the client. A
    head that does not arrive within the server's `head_timeout` is given up. A body whose framing breaks off ends at
    once. A header that came twice is taken once.
    """

    __slots__ = ("_answered", "_head_timer", "_lenient", "_newest", "_refused", "_tls")

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._head_timer: asyncio.TimerHandle | None = None
        self._newest: tuple[str, StreamReader] | None = None
        self._answered: StreamReader | None = None
        self._refused = False
        self._tls = False
        self._lenient = LenientParser(self._parser, self._new_parser)
        self._parser = cast(HttpRequestParser, self._lenient)

    def _new_parser(self) -> Any:
        """Return a parser like the one that aiohttp made for this connection."""
        return HttpRequestParser(
            self,
            asyncio.get_running_loop(),
            READ_BYTES,
            max_line_size=LIMITS["line_bytes"],
            max_field_size=LIMITS["field_bytes"],
            max_headers=LIMITS["headers"],
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
        )

    def headers(self, request: web.BaseRequest) -> Headers:
        """Return the headers of a request as they were sent; the request's own where none was repeated."""
        return restored(request.raw_headers) if self._lenient.renames else request.raw_headers

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered; closing with aiohttp would stop reading its body."""
        return self._request_in_progress or bool(self._messages)

    def data_received(self, data: bytes) -> None:
        """Process received data; end a body with invalid framing for its reader, who would wait forever."""
        super().data_received(data)
        queue: Sequence[tuple[Any, StreamReader]] = self._messages
        if queue:
            for message, payload in reversed(queue):
                if not isinstance(message, _ERROR_MESSAGE):
                    self._newest = (message.path, payload)
                    break
            if isinstance(queue[-1][0], _ERROR_MESSAGE):
                self._refused = True
                self._tls = self._newest is None and data.startswith(TLS_RECORD)
                self.origin = self._lenient.origin(data)
                self._break_body(queue[-1][0])
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._head_timer is None:
                self._head_timer = asyncio.get_running_loop().call_later(self._server.head_timeout, self._give_up_head)
        elif self._head_timer is not None:
            self._stop_head_timer()

    def _break_body(self, error: Any) -> None:
        payload = self._newest and self._newest[1]
        if payload and not payload.is_eof():
            if payload is not self._answered:
                _, detail = self.what_is_wrong(error.status, error.exc, error.message)
                payload.set_exception(web.RequestPayloadError(detail))
            payload.feed_eof()

    def what_is_wrong(self, status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
        """Return the status and a description of a parser error, without the data, which may contain a key."""
        if self._tls:
            return status, TLS_ON_PLAIN_PORT
        if isinstance(error, _LINE_TOO_LONG):
            return 431, f"the request line or a header is longer than {error.args[1]} bytes"
        if isinstance(error, _INVALID_URL):
            return status, NOT_A_URL
        line = (message or str(error)).partition("\n")[0].strip().rstrip(":")
        if line == TOO_MANY_HEADERS:
            return 431, f"the request has more than {LIMITS['headers']} headers"
        if line == HEAD_TOO_LONG:
            return 431, line
        return status, line or "the request is not valid HTTP"

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_head(self) -> None:
        self._head_timer = None
        self.end_with(408, f"the request head did not arrive within {self._server.head_timeout:g} s")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Release the timer; count a TLS connection that brought nothing."""
        self._stop_head_timer()
        if self.secure and self._newest is None and not self._refused:
            self._server.on_unreadable(NO_REQUEST)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for replies to complete requests; asyncio closes it if this returns false."""
        if self._newest is None or (self._waiter is not None and not self._messages):
            return False
        target, payload = self._newest
        if self.secure:
            return False
        if not payload.is_eof() or is_wait(target):
            return False
        self.half_closed = True
        self._close_when_done()
        return True

    def answering(self, payload: StreamReader) -> None:
        """Record that the request with this payload is being answered: the rest of it is discarded."""
        self._answered = payload
        self._close_when_done()

    def _close_when_done(self) -> None:
        """Close after the current reply if the client has closed its sending side and no request is queued."""
        if self.half_closed and not self._messages:
            self.close()


def is_wait(target: str) -> bool:
    """Return whether a target is a blocking call, which is useless once its client is gone."""
    return target.startswith("/_mock/sessions/") and target.partition("?")[0].endswith("/wait")


class Server(web.Server):
    """aiohttp's low-level server around one handler. Made on the running loop, which is the one it serves on.

    `on_unreadable` is called with the detail of each request that cannot be parsed; `head_timeout` is in seconds.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        on_unreadable: Callable[[str], None],
        head_timeout: float,
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.on_unreadable = on_unreadable
        self.head_timeout = head_timeout
        plain = Connection(self)
        missing = [name for name in ATTRIBUTES if not hasattr(plain, name)]
        missing += [name for name, value in CLASSES.items() if value is None]
        self.watches = not missing
        if missing:
            _log.warning(
                "aiohttp %s has no %s: requests are served, but there is no deadline for the head of a request, no "
                "answer to a client that has closed its sending side, and no reason in the answer to one that cannot "
                "be read",
                aiohttp.__version__,
                ", ".join(missing),
            )

    def __call__(self) -> Connection:
        """Return the handler of a new connection."""
        return Watched(self) if self.watches else Connection(self)

    def close_idle(self) -> list[asyncio.Task[None]]:
        """Close the connections without a request in progress; return the tasks of the others."""
        tasks = []
        for connection in self.connections:
            if isinstance(connection, Watched) and connection.busy:
                tasks.append(connection._task_handler)
            elif isinstance(connection, Watched):
                connection.force_close()
        return [task for task in tasks if task is not None]
