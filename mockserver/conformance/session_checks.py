"""Checks of a session as a whole: ids, order, connections, what is open at a time, what arrives."""

from __future__ import annotations

from collections.abc import Iterable, Set

from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import Sent, Traffic, events_looked_at
from mockserver.conformance.request_checks import of_each, shown
from mockserver.contract.client_rules import ClientRule
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.ledger import fingerprint, without
from mockserver.sessions.outcomes import ClientOutcome, client_outcome


def stripped(event: Json, ignored: tuple[str, ...]) -> Json:
    """Return an event without some members, by pointer."""
    for place in ignored:
        event = without(event, pointer.parse(place))
    return event


class UniqueIds(Check):
    """Holds that an id is not given to a second event. Another content of the event that is retried is none."""

    name = "unique_ids"

    def __init__(self, rule: ClientRule, seen: Set[int]) -> None:
        super().__init__(rule, seen)
        self._known: dict[str, tuple[bytes, Exchange]] = {}

    def held(self) -> Iterable[object]:
        """Return the ids and what they name."""
        return self._known.items()

    def see(self, sent: Sent) -> None:
        """Compare each event with the one that had its id before."""
        tokens, ignored = pointer.parse(self.parameters["pointer"]), tuple(self.parameters.get("ignore", ()))
        for event in events_looked_at(sent, self.scope):
            id = pointer.get(event, tokens)
            if not isinstance(id, str):
                continue
            content = fingerprint(stripped(event, ignored))
            before = self._known.get(id)
            if self._known:
                self.case()
            if before is not None and before[0] != content and _is_another(before[1], sent.exchange):
                self.fail(f"the id {shown(id)} names two different events", before[1], sent.exchange)
            self._known[id] = content, sent.exchange


def _is_another(before: Exchange, now: Exchange) -> bool:
    """Tell whether something sent later is another one: the first was answered for good, or both are in one request."""
    return before.seq == now.seq or client_outcome(before) is not ClientOutcome.RETRY


class UniqueHeader(Check):
    """Holds that a value of a header comes with one body only."""

    name = "unique_header"

    def __init__(self, rule: ClientRule, seen: Set[int]) -> None:
        super().__init__(rule, seen)
        self._known: dict[str, Exchange] = {}

    def see(self, sent: Sent) -> None:
        """Compare the body with the one that had the value before."""
        for value in sent.headers(self.parameters["name"]):
            before = self._known.get(value)
            if self._known:
                self.case()
            if before is not None and before.body != sent.exchange.body and _is_another(before, sent.exchange):
                self.fail(f"{self.parameters['name']} {shown(value)} comes with two bodies", before, sent.exchange)
            self._known[value] = sent.exchange


class OneValue(Check):
    """Holds that a member has one value in each request, or in the session."""

    name = "one_value"

    def __init__(self, rule: ClientRule, seen: Set[int]) -> None:
        super().__init__(rule, seen)
        self._first: tuple[Json, Exchange] | None = None

    def see(self, sent: Sent) -> None:
        """Compare the member with the first one."""
        if self.parameters["in"] == "request":
            self._first = None
        for value in of_each(self, sent):
            member = pointer.get(value, pointer.parse(self.parameters["pointer"]))
            if member is MISSING:
                continue
            if self._first is None:
                self._first = member, sent.exchange
                continue
            self.case()
            if member != self._first[0]:
                first = f"{self.parameters['pointer']} is {shown(self._first[0])} first, then {shown(member)}"
                self.fail(first, self._first[1], sent.exchange)


class InOrder(Check):
    """Holds that events are first sent in the order of their own times."""

    name = "in_order"

    def end(self, traffic: Traffic) -> None:
        """Compare each event with the latest one before."""
        latest: tuple[int, Exchange] | None = None
        in_request = self.parameters.get("in") == "request"
        for event in self.events(traffic):
            first = event.attempts[0]
            ms = moment(pointer.get(traffic.content(first), pointer.parse(self.parameters["pointer"])))
            if ms is None:
                continue
            if latest is None or (in_request and latest[1] is not first[0]):
                latest = ms, first[0]
                continue
            self.case()
            if ms < latest[0] - self.parameters.get("tolerance_ms", 0):
                times = f"{rfc3339_ms(ms)} is sent after {rfc3339_ms(latest[0])}"
                self.fail(f"an event of {times}", latest[1], first[0])
            if ms > latest[0]:
                latest = ms, first[0]


class SentWithin(Check):
    """Holds how long an event waits before it is first sent."""

    name = "sent_within"

    def end(self, traffic: Traffic) -> None:
        """Compare the time of each event with that of its first request."""
        for event in self.events(traffic):
            first = event.attempts[0]
            ms = moment(pointer.get(traffic.content(first), pointer.parse(self.parameters["pointer"])))
            if ms is None:
                continue
            self.case()
            waited = first[0].now_ms - ms
            if waited > self.parameters["at_most_ms"]:
                self.fail(f"an event is sent {waited} ms after its own time", first[0])


def moment(value: Json) -> int | None:
    """Return a date-time, or a number of milliseconds since 1970, in ms; None for anything else."""
    if isinstance(value, str):
        return epoch_ms(value)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class OneAtATime(Check):
    """Holds that no request arrives while another one is open."""

    name = "one_at_a_time"
    OPEN_MS = 100

    def end(self, traffic: Traffic) -> None:
        """Look for what arrived while an answer was held up."""
        requests = [exchange for exchange in traffic.by_arrival if exchange.seq in self.seen]
        for number, exchange in enumerate(requests):
            answered = exchange.answered[0]
            if answered - exchange.received_ms < self.parameters.get("open_ms", self.OPEN_MS):
                continue
            self.case()
            for other in requests[number + 1 :]:
                if other.received_ms >= answered:
                    break
                self.fail("a request arrives while another one is open", exchange, other)


class ConnectionReuse(Check):
    """Holds how many connections requests use."""

    name = "connection_reuse"

    def __init__(self, rule: ClientRule, seen: Set[int]) -> None:
        super().__init__(rule, seen)
        self._connections: dict[str, Exchange] = {}
        self._requests = 0
        self._closed = 0

    def see(self, sent: Sent) -> None:
        """Note the connection."""
        exchange = sent.exchange
        if exchange.connection:
            self._requests += 1
            self._connections.setdefault(exchange.connection, exchange)
            fault = exchange.override.fault
            self._closed += isinstance(fault, dict) and "connection" in fault

    def end(self, traffic: Traffic) -> None:
        """Count the connections."""
        if self._requests > 1:
            self.case()
            most = self.parameters["at_most"] + self._closed
            if len(self._connections) > most:
                text = f"{self._requests} requests use {len(self._connections)} connections, more than {most}"
                self.fail(text, *self._connections.values())


class EverythingArrives(Check):
    """Holds that as many events are taken as were made, where every answer was a success."""

    name = "everything_arrives"

    def end(self, traffic: Traffic) -> None:
        """Count the events that were taken."""
        if traffic.made is None or not traffic.final or not all(map(_is_success, traffic.exchanges)):
            return
        self.case()
        taken = sum(event.is_taken for event in traffic.events)
        if taken < traffic.made:
            self.fail(f"{taken} of {traffic.made} events are taken", *traffic.exchanges[-1:])


def _is_success(exchange: Exchange) -> bool:
    told = 200 <= exchange.status < 300 and not exchange.override.lost
    return told and Verdict.REJECTED not in exchange.verdicts
