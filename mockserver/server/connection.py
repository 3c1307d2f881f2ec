"""One client's connection, named for the client, its errors answered in JSON; and the server that makes connections.

`Connection` is built on what aiohttp documents. `Watched` sees into aiohttp: it is all that uses names which aiohttp
keeps to itself. They are looked up when a server is made. Where one is missing, a warning says so and connections are
plain ones: every request is still served, without what `Watched` adds.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import sleep
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias, cast

import aiohttp
from aiohttp import StreamReader, http_exceptions, web, web_protocol
from aiohttp.http import HttpRequestParser

from mockserver.core.wire import Headers
from mockserver.realtime import monotonic
from mockserver.server.aiohttp_io import raw_head, unreadable
from mockserver.server.repeated_headers import HEAD_TOO_LONG, LIMITS, Head, Heads, LenientParser, restored
from mockserver.server.tls import NO_REQUEST

_log = logging.getLogger("mockserver")

LINGER_S: Final = 5.0
"""How long a refused body is read away after its answer: with bytes unread, closing would be a reset, and the answer
would be lost on its way to a client that is still sending."""

READ_BYTES: Final = 2**18
"""How much of a body may wait to be read before its sender is held up; aiohttp's own value."""

IDLE_S: Final = 120.0
"""How long a connection is kept between two requests. Clients keep idle ones for up to 90 s (Go; browsers longer, but
they open a new one)."""

NEVER_S: Final = 365 * 24 * 3600.0

MAX_CONNECTIONS: Final = 10_000
"""Connections at once, if there are descriptors for them; each takes about 30 kB."""

UNSENT_BYTES: Final = 64 * 1024 * 1024
"""Bytes of replies, of all connections together, that may wait for clients which read nothing for `UNREAD_S`."""

UNREAD_S: Final = 1.0
TELL_EACH_S: Final = 10.0
"""Seconds between two lines of the log about connections that were closed for want of resources."""

HALF_CLOSE_S: Final = 0.05
"""A client that sends nothing more closes its sending side together with its request. If it closes it later, during a
delay, it has given up: both look alike."""

NOT_A_URL: Final = "the request target is not a valid URL"
HEAD_INCOMPLETE: Final = "a client disconnected before the head of its request was complete"
TLS_ON_PLAIN_PORT: Final = "TLS on a plain port: use an http:// URL, or start the server with --tls"
OTHER_PROTOCOLS: Final = {
    b"\x16": TLS_ON_PLAIN_PORT,
    b"PRI * HTTP/2": "HTTP/2 without an upgrade: the server speaks HTTP/1.1",
}
"""What a client of another protocol sends first, and what to say to it. No HTTP method begins with the byte of TLS."""

TOO_MANY_HEADERS: Final = "Too many headers received"
"""What aiohttp's parser says of more than its limit."""

ATTRIBUTES: Final = (
    # The requests that were read and wait for their turn, each with its body. Of the newest, the body has to end when
    # its framing breaks off; and as long as one waits, an answer is due to a client that sends nothing more.
    "_messages",
    # The future that is open between requests. Bytes that came while it stays open are an incomplete head.
    "_waiter",
    # The task that ends with the connection. A server that stops waits for it.
    "_task_handler",
    # The parser of requests, which has one put before it that takes the first value of a repeated header.
    "_parser",
    # Whether a body that nobody reads holds up its sender.
    "_reading_paused",
)
"""Private attributes of aiohttp's connection."""

# The entry in `_messages` for a request that aiohttp's parser refused, and has no body of its own.
_ERROR_MESSAGE: Final[Any] = getattr(web_protocol, "_ErrInfo", None)

# Errors of the parser whose text repeats what was sent, which may hold a key: it is replaced.
_LINE_TOO_LONG: Final[Any] = getattr(http_exceptions, "LineTooLong", None)
_INVALID_URL: Final[Any] = getattr(http_exceptions, "InvalidURLError", None)

CLASSES: Final = {"_ErrInfo": _ERROR_MESSAGE, "LineTooLong": _LINE_TOO_LONG, "InvalidURLError": _INVALID_URL}
"""Classes that aiohttp keeps to itself or does not document; None where they are missing."""

TRIAL: Final = b"GET /trial HTTP/1.1\r\nHost: localhost\r\nServer: a\r\nServer: b\r\n\r\n"
"""A request that a new `Server` reads once: names that are there may have another meaning in a later aiohttp."""
TRIAL_READ: Final = ("GET", "/trial", ((b"Host", b"localhost"), (b"Server", b"a"), (b"Server", b"b")), True)


