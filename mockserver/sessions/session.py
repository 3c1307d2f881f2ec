"""One session: its settings, its clock, its claims and its journal. Nothing in here knows of another session."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from itertools import islice
from typing import Final, Literal, Protocol

from mockserver.contract.contract import Contract
from mockserver.contract.serving import ContractChoice
from mockserver.core.events import events_of
from mockserver.core.model import DUPLICATE, REJECTED, Judged, Receipt
from mockserver.core.wire import WireReply
from mockserver.jsonkit import jsontext
from mockserver.jsonkit.formats import MAX_TIME_MS
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.claims import Claims, all_of
from mockserver.sessions.exchange import Exchange, SharedHead
from mockserver.sessions.steps import Step
from mockserver.sessions.tombstones import MOST_CREDENTIALS, Limit, Tombstone
from mockserver.sessions.views import View
from mockserver.settings import RateMode, ReplyMode

UNKNOWN_ENTITY: Final = "unknown_entity"
EXCHANGE_OVERHEAD: Final = 390
"""Bytes an exchange takes beside its bodies, measured; what the memory limit reckons with."""

VERDICT_BYTES: Final = 8
KEY_BYTES: Final = 200
SESSION_BYTES: Final = 2700
"""Bytes a session takes with nothing in it, measured; so for the others below."""

SEEN_KEYS: Final = 8
LONGEST_SEEN: Final = 256
"""Credentials that a session remembers, and the characters of each: a session of one client has one or two."""

STEP_BYTES: Final = 6000
"""Bytes a fault step takes beside its script, most of it for its dice."""

OVERRIDE_BYTES: Final = 900
"""Bytes of what an injected fault notes on an exchange, beside the body and the headers of the reply."""

REPLY_HEADER_BYTES: Final = 150
REJECTED_BYTES: Final = 600
"""Bytes of the error of an event that a fault step rejects, beside its message."""


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
    modes: Mapping[str, ReplyMode] = field(default_factory=dict)
    """Where the replies of a protocol come from; without an entry from its upstream, if the server has one."""
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


class SharedUses:
    """How often settings and journalled requests use what they share: patched contracts, lists of keys.

    `bytes` has each of them once. The uses of a session count as uses of `parent`, all sessions together.
    """

    __slots__ = ("_parent", "_uses", "bytes")

    def __init__(self, parent: SharedUses | None = None) -> None:
        self.bytes = 0
        self._uses: dict[Hashable, tuple[int, int]] = {}  # how many, and the size
        self._parent = parent

    def add(self, thing: Hashable, size: int, times: int = 1) -> None:
        """Count a use, or several, of something that takes `size` bytes."""
        uses, _ = self._uses.get(thing, (0, 0))
        self._uses[thing] = uses + times, size
        if not uses:
            self.bytes += size
            if self._parent is not None:
                self._parent.add(thing, size)

    def drop(self, thing: Hashable) -> None:
        """Count a use less."""
        uses, size = self._uses[thing]
        self._uses[thing] = uses - 1, size
        if uses == 1:
            self._forget(thing, size)

    def clear(self) -> None:
        """Drop all uses."""
        for thing, (_, size) in list(self._uses.items()):
            self._forget(thing, size)

    def _forget(self, thing: Hashable, size: int) -> None:
        del self._uses[thing]
        self.bytes -= size
        if self._parent is not None:
            self._parent.drop(thing)


class Waiter(Protocol):
    """Called with each exchange as it is journalled."""

    def offer(self, exchange: Exchange, view: View) -> None:
        """Take a new exchange; the view of it is shared by all waiters."""

    def rest(self) -> None:
        """Learn that a request that a fault held up is answered."""

    def end(self, reason: Literal["deleted", "evicted"]) -> None:
        """Learn that the session is gone."""


class Playback(Protocol):
    """A recording that answers the requests of a session."""

    @property
    def protocols(self) -> Collection[str]:
        """The protocols that it has exchanges of."""

    @property
    def records(self) -> bool:
        """Whether a request that it does not have is answered otherwise, and recorded."""

    @property
    def bytes(self) -> int:
        """About how many bytes of memory it takes."""


class Session:
    """The state behind one credential. All methods are synchronous: one call is one atomic step."""

    def __init__(
        self, name: str, settings: SessionSettings, number: int = 0, shared_uses: SharedUses | None = None
    ) -> None:
        self.name = name
        self.number = number
        self.read = False  # whether a control call has asked about it
        self.dormant = False  # whether its requests and claims are in a file, and not read from there yet
        self.standing = 0  # what the store knows of it, when it comes to eviction
        self.counted = 0  # the bytes that the store has counted for it
        self.opened_ms: int | None = None  # real time, if a control call opened it
        self.settings = settings
        self.clock: Clock = REAL_TIME
        self.counts = Counts()
        self.journal: deque[Exchange] = deque()
        self.shared_heads: dict[Hashable, SharedHead] = {}
        self.unused_heads: list[int] = []  # the numbers of heads that a durable store may remove
        self.shared_uses = SharedUses(shared_uses)
        self._chosen: Sequence[Contract] = ()
        self.bytes = 0  # of the journal
        self.settings_bytes = 0
        self.eviction: Tombstone | None = None  # if it was evicted and not set up again
        self.refused = 0  # requests that were refused, or had a refused event
        self.evicted = 0
        self.evicted_events = 0
        self.evicted_refused = 0
        self.revised = 0
        self.deleted = False
        self.faults: list[Step] = []
        self.attempts: AttemptNumbers | None = None  # kept once a fault step asks for attempts
        self.counts_attempts = False  # whether they are to be kept, when a dormant session is read
        self.playback: Playback | None = None
        self.own_playback = False  # whether a control call has given it, not the server for all sessions
        self.waiters: set[Waiter] = set()
        self.in_flight = 0
        self.claims = Claims()
        self.remembered_before = 0
        self.newest = 0  # the number of the newest request
        self._next_event = 1
        self._seen_bytes = 0
        self.seen_keys: tuple[str, ...] = ()  # the first `SEEN_KEYS` credentials of its requests

    def saw(self, key: str | None) -> None:
        """Remember the credential of a request, so that it can be hidden wherever it is sent again."""
        if key is not None and len(self.seen_keys) < SEEN_KEYS and key[:LONGEST_SEEN] not in self.seen_keys:
            self.seen_keys = (*self.seen_keys, key[:LONGEST_SEEN])
            self._seen_bytes = keys_size(self.seen_keys)

    def see(self, keys: tuple[str, ...]) -> None:
        """Remember the credentials that were seen before the server was started again."""
        self.seen_keys, self._seen_bytes = keys, keys_size(keys)

    def number_on(self, newest: int, next_event: int) -> None:
        """Number requests and events on from those before the server was started again."""
        self.newest, self._next_event = newest, next_event

    def mode(self, protocol: str, *, has_upstream: bool) -> ReplyMode:
        """Return where the replies of a protocol come from."""
        chosen, playback = self.settings.modes.get(protocol), self.playback
        if chosen is not None:
            return chosen
        if playback is not None and (playback.records or protocol in playback.protocols or not has_upstream):
            return "replay"
        return "proxy" if has_upstream else "mock"

    @property
    def newest_event(self) -> int:
        """The number of the newest event."""
        return self._next_event - 1

    @property
    def busy(self) -> bool:
        """Whether somebody waits for it right now."""
        return bool(self.waiters) or self.in_flight > 0

    @property
    def held(self) -> int:
        """About how many bytes of memory it takes, without contracts, which sessions may share."""
        held = SESSION_BYTES + self.bytes + self.settings_bytes + self.claims.bytes + self._seen_bytes
        return held if self.attempts is None else held + self.attempts.bytes

    def choose(self, choices: Mapping[str, ContractChoice], contracts: Sequence[Contract]) -> None:
        """Take the contracts that a control call has chosen; `contracts` are those the choices lead to."""
        before, self._chosen = self._chosen, contracts
        for contract in contracts:
            self.shared_uses.add(contract, contract.bytes)
        for contract in before:
            self.shared_uses.drop(contract)
        self.settings.protocols = choices

    def weigh_settings(self) -> None:
        """Count again what the settings and the fault steps take."""
        size = sum(STEP_BYTES + jsontext.memory_of(step.script) for step in self.faults)
        if self.playback is not None and self.own_playback:
            size += self.playback.bytes
        self.settings_bytes = size + keys_size(self.settings.credentials) + keys_size(self.settings.keys)

    def tombstone(self, limit: Limit, at_ms: int, defaults: SessionSettings) -> Tombstone:
        """Return what is to be remembered of the session when it is evicted."""
        credentials = self.settings.credentials if len(self.settings.credentials) <= MOST_CREDENTIALS else ()
        set_up = self.settings != replace(defaults, credentials=credentials)
        own = {
            "settings": set_up,
            "faults": bool(self.faults),
            "clock": self.clock.moved,
            "recording": self.own_playback,
        }
        before = () if self.eviction is None else self.eviction.lost
        return Tombstone(
            limit=limit,
            at_ms=at_ms,
            lost=tuple(name for name, is_lost in own.items() if is_lost or name in before),
            credentials=credentials,
            counts=astuple(self.counts),
            refused=self.refused,
            newest=self.newest,
            next_event=self._next_event,
        )

    def go_on_from(self, tombstone: Tombstone) -> None:
        """Take over the numbers and counts of the session that was evicted under this name."""
        self.eviction = tombstone
        self.counts = Counts(*tombstone.counts)
        self.newest, self._next_event = tombstone.newest, tombstone.next_event
        self.refused = self.evicted_refused = tombstone.refused
        self.evicted, self.evicted_events = tombstone.counts[0], sum(tombstone.counts[1:])

    def settle(self, judged: Judged, *, stored: bool = True) -> Receipt:
        """Claim what the judgement names, in the order of the gates, and return the receipt.

        Nothing is claimed where a fault is applied before the commit, so that no event of the request is `stored`.
        """
        refusal, rate, count = judged.refusal, judged.rate, judged.count
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
            receipt.verdicts = all_of(REJECTED, count)
        elif self.claims.replayed(judged):
            receipt.replayed = True
            receipt.verdicts = all_of(DUPLICATE, count)
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
        counts = self.counts
        counts.requests += 1
        accepted, duplicate, rejected = exchange.receipt.tally()
        if exchange.refused:
            accepted, duplicate, rejected = 0, 0, len(exchange.verdicts)
        counts.accepted += accepted
        counts.duplicate += duplicate
        counts.rejected += rejected
        self.refused += exchange.refused or rejected > 0
        self.append(exchange)
        if self.attempts is not None:
            self.attempts.add(exchange)
        if self.waiters:
            view = View(exchange)
            for waiter in tuple(self.waiters):
                waiter.offer(exchange, view)
        while len(self.journal) > self.settings.journal_limit:
            self.evict()

    def restore(self, journal: deque[Exchange], size: int, shares: Iterable[tuple[SharedHead, int]]) -> None:
        """Take a journal of so many bytes that was counted before the server was started again.

        `shares` are heads, one for each contract and list of keys, with how many heads have the same.
        """
        self.journal, self.bytes = journal, size
        for shared, heads in shares:
            self._share(shared, heads)

    def append(self, exchange: Exchange) -> None:
        """Append to the journal an exchange that is counted."""
        self.journal.append(exchange)
        if exchange.shared.uses == 0:
            self.bytes += exchange.shared.bytes
            self._share(exchange.shared, 1)
        exchange.shared.uses += 1
        self.bytes += size_of(exchange)

    def _share(self, shared: SharedHead, uses: int) -> None:
        """Count that heads are in use, or one no longer; the server's own contracts are not counted."""
        things = {shared.contract: shared.contract.bytes, shared.keys: keys_size(shared.keys)}
        for thing, size in things.items():
            if size and uses > 0:
                self.shared_uses.add(thing, size, uses)
            elif size:
                self.shared_uses.drop(thing)

    def leave(self) -> None:
        """Note that a request that a fault held up is answered."""
        self.in_flight -= 1
        for waiter in tuple(self.waiters):
            waiter.rest()

    def evict(self) -> int:
        """Drop the oldest exchange; return the bytes it took."""
        exchange = self.journal.popleft()
        shared, freed = exchange.shared, size_of(exchange)
        shared.uses -= 1
        if shared.uses == 0:
            freed += shared.bytes
            self.shared_heads.pop(shared.key, None)
            self._share(shared, -1)
            if shared.number:
                self.unused_heads.append(shared.number)
        if self.attempts is not None:
            self.attempts.evict(exchange)
        self.bytes -= freed
        self.evicted += 1
        self.evicted_events += len(exchange.verdicts)
        self.evicted_refused += exchange.refused or REJECTED in exchange.verdicts
        return freed

    def exchanges(self, after: int = 0) -> Iterator[Exchange]:
        """Yield journalled exchanges with a request number above `after`."""
        return islice(self.journal, bisect_right(self.journal, after, key=lambda exchange: exchange.seq), None)

    def exchanges_with_events(self, after: int = 0) -> Iterator[Exchange]:
        """Yield journalled exchanges that hold an event numbered above `after`."""

        def last_event(exchange: Exchange) -> int:
            return exchange.receipt.first_event + len(exchange.verdicts) - 1

        return islice(self.journal, bisect_right(self.journal, after, key=last_event), None)


def keys_size(keys: Collection[str] | None) -> int:
    """Return about how many bytes of memory some keys take."""
    return sum(KEY_BYTES + len(key) for key in keys or ())


def size_of(exchange: Exchange) -> int:
    """Return about how many bytes of memory an exchange takes beside its shared head."""
    override = exchange.override
    size = EXCHANGE_OVERHEAD + len(exchange.body) + len(exchange.verdicts) * VERDICT_BYTES
    if override.fault is not None or override.relayed is not None:
        size += OVERRIDE_BYTES + sum(REJECTED_BYTES + 2 * len(error.message) for error in override.rejected)
    if override.reply is not None:
        size += _size_of_reply(override.reply)
    if override.relayed is not None and override.relayed.reply is not override.reply:
        size += _size_of_reply(override.relayed.reply)
    return size


def _size_of_reply(reply: WireReply) -> int:
    return len(reply.body) + REPLY_HEADER_BYTES * len(reply.headers)
