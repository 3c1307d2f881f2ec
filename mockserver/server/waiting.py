"""Blocking waits: woken by the commit that satisfies them, without polling."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from heapq import nsmallest
from typing import Final, Literal

from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.realtime import monotonic
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.matcher import ANY, Difference, differences, matches
from mockserver.sessions.session import Session
from mockserver.sessions.views import View

Reason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]

MAX_ROWS: Final = 10_000
NEAR_MISSES: Final = 5
REFUSED_ROWS: Final = 20


class Waiter:
    """One open wait. `offer` processes each new exchange; `result` is done when the wait is over."""

    def __init__(self, session: Session, request: Mapping[str, Json]) -> None:
        self._session = session
        self._match: dict[str, Json] = {"verdict": "accepted", **(request.get("match") or {})}
        self._count: int = request.get("count", 1)
        self._exactly: int | None = request.get("exactly")
        self._quiet_s: float = request.get("quiet_ms", 0) / 1000
        self._after: int = request.get("after", 0)
        self._loop = asyncio.get_running_loop()
        self._quiet_since = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self.matched: list[tuple[Exchange, int]] = []
        self.result: asyncio.Future[Reason] = self._loop.create_future()

    def start(self) -> None:
        """Count the events that are already there, and register for new ones."""
        for exchange in self._session.exchanges_with_events(self._after):
            self._collect(exchange, View(exchange))
        self._session.waiters.add(self)
        self._decide()

    def stop(self) -> None:
        """Unregister from new events."""
        self._session.waiters.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def offer(self, exchange: Exchange, view: View) -> None:
        """Process a new exchange of the session: it may match, and it restarts the quiet period."""
        if self.result.done():
            return
        self._quiet_since = monotonic()
        self._collect(exchange, view)
        self._decide()

    def rest(self) -> None:
        """Record that a request delayed by a fault was answered: the quiet period starts only now."""
        self._quiet_since = monotonic()
        self._decide()

    def end(self, reason: Reason) -> None:
        """End the wait now for a reason."""
        if not self.result.done():
            self.result.set_result(reason)

    def _collect(self, exchange: Exchange, view: View) -> None:
        for row in view.match_rows:
            if row["seq"] > self._after and matches(self._match, row):
                self.matched.append((exchange, row["index"]))

    @property
    def _enough(self) -> bool:
        found = len(self.matched)
        return found >= self._count if self._exactly is None else found == self._exactly

    def _decide(self) -> None:
        if self._exactly is not None and len(self.matched) > self._exactly:
            return self.end("too_many")
        if not self._enough:
            return None
        left = self._quiet_since + self._quiet_s - monotonic()
        if self._quiet_s <= 0 or (left <= 0 and not self._session.in_flight):
            return self.end("ok")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if left > 0:
            self._timer = self._loop.call_later(left, self._decide)
        return None

    def on_timeout(self) -> Reason:
        """Return why the wait failed, after its timeout."""
        return "not_quiet" if self._enough else "timeout"

    def rows(self) -> list[dict[str, Json]]:
        """Return the complete rows of the matched events."""
        found: list[dict[str, Json]] = []
        view: View | None = None
        for exchange, index in self.matched[:MAX_ROWS]:
            if view is None or view.exchange is not exchange:
                view = View(exchange)
                rows = list(view.event_rows())
            found.append(rows[index])
        return found

    def next(self) -> int:
        """Return the value of `after` that selects only later events."""
        if not self.matched:
            return self._after
        exchange, index = self.matched[:MAX_ROWS][-1]
        return exchange.receipt.first_event + index

    def near_misses(self) -> list[Json]:
        """Return the closest events with their differences; the latest first among equals."""
        compared = ((row, differences(self._match, row)) for _, row in self._candidates())
        missed = (pair for pair in compared if pair[1] and not _only_refused(pair[1]))
        closest = nsmallest(NEAR_MISSES, missed, key=lambda pair: (len(pair[1]), -pair[0]["seq"]))
        return [
            {"event_id": f"e{row['seq']}", "differences": [difference.as_json() for difference in found]}
            for row, found in closest
        ]

    def refused(self) -> list[dict[str, Json]]:
        """Return the latest events that would have matched if they had not been refused."""
        if self._match["verdict"] in (ANY, Verdict.REJECTED):
            return []
        wanted = {**self._match, "verdict": str(Verdict.REJECTED)}
        found = deque(
            (pair for pair in self._candidates() if not differences(wanted, pair[1])),
            maxlen=REFUSED_ROWS,
        )
        return [list(View(exchange).event_rows())[row["index"]] for exchange, row in found]

    def _candidates(self) -> Iterator[tuple[Exchange, dict[str, Json]]]:
        for exchange in self._session.exchanges_with_events(self._after):
            for row in View(exchange).match_rows:
                if row["seq"] > self._after:
                    yield exchange, row


def _only_refused(found: list[Difference]) -> bool:
    return len(found) == 1 and found[0].pointer == "/verdict" and found[0].got == Verdict.REJECTED


async def wait(waiter: Waiter, timeout_s: float) -> Reason:
    """Wait until the wait is over or the timeout has passed; unregisters in any case."""
    try:
        waiter.start()
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(waiter.result)
    except TimeoutError:
        return waiter.on_timeout()
    finally:
        waiter.stop()
