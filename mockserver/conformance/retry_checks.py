"""Checks of what a client sends again after an answer, what it never does, and what stays the same."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Final

from mockserver.conformance.answers import Answered, answered, answered_requests, is_answered, retried_requests
from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import LogicalEvent, Traffic, arrived_after
from mockserver.conformance.request_checks import shown
from mockserver.conformance.session_checks import stripped
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.delivery import Attempt
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.ledger import fingerprint
from mockserver.sessions.outcomes import ClientOutcome, client_outcome

FEWEST_COPIES: Final = 2


def answer_of(exchange: Exchange) -> str:
    """Return an answer as a sentence has it."""
    return "no answer" if exchange.client_status is None else f"the answer {exchange.client_status}"


class Retried(Check):
    """Holds that an event is sent again; with `until_taken`, when the server takes events again too."""

    name = "retried"

    def end(self, traffic: Traffic) -> None:
        """Look for the next attempt of each event."""
        for found in answered(self, traffic):
            first = found.earlier[0]
            if found.next is not None:
                self.case()
            elif self._is_due(found, traffic):
                self.case()
                self.fail(f"an event is not sent again after {answer_of(first)}", first)

    def _is_due(self, found: Answered, traffic: Traffic) -> bool:
        """Tell whether the event had its time, and was not tried again before."""
        first, after = found.earlier[0], self.parameters["after"]
        if not traffic.settled(first, self.parameters["patience_ms"]):
            return False
        tried = any(is_answered(traffic, attempt, after) for attempt in found.event.attempts[: found.position])
        if tried and "until_taken" not in self.parameters:
            return False
        return not (tried or "if_others_are" in self.parameters) or any(
            arrived_after(other, first) and client_outcome(other) is ClientOutcome.ACKNOWLEDGED
            for other in traffic.exchanges
        )


class NotRetried(Check):
    """Holds that an event is not sent again. Another event under its id is a matter of the ids.

    The ledger takes an event without an id that comes again after a success for another one. With `known_by` it is the
    same one, if it has that member and nothing of it differs.
    """

    name = "not_retried"

    def end(self, traffic: Traffic) -> None:
        """Look for another attempt of each event."""
        known = self._known(traffic) if "known_by" in self.parameters else {}
        for found in answered(self, traffic):
            first, later = found.earlier[0], found.later
            if later is None or not _is_same(traffic, found):
                later = self._copy(traffic, found, known)
            if later is not None:
                self.case()
                self.fail(f"an event is sent again after {answer_of(first)}", first, later[0])
            elif traffic.followed(first) or traffic.settled(first, self.parameters["patience_ms"]):
                self.case()

    @staticmethod
    def _known(traffic: Traffic) -> dict[bytes, list[LogicalEvent]]:
        known: dict[bytes, list[LogicalEvent]] = {}
        for event in traffic.events:
            if event.id_of(0) is None:
                known.setdefault(event.rows[0].content, []).append(event)
        return known

    def _copy(self, traffic: Traffic, found: Answered, known: dict[bytes, list[LogicalEvent]]) -> Attempt | None:
        """Return the first attempt of an event that is the same one as this without an id, or None."""
        alike = known.get(found.event.rows[0].content, [])
        if len(alike) < FEWEST_COPIES or found.event not in alike:
            return None
        if len({event.attempts[0][0].seq for event in alike}) < len(alike):
            return None  # their client makes equal ones, which nobody can tell apart
        if pointer.get(traffic.content(found.earlier), pointer.parse(self.parameters["known_by"])) is MISSING:
            return None
        copies = (event.attempts[0] for event in alike if event is not found.event)
        return next((attempt for attempt in copies if arrived_after(attempt[0], found.earlier[0])), None)


def _is_same(traffic: Traffic, found: Answered) -> bool:
    assert found.later is not None
    return fingerprint(traffic.content(found.earlier)) == fingerprint(traffic.content(found.later))


class GoesOn(Check):
    """Holds that other events are sent after an answer. It needs to know how many events were made to fail."""

    name = "goes_on"

    def end(self, traffic: Traffic) -> None:
        """Look for events that are first sent after the answer."""
        firsts = [event.attempts[0][0] for event in traffic.events]
        for exchange in answered_requests(self, traffic):
            if any(arrived_after(first, exchange) for first in firsts):
                self.case()
            elif len(firsts) < (traffic.made or 0) and traffic.settled(exchange, self.parameters["patience_ms"]):
                self.case()
                text = f"{len(firsts)} of {traffic.made} events are sent, and none after {answer_of(exchange)}"
                self.fail(text, exchange)


class Pauses(Check):
    """Holds that no request comes for some time after an answer."""

    name = "pauses"

    def end(self, traffic: Traffic) -> None:
        """Look for the next request."""
        least = self.parameters["at_least_ms"]
        for exchange in answered_requests(self, traffic):
            later = next((other for other in traffic.by_arrival if arrived_after(other, exchange)), None)
            if later is None:
                if traffic.settled(exchange, least):
                    self.case()
                continue
            self.case()
            pause = later.received_ms - exchange.answered[0]
            if pause < least:
                self.fail(f"a request comes {pause} ms after {answer_of(exchange)}", exchange, later)


class SameId(Check):
    """Holds that an event keeps its id."""

    name = "same_id"

    def end(self, traffic: Traffic) -> None:
        """Compare the ids of two attempts."""
        for found in answered(self, traffic):
            if found.next is None:
                continue
            before, now = found.event.id_of(found.position), found.event.id_of(found.next)
            if before is None and now is None:
                continue
            self.case()
            if before != now:
                assert found.later is not None
                text = f"the id {shown(before)} becomes {shown(now)} after {answer_of(found.earlier[0])}"
                self.fail(text, found.earlier[0], found.later[0])


class SameEvent(Check):
    """Holds that an event keeps its content. Its id is a matter of its own."""

    name = "same_event"

    def end(self, traffic: Traffic) -> None:
        """Compare the content of two attempts."""
        members = self.parameters.get("members")
        for found in answered(self, traffic):
            if found.later is None:
                continue
            self.case()
            before, now = self._content(traffic, found, later=False), self._content(traffic, found, later=True)
            if members is None:
                changed = [] if fingerprint(before) == fingerprint(now) else [_difference(before, now)]
            else:
                tokens = {place: pointer.parse(place) for place in members}
                changed = [place for place, at in tokens.items() if _at(before, at) != _at(now, at)]
            if changed:
                text = f"{changed[0]} of an event changes after {answer_of(found.earlier[0])}"
                self.fail(text, found.earlier[0], found.later[0])

    def _content(self, traffic: Traffic, found: Answered, *, later: bool) -> Json:
        attempt = found.later if later else found.earlier
        assert attempt is not None
        dedup = attempt[0].contract.dedup
        ignored = (*self.parameters.get("ignore", ()), *([pointer.build(dedup.tokens)] if dedup else []))
        return stripped(traffic.content(attempt), ignored)


def _at(value: Json, tokens: tuple[str, ...]) -> Json:
    found = pointer.get(value, tokens)
    return None if found is MISSING else found


def _difference(before: Json, now: Json) -> str:
    """Return the pointer of the first member that differs."""
    leaves = {pointer.build(tokens): leaf for tokens, leaf in pointer.leaves(before)}
    others = {pointer.build(tokens): leaf for tokens, leaf in pointer.leaves(now)}
    places = [*leaves, *(place for place in others if place not in leaves)]
    return next((place for place in places if leaves.get(place) != others.get(place)), "a member")


class SameBody(Check):
    """Holds that a request that is sent again has the same body."""

    name = "same_body"

    def end(self, traffic: Traffic) -> None:
        """Compare the bodies of two requests."""
        for before, now in retried_requests(self, traffic):
            self.case()
            if before.body != now.body:
                self.fail(f"the body changes after {answer_of(before)}", before, now)


class SameHeader(Check):
    """Holds that a request that is sent again has the same value in a header."""

    name = "same_header"

    def end(self, traffic: Traffic) -> None:
        """Compare the header of two requests."""
        name: str = self.parameters["name"]
        for before, now in retried_requests(self, traffic):
            self.case()
            values = [exchange.request.header(name.lower().encode()) for exchange in (before, now)]
            if values[0] != values[1]:
                text = f"{name} is {shown(values[0])} first, then {shown(values[1])}, after {answer_of(before)}"
                self.fail(text, before, now)


class OrderKept(Check):
    """Holds that the events of a request keep their order when they are sent again."""

    name = "order_kept"

    def end(self, traffic: Traffic) -> None:
        """Compare the places of the events of each request with those of their next attempts."""
        requests = defaultdict[int, list[tuple[int, Attempt, Exchange]]](list)
        for found in answered(self, traffic):
            if found.later is not None:
                request, index = found.earlier
                requests[request.seq].append((index, found.later, request))
        for group in requests.values():
            group.sort(key=lambda row: row[0])
            for (_, first, request), (_, second, _) in pairwise(group):
                self.case()
                if _place(second) < _place(first):
                    text = f"two events change places after {answer_of(request)}"
                    self.fail(text, request, second[0], first[0])


def _place(attempt: Attempt) -> tuple[int, int, int]:
    exchange, index = attempt
    return exchange.received_ms, exchange.seq, index
