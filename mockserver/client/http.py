"""The HTTP client, for coroutines. Sessions and verify use it; only the health probe has its own socket.

Importing aiohttp takes longer than most commands, so other modules import this one inside functions.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import ssl
from asyncio import sleep
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import suppress
from http.client import RemoteDisconnected
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from weakref import WeakSet

import aiohttp
from aiohttp import ClientSession, TCPConnector
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest, RefusedError, ReplyError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

AddressInfo: TypeAlias = "tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]"
AUTOMATIC_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
MAX_HEADER_LINE: Final = 65536
MAX_HEADERS: Final = 1000
CHUNK: Final = 65536
OK: Final = 200
CLOSING_TURNS: Final = 10
"""Turns of the event loop that closing a connection takes at most."""


class HttpClient:
    """An HTTP client for one server, on the event loop that enters it.

    With `keep_alive`, connections are reused; without it, each request opens its own. Redirects are not followed,
    cookies are not kept, bodies are not decoded, and no request is sent twice.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, *, keep_alive: bool) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._keep_alive = keep_alive
        self._sockets: WeakSet[_Socket] = WeakSet()

    async def __aenter__(self) -> Self:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_reuseconn.append(_note_reuse)
        self._session = ClientSession(
            connector=TCPConnector(
                ssl=self._tls or True,
                limit=0,
                force_close=not self._keep_alive,
                resolver=aiohttp.ThreadedResolver(),
                socket_factory=self._open_socket,
            ),
            timeout=aiohttp.ClientTimeout(),
            skip_auto_headers=AUTOMATIC_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEADER_LINE,
            max_field_size=MAX_HEADER_LINE,
            max_headers=MAX_HEADERS,
            trace_configs=[tracing],
            middlewares=[_send_once],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._close_sockets()

    async def exchange(self, request: HttpRequest) -> HttpReply:
        """Send a request and return its reply. Raises ExchangeError."""
        connection = SimpleNamespace(reused=False)
        try:
            async with asyncio.timeout(request.total_timeout), asyncio.timeout(request.idle_timeout) as idle:
                return await self._exchange(request, connection, idle)
        except (aiohttp.ClientError, ReplyError, OSError, ValueError) as error:
            raise ExchangeError(_reason(error, request), reused=connection.reused) from error

    async def _exchange(self, request: HttpRequest, connection: SimpleNamespace, idle: asyncio.Timeout) -> HttpReply:
        async with await self._send(request, connection) as reply:
            body = bytearray()
            async for chunk in reply.content.iter_any():
                body += chunk
                if request.max_reply is not None and len(body) > request.max_reply:
                    raise ReplyError(f"the reply is longer than {request.max_reply} bytes")
                if request.idle_timeout is not None and not idle.expired():
                    idle.reschedule(asyncio.get_running_loop().time() + request.idle_timeout)
            return HttpReply(status=reply.status, headers=_joined(reply.raw_headers), body=bytes(body))

    async def _send(self, request: HttpRequest, connection: SimpleNamespace) -> aiohttp.ClientResponse:
        return await _request(
            self._session,
            request.method,
            self._url(request.target),
            headers=request.headers,
            data=_Body(request.body) if request.body else None,
            allow_redirects=False,
            trace_request_ctx=connection,
        )

    async def pieces(self, request: HttpRequest) -> AsyncGenerator[bytes, None]:
        """Send a request and yield the body of its reply as it arrives.

        Raises ExchangeError, also where the reply is cut short, and RefusedError for another status than 200.
        """
        connection = SimpleNamespace(reused=False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(request.idle_timeout) as idle:
                async with await self._send(request, connection) as reply:
                    if reply.status != OK:
                        body = await reply.read()
                        raise RefusedError(
                            HttpReply(status=reply.status, headers=_joined(reply.raw_headers), body=body)
                        )
                    async for chunk in reply.content.iter_any():
                        if request.idle_timeout is not None and not idle.expired():
                            idle.reschedule(None)
                        yield chunk
                        if request.idle_timeout is not None:
                            idle.reschedule(loop.time() + request.idle_timeout)
        except (aiohttp.ClientError, ReplyError, OSError, ValueError) as error:
            raise ExchangeError(_reason(error, request), reused=connection.reused) from error

    def _url(self, target: str) -> URL:
        """Return the URL of a raw target. The query is part of the path here, so that an empty one is not dropped."""
        scheme = "http" if self._tls is None else "https"
        return URL.build(scheme=scheme, host=self._host, port=self._port).with_path(target, encoded=True)

    async def _close_sockets(self) -> None:
        """Close the sockets that the session leaves open: those with unsent data that the server does not read."""
        for _ in range(CLOSING_TURNS):
            open_sockets = [link for link in self._sockets if link.fileno() != -1]
            if not open_sockets:
                return
            for link in open_sockets:
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
            await sleep(0)

    def _open_socket(self, address: AddressInfo) -> socket.socket:
        family, kind, protocol, *_ = address
        link = _Socket(family, kind, protocol)
        self._sockets.add(link)
        return link


_request: Final[Callable[..., Awaitable[aiohttp.ClientResponse]]] = inspect.unwrap(
    getattr(ClientSession, "_request", ClientSession.request)
)
"""The method that sends a request, as aiohttp defines it. Tools that record or fake HTTP replace it for a test."""


class _Body(aiohttp.Payload):
    """A body of any size; aiohttp warns about its own kind above 1 MiB."""

    _autoclose = True

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._size = len(content)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return str(self._value, encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body in chunks, so that an early reply stops the upload."""
        content = memoryview(self._value)
        for start in range(0, len(content), CHUNK):
            await writer.write(content[start : start + CHUNK])


class _Socket(socket.socket):
    """A socket whose writes do not fail after the server has closed the connection.

    A server may reply before it has read the whole request, and close. At the first failed write, asyncio closes the
    connection and drops the received data that was not read yet, which is the reply. So a failed write is ignored
    here, and the read side notices the closed connection after the reply.
    """

    connect = socket.socket.connect
    """The method itself, because pytest-socket replaces that of the base class."""

    def send(self, data: ReadableBuffer, flags: int = 0, /) -> int:
        """Send data, or drop it if the server has closed the connection."""
        try:
            return super().send(data, flags)
        except (BrokenPipeError, ConnectionResetError):
            return memoryview(data).nbytes

    def sendmsg(
        self, buffers: Iterable[ReadableBuffer], ancdata: Iterable[Any] = (), flags: int = 0, address: Any = None, /
    ) -> int:
        """Send buffers, or drop them if the server has closed the connection."""
        listed = list(buffers)
        try:
            return super().sendmsg(listed, ancdata, flags, address)
        except (BrokenPipeError, ConnectionResetError):
            return sum(memoryview(buffer).nbytes for buffer in listed)


class _BrokenConnectionError(aiohttp.ClientError):
    """A lost connection, as an exception after which aiohttp does not send the request again."""


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenConnectionError from error


async def _note_reuse(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceConnectionReuseconnParams
) -> None:
    context.trace_request_ctx.reused = True


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip(" \t")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _reason(error: BaseException, request: HttpRequest) -> Exception:
    """Translate an error of aiohttp into one of the operating system, of ssl, or a ReplyError."""
    match error:
        case _BrokenConnectionError(__cause__=BaseException() as cause):
            return _reason(cause, request)
        case aiohttp.ClientConnectorCertificateError():
            return error.certificate_error
        case aiohttp.ClientConnectorError():
            return _reason(error.os_error, request)
        case aiohttp.ServerDisconnectedError():
            return RemoteDisconnected("Remote end closed connection without response")
        case aiohttp.ClientPayloadError():
            return ReplyError("the reply is cut short")
        case aiohttp.ClientResponseError():
            return ReplyError(f"the reply is not valid HTTP: {error.message.splitlines()[0]}")
        case TimeoutError(errno=None):
            total = request.total_timeout
            return TimeoutError("timed out" if total is None else f"no whole reply in {total:g} seconds")
        case ssl.SSLError() | socket.gaierror() | ReplyError() | ValueError():
            return error
        case OSError():
            return error if error.errno is None else OSError(error.errno, os.strerror(error.errno))
    return ReplyError(str(error))
