"""One session: its settings, its clock, its claims and its journal. Nothing in here knows of another session."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from mockserver.core.clock import REAL_TIME, Clock
from mockserver.core.faults import Step
from mockserver.core.model import Exchange, Json, Judged, Rate, RateMode, Receipt, Verdict
from mockserver.core.views import View

DEDUP_LIMIT: Final = 2_000_000
EXCHANGE_OVERHEAD: Final = 900
"""Bytes an exchange takes beside its bodies, measured; what the memory limit reckons with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolSettings:
    """Which contract a session wants for one protocol."""

    revision: str | None = None
    patch: Json = None


@dataclass(slots=True, kw_only=True)
class SessionSettings:
    """What a control call may change."""

    credentials: tuple[str, ...] = ()
    keys: frozenset[str] | None = None
    rate_limits: RateMode = "advise"
    protocols: Mapping[str, ProtocolSettings] = field(default_factory=dict)
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
        return {
            "requests": self.requests,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
        }


_SAME: dict[tuple[Verdict, int], tuple[Verdict, ...]] = {}


def _all(verdict: Verdict, count: int) -> tuple[Verdict, ...]:
    """Return `count` times one verdict; equal ones are one object, so that a journal of good batches stays small."""
    key = (verdict, count)
    if key not in _SAME:
        _SAME[key] = (verdict,) * count
    return _SAME[key]


class Waiter(Protocol):
    """Somebody who wants to see each exchange as it is journalled."""

    def offer(self, exchange: Exchange, view: View) -> None:
        """Take a new exchange; the view of it is shared by all waiters."""

    def end(self, reason: Literal["deleted", "evicted"]) -> None:
        """Learn that the session is gone."""


