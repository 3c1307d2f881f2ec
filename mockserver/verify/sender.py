"""Sending requests: how many there may be, again where they come too fast, and what is noticed on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from mockserver.strategies.samples import Request
from mockserver.verify.rule import NUMBER, Reply, Setup, Transport

THROTTLED: Final = 3
"""How often a request is sent again that comes too fast for the target."""
SLOW_S: Final = 1.0
"""Replies that take longer are mentioned."""


class RunEndedError(Exception):
    """The run ends early for a reason that the report gives."""


class Sender:
    """The requests of one run: `sent` is their number, `bytes` the size of their bodies."""

    def __init__(self, setup: Setup, transport: Transport) -> None:
        self.setup = setup
        self.transport = transport
        self.sent = 0
        self.bytes = 0
        self._throttled = 0
        self._slow = 0
        self._slowest = 0.0, ""

    def send(self, request: Request, *, limited: bool = False) -> Reply:
        """Send a request; one that comes too fast for the target comes again when the target says.

        If it is `limited`, 429 is an answer. Raises RunEndedError when the setup allows no more requests.
        """
        for attempt in range(THROTTLED + 1):
            if self.setup.max_requests is not None and self.sent >= self.setup.max_requests:
                raise RunEndedError(f"--max-requests {self.setup.max_requests} was reached")
            self.sent += 1
            self.bytes += len(request.body)
            began = time.monotonic()
            reply = self.transport.send(request)
            self._timed(time.monotonic() - began, request)
            if reply.status != HTTPStatus.TOO_MANY_REQUESTS or limited or attempt == THROTTLED:
                break
            self._throttled += 1
            wait = reply.headers.get("retry-after", "")
            self.transport.pause(1000 * min(60, int(wait) if NUMBER.fullmatch(wait) else 1))
        return reply

    def _timed(self, seconds: float, request: Request) -> None:
        self._slow += seconds > SLOW_S
        self._slowest = max(self._slowest, (seconds, f"{request.method} {request.path[:80]}"))

    def notes(self) -> Iterator[str]:
        """Yield what was noticed: replies that were slow, or 429."""
        if self._throttled:
            yield f"{self._throttled} requests were answered 429 and sent again; a lower --rate avoids that."
        if self._slow:
            seconds, request = self._slowest
            yield f"{self._slow} replies took longer than {SLOW_S:g} s; the slowest, {seconds:.1f} s, to {request}."
