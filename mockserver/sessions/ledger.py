"""The delivery ledger: one row per logical event, over all attempts to deliver it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final, Literal

import orjson
from msgspec import Struct

from mockserver.contract.contract import Contract
from mockserver.contract.sections import DeliveryRules
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.sessions.exchange import NO_EVENTS, Exchange, SentEvents, sent_events
from mockserver.sessions.outcomes import (
    ClientOutcome,
    client_outcome,
    client_outcome_of_event,
    miscounted,
    told_of_events,
)

Fate = Literal["accepted", "accepted_after_retry", "rejected", "rejected_then_resent", "pending", "lost"]
Flag = Literal[
    "duplicate_delivery",
    "stored_twice",
    "told_refused",
    "told_accepted",
    "mutated_between_attempts",
    "identity_changed",
    "reordered",
]
Key = tuple[str, bytes]
"""A protocol and the digest of an event's content."""

Attempt = tuple[Exchange, int]
"""The request of an attempt, and the index of the event in it."""

FEW_ATTEMPTS: Final = 8
"""So many attempts are a tuple, which the garbage collector stops looking at; more of them are a list."""

BY_FINGERPRINT: Final = "fingerprint"


def fingerprint(value: Json) -> bytes:
    """Return a digest of a JSON value that does not depend on the order of members."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return blake2b(text, digest_size=16).digest()


def without(value: Json, tokens: tuple[str, ...]) -> Json:
    """Return a value without the member at the tokens."""
    if not isinstance(value, dict) or tokens[0] not in value:
        return value
    if len(tokens) == 1:
        return {name: member for name, member in value.items() if name != tokens[0]}
    return {**value, tokens[0]: without(value[tokens[0]], tokens[1:])}


def identity_of(event: Json, body: Json, delivery: DeliveryRules) -> list[Json]:
    """Return who an event is about, in the event and in its request; null where nobody is named."""
    values = [pointer.get(event, tokens) for tokens in delivery.event_identity]
    values += [pointer.get(body, tokens) for tokens in delivery.request_identity]
    return [None if value is pointer.MISSING else value for value in values]


def label_of(event: Json, type: str | None, delivery: DeliveryRules) -> str:
    """Return how a reader knows an event: by its type, and by its name where it has one."""
    name = pointer.get(event, delivery.label) if delivery.label else None
    return f"{delivery.label_kind or type}:{name}" if isinstance(name, str) and name else type or "no type"


class Delivery(Struct, kw_only=True, eq=False, gc=False):
    """One logical event: its attempts in the order of arrival, and its fate.

    `bare` is the key of its content without its id while the client may send it again. `copies` counts how often it was
    stored. `resends` is the row that the client seems to send again here, under another id or without one; that one is
    `repeated`.

    The garbage collector passes over a row, which is in no cycle, and over what is in it: to look at those of a large
    journal would stop the loop for longer than a turn.
    """

    number: int
    id: str
    by: str
    protocol: str
    type: str | None
    content: bytes
    label: str = ""
    upsert: bool = False
    bare: Key | None = None
    attempts: Sequence[Attempt] = ()
    flags: tuple[Flag, ...] = ()
    last: ClientOutcome = ClientOutcome.RETRY
    stored_by: Exchange | None = None
    copies: int = 0
    newest: int = 0
    resends: Delivery | None = None
    repeated: bool = False
    _first_success: int = 0
    _acknowledged: tuple[int, int] | None = None
    _refused: tuple[int, int] | None = None
    _resent: bool = False
    _may_come_again: bool = False

    @property
    def closed(self) -> bool:
        """Whether the client was told that the event is delivered."""
        return self._acknowledged is not None

    def flag(self, name: Flag) -> None:
        """Set a flag."""
        if name not in self.flags:
            self.flags = (*self.flags, name)

    @property
    def awaited(self) -> bool:
        """Whether the client may send the event again: it was told to, or was told of a failure that was none."""
        may_come = self.last is ClientOutcome.RETRY or (self.stored_by is not None and not self.closed)
        return may_come and not self.repeated

    @property
    def stored_twice(self) -> bool:
        """Whether more than one copy of the event is stored, in this row or in a row that it sends again.

        A row that itself was sent again later is another event of the same content. A repeated upsert changes nothing.
        """
        row = self
        if self.upsert:
            return False
        while self.copies and row.resends is not None and row.resends.newest < row.attempts[0][0].seq:
            row = row.resends
            if row.copies:
                return True
        return self.copies > 1

    def store(self, exchange: Exchange, verdict: Verdict) -> None:
        """Note that the event of an exchange is stored, as a new copy unless it is a duplicate."""
        self.copies += verdict is Verdict.ACCEPTED
        self.stored_by = self.stored_by or exchange

    def attempt(self, exchange: Exchange, index: int, outcome: ClientOutcome, *, miscounted: bool = False) -> None:
        """Add an attempt and what the client made of its answer.

        With `miscounted` some clients send the event again after this answer, and are right by their own rules.
        """
        self.newest = max(self.newest, exchange.seq)
        if self._acknowledged is not None and _after(exchange, self._acknowledged):
            if not self._may_come_again:
                self.flag("duplicate_delivery")
        elif self._refused is not None and _after(exchange, self._refused):
            self._resent = True
        place = len(self.attempts)  # one that a fault held up may have arrived before others
        while place and self.attempts[place - 1][0].received_ms > exchange.received_ms:
            place -= 1
        made, attempts = (exchange, index), self.attempts
        if isinstance(attempts, list):
            attempts.insert(place, made)
        else:
            both = (*attempts[:place], made, *attempts[place:])
            self.attempts = both if len(both) <= FEW_ATTEMPTS else list(both)
        if self.closed:
            self._first_success += place <= self._first_success
            if outcome is ClientOutcome.ACKNOWLEDGED and not miscounted and self._may_come_again:
                self._acknowledged, self._may_come_again = exchange.answered, False
            return
        self.last = outcome
        if outcome is ClientOutcome.ACKNOWLEDGED:
            self._acknowledged, self._first_success = exchange.answered, place
            self._may_come_again = miscounted
        elif outcome is ClientOutcome.REFUSED and self._refused is None and not miscounted:
            self._refused = exchange.answered

    def fate(self, *, final: bool) -> Fate:
        """Return the fate of the event. A stored event is not lost, whatever the client was told."""
        if self._resent:
            return "rejected_then_resent"
        if self.last is ClientOutcome.RETRY and not final:
            return "pending"
        if self.closed:
            return "accepted_after_retry" if self._first_success else "accepted"
        if self.stored_by is not None:
            return "accepted" if self.stored_by is self.attempts[0][0] else "accepted_after_retry"
        return "lost" if self.last is ClientOutcome.RETRY else "rejected"

    def as_json(self, *, final: bool) -> dict[str, Json]:
        """Return the row as the control surface shows it."""
        return {
            "id": self.id,
            "by": self.by,
            "protocol": self.protocol,
            "type": self.type,
            "label": self.label or self.type or "no type",
            "attempts": [
                {
                    "request_id": f"r{exchange.seq}",
                    "index": index,
                    "at": rfc3339_ms(exchange.received_ms),
                    "status": exchange.client_status,
                    "fault": exchange.override.fault,
                }
                for exchange, index in self.attempts
            ],
            "fate": self.fate(final=final),
            "flags": [*self.flags, *(["stored_twice"] if self.stored_twice else [])],
        }


def _after(exchange: Exchange, answered: tuple[int, int]) -> bool:
    """Tell whether a request came after an answer had left; one that was on its way by then did not."""
    ms, newest = answered
    return exchange.received_ms >= ms and exchange.seq > newest


class Ledger:
    """The rows of one session, built from its exchanges in the order they were committed.

    An event with an id is known by it. Without one it is known by its content: the n-th event of that content in a
    request is the n-th that is still open, so that equal events resent in one batch stay apart, a batch may grow by
    newer ones, and what was acknowledged never comes back. An attempt without an answer that arrived first and was
    stored last, after a delay, belongs to the row that was acknowledged meanwhile.
    """

    def __init__(self) -> None:
        self.rows: list[Delivery] = []
        self._by_id: dict[tuple[str, str], Delivery] = {}
        self._open: dict[Key, dict[Delivery, None]] = {}
        self._numbers: dict[Key, int] = {}
        self._awaited: dict[Key, dict[Delivery, None]] = {}
        self._latest: dict[str, int] = {}
        self._closed: dict[Key, list[Delivery]] = {}
        self._newest_ms = 0
        self._before: tuple[Exchange | None, SentEvents] = (None, NO_EVENTS)

    def adding(self, exchange: Exchange) -> Iterator[None]:
        """Take one exchange into account, with a yield after each small piece of work; it is done at the end."""
        sent, contract = sent_events(exchange), exchange.contract
        if not sent.events:
            return
        whole, contents = client_outcome(exchange), list[bytes]()
        for event in sent.events:
            contents.append(fingerprint(event))
            yield
        told = told_of_events(exchange, whole)
        doubted = whole is ClientOutcome.ACKNOWLEDGED and miscounted(exchange)
        overtaken = whole is ClientOutcome.RETRY and exchange.received_ms < self._newest_ms
        rows = list[Delivery]()
        for row in self._rows_of(exchange, sent, contents, overtaken=overtaken):
            rows.append(row)
            yield
        if self._awaited:
            yield from self._note_resends(rows, sent.events, contract)
        for index, (row, verdict) in enumerate(zip(rows, exchange.verdicts, strict=True)):
            if row.attempts:
                if row.content != contents[index]:
                    row.flag("mutated_between_attempts")
                    row.content = contents[index]
                self._compare(row, sent, index, contract.delivery)
            closed_before = row.closed
            row.attempt(exchange, index, client_outcome_of_event(told[index], verdict), miscounted=doubted)
            stored, confirmed = verdict is not Verdict.REJECTED, told[index] is ClientOutcome.ACKNOWLEDGED
            if whole is ClientOutcome.ACKNOWLEDGED and stored != confirmed:
                row.flag("told_refused" if stored else "told_accepted")
            if stored:
                if row.stored_by is None:
                    self._note_order(row)
                row.store(exchange, verdict)
            if row.by == BY_FINGERPRINT:
                self._keep_open(row, newly_closed=row.closed and not closed_before)
            self._await(row, sent.events[index], contract)
            yield
        self._newest_ms = max(self._newest_ms, exchange.received_ms)

    def _note_order(self, row: Delivery) -> None:
        """Flag an event that is stored after one that was first sent later."""
        if row.number < self._latest.get(row.protocol, 0):
            row.flag("reordered")
        else:
            self._latest[row.protocol] = row.number

    def _rows_of(
        self, exchange: Exchange, sent: SentEvents, contents: list[bytes], *, overtaken: bool
    ) -> Iterator[Delivery]:
        """Yield the row of each event of a request, new ones where they are not known.

        An `overtaken` request arrived before others that were committed first, and got no answer.
        """
        contract = exchange.contract
        opened = dict[Key, Iterator[Delivery]]()
        for index, (event, content) in enumerate(zip(sent.events, contents, strict=True)):
            key, id_, type_ = (contract.name, content), id_of(event, contract), sent.type_of(index)
            if id_ is not None:
                row = self._by_id.get((contract.name, id_))
                if row is None:
                    by = contract.dedup.by if contract.dedup else ""
                    row = self._by_id[contract.name, id_] = self._new_row(
                        contract, event, content, type_, id=id_, by=by
                    )
            else:
                if key not in opened:
                    opened[key] = iter(
                        (*(self._overtaking(exchange, key) if overtaken else ()), *self._open.get(key, ()))
                    )
                row = next(opened[key], None)
                if row is None:
                    number = self._numbers[key] = self._numbers.get(key, 0) + 1
                    row = self._new_row(
                        contract, event, content, type_, id=f"{content.hex()}-{number}", by=BY_FINGERPRINT
                    )
            yield row

    def _note_resends(self, rows: list[Delivery], events: list[Json], contract: Contract) -> Iterator[None]:
        """Note which awaited rows the new rows of a request seem to repeat; each is repeated once."""
        together, earlier = set(rows), dict[Key, Iterator[Delivery]]()
        for row, event in zip(rows, events, strict=True):
            yield
            if row.attempts or row.resends is not None:
                continue
            bare = _bare(event, contract)
            if bare not in earlier:
                earlier[bare] = iter([other for other in self._awaited.get(bare, ()) if other not in together])
            other = row.resends = next(earlier[bare], None)
            if other is None:
                continue
            other.repeated = True
            self._await(other, None, contract)
            if row.by == other.by and other.last is ClientOutcome.RETRY:
                row.flag("identity_changed")

    def _new_row(
        self, contract: Contract, event: Json, content: bytes, type_: str | None, *, id: str, by: str
    ) -> Delivery:
        row = Delivery(
            number=len(self.rows) + 1,
            id=id,
            by=by,
            protocol=contract.name,
            type=type_,
            content=content,
            label=label_of(event, type_, contract.delivery),
            upsert=type_ in contract.delivery.upserts,
        )
        self.rows.append(row)
        return row

    def _compare(self, row: Delivery, sent: SentEvents, index: int, delivery: DeliveryRules) -> None:
        """Flag an event that is about somebody else than in the attempt before."""
        exchange, index_before = row.attempts[-1]
        if self._before[0] is not exchange:
            self._before = exchange, sent_events(exchange)
        before = self._before[1]
        named_before = identity_of(before.events[index_before], before.body, delivery)
        if named_before != identity_of(sent.events[index], sent.body, delivery):
            row.flag("identity_changed")

    def _overtaking(self, exchange: Exchange, key: Key) -> list[Delivery]:
        """Return the rows of a content that were acknowledged by requests that arrived after this one."""
        rows = []
        for row in reversed(self._closed.get(key, ())):
            if row.attempts[0][0].received_ms <= exchange.received_ms:
                break
            rows.append(row)
        return rows[::-1]

    def _keep_open(self, row: Delivery, *, newly_closed: bool) -> None:
        """Keep a row without id findable until it is acknowledged, and then for requests that it overtook."""
        key = (row.protocol, row.content)
        if not row.closed:
            self._open.setdefault(key, {})[row] = None
            return
        _drop(self._open, key, row)
        if newly_closed:
            self._closed.setdefault(key, []).append(row)

    def _await(self, row: Delivery, event: Json, contract: Contract) -> None:
        """Remember the content of an awaited row, to notice when it comes under another id or without one."""
        waits = row.awaited
        if waits and row.bare is None:
            row.bare = (row.protocol, row.content) if row.by == BY_FINGERPRINT else _bare(event, contract)
            self._awaited.setdefault(row.bare, {})[row] = None
        elif not waits and row.bare is not None:
            _drop(self._awaited, row.bare, row)
            row.bare = None


def id_of(event: Json, contract: Contract) -> str | None:
    """Return the id of an event by which the vendor recognises it, or None where it has none."""
    value = pointer.get(event, contract.dedup.tokens) if contract.dedup else None
    return value if isinstance(value, str) and value else None


def _bare(event: Json, contract: Contract) -> Key:
    return contract.name, fingerprint(without(event, contract.dedup.tokens if contract.dedup else ("",)))


def _drop(rows: dict[Key, dict[Delivery, None]], key: Key, row: Delivery) -> None:
    rows.get(key, {}).pop(row, None)
    if not rows.get(key):
        rows.pop(key, None)
