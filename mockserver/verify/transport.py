"""The HTTP transport of verify: paced requests over one kept-alive connection."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mockserver import __version__
from mockserver.client.calls import default_tls
from mockserver.client.connections import BlockingClient
from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest
from mockserver.errors import SettingsError, UnreachableError, reason_of
from mockserver.settings import Address, server_address
from mockserver.strategies.samples import Request
from mockserver.verify.clock import TargetClock
from mockserver.verify.rule import MARK, Reply

TIMEOUT_S: Final = 15.0
"""Maximum time for a connection, and for a complete reply."""
LARGEST: Final = 16 * 1024 * 1024
"""Maximum size of a reply in bytes; a reply may repeat an id that is as long as a request."""
ADVICE: Final = "Check --target, and that the server is running"


class Http:
    """Send requests to one target, at most `rate` per second and evenly spaced, with no bursts after a pause.

    `headers` are added to each request, and a User-Agent that tells where they come from. `timeout` is the maximum time
    for a complete reply, in seconds.
    """

    def __init__(
        self,
        target: str,
        rate: float,
        *,
        headers: Sequence[tuple[str, str]] = (),
        timeout: float = TIMEOUT_S,
        ca_file: Path | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = _parts(target)
        self.target = target
        self.prefix = parts.path
        self._address = parts.host, parts.port
        self._client = BlockingClient(*self._address, default_tls(parts.scheme, ca_file))
        named = any(name.lower() == "user-agent" for name, _ in headers)
        self._headers = (*headers, *(() if named else (("User-Agent", f"{MARK}/{__version__}"),)))
        self._timeout = timeout
        self._gap = 1 / rate
        self._next = 0.0
        self._now = now
        self._sleep = sleep
        self._clock = TargetClock()

    def now_ms(self) -> int:
        """Return the target's time in ms since 1970, as its replies tell it; before the first one our own."""
        return _own_ms() + self._clock.ahead_ms

    def clock_error_ms(self) -> int | None:
        """Return how far that may be wrong, in ms; None where no reply has told the time."""
        return self._clock.error_ms

    def pause(self, ms: int) -> None:
        """Sleep."""
        self._sleep(ms / 1000)

    def connect(self) -> None:
        """Open a connection and close it. Raises UnreachableError if nothing listens."""
        try:
            socket.create_connection(self._address, self._timeout).close()
        except (OSError, UnicodeError) as error:
            raise UnreachableError(f"{self._no_answer()}: {reason_of(error)}. {ADVICE}") from None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def send(self, request: Request) -> Reply:
        """Send a request and return the reply. Raises UnreachableError if there is none."""
        own = {name.lower() for name, _ in request.headers}
        outgoing = HttpRequest(
            method=request.method,
            target=self.prefix + request.path,
            headers=(*request.headers, *(each for each in self._headers if each[0].lower() not in own)),
            body=request.body,
            total_timeout=self._timeout,
            max_reply=LARGEST,
        )
        sent_ms = _own_ms()
        try:
            reply = self._paced(outgoing)
        except ExchangeError as error:
            text = f"{self._no_answer()} to {request.method} {request.path}: {reason_of(error.reason)}"
            raise UnreachableError(text) from None
        self._clock.heard(reply.headers.get("date"), sent_ms, _own_ms())
        return Reply(status=reply.status, headers=reply.headers, body=reply.body)

    def _no_answer(self) -> str:
        return f"no answer from {self.target}"

    def _paced(self, outgoing: HttpRequest) -> HttpReply:
        """Send at the allowed rate, and once more over a new connection if a kept-alive one was closed."""
        self._wait()
        try:
            return self._client.exchange(outgoing)
        except ExchangeError as error:
            if not error.reused or isinstance(error.reason, TimeoutError):
                raise
        self._wait()
        return self._client.exchange(outgoing)

    def _wait(self) -> None:
        now = self._now()
        if now < self._next:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + self._gap


def _own_ms() -> int:
    return int(time.time() * 1000)


def _parts(target: str) -> Address:
    """Split a target URL. Raises SettingsError if it is not valid, or has parts that would be ignored."""
    try:
        return server_address(target, session=True)
    except ValueError as error:
        raise SettingsError(f"--target: {error}") from None
