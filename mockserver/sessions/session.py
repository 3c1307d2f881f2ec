"""One session: its settings, its clock, its claims and its journal. Nothing in here knows of another session."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Final, Literal, Protocol

from mockserver.contract.serving import ContractChoice
from mockserver.core.events import events_of
from mockserver.core.model import Judged, Receipt, Verdict
from mockserver.jsonkit import jsontext
from mockserver.jsonkit.formats import MAX_TIME_MS
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.claims import Claims, all_of
from mockserver.sessions.exchange import Exchange, SharedHead
from mockserver.sessions.steps import Step
from mockserver.sessions.views import View
from mockserver.settings import RateMode

UNKNOWN_ENTITY: Final = "unknown_entity"
EXCHANGE_OVERHEAD: Final = 390
"""Bytes an exchange takes beside its bodies, measured; what the memory limit reckons with."""

VERDICT_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A session's clock: real time moved by an offset, or frozen at a moment. Real time is an argument.

    `frozen_ms` is the moment it stands at, or None while it runs `offset_ms` off real time.
    """

    offset_ms: int = 0
    frozen_ms: int | None = None

    def now(self, real_ms: int) -> int:
        """Return session time in ms since 1970; at the end of the year 9999 it stands still."""
        return min(real_ms + self.offset_ms, MAX_TIME_MS) if self.frozen_ms is None else self.frozen_ms

    def set_to(self, now_ms: int, real_ms: int, *, frozen: bool) -> Clock:
        """Return a clock that reads `now_ms` at this real moment."""
        return Clock(offset_ms=now_ms - real_ms, frozen_ms=now_ms if frozen else None)

    @property
    def moved(self) -> bool:
        """Whether session time differs from real time."""
        return self.offset_ms != 0 or self.frozen_ms is not None


REAL_TIME = Clock()


@dataclass(slots=True, kw_only=True)
class SessionSettings:
    """What a control call may change."""

    credentials: tuple[str, ...] = ()
    keys: frozenset[str] | None = None
    rate_limits: RateMode = "warn"
    protocols: Mapping[str, ContractChoice] = field(default_factory=dict)
    journal_limit: int = 100_000


@dataclass(slots=True)
class Counts:
    """What a session has seen."""

    requests: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


class Waiter(Protocol):
    """Called with each exchange as it is journalled."""

    def offer(self, exchange: Exchange, view: View) -> None:
        """Take a new exchange; the view of it is shared by all waiters."""

    def rest(self) -> None:
        """Learn that a request that a fault held up is answered."""

    def end(self, reason: Literal["deleted", "evicted"]) -> None:
        """Learn that the session is gone."""


