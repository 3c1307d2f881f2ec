"""Blocking waits: woken by the commit that satisfies them, without polling; and what explains a failed one."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from heapq import nsmallest
from itertools import groupby
from typing import Final, Literal

from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.realtime import monotonic
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.matcher import ANY, Difference, differences, matches
from mockserver.sessions.session import Session
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View

Reason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]

MAX_ROWS: Final = 10_000
NEAR_MISSES: Final = 5
REFUSED_ROWS: Final = 20
LOOK_BACK_MS: Final = 60_000
SHOWN_SESSIONS: Final = 20


class Waiter:
    """One open wait for events of a session, to which the session offers each new exchange."""

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
        self._reason: asyncio.Future[Reason] = self._loop.create_future()

    async def outcome(self, timeout_s: float) -> Reason:
        """Count the events that are already there, and wait until the wait is over or the timeout has passed."""
        try:
            for exchange in self._session.exchanges_with_events(self._after):
                self._collect(exchange, View(exchange))
            self._session.waiters.add(self)
            self._decide()
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._reason)
        except TimeoutError:
            return "not_quiet" if self._enough else "timeout"
        finally:
            self._session.waiters.discard(self)
            self._stop_timer()

    def offer(self, exchange: Exchange, view: View) -> None:
        """Process a new exchange of the session: it may match, and it restarts the quiet period."""
        if self._reason.done():
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
        if not self._reason.done():
            self._reason.set_result(reason)

    def _collect(self, exchange: Exchange, view: View) -> None:
        for row in view.match_rows:
            if row["seq"] > self._after and matches(self._match, row):
                self.matched.append((exchange, row["index"]))

    @property
    def _enough(self) -> bool:
        count = len(self.matched)
        return count >= self._count if self._exactly is None else count == self._exactly

    def _decide(self) -> None:
        if self._exactly is not None and len(self.matched) > self._exactly:
            return self.end("too_many")
        if not self._enough:
            return None
        left = self._quiet_since + self._quiet_s - monotonic()
        if self._quiet_s <= 0 or (left <= 0 and not self._session.in_flight):
            return self.end("ok")
        self._stop_timer()
        if left > 0:
            self._timer = self._loop.call_later(left, self._decide)
        return None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rows(self) -> list[dict[str, Json]]:
        """Return the complete rows of the matched events."""
        matched: list[dict[str, Json]] = []
        for _, pairs in groupby(self.matched[:MAX_ROWS], key=lambda pair: pair[0].seq):
            of_one_exchange = list(pairs)
            rows = list(View(of_one_exchange[0][0]).event_rows())
            matched += [rows[index] for _, index in of_one_exchange]
        return matched

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
            {"event_id": f"e{row['seq']}", "differences": [difference.as_json() for difference in differing]}
            for row, differing in closest
        ]

    def refused(self) -> list[dict[str, Json]]:
        """Return the latest events that would have matched if they had not been refused."""
        if self._match["verdict"] in (ANY, Verdict.REJECTED):
            return []
        match = {**self._match, "verdict": str(Verdict.REJECTED)}
        latest = deque((pair for pair in self._candidates() if matches(match, pair[1])), maxlen=REFUSED_ROWS)
        return [list(View(exchange).event_rows())[row["index"]] for exchange, row in latest]

    def _candidates(self) -> Iterator[tuple[Exchange, dict[str, Json]]]:
        for exchange in self._session.exchanges_with_events(self._after):
            for row in View(exchange).match_rows:
                if row["seq"] > self._after:
                    yield exchange, row


def _only_refused(differing: list[Difference]) -> bool:
    return len(differing) == 1 and differing[0].pointer == "/verdict" and differing[0].got == Verdict.REJECTED


def other_sessions(store: MemoryStore, session: Session, began_ms: int, *, look_back: bool) -> list[Json]:
    """Return the other sessions that received requests since a wait began, with counts, the latest first.

    A client is often done before its test starts to wait. With `look_back`, a session that received nothing since then
    is listed with its requests of the last minute before the wait, but after this session's own latest request.
    """
    meanwhile = began_ms + 1
    since = looked_back(session, began_ms) if look_back else meanwhile
    others = [
        (other.journal[-1].received_ms, other, _received(other, meanwhile) or _received(other, since))
        for other in store.sessions()
        if other is not session and other.journal and other.journal[-1].received_ms >= min(since, meanwhile)
    ]
    others.sort(key=lambda entry: -entry[0])
    return [{"session": other.name, "requests": requests} for _, other, requests in others[:SHOWN_SESSIONS]]


def looked_back(session: Session, began_ms: int) -> int:
    """Return since when other traffic may explain a wait: a minute before it began, or the session's own last request.

    In ms since 1970.
    """
    own = session.journal
    return max(began_ms - LOOK_BACK_MS, own[-1].received_ms + 1 if own else 0)


def _received(session: Session, since: int) -> int:
    """Return the number of requests that the session received at or after a time."""
    journal = session.journal
    return len(journal) - bisect_left(journal, since, key=lambda exchange: exchange.received_ms)