AnswerAtOnce: TypeAlias = "Callable[[Watched, Head, bytes], bytes | asyncio.Future[bytes] | None]"
"""Returns the whole reply, head included, to a request whose body is complete; None where it cannot."""


class Connection(web.RequestHandler):
    """One connection of a client. What aiohttp's parser refuses is answered in JSON, and told to `on_unreadable`."""

    __slots__ = (
        "_closing_since",
        "_on_leaving",
        "_server",
        "_unread_since",
        "_wire",
        "active_at",
        "half_closed",
        "origin",
        "peer",
        "secure",
    )

    def __init__(self, server: Server, idle_s: float | None = None) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            lingering_time=LINGER_S,
            keepalive_timeout=IDLE_S if idle_s is None else idle_s,
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
        self.active_at = monotonic()
        """When the client last did something, or was answered."""
        self._wire: asyncio.Transport | None = None  # aiohttp forgets its own when it begins to close
        self._unread_since: float | None = None
        self._closing_since: float | None = None
        self._on_leaving: tuple[float, Callable[[], object]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the name of the connection."""
        super().connection_made(transport)
        self._wire = cast(asyncio.Transport, transport)
        self._server.admit(self)
        self.secure = transport.get_extra_info("sslcontext") is not None
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer = f"{peer[0]}:{peer[1]}"

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget what waits for the client."""
        self._server.dismiss(self)
        if self._on_leaving is not None:
            self._on_leaving[1]()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Note since when the client takes no more of its reply."""
        super().pause_writing()
        self._unread_since = monotonic()
        self._server.unread[self] = self._unread_since
        self._server.limit_unread()

    def resume_writing(self) -> None:
        """Note that the client has taken what waited for it."""
        super().resume_writing()
        self._unread_since = None
        self._server.unread.pop(self, None)

    @property
    def unsent(self) -> int:
        """The bytes of replies that the system has not taken."""
        return 0 if self._wire is None else self._wire.get_write_buffer_size()

    def abort(self) -> None:
        """End the connection at once, with what was not sent."""
        self._server.unread.pop(self, None)
        if self._wire is not None:
            self._wire.abort()

    def end_if_overdue(self, now: float) -> None:
        """End the connection if its client does not take a reply in time."""
        if self._wire is None:
            return
        if self._closing_since is None and self._wire.is_closing():
            self._closing_since = now
        since = self._closing_since if self._unread_since is None else self._unread_since
        if since is not None and now - since > self._server.timeout:
            self._server.tell(
                "a client did not read its reply within %g s: its connection was ended", self._server.timeout
            )
            self.abort()

    async def while_connected(self, pause: Coroutine[Any, Any, None]) -> None:
        """Wait for a pause, or until the client leaves."""
        pausing = asyncio.ensure_future(pause)
        self._on_leaving = (monotonic(), pausing.cancel)
        try:
            await asyncio.wait([pausing])
        finally:
            self._on_leaving = None
            pausing.cancel()

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
    head that does not arrive within the server's `timeout` is given up. A body whose framing breaks off ends at
    once. A header that came twice is taken once.

    A request that came in one piece is offered to the server's `answer_at_once` before aiohttp sees it. What is
    answered so has no task, no request and no response of aiohttp's, which take longer than a small answer itself.
    """

    __slots__ = (
        "_answered",
        "_coming",
        "_head_since",
        "_is_taken",
        "_lenient",
        "_newest",
        "_other",
        "_refused",
        "_silent",
        "unfinished",
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server, NEVER_S)  # aiohttp does not see all requests, so `end_if_overdue` finds idle ones
        self.unfinished: web.StreamResponse | asyncio.Future[web.StreamResponse] | Exception | None = None
        """The reply to the request that is under way, or the error in it, where `answer_at_once` did not send it."""
        self._coming: asyncio.Future[bytes] | None = None  # a reply that is not there yet; nothing is read until then
        self._is_taken = False
        self._head_since: float | None = self.active_at
        self._silent = True
        self._newest: tuple[str, StreamReader] | None = None
        self._answered: StreamReader | None = None
        self._refused = False
        self._other = ""
        self._lenient = LenientParser(self._parser, self._new_parser)
        self._lenient.take, self._lenient.heads = self._answer_at_once, server.heads
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
        """Whether a request is being read or answered; closing with aiohttp would stop reading its body.

        A connection is idle while it waits for a request, and before its client has sent anything.
        """
        return self._coming is not None or bool(self._messages) or not (self._silent or self._is_waiting)

    @property
    def task(self) -> asyncio.Future[Any] | None:
        """What ends with the request that is under way."""
        return self._task_handler if self._coming is None else self._coming

    @property
    def _is_waiting(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def data_received(self, data: bytes) -> None:
        """Process received data; end a body with invalid framing for its reader, who would wait forever."""
        self.active_at = monotonic()
        self._silent = self._is_taken = False
        super().data_received(data)
        if self._is_taken:
            self._head_since = None
            return
        queue: Sequence[tuple[Any, StreamReader]] = self._messages
        if queue:
            for message, payload in reversed(queue):
                if not isinstance(message, _ERROR_MESSAGE):
                    self._newest = (message.path, payload)
                    break
            if isinstance(queue[-1][0], _ERROR_MESSAGE):
                self._refused = True
                if self._newest is None:
                    self._other = next((said for begin, said in OTHER_PROTOCOLS.items() if data.startswith(begin)), "")
                self.origin = self._lenient.origin(data)
                self._break_body(queue[-1][0])
            self._head_since = None
        elif self._head_since is None and self._is_waiting:
            self._head_since = self.active_at

    def _answer_at_once(self, head: Head, body: StreamReader, received: bytes) -> bool:
        """Answer a request now if aiohttp waits for one; return whether it is answered."""
        transport, answer = self.transport, self._server.answer_at_once
        if answer is None or not self._is_waiting or self.secure or self.writing_paused:
            return False
        if transport is None or transport.is_closing():
            return False
        reply = answer(self, head, received)
        if reply is None:
            return False
        self._newest, self._is_taken = (head.target, body), True
        if isinstance(reply, bytes):
            transport.write(reply)
        else:
            self._coming = reply
            transport.pause_reading()  # so that what the client sends next is answered next
            reply.add_done_callback(self._send)
        return True

    def _send(self, done: asyncio.Future[bytes]) -> None:
        """Send a reply that was not there at once, and read on."""
        self._coming, transport = None, self.transport
        if transport is None or transport.is_closing():
            return
        if done.cancelled() or done.exception() is not None:
            self.abort()
            return
        self.active_at = monotonic()
        transport.write(done.result())
        transport.resume_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Let the client send on if it was held up. aiohttp asks for it, and parses nothing again, at each body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _break_body(self, error: Any) -> None:
        payload = self._newest and self._newest[1]
        if payload and not payload.is_eof():
            if payload is not self._answered:
                _, detail = self.what_is_wrong(error.status, error.exc, error.message)
                payload.set_exception(web.RequestPayloadError(detail))
            payload.feed_eof()

    def what_is_wrong(self, status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
        """Return the status and a description of a parser error, without the data, which may contain a key."""
        if self._other:
            return status, self._other
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

    def end_if_overdue(self, now: float) -> None:
        """End the connection if its client does not send the head of a request, or does not take a reply, in time.

        Or if it has sent nothing for long.
        """
        super().end_if_overdue(now)
        if self._head_since is not None and now - self._head_since > self._server.timeout:
            self._head_since = None
            if self._silent:
                self.force_close()
            else:
                self.end_with(408, f"the request head did not arrive within {self._server.timeout:g} s")
        elif self._head_since is None and self._is_waiting and now - self.active_at > IDLE_S:
            self.force_close()

    def end_with(self, status: int, detail: str) -> None:
        """Answer at once that a request cannot be read; it is counted by that."""
        self._head_since = None
        super().end_with(status, detail)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count a TLS connection that brought nothing, and a request of which only a part of the head came."""
        if self.secure and self._newest is None and not self._refused:
            self._server.on_unreadable(NO_REQUEST)
        elif self._head_since is not None and not self._silent:
            self._server.on_unreadable(HEAD_INCOMPLETE)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection open for replies to complete requests; asyncio closes it if this returns false."""
        if self._newest is None or (self._waiter is not None and not self._messages):
            return False
        target, payload = self._newest
        if self.secure:
            return False
        if not payload.is_eof() or is_blocking(target):
            return False
        self.half_closed = True
        self._close_when_done()
        if self._on_leaving is not None and monotonic() - self._on_leaving[0] > HALF_CLOSE_S:
            self._on_leaving[1]()
        return True

    def answering(self, payload: StreamReader) -> None:
        """Record that the request with this payload is being answered: the rest of it is discarded."""
        self._answered = payload
        self.active_at = monotonic()
        self._close_when_done()

    def _close_when_done(self) -> None:
        """Close after the current reply if the client has closed its sending side and no request is queued."""
        if self.half_closed and not self._messages:
            self.close()


def is_blocking(target: str) -> bool:
    """Return whether a target is a wait or a stream, which is useless once its client is gone."""
    path = target.partition("?")[0]
    return (path.startswith("/_mock/sessions/") and path.endswith(("/wait", "/stream"))) or path == "/_mock/stream"


class Server(web.Server):
    """aiohttp's low-level server around one handler. Made on the running loop, which is the one it serves on.

    `on_unreadable` is called with the detail of each request that cannot be parsed. `timeout` is the time in seconds
    for the head of a request to come, and for a reply to be taken. `limit` is the number of connections at once.
    `answer_at_once` may answer a request that is complete; `handler` gets those for which it returns None.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        on_unreadable: Callable[[str], None],
        timeout: float,
        limit: int = MAX_CONNECTIONS,
        answer_at_once: AnswerAtOnce | None = None,
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self.answer_at_once = answer_at_once
        self.heads: Heads = {}
        self.on_unreadable = on_unreadable
        self.timeout = timeout
        self.limit = limit
        self.unread: dict[Connection, float] = {}
        """Connections whose client takes no more of its reply, and since when; the longest first."""
        self._open: set[Connection] = set()
        self._told_at: dict[str, float] = {}
        unfit = self._missing() or self._failing()
        self.watches = not unfit
        if unfit:
            _log.warning(
                "aiohttp %s %s: requests are served, but there is no deadline for the head of a request, no answer to "
                "a client that has closed its sending side, and no reason in the answer to one that cannot be read; "
                "install another version of aiohttp or a newer mockserver",
                aiohttp.__version__,
                unfit,
            )

    def _missing(self) -> str:
        """Return which private names aiohttp does not have; an empty text if it has all of them."""
        plain = Connection(self)
        missing = [name for name in ATTRIBUTES if not hasattr(plain, name)]
        missing += [name for name, value in CLASSES.items() if value is None]
        return f"has no {', '.join(missing)}" if missing else ""

    def _failing(self) -> str:
        """Return how `Watched` fails to read a request with a repeated header; an empty text if it does not."""
        try:
            ((message, body),) = Watched(self)._lenient.feed_data(TRIAL)[0]
            read = (message.method, message.path, restored(message.raw_headers), body.is_eof())
        except Exception as error:
            return f"does not read requests as expected ({type(error).__name__}: {error})"
        return "" if read == TRIAL_READ else f"does not read requests as expected (it reads {read})"

    def __call__(self) -> Connection:
        """Return the handler of a new connection."""
        return Watched(self) if self.watches else Connection(self)

    def admit(self, newest: Connection) -> None:
        """Take a new connection. If there are too many, close those least recently used."""
        self._open.add(newest)
        if len(self._open) <= self.limit:
            return
        idle = [connection for connection in self._open if isinstance(connection, Watched) and not connection.busy]
        idle = sorted((connection for connection in idle if connection is not newest), key=lambda each: each.active_at)
        closed = idle[: 1 + self.limit // 64]
        for connection in closed:
            self._open.discard(connection)
            connection.force_close()
        if closed:
            self.tell("more than %d connections: the least recently used ones are closed", self.limit)
        else:
            self.tell("more than %d connections, and none is idle: new ones are refused with 503", self.limit)
            newest.end_with(503, f"the server has {self.limit} connections, and none of them is idle")

    def dismiss(self, lost: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.discard(lost)
        self.unread.pop(lost, None)

    def limit_unread(self) -> None:
        """End connections whose clients read nothing while too many bytes wait to be sent, the longest first."""
        total, now = sum(connection.unsent for connection in self.unread), monotonic()
        for connection, since in list(self.unread.items()):
            if total <= UNSENT_BYTES or now - since < UNREAD_S:
                return
            total -= connection.unsent
            self.tell("more than %d bytes wait for clients that do not read: connections are ended", UNSENT_BYTES)
            connection.abort()

    async def end_overdue(self) -> None:
        """End connections whose clients are too slow, as long as the server runs."""
        while True:
            await sleep(min(1.0, self.timeout / 4))
            self.limit_unread()
            now = monotonic()
            for connection in tuple(self._open):
                connection.end_if_overdue(now)

    def tell(self, text: str, value: float) -> None:
        """Write a warning to the log, but each text only once in `TELL_EACH_S`."""
        now = monotonic()
        if now - self._told_at.get(text, -TELL_EACH_S) >= TELL_EACH_S:
            self._told_at[text] = now
            _log.warning(text, value)

    def close_idle(self) -> list[asyncio.Future[Any]]:
        """Close the connections without a request in progress; return what ends with those of the others."""
        tasks = list[asyncio.Future[Any] | None]()
        for connection in self.connections:
            if isinstance(connection, Watched) and connection.busy:
                tasks.append(connection.task)
            elif isinstance(connection, Watched):
                connection.force_close()
        return [task for task in tasks if task is not None]