class Session:
    """The state behind one credential. All methods are synchronous: one call is one atomic step."""

    def __init__(self, name: str, settings: SessionSettings, number: int = 0) -> None:
        self.name = name
        self.number = number
        self.opened_ms: int | None = None  # real time, if a control call opened it
        self.settings = settings
        self.clock: Clock = REAL_TIME
        self.counts = Counts()
        self.journal: deque[Exchange] = deque()
        self.shared_heads: dict[Hashable, SharedHead] = {}
        self.bytes = 0
        self.evicted = 0
        self.evicted_events = 0
        self.evicted_refused = 0  # requests that were refused, or had a refused event
        self.revised = 0
        self.deleted = False
        self.faults: list[Step] = []
        self.attempts: AttemptNumbers | None = None  # kept once a fault step asks for attempts
        self.waiters: set[Waiter] = set()
        self.in_flight = 0
        self.claims = Claims()
        self.remembered_before = 0
        self.newest = 0  # the number of the newest request
        self._next_event = 1

    @property
    def busy(self) -> bool:
        """Whether somebody waits for it right now."""
        return bool(self.waiters) or self.in_flight > 0

    def settle(self, judged: Judged, *, stored: bool = True) -> Receipt:
        """Claim what the judgement names, in the order of the gates, and return the receipt.

        Nothing is claimed where a fault is applied before the commit, so that no event of the request is `stored`.
        """
        refusal, rate, count = judged.refusal, judged.rate, len(judged.events)
        self.newest += 1
        receipt = Receipt(session=self.name, seq=self.newest, first_event=self._next_event)
        self._next_event += count
        if rate is not None:
            take = stored and (refusal is None or refusal.order > rate.order)
            self.claims.rate(rate, judged, receipt, take=take)
        good = stored and refusal is None and receipt.refused is None
        if good and judged.lookup is not None and not self.claims.knows(judged.lookup):
            good, receipt.refused = False, UNKNOWN_ENTITY
        if not good:
            receipt.verdicts = all_of(Verdict.REJECTED, count)
        elif self.claims.replayed(judged):
            receipt.replayed = True
            receipt.verdicts = all_of(Verdict.DUPLICATE, count)
        else:
            receipt.verdicts = self.claims.events(judged, receipt)
        return receipt

    def attempts_of(self, judged: Judged) -> list[int]:
        """Return which attempt to deliver each event a request is; nothing where no fault step asks for it."""
        if self.attempts is None or not judged.events:
            return []
        events = [] if judged.form is None else events_of(judged.form, jsontext.view(judged.request_body.text))
        return self.attempts.expected(judged.contract, events)

    def record(self, exchange: Exchange) -> None:
        """Append to the journal, count, evict what is over the session's limit."""
        counts, verdicts = self.counts, exchange.verdicts
        counts.requests += 1
        accepted, rejected = verdicts.count(Verdict.ACCEPTED), verdicts.count(Verdict.REJECTED)
        counts.accepted += accepted
        counts.rejected += rejected
        counts.duplicate += len(verdicts) - accepted - rejected
        self.journal.append(exchange)
        if exchange.shared.uses == 0:
            self.bytes += exchange.shared.bytes
        exchange.shared.uses += 1
        self.bytes += size_of(exchange)
        if self.attempts is not None:
            self.attempts.add(exchange)
        if self.waiters:
            view = View(exchange)
            for waiter in tuple(self.waiters):
                waiter.offer(exchange, view)
        while len(self.journal) > self.settings.journal_limit:
            self.evict()

    def leave(self) -> None:
        """Note that a request that a fault held up is answered."""
        self.in_flight -= 1
        for waiter in tuple(self.waiters):
            waiter.rest()

    def evict(self) -> int:
        """Drop the oldest exchange; return the bytes it took."""
        exchange = self.journal.popleft()
        exchange.shared.uses -= 1
        freed = size_of(exchange) + (exchange.shared.bytes if exchange.shared.uses == 0 else 0)
        self.bytes -= freed
        self.evicted += 1
        self.evicted_events += len(exchange.verdicts)
        self.evicted_refused += exchange.refused or Verdict.REJECTED in exchange.verdicts
        return freed

    def exchanges(self, after: int = 0) -> Iterator[Exchange]:
        """Yield journalled exchanges with a request number above `after`."""
        return islice(self.journal, bisect_right(self.journal, after, key=lambda exchange: exchange.seq), None)

    def exchanges_with_events(self, after: int = 0) -> Iterator[Exchange]:
        """Yield journalled exchanges that hold an event numbered above `after`."""

        def last_event(exchange: Exchange) -> int:
            return exchange.receipt.first_event + len(exchange.verdicts) - 1

        return islice(self.journal, bisect_right(self.journal, after, key=last_event), None)


def size_of(exchange: Exchange) -> int:
    """Return about how many bytes of memory an exchange takes beside its shared head."""
    reply = exchange.override.reply
    reply_bytes = 0 if reply is None else len(reply.body)
    return EXCHANGE_OVERHEAD + len(exchange.body) + len(exchange.verdicts) * VERDICT_BYTES + reply_bytes


def shorten(name: str, limit: int = 12) -> str:
    """Return a session's name as logs show it: a key is not written out, but its beginning and its end are."""
    if len(name) <= limit:
        return name
    end = (limit - 1) // 2
    return f"{name[: limit - 1 - end]}…{name[-end:]}"


def shorten_path(target: str) -> str:
    """Return the path of a target with long segments, which may be keys, shortened."""
    return "/".join(shorten(part, 16) for part in target.partition("?")[0].split("/"))
