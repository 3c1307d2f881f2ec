"""The delivery ledger: one row per logical event, over all attempts to deliver it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Literal

import orjson

from mockserver.contract.contract import Contract
from mockserver.contract.sections import DeliveryRules
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.sessions.exchange import NO_EVENTS, Exchange, SentEvents, sent_events

Fate = Literal["accepted", "accepted_after_retry", "rejected", "rejected_then_resent", "pending", "lost"]
Flag = Literal["duplicate_delivery", "mutated_between_attempts", "identity_changed", "reordered"]
Key = tuple[str, bytes]
"""A protocol and the digest of an event's content."""

BY_FINGERPRINT: Final = "fingerprint"


class ClientOutcome(StrEnum):
    """What a client makes of the answer for one event."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    RETRY = "retry"


def client_outcome(exchange: Exchange) -> ClientOutcome:
    """Say what the client makes of the reply as a whole."""
    status, delivery, reply = exchange.status, exchange.contract.delivery, exchange.override.reply
    if exchange.override.lost:
        return ClientOutcome.RETRY
    if 200 <= status < 300:
        try:
            if delivery.acknowledged_by_json and reply is not None:
                jsontext.parse(reply.body)
        except jsontext.NotJSONError:
            return ClientOutcome.RETRY
        return ClientOutcome.ACKNOWLEDGED
    retried = str(status) in delivery.retried or f"{status // 100}xx" in delivery.retried
    return ClientOutcome.RETRY if retried else ClientOutcome.REFUSED


def client_outcome_of_event(whole: ClientOutcome, verdict: Verdict) -> ClientOutcome:
    """Say what the client makes of the reply for one event: a refused one is not delivered by a success."""
    return ClientOutcome.REFUSED if whole is ClientOutcome.ACKNOWLEDGED and verdict is Verdict.REJECTED else whole


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


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One logical event: its attempts in the order of arrival, and its fate.

    `bare` is the key of its content without its id while the client is to send it again.
    """

    number: int
    id: str
    by: str
    protocol: str
    type: str | None
    content: bytes
    bare: Key | None = None
    attempts: list[tuple[Exchange, int]] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    last: ClientOutcome = ClientOutcome.RETRY
    stored_by: Exchange | None = None
    _first_success: int = 0
    _acknowledged: tuple[int, int] | None = None
    _refused: tuple[int, int] | None = None
    _resent: bool = False

    @property
    def closed(self) -> bool:
        """Whether the client was told that the event is delivered."""
        return self._acknowledged is not None

    def flag(self, name: Flag) -> None:
        """Set a flag."""
        if name not in self.flags:
            self.flags.append(name)

    def attempt(self, exchange: Exchange, index: int, outcome: ClientOutcome) -> None:
        """Add an attempt and what the client was told of it."""
        if self._acknowledged is not None and _after(exchange, self._acknowledged):
            self.flag("duplicate_delivery")
        elif self._refused is not None and _after(exchange, self._refused):
            self._resent = True
        place = len(self.attempts)  # one that a fault held up may have arrived before others
        while place and self.attempts[place - 1][0].received_ms > exchange.received_ms:
            place -= 1
        self.attempts.insert(place, (exchange, index))
        if self.closed:
            self._first_success += place <= self._first_success
            return
        self.last = outcome
        if outcome is ClientOutcome.ACKNOWLEDGED:
            self._acknowledged, self._first_success = exchange.answered, place
        elif outcome is ClientOutcome.REFUSED and self._refused is None:
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
            "flags": self.flags,
        }


def _after(exchange: Exchange, answered: tuple[int, int]) -> bool:
    """Tell whether a request came after an answer had left; one that was on its way by then did not."""
    ms, newest = answered
    return exchange.received_ms >= ms and exchange.seq > newest


class Ledger:
    """The rows of one session, built from its exchanges in the order they were committed.

    An event with an id is known by it. Without one it is known by its content: the n-th event of that content in a
    request is the n-th that is still open, so that equal events resent in one batch stay apart, a batch may grow by
    newer ones, and what was acknowledged never comes back.
    """

    def __init__(self) -> None:
        self.rows: list[Delivery] = []
        self._by_id: dict[tuple[str, str], Delivery] = {}
        self._open: dict[Key, dict[Delivery, None]] = {}
        self._numbers: dict[Key, int] = {}
        self._awaited: dict[Key, dict[Delivery, None]] = {}
        self._latest: dict[str, int] = {}
        self._before: tuple[Exchange | None, SentEvents] = (None, NO_EVENTS)

    def add(self, exchange: Exchange) -> None:
        """Take one exchange into account."""
        sent, contract = sent_events(exchange), exchange.contract
        if not sent.events:
            return
        whole, contents = client_outcome(exchange), [fingerprint(event) for event in sent.events]
        rows = self._rows_of(sent, contents, contract)
        for index, (row, verdict) in enumerate(zip(rows, exchange.verdicts, strict=True)):
            if row.attempts:
                if row.content != contents[index]:
                    row.flag("mutated_between_attempts")
                    row.content = contents[index]
                self._compare(row, sent, index, contract.delivery)
            row.attempt(exchange, index, client_outcome_of_event(whole, verdict))
            if verdict is not Verdict.REJECTED and row.stored_by is None:
                row.stored_by = exchange
                if row.number < self._latest.get(row.protocol, 0):  # one that was first sent later came before it
                    row.flag("reordered")
                else:
                    self._latest[row.protocol] = row.number
            if row.by == BY_FINGERPRINT:
                self._keep_open(row)
            else:
                self._await(row, sent.events[index], contract)

    def _rows_of(self, sent: SentEvents, contents: list[bytes], contract: Contract) -> list[Delivery]:
        """Return the row of each event of a request, new ones where they are not known."""
        ids = [id_of(event, contract) for event in sent.events]
        together, opened = frozenset(ids), dict[Key, Iterator[Delivery]]()
        rows = []
        for event, type_, content, id_ in zip(sent.events, sent.types, contents, ids, strict=True):
            key = (contract.name, content)
            if id_ is not None:
                row = self._by_id.get((contract.name, id_))
                if row is None:
                    by = contract.dedup.by if contract.dedup else ""
                    row = self._by_id[contract.name, id_] = self._new_row(key, type_, id=id_, by=by)
                    awaited = self._awaited.get(_bare(event, contract), ()) if self._awaited else ()
                    if any(other.id not in together for other in awaited):
                        row.flag("identity_changed")
            else:
                if key not in opened:
                    opened[key] = iter(tuple(self._open.get(key, ())))
                row = next(opened[key], None)
                if row is None:
                    number = self._numbers[key] = self._numbers.get(key, 0) + 1
                    row = self._new_row(key, type_, id=f"{content.hex()}-{number}", by=BY_FINGERPRINT)
            rows.append(row)
        return rows

    def _new_row(self, key: Key, type_: str | None, *, id: str, by: str) -> Delivery:
        protocol, content = key
        row = Delivery(number=len(self.rows) + 1, id=id, by=by, protocol=protocol, type=type_, content=content)
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

    def _keep_open(self, row: Delivery) -> None:
        """Keep a row without id findable until it is acknowledged."""
        key = (row.protocol, row.content)
        if not row.closed:
            self._open.setdefault(key, {})[row] = None
        else:
            _drop(self._open, key, row)

    def _await(self, row: Delivery, event: Json, contract: Contract) -> None:
        """Remember the content of a row that is to be sent again, to notice when it comes under another id."""
        waits = row.last is ClientOutcome.RETRY
        if waits and row.bare is None:
            row.bare = _bare(event, contract)
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
