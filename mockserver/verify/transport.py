"""The way to a target over HTTP: one connection kept open, no faster than allowed, nothing followed or decoded."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from mockserver.errors import SettingsError, UnreachableError
from mockserver.strategies.samples import Request
from mockserver.verify.rule import Reply

TIMEOUT_S: Final = 15.0
"""How long a whole reply may take."""
LARGEST: Final = 16 * 1024 * 1024
"""How much of a reply is read; the largest ones repeat an id as long as a request may be."""
TRIES: Final = 2
"""A kept connection may have been closed meanwhile; then the request goes over a new one."""
SCHEMES: Final = ("http", "https")


class Http:
    """Sends requests to one target, at most `rate` a second; never in a burst, whatever was left unused before."""

    def __init__(
        self,
        target: str,
        rate: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.target = target
        self.parts = _parts(target)
        self.prefix = self.parts.path.rstrip("/")
        self._gap = 1 / rate
        self._next = 0.0
        self._now = now
        self._sleep = sleep
        self._connection: http.client.HTTPConnection | None = None

    def now_ms(self) -> int:
        """Return the time in ms since 1970."""
        return int(time.time() * 1000)

    def pause(self, ms: int) -> None:
        """Let time pass."""
        self._sleep(ms / 1000)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, request: Request) -> Reply:
        """Send one request. Raises UnreachableError where no reply comes."""
        trouble: Exception | None = None
        for _ in range(TRIES):
            self._wait()
            fresh = self._connection is None
            try:
                return self._send(self._connected(), request)
            except (OSError, http.client.HTTPException) as error:
                trouble = error
                self.close()
                if fresh or isinstance(error, TimeoutError):
                    break
        told = f"{type(trouble).__name__}: {str(trouble).strip()}"
        raise UnreachableError(f"no answer from {self.target} to {request.method} {request.path}: {told}")

    def _wait(self) -> None:
        now = self._now()
        if now < self._next:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + self._gap

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self.parts.hostname or "", self.parts.port
            if self.parts.scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        return self._connection

    def _send(self, connection: http.client.HTTPConnection, request: Request) -> Reply:
        if connection.sock is None:
            connection.connect()
        with _cut_off(connection.sock):
            return self._exchange(connection, request)

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> Reply:
        connection.putrequest(request.method, self.prefix + request.path, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value.encode("utf-8"))
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(request.body)))
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it read all
            connection.endheaders(request.body or None)
        with closing(connection.getresponse()) as answer:
            body = answer.read(LARGEST)
            if answer.read(1) or answer.length:
                raise http.client.HTTPException(f"a reply that is cut short, or longer than {LARGEST} bytes")
        headers: dict[str, str] = {}
        for name, value in answer.getheaders():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        if answer.will_close:
            self.close()
        return Reply(status=answer.status, headers=headers, body=body)


def _parts(target: str) -> SplitResult:
    """Take a target apart. Raises SettingsError where it is no URL, or has what is not looked at."""
    problem = SettingsError(f"--target {target!r} is no URL; write http://127.0.0.1:8207")
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError:
        raise problem from None
    if parts.scheme not in SCHEMES or not parts.hostname or port == 0 or not target.isprintable() or " " in target:
        raise problem
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(f"--target {target!r} has more than a scheme, a host, a port and a path")
    return parts


@contextmanager
def _cut_off(link: socket.socket) -> Iterator[None]:
    """Close a connection whose reply takes too long, also where a byte comes now and then. Raises TimeoutError."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TIMEOUT_S, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if late.is_set():
            raise TimeoutError(f"no whole reply in {TIMEOUT_S:g} seconds") from error
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"no whole reply in {TIMEOUT_S:g} seconds")
