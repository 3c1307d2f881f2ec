"""Blocking waits: woken by the commit that satisfies them, never by looking again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from mockserver.core.matcher import ANY, Difference, differences
from mockserver.core.model import Exchange, Json
from mockserver.core.views import View
from mockserver.stores.session import Session

Reason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]

MAX_ROWS: Final = 10_000
NEAR_MISSES: Final = 5
REFUSED_ROWS: Final = 20


class Waiter:
    """One open wait. `offer` takes each new exchange; `result` is done when there is something to answer."""

    def __init__(self, session: Session, spec: Mapping[str, Json]) -> None:
        self._session = session
        self._match: dict[str, Json] = {"verdict": "accepted", **(spec.get("match") or {})}
        self._count: int = spec.get("count", 1)
        self._exactly: int | None = spec.get("exactly")
        self._quiet_s: float = spec.get("quiet_ms", 0) / 1000
        self._after: int = spec.get("after", 0)
        self._loop = asyncio.get_running_loop()
        self._quiet_since = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self.matched: list[tuple[Exchange, int]] = []
        self.result: asyncio.Future[Reason] = self._loop.create_future()

    def start(self) -> None:
        """Count what is there already and begin to listen."""
        for exchange in self._session.exchanges_with_events(self._after):
            self._collect(exchange, View(exchange))
        self._session.waiters.add(self)
        self._decide()

    def stop(self) -> None:
        """Listen no more."""
        self._session.waiters.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def offer(self, exchange: Exchange, view: View) -> None:
        """Take a new exchange of the session: it may match, and it ends the quiet."""
        self._quiet_since = time.monotonic()
        self._collect(exchange, view)
        self._decide()

    def end(self, reason: Reason) -> None:
        """Answer now, whatever was found."""
        if not self.result.done():
            self.result.set_result(reason)

    def _collect(self, exchange: Exchange, view: View) -> None:
        for row in view.match_rows():
            if row["seq"] > self._after and not differences(self._match, row):
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
        left = self._quiet_since + self._quiet_s - time.monotonic()
        if self._quiet_s <= 0 or (left <= 0 and not self._session.in_flight):
            return self.end("ok")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(left, 0.005), self._decide)
        return None

    def on_timeout(self) -> Reason:
        """Return why the wait failed when its time is up."""
        return "not_quiet" if self._enough else "timeout"

    def rows(self) -> list[dict[str, Json]]:
        """Return the full rows of what matched."""
        found: list[dict[str, Json]] = []
        view: View | None = None
        for exchange, index in self.matched[:MAX_ROWS]:
            if view is None or view.exchange is not exchange:
                view = View(exchange)
                rows = list(view.event_rows())
            found.append(rows[index])
        return found

    def next(self) -> int:
        """Return the number to pass as `after` to see only what comes later."""
        if not self.matched:
            return self._after
        exchange, index = self.matched[-1]
        return exchange.first_event + index

    def near_misses(self) -> list[Json]:
        """Return the events that came closest, each with what is different."""
        rated: list[tuple[int, int, Json]] = []
        for row in self._candidates():
            found = differences(self._match, row)
            if found and not self._only_verdict(found):
                told = {"event_id": f"e{row['seq']}", "differences": [difference.as_json() for difference in found]}
                rated.append((len(found), -row["seq"], told))
        return [told for _, _, told in sorted(rated, key=lambda entry: entry[:2])[:NEAR_MISSES]]

    def refused(self) -> list[dict[str, Json]]:
        """Return the events that would have matched, had they not been refused."""
        if self._match["verdict"] in (ANY, "rejected"):
            return []
        found: list[dict[str, Json]] = []
        wanted = {**self._match, "verdict": "rejected"}
        for exchange in self._session.exchanges_with_events(self._after):
            rows = View(exchange).event_rows()
            found += [row for row in rows if row["seq"] > self._after and not differences(wanted, row)]
        return found[-REFUSED_ROWS:]

    def _only_verdict(self, found: list[Difference]) -> bool:
        return len(found) == 1 and found[0].pointer == "/verdict" and found[0].got == "rejected"

    def _candidates(self) -> Iterator[dict[str, Json]]:
        for exchange in self._session.exchanges_with_events(self._after):
            for row in View(exchange).match_rows():
                if row["seq"] > self._after:
                    yield row


async def wait(waiter: Waiter, timeout_s: float) -> Reason:
    """Wait until there is an answer or the time is up; leaves no waiter behind, also when cancelled."""
    try:
        waiter.start()
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(waiter.result)
    except TimeoutError:
        return waiter.on_timeout()
    finally:
        waiter.stop()
