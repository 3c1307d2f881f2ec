"""Which answers a rule is about, and what came after them: the attempts of an event, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import LogicalEvent, Traffic, arrived_after
from mockserver.jsonkit import Json
from mockserver.sessions.delivery import Attempt
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.outcomes import ClientOutcome, miscounted

TOLD: Final = {"taken": ClientOutcome.ACKNOWLEDGED, "failed": ClientOutcome.REFUSED}


class Answered(NamedTuple):
    """An attempt with an answer that a rule is about, and the next attempt after that answer, or None.

    `position` and `next` are the places of both among the attempts of the event.
    """

    event: LogicalEvent
    position: int
    next: int | None

    @property
    def earlier(self) -> Attempt:
        """The attempt that was answered."""
        return self.event.attempts[self.position]

    @property
    def later(self) -> Attempt | None:
        """The next attempt."""
        return None if self.next is None else self.event.attempts[self.next]

    @property
    def pause_ms(self) -> int:
        """The time between the answer and the next attempt."""
        assert self.later is not None
        return self.later[0].received_ms - self.earlier[0].answered[0]


def is_answer(traffic: Traffic, exchange: Exchange, after: Mapping[str, Json]) -> bool:
    """Tell whether the answer to a request is one that a rule is about.

    An answer that broke off when its status was told is neither a status nor no answer: clients differ there.
    """
    if exchange.override.lost:
        return "no_answer" in after and not exchange.override.status_left
    statuses = after.get("statuses", ())
    if str(exchange.status) not in statuses and f"{exchange.status // 100}xx" not in statuses:
        return False
    if exchange.answered[0] - exchange.received_ms > after.get("within_ms", exchange.answered[0]):
        return False
    if "without_header" in after and traffic.reply_header(exchange, after["without_header"]) is not None:
        return False
    return "header" not in after or traffic.reply_header(exchange, after["header"]) is not None


def is_answered(traffic: Traffic, attempt: Attempt, after: Mapping[str, Json]) -> bool:
    """Tell whether the answer for the event of an attempt is one that a rule is about."""
    if not is_answer(traffic, attempt[0], after):
        return False
    told = after.get("events")
    return told is None or (traffic.told(attempt) is TOLD[told] and not miscounted(attempt[0]))


def answered(check: Check, traffic: Traffic) -> Iterator[Answered]:
    """Yield each attempt with such an answer, of the events that a rule is about."""
    for event in check.events(traffic):
        for position, attempt in enumerate(event.attempts):
            if is_answered(traffic, attempt, check.parameters["after"]):
                yield Answered(event, position, _next(event, position))


def _next(event: LogicalEvent, position: int) -> int | None:
    """Return the place of the first attempt that arrived when the answer had left; what overlaps is no retry."""
    earlier = event.attempts[position][0]
    later = range(position + 1, len(event.attempts))
    return next((place for place in later if arrived_after(event.attempts[place][0], earlier)), None)


def retried_requests(check: Check, traffic: Traffic) -> Iterator[tuple[Exchange, Exchange]]:
    """Yield each pair of a request with such an answer and the next one that sends an event of it again."""
    known = set[tuple[int, int]]()
    for found in answered(check, traffic):
        if found.later is not None:
            pair = found.earlier[0], found.later[0]
            if (pair[0].seq, pair[1].seq) not in known:
                known.add((pair[0].seq, pair[1].seq))
                yield pair


def answered_requests(check: Check, traffic: Traffic) -> Iterator[Exchange]:
    """Yield the requests with such an answer, in the order of arrival."""
    for exchange in traffic.by_arrival:
        if exchange.seq in check.seen and is_answer(traffic, exchange, check.parameters["after"]):
            yield exchange
