"""Blocking waits: woken by the commit that satisfies them, without polling; and what explains a failed one."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import groupby
from typing import Final, Literal

from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.realtime import monotonic
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.matcher import Difference, differences, matches, request_row_differences
from mockserver.sessions.session import Session
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View

Reason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]

DEFAULT_TIMEOUT_MS: Final = 5000
MAX_ROWS: Final = 10_000
NEAR_MISSES: Final = 5
REFUSED_ROWS: Final = 20
LOOK_BACK_MS: Final = 60_000
SHOWN_SESSIONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """An event or a request that almost matches; `shown` is what tells it from others."""

    kind: Literal["event", "request"]
    seq: int
    shown: Json
    differences: list[Difference]

    @property
    def id(self) -> str:
        """The id of the row."""
        return f"{self.kind[0]}{self.seq}"

    def as_json(self) -> dict[str, Json]:
        """Return the near miss as the control surface shows it."""
        return {f"{self.kind}_id": self.id, "differences": [difference.as_json() for difference in self.differences]}


class Waiter:
    """One open wait for events or requests of a session, to which the session offers each new exchange."""

    def __init__(self, session: Session, request: Mapping[str, Json]) -> None:
        self._session = session
        self.for_requests = request.get("for") == "requests"
        default = {} if self.for_requests else {"verdict": str(Verdict.ACCEPTED)}
        self.match: dict[str, Json] = {**default, **(request.get("match") or {})}
        self._asks: Mapping[str, Json] = self.match.get("request") or {}
        self._count: int = request.get("count", 1)
        self._exactly: int | None = request.get("exactly")
        self._quiet_s: float = request.get("quiet_ms", 0) / 1000
        self._after: int = request.get("after", 0)
        self._loop = asyncio.get_running_loop()
        self._quiet_since = monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._attempts = AttemptNumbers()
        self._unanswered: list[Exchange] = []
        self.matched: list[tuple[Exchange, int]] = []
        self.near_misses: list[NearMiss] = []
        self._refused: deque[tuple[Exchange, int]] = deque(maxlen=REFUSED_ROWS)
        self._reason: asyncio.Future[Reason] = self._loop.create_future()

    async def outcome(self, timeout_s: float, existing: AsyncIterator[Exchange]) -> Reason:
        """Count what is already there, and wait until the wait is over or the timeout has passed.

        `existing` yields the exchanges after `start`, until there is no newer one.
        """
        newest = self._session.newest
        try:
            async for exchange in existing:
                self._collect(exchange, View(exchange))
            if self._session.newest != newest:
                self._quiet_since = monotonic()
            if self._session.deleted:
                self.end("deleted")
            self._collect_answered()
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
        if not self._reason.done():
            self._collect_answered()
        self._decide()

    def _collect_answered(self) -> None:
        """Look again at the exchanges that were not answered when they were looked at."""
        unanswered, self._unanswered = self._unanswered, []
        for exchange in unanswered:
            self._collect(exchange, View(exchange))

    def end(self, reason: Reason) -> None:
        """End the wait now for a reason."""
        if not self._reason.done():
            self._reason.set_result(reason)

    @property
    def start(self) -> int:
        """The number of the request after which the exchanges to look at begin; all are looked at to count attempts."""
        if "attempt" in self._asks:
            return 0
        if self.for_requests:
            return self._after
        first = next(self._session.exchanges_with_events(self._after), None)
        return self._session.newest if first is None else first.seq - 1

    def _collect(self, exchange: Exchange, view: View) -> None:
        """Add what matches of an exchange; if it is not answered yet and the status is asked for, look again later."""
        if "status" in self._asks and exchange.override.fault is not None and exchange.override.answered is None:
            self._unanswered.append(exchange)
            return
        rows = self._rows_to_match(view, self._attempts)
        if not self.for_requests:
            self.matched += [
                (exchange, row["index"]) for row in rows if self._follows(row) and matches(self.match, row)
            ]
        elif exchange.seq > self._after and not request_row_differences(self.match, _request_row(view), rows):
            self.matched.append((exchange, 0))

    def _follows(self, row: Mapping[str, Json]) -> bool:
        return bool(row["seq"] > self._after)

    def _rows_to_match(self, view: View, attempts: AttemptNumbers) -> list[dict[str, Json]]:
        """Return the event rows of an exchange, with the number of the attempt if it is asked for."""
        if "attempt" not in self._asks:
            return view.match_rows
        numbers = attempts.add(view.exchange)
        return [
            {**row, "request": replace(row["request"], attempt=number)}
            for row, number in zip(view.match_rows, numbers, strict=True)
        ]

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

    def shown(self, *, all_rows: bool) -> list[tuple[Exchange, int]]:
        """Return the matches to show: as many as were waited for, or all of them."""
        asked_for = self._count if self._exactly is None else max(self._exactly, 1)
        return self.matched[: MAX_ROWS if all_rows else min(asked_for, MAX_ROWS)]

    def event_rows(self, shown: Sequence[tuple[Exchange, int]]) -> list[dict[str, Json]]:
        """Return the complete rows of matched events."""
        matched: list[dict[str, Json]] = []
        for _, pairs in groupby(shown, key=lambda pair: pair[0].seq):
            of_one_exchange = list(pairs)
            rows = list(View(of_one_exchange[0][0]).event_rows())
            matched += [rows[index] for _, index in of_one_exchange]
        return matched

    def next(self, shown: Sequence[tuple[Exchange, int]]) -> int:
        """Return the value of `after` that selects only what is later than the matches shown."""
        if not shown:
            return self._after
        exchange, index = shown[-1]
        return exchange.seq if self.for_requests else exchange.receipt.first_event + index

    async def look_for_misses(self, exchanges: AsyncIterator[Exchange]) -> None:
        """Find the closest events or requests, the latest first among equals, and the latest refused events.

        A refused event would have matched if it had not been refused. `exchanges` are those after `start`.
        """
        attempts = AttemptNumbers()
        async for exchange in exchanges:
            view, missed = View(exchange), list[NearMiss]()
            for index, miss in self._compared(view, self._rows_to_match(view, attempts)):
                if _only_refused(miss.differences):
                    self._refused.append((exchange, index))
                elif miss.differences:
                    missed.append(miss)
            self.near_misses = nsmallest(NEAR_MISSES, [*self.near_misses, *missed], key=_distance)

    def _compared(self, view: View, rows: Sequence[dict[str, Json]]) -> Iterator[tuple[int, NearMiss]]:
        """Yield the events of an exchange, or the request itself, and how each differs from the matcher."""
        seq = view.exchange.seq
        if not self.for_requests:
            for row in filter(self._follows, rows):
                differing = differences(self.match, row)
                yield row["index"], NearMiss(kind="event", seq=row["seq"], shown=row["event"], differences=differing)
        elif seq > self._after:
            differing, row = request_row_differences(self.match, _request_row(view), rows), view.request_row()
            shown = {name: row[name] for name in ("operation", "method", "path", "status")}
            yield 0, NearMiss(kind="request", seq=seq, shown=shown, differences=differing)

    def refused(self) -> list[dict[str, Json]]:
        """Return the rows of the refused events that were found."""
        return [list(View(exchange).event_rows())[index] for exchange, index in self._refused]

    def refused_requests(self) -> list[dict[str, Json]]:
        """Return the latest requests that were refused as a whole, so that they have no event rows, with findings."""
        exchanges = self._session.exchanges(self._after if self.for_requests else 0)
        first = 0 if self.for_requests else self._after
        whole = (
            exchange for exchange in exchanges if exchange.receipt.first_event > first and _refused_whole(exchange)
        )
        views = map(View, deque(whole, maxlen=REFUSED_ROWS))
        return [{**view.request_row(), "findings": [row.as_json() for row in view.findings()]} for view in views]


def _distance(miss: NearMiss) -> tuple[int, int]:
    return len(miss.differences), -miss.seq


def _request_row(view: View) -> dict[str, Json]:
    """Return what a matcher may look at of a request, beside its events."""
    exchange = view.exchange
    return {
        "protocol": exchange.contract.name,
        "operation": exchange.operation,
        "request": view.request_facts,
        "event": None,
    }


def _refused_whole(exchange: Exchange) -> bool:
    return exchange.refused and not exchange.verdicts and exchange.override.fault is None


def _only_refused(differing: list[Difference]) -> bool:
    return len(differing) == 1 and differing[0].pointer == "/verdict" and differing[0].got == Verdict.REJECTED


def other_sessions(store: MemoryStore, session: Session, began_ms: int, since_ms: int | None = None) -> list[Json]:
    """Return the other sessions that received requests since a wait began, with counts, the latest first.

    A client is often done before its test starts to wait. With `since_ms`, when the test began, a session that received
    nothing during the wait is listed with its requests since then, but after this session's own latest request. Times
    are real, in ms since 1970; `last` is when the session received its latest request.
    """
    own, meanwhile = session.journal, began_ms + 1
    since = meanwhile if since_ms is None else max(since_ms, own[-1].received_ms + 1 if own else 0)
    others = [
        (other.journal[-1].received_ms, other, _received(other, meanwhile) or _received(other, since))
        for other in store.sessions()
        if other is not session and other.journal and other.journal[-1].received_ms >= min(since, meanwhile)
    ]
    others.sort(key=lambda entry: -entry[0])
    return [
        {"session": other.name, "requests": requests, "last": rfc3339_ms(last)}
        for last, other, requests in others[:SHOWN_SESSIONS]
    ]


def _received(session: Session, since: int) -> int:
    """Return the number of requests that the session received at or after a time."""
    journal = session.journal
    return len(journal) - bisect_left(journal, since, key=lambda exchange: exchange.received_ms)
