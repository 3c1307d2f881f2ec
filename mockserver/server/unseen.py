"""Requests that reached the server and no session: not valid HTTP, to a path that no protocol serves, and the like."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms

KEPT: Final = 10_000
"""Number of the latest requests whose time and reason are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenRequest:
    """One request that no session has: when it came, in ms since 1970, and why."""

    received_ms: int
    reason: str


class Unseen:
    """The requests that no session has."""

    def __init__(self) -> None:
        self.total = 0
        self._latest: deque[UnseenRequest] = deque(maxlen=KEPT)

    def add(self, received_ms: int, reason: str) -> None:
        """Count a request, with the reason why no session has it."""
        self.total += 1
        self._latest.append(UnseenRequest(received_ms=received_ms, reason=reason))

    def since(self, ms: int) -> Json:
        """Return the number of requests since a time, and the reason and the time of the latest; null without one."""
        count = sum(1 for _ in takewhile(lambda request: request.received_ms >= ms, reversed(self._latest)))
        last = self._latest[-1] if count else None
        shown = None if last is None else {"reason": last.reason, "received_at": rfc3339_ms(last.received_ms)}
        return {"requests": count, "last": shown}
