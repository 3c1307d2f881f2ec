"""Blocking waits: woken by the commit that satisfies them, without polling; and what explains a failed one."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Final, Literal, TypeVar

from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.realtime import monotonic
from mockserver.server.pages import RenderedRow
from mockserver.server.turns import Turn, in_turns, spread
from mockserver.server.unseen import plain_path
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.matcher import (
    ANY,
    Difference,
    about_events,
    differences,
    differences_without_events,
    matches,
)
from mockserver.sessions.session import Session
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View

T = TypeVar("T")
Reason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]

DEFAULT_TIMEOUT_MS: Final = 5000
MAX_ROWS: Final = 10_000
MOST_OPEN: Final = 500
"""How many waits may be open on a server: each costs memory, and time with each commit to its session."""
MOST_CANDIDATES: Final = 10_000
"""How many of the latest events, or requests, are compared to find the closest ones."""
NEAR_MISSES: Final = 5
REFUSED_ROWS: Final = 20
REFUSED_BYTES: Final = 1024 * 1024
"""How many refused events a failed wait shows, and how long they may be together; one is shown in any case."""
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
        self._verdict = None if self.match.get("verdict") == ANY else self.match.get("verdict")
        self._reads_events = any(self.match.get(name) for name in ("type", "where", "request"))
        self._count: int = request.get("count", 1)
        self._exactly: int | None = request.get("exactly")
        self._quiet_s: float = request.get("quiet_ms", 0) / 1000
        self.whole_time = self._exactly == 0 and "timeout_ms" in request and "quiet_ms" not in request
        """Whether the wait lasts until its timeout: nothing may arrive within a time that was given."""
        self._after: int = request.get("after", 0)
        self._quiet_since = monotonic()
        self._attempts = AttemptNumbers()
        self._changed = asyncio.Event()
        self._offered: deque[View] = deque()
        self._unanswered: list[Exchange] = []
        self._ended: Reason | None = None
        self.matched: list[tuple[Exchange, int]] = []
        self.near_misses: list[NearMiss] = []
        self.without_events: list[Exchange] = []
        self.skipped = 0
        self._refused: deque[tuple[Exchange, int]] = deque(maxlen=REFUSED_ROWS)

    async def outcome(self, timeout_s: float) -> Reason:
        """Count what is already there, and wait until the wait is over or the timeout has passed.

        Exchanges that are committed meanwhile are offered: each is looked at once, in the order of the commits.
        """
        newest = self._session.newest
        self._session.waiters.add(self)
        try:
            async for exchange in in_turns(self._session, self._start):
                if exchange.seq > newest or self._ended is not None:
                    break
                await self._look_at(View(exchange))
            deadline = monotonic() + timeout_s
            while True:
                if self._offered:
                    await self._look_at(self._offered.popleft())
                reason, left = self._decide(), deadline - monotonic()
                if reason is None and left <= 0:
                    for _ in range(len(self._offered)):  # these came in time
                        await self._look_at(self._offered.popleft())
                    reason = self._decide() or self._reason_at_the_end()
                if reason is not None:
                    return reason
                if not self._offered:
                    await self._change(left)
        finally:
            self._session.waiters.discard(self)

    def offer(self, exchange: Exchange, view: View) -> None:
        """Take note of a new exchange of the session: it may match, and it restarts the quiet period."""
        self._quiet_since = monotonic()
        self._offered.append(view)
        self._changed.set()

    def rest(self) -> None:
        """Take note that a request delayed by a fault was answered: the quiet period starts only now."""
        self._quiet_since = monotonic()
        self._offered.extend(map(View, self._unanswered))
        self._unanswered.clear()
        self._changed.set()

    def end(self, reason: Reason) -> None:
        """End the wait now for a reason."""
        self._ended = self._ended or reason
        self._changed.set()

    async def _change(self, left_s: float) -> None:
        """Return when something was offered, when the session has been quiet long enough, or after `left_s`."""
        self._changed.clear()
        quiet_left = self._quiet_since + self._quiet_s - monotonic()
        pause = min(left_s, quiet_left) if self._enough and quiet_left > 0 else left_s
        if self._enough and self._quiet_s and quiet_left <= 0 and not self._session.in_flight:
            return  # the quiet period has ended since `_decide` looked at the clock
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._changed.wait()

    @property
    def _start(self) -> int:
        """The number of the request after which the exchanges to look at begin; all are looked at to count attempts."""
        return 0 if "attempt" in self._asks else self._before(self._after)

    def _before(self, position: int) -> int:
        """Return the number of the request before the first one that is, or has an event, above a position."""
        if self.for_requests:
            return position
        first = next(self._session.exchanges_with_events(position), None)
        return self._session.newest if first is None else first.seq - 1

    async def _look_at(self, view: View) -> None:
        """Add what matches of an exchange; if it is not answered yet and the status is asked for, look again later."""
        exchange = view.exchange
        if "status" in self._asks and exchange.override.fault is not None and exchange.override.answered is None:
            self._unanswered.append(exchange)
        elif "attempt" in self._asks or not self._is_excluded(exchange):
            await Turn().carry_out(self._collecting(view), large=view.large)

    def _is_excluded(self, exchange: Exchange) -> bool:
        """Return whether nothing of an exchange can match, as far as that shows without reading its body."""
        return (
            self.match.get("protocol") not in (None, exchange.contract.name)
            or self.match.get("operation") not in (None, exchange.operation)
            or (self._verdict is not None and self._verdict not in exchange.verdicts)
            or (self.for_requests and exchange.seq <= self._after)
        )

    def _collecting(self, view: View) -> Iterator[None]:
        """Add what matches of an exchange, with a yield after each small piece of work."""
        exchange = view.exchange
        if self.for_requests and not about_events(self.match):
            fits = matches(self.match, _request_row(view))
        else:
            fits, first = False, exchange.receipt.first_event
            for index, number in self._numbered(view, self._attempts):
                if self._verdict not in (None, exchange.verdicts[index]):
                    pass
                elif self.for_requests:
                    fits = fits or matches(self.match, row_to_match(view, index, number))
                elif first + index > self._after and (
                    not self._reads_events or matches(self.match, row_to_match(view, index, number))
                ):
                    self.matched.append((exchange, index))
                yield
        if fits and exchange.seq > self._after:
            self.matched.append((exchange, 0))

    def _numbered(self, view: View, attempts: AttemptNumbers) -> Iterator[tuple[int, int | None]]:
        """Yield the position of each event of an exchange, and the number of the attempt if it is asked for."""
        if "attempt" in self._asks:
            return enumerate(attempts.adding(view.exchange, view.sent.events))
        return ((index, None) for index in range(len(view.exchange.verdicts)))

    @property
    def _enough(self) -> bool:
        count = len(self.matched)
        return count >= self._count if self._exactly is None else count == self._exactly

    def _decide(self) -> Reason | None:
        """Return why the wait is over, or None while it is not."""
        if self._ended is not None:
            return self._ended
        if self._exactly is not None and len(self.matched) > self._exactly:
            return "too_many"
        if not self._enough or self.whole_time:
            return None
        quiet = monotonic() >= self._quiet_since + self._quiet_s and not self._session.in_flight
        return "ok" if self._quiet_s <= 0 or quiet else None

    def _reason_at_the_end(self) -> Reason:
        """Return why the wait is over when its timeout has passed."""
        if not self._enough:
            return "timeout"
        return "ok" if self.whole_time else "not_quiet"

    def shown(self, *, all_rows: bool) -> list[tuple[Exchange, int]]:
        """Return the matches to show: as many as were waited for, or all of them."""
        asked_for = self._count if self._exactly is None else max(self._exactly, 1)
        return self.matched[: MAX_ROWS if all_rows else min(asked_for, MAX_ROWS)]

    def next(self, last: int | None, more: bool) -> int:
        """Return the value of `after` that selects only what is later than the last match shown, at a position."""
        return self._after if last is None else last

    async def look_for_misses(self) -> None:
        """Find the closest events or requests, the latest first among equals, and the latest refused events.

        A refused event would have matched if it had not been refused. Only the latest candidates are compared.
        """
        newest = self._session.newest if self.for_requests else self._session.newest_event
        first = max(self._after, newest - MOST_CANDIDATES)
        self.skipped = first - self._after
        turn, attempts, start = Turn(), AttemptNumbers(), 0 if "attempt" in self._asks else self._before(first)
        async for exchange in in_turns(self._session, start):
            view = View(exchange)
            await turn.carry_out(self._comparing(view, first, attempts), large=view.large)

    def _comparing(self, view: View, first: int, attempts: AttemptNumbers) -> Iterator[None]:
        """Compare what is above a position of an exchange with the matcher, a small piece of work at a time."""
        exchange, before = view.exchange, view.exchange.receipt.first_event
        closest: list[Difference] | None = None
        if self.for_requests and not about_events(self.match):
            closest = differences(self.match, _request_row(view))
        else:
            for index, number in self._numbered(view, attempts):
                if self.for_requests or before + index > first:
                    row = row_to_match(view, index, number)
                    differing = differences(self.match, row)
                    if not self.for_requests:
                        self._note(exchange, index, row["event"], differing)
                    elif closest is None or len(differing) < len(closest):
                        closest = differing
                yield
        if self.for_requests and exchange.seq > first:
            row = view.request_row()
            shown = {name: row[name] for name in ("operation", "method", "path", "status")}
            if closest is None:
                closest = differences_without_events(self.match, _request_row(view))
            self._note(exchange, 0, shown, closest)

    def _note(self, exchange: Exchange, index: int, shown: Json, differing: list[Difference]) -> None:
        """Keep what was compared if it was refused but matches otherwise, or is among the closest."""
        if _only_refused(differing):
            self._refused.append((exchange, index))
        elif differing:
            seq = exchange.seq if self.for_requests else exchange.receipt.first_event + index
            kind: Literal["event", "request"] = "request" if self.for_requests else "event"
            insort(self.near_misses, NearMiss(kind=kind, seq=seq, shown=shown, differences=differing), key=_distance)
            del self.near_misses[NEAR_MISSES:]

    async def refused(self) -> list[dict[str, Json]]:
        """Return the rows of the latest refused events that were found."""
        rows, size = list[dict[str, Json]](), 0
        async for row in spread_rows(reversed(self._refused), View.event_row):
            size += len(render(row))
            if rows and size > REFUSED_BYTES:
                break
            rows.append(row)
        return rows[::-1]

    def shown_exchanges(self, arrived: Iterable[tuple[Exchange, int]], answer: Mapping[str, Json]) -> list[Exchange]:
        """Return the exchanges that an explanation of the answer shows something of."""
        exchanges = [*self.without_events, *(exchange for exchange, _ in (*arrived, *self._refused))]
        requests = [miss.seq for miss in self.near_misses if miss.kind == "request"]
        for number in (*requests, *(int(row["id"].removeprefix("r")) for row in answer["refused_requests"])):
            exchanges += islice(self._session.exchanges(number - 1), 1)
        for miss in self.near_misses:
            if miss.kind == "event":
                exchanges += islice(self._session.exchanges_with_events(miss.seq - 1), 1)
        return list({exchange.seq: exchange for exchange in exchanges}.values())

    def _row(self, view: View, index: int) -> dict[str, Json]:
        return view.request_row() if self.for_requests else view.event_row(index)

    async def rows(self, matched: Iterable[tuple[Exchange, int]]) -> AsyncIterator[dict[str, Json]]:
        """Yield the complete rows of matches."""
        async for row in spread_rows(matched, self._row):
            yield row

    async def rendered(self, matched: Iterable[tuple[Exchange, int]]) -> AsyncIterator[RenderedRow]:
        """Yield the complete rows of matches as JSON."""
        async for row in spread_rows(matched, lambda view, index: _rendered(self._row(view, index))):
            yield row

    async def refused_requests(self) -> list[dict[str, Json]]:
        """Return the latest requests that were refused as a whole, so that they have no event rows, with findings.

        Where a wait for events has found nothing that explains it, the latest other requests are kept for that, which
        have no events either: preflights and the like.
        """
        first = 0 if self.for_requests else self._after
        latest, others = deque[Exchange](maxlen=REFUSED_ROWS), deque[Exchange](maxlen=REFUSED_ROWS)
        async for exchange in in_turns(self._session, self._after if self.for_requests else 0):
            if exchange.receipt.first_event > first and not exchange.verdicts:
                (latest if _refused_whole(exchange) else others).append(exchange)
        if not (self.for_requests or self.near_misses or self._refused or latest):
            self.without_events = list(others)
        return [row async for row in spread_rows(((exchange, 0) for exchange in latest), _refused_row)]


async def spread_rows(matched: Iterable[tuple[Exchange, int]], row_of: Callable[[View, int], T]) -> AsyncIterator[T]:
    """Yield what is made of events, each given as its exchange and position; one view for those of an exchange."""
    for _, pairs in groupby(matched, key=lambda pair: pair[0].seq):
        of_one_exchange = list(pairs)
        view = View(of_one_exchange[0][0])
        rows = (row_of(view, index) for _, index in of_one_exchange)
        async for row in spread(rows, large=view.large):
            yield row


def _rendered(row: dict[str, Json]) -> RenderedRow:
    return row["seq"], render(row)


def row_to_match(view: View, index: int, number: int | None) -> dict[str, Json]:
    """Return what a matcher may look at of an event; `number` is that of the attempt, if it is asked for."""
    row = view.match_row(index)
    return row if number is None else {**row, "request": replace(row["request"], attempt=number)}


def _refused_row(view: View, index: int) -> dict[str, Json]:
    return {**view.request_row(), "findings": [finding.as_json() for finding in view.findings()]}


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
    return exchange.refused and exchange.override.fault is None


def _only_refused(differing: list[Difference]) -> bool:
    return len(differing) == 1 and differing[0].pointer == "/verdict" and differing[0].got == Verdict.REJECTED


def other_sessions(
    store: MemoryStore, session: Session, began_ms: int, since_ms: int | None = None, *, guessed: bool = False
) -> list[Json]:
    """Return the other sessions that received requests since a wait began, with counts, the latest first.

    A client is often done before its test starts to wait. With `since_ms`, when the test began, a session that received
    nothing during the wait is listed with its requests since then, but after this session's own latest request. Times
    are real, in ms since 1970; `last` is when the session received its latest request, `latest` which one it is.

    Where it is `guessed` when the test began, the earlier requests of a session that a control call has asked about are
    those of another test: nobody asks about the session of a mistyped key.
    """
    own, meanwhile = session.journal, began_ms + 1
    since = meanwhile if since_ms is None else max(since_ms, own[-1].received_ms + 1 if own else 0)

    def first(other: Session) -> int:
        """Return from when on requests of a session count."""
        return meanwhile if guessed and other.read else min(since, meanwhile)

    others = [
        (other.journal[-1].received_ms, other)
        for other in store.sessions()
        if other is not session and other.journal and other.journal[-1].received_ms >= first(other)
    ]
    others.sort(key=lambda entry: -entry[0])
    return [
        {
            "session": other.name,
            "requests": _received(other, meanwhile) or _received(other, since),
            "last": rfc3339_ms(last),
            "latest": _in_short(other.journal[-1]),
        }
        for last, other in others[:SHOWN_SESSIONS]
    ]


def _in_short(exchange: Exchange) -> str:
    """Describe a request without what may be a key in its path."""
    status = exchange.client_status or "no reply"
    return f"{exchange.request.method} {plain_path(exchange.request.target)} -> {status}"


def _received(session: Session, since: int) -> int:
    """Return the number of requests that the session received at or after a time."""
    journal = session.journal
    return len(journal) - bisect_left(journal, since, key=lambda exchange: exchange.received_ms)
