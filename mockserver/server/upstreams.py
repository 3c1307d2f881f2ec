"""Upstreams: the servers that requests are sent on to, and why one of them gave no reply.

A request goes on as it came, apart from what belongs to a single connection; a reply is read as a whole, within bounds.
"""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from errno import errorcode
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from mockserver.contract.contract import split_target
from mockserver.core.wire import WireReply, WireRequest
from mockserver.errors import SettingsError, unknown
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import phrase
from mockserver.server.aiohttp_io import body_pieces
from mockserver.sessions.exchange import Relayed
from mockserver.settings import Address, server_address

_log = logging.getLogger("mockserver")

MOST_BYTES: Final = 2 * 1024 * 1024
"""Bytes of a reply that are read; of a longer one, nothing is handed through."""
CONNECTIONS: Final = 64
"""Connections to all upstreams at once. With `MOST_BYTES`, they bound the memory of replies on their way."""
HEAD_BYTES: Final = 64 * 1024
"""Bytes of one line of the head of a reply."""
PRINTABLE: Final = "!#$%&'()*+,/:;=?@[]~\"<>\\^`{|}"
"""What stays as it is in a target, beside letters, digits and `-._`: bytes outside ASCII are percent-encoded."""

OF_ONE_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of RFC 9110 (section 7.6.1) and framing, which end with the connection that they came over."""
OWN: Final = frozenset({"host", "x-mock-session"})
"""Headers of a request that are meant for this server."""
ROOT: Final = "/_mock"


class Upstreams:
    """The upstreams of a server, by protocol. Raises SettingsError for one that cannot be used.

    `served` are the protocols there are, `timeout` the time in seconds for a complete reply.
    """

    def __init__(self, urls: Mapping[str, str], served: Iterable[str], timeout: float) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._addresses = {name: _address(name, url, list(served)) for name, url in urls.items()}

    def __contains__(self, protocol: str) -> bool:
        return protocol in self._addresses

    def __bool__(self) -> bool:
        return bool(self._addresses)

    def url(self, protocol: str) -> str | None:
        """Return the URL of the upstream of a protocol, or None."""
        address = self._addresses.get(protocol)
        return None if address is None else address.url

    async def close(self) -> None:
        """Close the connections to all upstreams."""
        if self._session is not None:
            await self._session.close()

    async def relay(self, protocol: str, request: WireRequest) -> Relayed:
        """Send a request on; return the reply of the upstream, or ours if it gave none."""
        address = self._addresses[protocol]
        try:
            return Relayed(reply=await self._reply(address, request))
        except TimeoutError:
            status, reason = HTTPStatus.GATEWAY_TIMEOUT, f"did not reply within {self._timeout:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            status, reason = HTTPStatus.BAD_GATEWAY, _reason(error)
        failure = f"{protocol} ({address.url}) {reason}"
        _log.warning("upstream %s", failure)
        return Relayed(reply=_problem(status, f"the upstream {failure}", protocol), failure=failure)

    async def _reply(self, address: Address, request: WireRequest) -> WireReply:
        """Ask an upstream. Raises TimeoutError, ClientError, OSError, ValueError."""
        if self._session is None:
            self._session = self._new_session()
        async with self._session.request(
            request.method,
            url_of(address, request.target),
            headers=CIMultiDict(forwarded(request)),
            data=request.body or None,
            allow_redirects=False,
        ) as reply:
            if reply.status < HTTPStatus.OK:
                raise _NotFinalError
            if (reply.content_length or 0) > MOST_BYTES and request.method != "HEAD":
                raise _TooLongError
            body = bytearray()
            async for piece in body_pieces(reply.content, chunked=reply.content_length is None):
                body += piece
                if len(body) > MOST_BYTES:
                    raise _TooLongError
            return WireReply(status=reply.status, headers=received_headers(reply.raw_headers), body=bytes(body))

    def _new_session(self) -> aiohttp.ClientSession:
        """Return a client that adds nothing of its own, keeps no cookies and verifies certificates.

        Each request has a connection of its own: on one that is used again, a request is lost if the upstream closes it
        at that moment, and nobody could send that again.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        )


