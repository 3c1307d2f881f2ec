"""The way to a target over HTTP: one connection kept open, no faster than allowed, nothing followed or decoded."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from mockserver.errors import SettingsError, UnreachableError
from mockserver.strategies.samples import Request
from mockserver.verify.model import Reply

TIMEOUT_S: Final = 15.0
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
        self.parts: SplitResult = urlsplit(target)
        if self.parts.scheme not in SCHEMES or not self.parts.hostname:
            raise SettingsError(f"--target {target!r} is no URL; write http://127.0.0.1:8207")
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
                if fresh:
                    break
        told = f"{type(trouble).__name__}: {trouble}"
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
        connection.putrequest(request.method, self.prefix + request.path, skip_accept_encoding=True)
        for name, value in request.headers:
            connection.putheader(name, value.encode("utf-8"))
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(request.body)))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        body = answer.read()
        headers: dict[str, str] = {}
        for name, value in answer.getheaders():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        if answer.will_close:
            self.close()
        return Reply(status=answer.status, headers=headers, body=body)