class Session:
    """The state behind one credential. All methods are synchronous: one call is one atomic step."""

    def __init__(self, name: str, settings: SessionSettings) -> None:
        self.name = name
        self.settings = settings
        self.clock: Clock = REAL_TIME
        self.counts = Counts()
        self.journal: deque[Exchange] = deque()
        self.bytes = 0
        self.evicted = 0
        self.forgotten_ids = 0
        self.deleted = False
        self.last_used_ms = 0
        self.faults: list[Step] = []
        self.waiters: set[Waiter] = set()
        self.in_flight = 0
        self._next_request = 1
        self._next_event = 1
        self._seen: dict[str, dict[str | bytes | None, None]] = {}
        self._windows: dict[tuple[str, str, str | None], tuple[int, int]] = {}
        self._idempotency: dict[str, int] = {}
        self._entities: set[str | bytes] = set()

    def settle(self, judged: Judged) -> Receipt:
        """Claim what the judgement names, in the order of the gates, and return the receipt."""
        receipt = Receipt(session=self.name, seq=self._next_request, first_event=self._next_event)
        self._next_request += 1
        refusal, count = judged.refusal, len(judged.events)
        self._next_event += count
        if judged.rate is not None:
            self._settle_rate(judged.rate, judged, receipt, claims=refusal is None or refusal.order > judged.rate.order)
        if (
            refusal is None
            and receipt.refused is None
            and judged.lookup is not None
            and judged.lookup not in self._entities
        ):
            receipt.refused = "unknown_entity"
        if refusal is not None or receipt.refused is not None:
            receipt.verdicts = _all(Verdict.REJECTED, count)
        elif self._replayed(judged):
            receipt.replayed = True
            receipt.verdicts = _all(Verdict.DUPLICATE, count)
        else:
            receipt.verdicts = self._settle_events(judged, receipt)
        return receipt

    def settle_nothing(self, judged: Judged) -> Receipt:
        """Claim nothing: a fault strikes before the commit, and no event of the request is stored."""
        receipt = Receipt(session=self.name, seq=self._next_request, first_event=self._next_event)
        self._next_request += 1
        self._next_event += len(judged.events)
        receipt.verdicts = _all(Verdict.REJECTED, len(judged.events))
        if judged.rate is not None:
            self._settle_rate(judged.rate, judged, receipt, claims=False)
        return receipt

    def _settle_rate(self, claim: Rate, judged: Judged, receipt: Receipt, *, claims: bool) -> None:
        now, mode = judged.terms.now_ms, judged.terms.rate_mode
        key = (judged.contract.name, claim.name, judged.credential)
        start, used = self._windows.get(key, (0, 0))
        if not 0 <= now - start < claim.window_ms:
            start, used = (now - now % claim.window_ms if claim.aligned else now), 0
        receipt.rate_reset_ms = start + claim.window_ms
        if mode == "off":
            receipt.rate_remaining = claim.limit
            return
        if claims:
            if used >= claim.limit:
                receipt.over_rate = True
                if mode == "enforce":
                    receipt.refused = claim.reason
            used += 1
            self._windows[key] = (start, used)
        receipt.rate_remaining = max(0, claim.limit - used)

    def _replayed(self, judged: Judged) -> bool:
        claim = judged.idempotency
        if claim is None:
            return False
        started = self._idempotency.get(claim.key)
        if started is not None and 0 <= judged.terms.now_ms - started < claim.window_ms:
            return True
        self._idempotency[claim.key] = judged.terms.now_ms
        return False

    def _settle_events(self, judged: Judged, receipt: Receipt) -> tuple[Verdict, ...]:
        count = len(judged.events)
        if judged.entities is not None:
            known = len(self._entities)
            self._entities.update(entity for entity in judged.entities if entity is not None)
            receipt.created = len(self._entities) > known
        bad = [fault.index for fault in judged.faults]
        if not bad and (judged.dedup is None or self._all_new(judged)):
            return _all(Verdict.ACCEPTED, count)
        verdicts = [Verdict.ACCEPTED] * count
        for index in bad:
            verdicts[index] = Verdict.REJECTED
        seen = self._seen_in(judged.contract.name)
        for index, name in enumerate(judged.dedup or ()):
            if name is None:
                continue
            if name in seen:
                verdicts[index] = Verdict.DUPLICATE
            else:
                seen[name] = None
        self._cap(seen)
        first = verdicts[0] if verdicts else Verdict.ACCEPTED
        return _all(first, count) if verdicts.count(first) == count else tuple(verdicts)

    def _seen_in(self, protocol: str) -> dict[str | bytes | None, None]:
        return self._seen.setdefault(protocol, {})

    def _all_new(self, judged: Judged) -> bool:
        """Remember the ids of a batch when each is there and new, all in one go; else leave them to a closer look."""
        ids, seen = judged.dedup or [], self._seen_in(judged.contract.name)
        fresh = dict.fromkeys(ids)
        if len(fresh) != len(ids) or None in fresh or not seen.keys().isdisjoint(fresh):
            return False
        seen.update(fresh)
        self._cap(seen)
        return True

    def _cap(self, seen: dict[str | bytes | None, None]) -> None:
        while len(seen) > DEDUP_LIMIT:
            del seen[next(iter(seen))]
            self.forgotten_ids += 1

    def record(self, exchange: Exchange) -> None:
        """Append to the journal, count, evict what is over the session's limit."""
        counts, verdicts = self.counts, exchange.verdicts
        counts.requests += 1
        if verdicts:
            first, count = verdicts[0], len(verdicts)
            if first is Verdict.ACCEPTED and _SAME.get((first, count)) is verdicts:
                counts.accepted += count
            else:
                accepted, rejected = verdicts.count(Verdict.ACCEPTED), verdicts.count(Verdict.REJECTED)
                counts.accepted += accepted
                counts.rejected += rejected
                counts.duplicate += count - accepted - rejected
        self.journal.append(exchange)
        self.bytes += size_of(exchange)
        if self.waiters:
            view = View(exchange)
            for waiter in tuple(self.waiters):
                waiter.offer(exchange, view)
        while len(self.journal) > self.settings.journal_limit:
            self.evict()

    def evict(self) -> int:
        """Drop the oldest exchange; return the bytes it took."""
        freed = size_of(self.journal.popleft())
        self.bytes -= freed
        self.evicted += 1
        return freed

    def exchanges(self, after: int = 0) -> Iterator[Exchange]:
        """Yield journalled exchanges with a request number above `after`."""
        start = bisect_left(self.journal, after + 1, key=lambda exchange: exchange.seq)
        for index in range(start, len(self.journal)):
            yield self.journal[index]

    def exchanges_with_events(self, after: int = 0) -> Iterator[Exchange]:
        """Yield journalled exchanges that hold an event numbered above `after`."""
        start = bisect_left(
            self.journal,
            after + 1,
            key=lambda exchange: exchange.first_event + len(exchange.verdicts) - 1,
        )
        for index in range(start, len(self.journal)):
            yield self.journal[index]

    @property
    def next_event(self) -> int:
        """The number the next event will get."""
        return self._next_event


def size_of(exchange: Exchange) -> int:
    """Return about how many bytes of memory an exchange takes."""
    reply = exchange.reply
    return EXCHANGE_OVERHEAD + len(exchange.body) + (0 if reply is None else len(reply.body))
