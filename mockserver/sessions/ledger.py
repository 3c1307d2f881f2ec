"""The delivery ledger: one row per logical event, over all attempts to deliver it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import orjson

from mockserver.contract.contract import Contract
from mockserver.contract.sections import DeliveryRules
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json, pointer
from mockserver.sessions.delivery import Delivery, Key
from mockserver.sessions.exchange import NO_EVENTS, Exchange, SentEvents, sent_events
from mockserver.sessions.outcomes import (
    ClientOutcome,
    client_outcome,
    client_outcome_of_event,
    miscounted,
    told_of_events,
)

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