class _TooLongError(ValueError):
    """A reply is longer than what is handed through."""


class _NotFinalError(ValueError):
    """A reply has the status of one that another one follows, but none does."""


def _address(protocol: str, url: str, served: list[str]) -> Address:
    if protocol not in served:
        raise SettingsError(f"--upstream: {unknown('protocol', protocol, served)}")
    try:
        return server_address(url)
    except ValueError as error:
        raise SettingsError(f"--upstream {protocol}: {error}") from None


def is_own(target: str) -> bool:
    """Return whether a target leads to this server's own surface, however it is written; it is sent on to nobody."""
    path = split_target(target)[0]
    for _ in range(3):  # an upstream may decode it more than once
        path = unquote(path)
    path = posixpath.normpath("/" + path.replace("\\", "/").lstrip("/"))
    return path == ROOT or path.startswith(f"{ROOT}/")


def url_of(address: Address, target: str) -> URL:
    """Return where a request goes: the raw target below the URL of the upstream."""
    path, _, query = _printable(target).partition("?")
    host = f"[{address.host}]" if ":" in address.host else address.host
    return URL.build(
        scheme=address.scheme,
        host=host,
        port=address.port,
        path=address.path + path,
        query_string=query,
        encoded=True,
    )


def _printable(target: str) -> str:
    return quote(target.encode("utf-8", "surrogateescape"), safe=PRINTABLE)


def forwarded(request: WireRequest) -> Iterator[tuple[str, str]]:
    """Yield the headers of a request that go on with it."""
    yield from ((name, value) for name, value in _kept(tuple(_decoded(request.headers))) if name.lower() not in OWN)


def received_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a reply that are handed through; bytes that are not UTF-8 are kept as surrogates."""
    decoded = ((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in headers)
    return tuple(_kept(tuple(decoded)))


def _kept(headers: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    """Yield headers without those that end with their connection, and without those that `Connection` names."""
    named = {
        word.strip().lower() for name, value in headers if name.lower() == "connection" for word in value.split(",")
    }
    yield from (pair for pair in headers if pair[0].lower() not in OF_ONE_CONNECTION | named)


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield headers as text. UTF-8 is sent on as the same bytes; aiohttp writes any other bytes as UTF-8 too."""
    for name, value in headers:
        try:
            yield name.decode("latin-1"), value.decode("utf-8")
        except UnicodeDecodeError:
            yield name.decode("latin-1"), value.decode("latin-1")


def _problem(status: HTTPStatus, detail: str, protocol: str) -> WireReply:
    """Return our reply in place of that of an upstream: problem details (RFC 9457) that name it."""
    body = {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail, "upstream": protocol}
    return WireReply(status=status, headers=(("Content-Type", "application/problem+json"),), body=render(body))


def _words_of(error: OSError) -> str:
    """Return what the system calls an error: asyncio puts an address in its place."""
    if error.errno is not None and error.errno in errorcode:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


def _reason(error: Exception) -> str:
    """Say why an upstream gave no reply, without data of the request or the reply."""
    match error:
        case _TooLongError():
            return f"sent a reply of more than {MOST_BYTES} bytes"
        case _NotFinalError():
            return "sent no final reply: its status is below 200"
        case aiohttp.ClientConnectorDNSError():
            return "cannot be reached: its host name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            cause = error.certificate_error
            return f"has no valid TLS certificate: {getattr(cause, 'verify_message', '') or type(cause).__name__}"
        case aiohttp.ClientSSLError():
            return f"cannot be reached over TLS: {error.os_error.strerror or type(error.os_error).__name__}"
        case aiohttp.ClientConnectorError():
            return f"cannot be reached: {_words_of(error.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "closed the connection without a reply"
        case aiohttp.ClientPayloadError():
            return "sent a reply whose body breaks off or is not valid"
        case aiohttp.ClientResponseError():
            return "sent a reply that is not valid HTTP"
        case aiohttp.ClientOSError() | OSError():
            return f"ended the connection: {getattr(error, 'strerror', None) or type(error).__name__}"
    return f"could not be asked ({type(error).__name__})"
