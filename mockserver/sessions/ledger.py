"""The delivery ledger: one row per logical event, over all attempts to deliver it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mockserver.contract.contract import Contract
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import get
from mockserver.sessions.attempts import (
    NO_EVENTS,
    ClientOutcome,
    SentEvents,
    client_outcome,
    client_outcome_of_event,
    fingerprint,
    identity_of,
    sent_events,
    without,
)
from mockserver.sessions.delivery import BY_FINGERPRINT, Delivery, Key
from mockserver.sessions.exchange import Exchange


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
        sent = sent_events(exchange)
        if not sent.events:
            return
        contract = exchange.contract
        whole = client_outcome(exchange)
        rows = self._rows_of(sent, contract)
        for index, (row, verdict) in enumerate(zip(rows, exchange.verdicts, strict=True)):
            if row.attempts:
                self._compare(row, sent, index, contract)
            row.attempt(exchange, index, client_outcome_of_event(whole, verdict))
            if verdict is not Verdict.REJECTED:
                self._store(row, exchange)
            if row.by == BY_FINGERPRINT:
                self._keep_open(row)
            else:
                self._await(row, sent.events[index], contract)

    def _rows_of(self, sent: SentEvents, contract: Contract) -> list[Delivery]:
        ids = [_id_of(event, contract) for event in sent.events]
        together = frozenset(ids)
        opened: dict[Key, Iterator[Delivery]] = {}
        return [
            self._without_id(event, kind, contract, opened)
            if name is None
            else self._with_id(event, kind, name, contract, together)
            for event, kind, name in zip(sent.events, sent.types, ids, strict=True)
        ]

    def _with_id(
        self, event: Json, kind: str | None, name: str, contract: Contract, together: frozenset[str | None]
    ) -> Delivery:
        key = (contract.name, name)
        row = self._by_id.get(key)
        if row is None:
            row = self._by_id[key] = self._row(
                name, contract.dedup.by if contract.dedup else "", kind, contract, fingerprint(event)
            )
            if self._awaited and any(
                other.id not in together for other in self._awaited.get(_bare(event, contract), ())
            ):
                row.flag("identity_changed")
        return row

    def _without_id(
        self, event: Json, kind: str | None, contract: Contract, opened: dict[Key, Iterator[Delivery]]
    ) -> Delivery:
        key = (contract.name, fingerprint(event))
        if key not in opened:
            opened[key] = iter(tuple(self._open.get(key, ())))
        row = next(opened[key], None)
        if row is None:
            number = self._numbers[key] = self._numbers.get(key, 0) + 1
            row = self._row(f"{key[1].hex()}-{number}", BY_FINGERPRINT, kind, contract, key[1])
        return row

    def _row(self, name: str, by: str, kind: str | None, contract: Contract, content: bytes) -> Delivery:
        number = len(self.rows) + 1
        row = Delivery(number=number, id=name, by=by, protocol=contract.name, type=kind, content=content)
        self.rows.append(row)
        return row

    def _store(self, row: Delivery, exchange: Exchange) -> None:
        """Note that the server holds an event now; flag it when one that was first sent later came before it."""
        if row.stored:
            return
        row.stored_by = exchange
        if row.number < self._latest.get(row.protocol, 0):
            row.flag("reordered")
        else:
            self._latest[row.protocol] = row.number

    def _compare(self, row: Delivery, sent: SentEvents, index: int, contract: Contract) -> None:
        """Flag what is different from the attempt before."""
        event = sent.events[index]
        if row.by != BY_FINGERPRINT and (content := fingerprint(event)) != row.content:
            row.flag("mutated_between_attempts")
            row.content = content
        exchange, number = row.attempts[-1]
        if self._before[0] is not exchange:
            self._before = exchange, sent_events(exchange)
        before = self._before[1]
        if identity_of(before.events[number], before.body, contract.delivery) != identity_of(
            event, sent.body, contract.delivery
        ):
            row.flag("identity_changed")

    def _keep_open(self, row: Delivery) -> None:
        """Keep a row without id findable until it is acknowledged."""
        key = (row.protocol, row.content)
        if not row.closed:
            self._open.setdefault(key, {})[row] = None
        elif key in self._open:
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


def _id_of(event: Json, contract: Contract) -> str | None:
    if contract.dedup is None:
        return None
    value = get(event, contract.dedup.tokens)
    return value if isinstance(value, str) and value else None


def _bare(event: Json, contract: Contract) -> Key:
    return contract.name, fingerprint(without(event, contract.dedup.tokens if contract.dedup else ("",)))


def _drop(rows: dict[Key, dict[Delivery, None]], key: Key, row: Delivery) -> None:
    rows[key].pop(row, None)
    if not rows[key]:
        del rows[key]


def deliveries(exchanges: Iterable[Exchange]) -> list[Delivery]:
    """Return the ledger of a session's exchanges, oldest event first."""
    ledger = Ledger()
    for exchange in exchanges:
        ledger.add(exchange)
    return ledger.rows
