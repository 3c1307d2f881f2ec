"""Checks that compare places: two members, an event with its batch, a request with other requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Set
from urllib.parse import unquote, urlsplit

from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import Sent, Traffic, arrived_after, events_looked_at
from mockserver.conformance.request_checks import shown
from mockserver.contract.client_rules import ClientRule
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.outcomes import ClientOutcome, client_outcome


class NotAbove(Check):
    """Holds that one number of an event is at most another one."""

    name = "not_above"

    def see(self, sent: Sent) -> None:
        """Compare the two numbers where both are there."""
        lower, upper = (pointer.parse(self.parameters[name]) for name in ("lower", "upper"))
        for event in events_looked_at(sent, self.scope):
            low, high = (_number(pointer.get(event, tokens)) for tokens in (lower, upper))
            if low is not None and high is not None:
                self.case()
                if low > high:
                    places = f"{self.parameters['lower']} is {shown(low)}, above {self.parameters['upper']}"
                    self.fail(f"{places}, which is {shown(high)}", sent.exchange)


def _number(value: Json) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


class SameAsBody(Check):
    """Holds that a member of an event equals a member of its body."""

    name = "same_as_body"

    def see(self, sent: Sent) -> None:
        """Compare the two members where both are there."""
        place, expected = self.parameters["body"], pointer.get(sent.text.value, pointer.parse(self.parameters["body"]))
        for event in events_looked_at(sent, self.scope):
            member = pointer.get(event, pointer.parse(self.parameters["event"]))
            if member is MISSING or expected is MISSING:
                continue
            self.case()
            if member != expected:
                text = f"{self.parameters['event']} is {shown(member)}, and {place} of the body {shown(expected)}"
                self.fail(text, sent.exchange)


class PathOfUrl(Check):
    """Holds that a member of an event is the path of its web address."""

    name = "path_of_url"

    def see(self, sent: Sent) -> None:
        """Compare the path with that of the address; addresses of another scheme are left out."""
        for event in events_looked_at(sent, self.scope):
            url, path = (pointer.get(event, pointer.parse(self.parameters[name])) for name in ("url", "path"))
            expected = path_of(url) if isinstance(url, str) else None
            if expected is None or not isinstance(path, str):
                continue
            self.case()
            if unquote(path) != expected:
                self.fail(f"{self.parameters['path']} is {shown(path)}, and the URL {shown(url)}", sent.exchange)


def path_of(url: str) -> str | None:
    """Return the decoded path of a web address; None for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return (unquote(parts.path) or "/") if parts.scheme in ("http", "https") and parts.netloc else None


class Batching(Check):
    """Holds that events which are sent within some time share requests."""

    name = "batching"

    def end(self, traffic: Traffic) -> None:
        """Look for so many first attempts in a row that each are alone in their request."""
        count, within = self.parameters["events"], self.parameters["within_ms"]
        window: deque[Exchange] = deque()
        alone = 0
        for exchange in self._first_attempts(traffic):
            window.append(exchange)
            alone += len(exchange.verdicts) == 1
            if len(window) > count:
                alone -= len(window.popleft().verdicts) == 1
            if len(window) == count and window[-1].received_ms - window[0].received_ms <= within:
                self.case()
                if alone == count:
                    self.fail(f"{count} events are sent in {count} requests within {within} ms", *window)

    def _first_attempts(self, traffic: Traffic) -> Iterator[Exchange]:
        firsts = (event.attempts[0][0] for event in self.events(traffic))
        yield from sorted(firsts, key=lambda exchange: (exchange.received_ms, exchange.seq))


class Companion(Check):
    """Holds that a value of some form is also sent to another operation."""

    name = "companion"

    def __init__(self, rule: ClientRule, seen: Set[int]) -> None:
        super().__init__(rule, seen)
        self._first: dict[str, Exchange] = {}

    def see(self, sent: Sent) -> None:
        """Note the value."""
        value = pointer.get(sent.text.value, pointer.parse(self.parameters["pointer"]))
        if isinstance(value, str) and matches(self.parameters["pattern"], value):
            self._first.setdefault(value, sent.exchange)

    def end(self, traffic: Traffic) -> None:
        """Look for each value among the requests of the other operation."""
        tokens, told = pointer.parse(self.parameters["at"]), set[str]()
        for exchange in traffic.exchanges if self._first else ():
            if exchange.operation == self.parameters["operation"]:
                value = pointer.get(Sent(exchange).text.value, tokens)
                told |= {value} if isinstance(value, str) else set()
        for value, exchange in self._first.items():
            if value in told:
                self.case()
            elif traffic.settled(exchange, self.parameters["patience_ms"]):
                self.case()
                self.fail(f"{shown(value)} is not sent to {self.parameters['operation']}", exchange)


class SilentUntil(Check):
    """Holds that nothing is sent while the last answer of another operation does not allow it."""

    name = "silent_until"

    def end(self, traffic: Traffic) -> None:
        """Follow the answers of that operation, and what comes after each."""
        forbidding: Exchange | None = None
        for exchange in traffic.by_arrival:
            if exchange.operation == self.parameters["operation"]:
                forbidding = None if self._allows(traffic, exchange) else exchange
                if forbidding is not None and traffic.settled(exchange, self.parameters["patience_ms"]):
                    self.case()
            elif forbidding is not None and exchange.seq in self.seen and arrived_after(exchange, forbidding):
                self.case()
                text = f"a request comes after the answer of {self.parameters['operation']}"
                self.fail(text, forbidding, exchange)

    def _allows(self, traffic: Traffic, exchange: Exchange) -> bool:
        if not 200 <= exchange.status < 300 or exchange.override.lost:
            return False
        try:
            body: Json = jsontext.parse(traffic.reply(exchange).body)[0]
        except jsontext.NotJSONError:
            return False
        value = pointer.get(body, pointer.parse(self.parameters["pointer"]))
        return type(value) is type(self.parameters["value"]) and bool(value == self.parameters["value"])


class StoredOnce(Check):
    """Holds that an event is stored once, also when its client did not learn that it was stored."""

    name = "stored_once"

    def end(self, traffic: Traffic) -> None:
        """Count the copies of each event that was sent again after it was stored."""
        for event in self.events(traffic):
            unheard = any(
                exchange.verdicts[index] is not Verdict.REJECTED and client_outcome(exchange) is ClientOutcome.RETRY
                for exchange, index in event.attempts[:-1]
            )
            if unheard and not event.rows[0].upsert:
                self.case()
                copies = sum(row.copies for row in event.rows)
                if copies > 1:
                    exchanges = [exchange for exchange, _ in event.attempts]
                    self.fail(f"an event of the type {event.type} is stored {copies} times", *exchanges)
