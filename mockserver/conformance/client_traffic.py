"""The traffic that rules are judged on: requests in their order, and each logical event with all its attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from msgspec import Struct

from mockserver.contract.client_rules import LooksAt
from mockserver.core.adapter import adapter_of
from mockserver.core.body import RequestBody
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.patterns import matches
from mockserver.sessions.delivery import Attempt, Delivery
from mockserver.sessions.exchange import Exchange, SentEvents, sent_events
from mockserver.sessions.ledger import BY_FINGERPRINT, Ledger
from mockserver.sessions.outcomes import ClientOutcome, client_outcome, told_of_events
from mockserver.sessions.remains import Remains
from mockserver.sessions.views import View
from mockserver.sessions.vocabulary import PREFLIGHT

RECENT: Final = 32
"""How many requests are kept parsed for who looks at them again."""

T = TypeVar("T")


class Sent:
    """One request as checks look at it. What is costly is found when a check asks."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.id = f"r{exchange.seq}"

    @cached_property
    def sent(self) -> SentEvents:
        """The body and its events."""
        return sent_events(self.exchange)

    @cached_property
    def text(self) -> RequestBody:
        """The body, decoded and parsed."""
        body = RequestBody(self.exchange.request)
        body.parse(self.exchange.contract.max_body)
        return body

    @cached_property
    def form(self) -> str | None:
        """The name of the body's form, also where it holds no event."""
        operation = self.exchange.contract.operations.get(self.exchange.operation or "")
        adapter = adapter_of(self.exchange.contract.adapter)
        form = None if operation is None else adapter.choose_form(operation, self.text.value)
        return None if form is None else form.name

    @cached_property
    def findings(self) -> frozenset[tuple[str, str]]:
        """Severity and rule of what the contract finds in the request and its events."""
        view = View(self.exchange)
        rows = [finding for row in view.event_rows() for finding in row["findings"]]
        of_events = {(finding["severity"], finding["rule"]) for finding in rows}
        return frozenset(of_events | {(str(finding.severity), finding.rule) for finding in view.findings()})

    def headers(self, name: str) -> list[str]:
        """Return the values of a header."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.exchange.request.headers if key.lower() == wanted]


def arrived_after(later: Exchange, earlier: Exchange) -> bool:
    """Tell whether a request arrived when the answer to an earlier one had left."""
    ms, newest = earlier.answered
    return later.received_ms >= ms and later.seq > newest


class LogicalEvent(Struct, frozen=True, eq=False, gc=False):
    """One event with its attempts in the order of arrival, also those under another id.

    `owners` has for each attempt the row of the ledger that it is in; it is empty where there is one row.
    """

    rows: Sequence[Delivery]
    attempts: Sequence[Attempt]
    owners: Sequence[int] = ()

    @property
    def type(self) -> str | None:
        """The event type."""
        return self.rows[0].type

    def id_of(self, position: int) -> str | None:
        """Return the id that an attempt was sent under; None for an event without one."""
        row = self.rows[self.owners[position] if self.owners else 0]
        return None if row.by == BY_FINGERPRINT else row.id

    @property
    def is_taken(self) -> bool:
        """Whether the event is stored, or its client was told so."""
        return any(row.closed or row.stored_by is not None for row in self.rows)


@dataclass(kw_only=True)
class Traffic:
    """The requests of one protocol to a session, oldest first, without preflights.

    `until_ms` is up to when it was watched, in ms since 1970; with `final` nothing more will come. `made` is the number
    of different events that the program made, None where that is not known.
    """

    exchanges: Sequence[Exchange]
    until_ms: int
    final: bool = False
    made: int | None = None
    _ledger: Ledger = field(default_factory=Ledger)
    _parsed: dict[int, SentEvents] = field(default_factory=dict)
    _told: dict[int, list[ClientOutcome]] = field(default_factory=dict)
    _replies: dict[int, WireReply] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exchanges = [exchange for exchange in self.exchanges if exchange.operation != PREFLIGHT]

    def adding(self, exchange: Exchange) -> Iterator[None]:
        """Take a request into the ledger, with a yield after each small piece of work; each once, in their order."""
        yield from self._ledger.adding(exchange)

    @cached_property
    def events(self) -> Sequence[LogicalEvent]:
        """The logical events in the order in which they were first sent."""
        rows = self._ledger.rows
        followed = {row.resends: row for row in rows if row.resends is not None}
        return [self._event(row, followed) for row in rows if row.resends is None]

    def _event(self, row: Delivery, followed: dict[Delivery, Delivery]) -> LogicalEvent:
        if row not in followed:
            return LogicalEvent((row,), row.attempts)
        rows = [row]
        while rows[-1] in followed:
            rows.append(followed[rows[-1]])
        owned = [(attempt, number) for number, each in enumerate(rows) for attempt in each.attempts]
        owned.sort(key=lambda pair: (pair[0][0].received_ms, pair[0][0].seq))
        return LogicalEvent(tuple(rows), [attempt for attempt, _ in owned], [number for _, number in owned])

    def content(self, attempt: Attempt) -> Json:
        """Return the event of an attempt as it was sent."""
        exchange, index = attempt
        return self._of(self._parsed, exchange, sent_events).events[index]

    def told(self, attempt: Attempt) -> ClientOutcome:
        """Return what the answer told the client of the event of an attempt."""
        exchange, index = attempt
        return self._of(self._told, exchange, _told)[index]

    def reply(self, exchange: Exchange) -> WireReply:
        """Return the answer to a request."""
        return self._of(self._replies, exchange, _reply)

    def reply_header(self, exchange: Exchange, name: str) -> str | None:
        """Return a header of the answer to a request, or None."""
        reply = self.reply(exchange)
        return next((value for key, value in reply.headers if key.lower() == name.lower()), None)

    @staticmethod
    def _of(known: dict[int, T], exchange: Exchange, find: Callable[[Exchange], T]) -> T:
        """Return what is found in a request; what was found in recent ones is kept."""
        if exchange.seq not in known:
            if len(known) >= RECENT:
                del known[next(iter(known))]
            known[exchange.seq] = find(exchange)
        return known[exchange.seq]

    def leave_to(self, remains: Remains) -> None:
        """Forget the events, and leave it to somebody else to free them a few at a time."""
        remains.add(self.__dict__.pop("events", ()))
        remains.add(self._ledger.rows)
        self._ledger = Ledger()

    @cached_property
    def by_arrival(self) -> Sequence[Exchange]:
        """The requests in the order of arrival; one that a fault held up is journalled later."""
        return sorted(self.exchanges, key=lambda exchange: (exchange.received_ms, exchange.seq))

    @cached_property
    def newest_ms(self) -> int:
        """When the last request arrived."""
        return max((exchange.received_ms for exchange in self.exchanges), default=0)

    def settled(self, exchange: Exchange, patience_ms: int) -> bool:
        """Tell whether what may follow an answer has had its time."""
        return self.final or self.until_ms - exchange.answered[0] >= patience_ms

    def followed(self, exchange: Exchange) -> bool:
        """Tell whether any request came after the answer to this one."""
        return self.exchanges[-1].received_ms >= exchange.answered[0] and self.exchanges[-1] is not exchange


def looked_at(sent: Sent, scope: LooksAt) -> bool:
    """Tell whether a rule is about a request."""
    if scope.operations and sent.exchange.operation not in scope.operations:
        return False
    if scope.forms and sent.form not in scope.forms:
        return False
    if not all(any(matches(text, value) for value in sent.headers(name)) for name, text in scope.headers.items()):
        return False
    if scope.types and not any(sent.sent.type_of(index) in scope.types for index in range(len(sent.sent.events))):
        return False
    return all(_fits(sent.text.value, place, text) for place, text in scope.body.items())


def _fits(body: Json, place: str, text: str) -> bool:
    value = pointer.get(body, pointer.parse(place))
    return isinstance(value, str) and matches(text, value)


def events_looked_at(sent: Sent, scope: LooksAt) -> Iterator[Json]:
    """Yield the events of a request that a rule is about."""
    for index, event in enumerate(sent.sent.events):
        if not scope.types or sent.sent.type_of(index) in scope.types:
            yield event


def _told(exchange: Exchange) -> list[ClientOutcome]:
    return told_of_events(exchange, client_outcome(exchange))


def _reply(exchange: Exchange) -> WireReply:
    return exchange.override.reply or View(exchange).reply()
