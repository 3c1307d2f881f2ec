"""Checks of time: how long a client waits before it tries again, how the pauses grow, how often it tries."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Final

from mockserver.conformance.answers import Answered, answered, is_answered
from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import Traffic
from mockserver.conformance.retry_checks import answer_of
from mockserver.sessions.exchange import Exchange

STARTS_OVER: Final = 0.75
"""A pause that is a smaller part of the one before ends a row of attempts: the client gave up, and started over."""
FEWEST_PAUSES: Final = 2
"""So many pauses a row has at least before it can end so: the first two are compared in any case."""
RETRY_AFTER: Final = "Retry-After"


def rows_of_pauses(check: Check, traffic: Traffic) -> Iterator[list[Answered]]:
    """Yield, for each event, its attempts with such answers, row by row. The last one of a row may have no next one.

    A smaller pause is the one between two rows, or the first one of a new row: it is in none.
    """
    row: list[Answered] = []
    for found in answered(check, traffic):
        if row and not (row[-1].event is found.event and row[-1].next == found.position):
            yield row
            row = []
        if len(row) >= FEWEST_PAUSES and found.next is not None and _starts_over(row[-1], found):
            yield row
            row = []
        else:
            row.append(found)
    if row:
        yield row


def _starts_over(before: Answered, now: Answered) -> bool:
    return now.pause_ms < before.pause_ms * STARTS_OVER


class FirstRetry(Check):
    """Holds when the first retry of an event comes."""

    name = "first_retry"

    def end(self, traffic: Traffic) -> None:
        """Compare the first pause of each event."""
        least, most = self.parameters.get("at_least_ms", 0), self.parameters.get("at_most_ms")
        for found in answered(self, traffic):
            if found.position or found.later is None:
                continue
            self.case()
            pause, first, later = found.pause_ms, found.earlier[0], found.later[0]
            if pause < least:
                self.fail(f"the first retry comes {pause} ms after {answer_of(first)}, before {least} ms", first, later)
            elif most is not None and pause > most:
                self.fail(f"the first retry comes {pause} ms after {answer_of(first)}, after {most} ms", first, later)


class Backoff(Check):
    """Holds that pauses grow."""

    name = "backoff"

    def end(self, traffic: Traffic) -> None:
        """Compare each pause with the one before, in a row of attempts."""
        ratio, tolerance = self.parameters["ratio"], self.parameters.get("tolerance", 0)
        cap = self.parameters.get("cap_ms")
        for row in rows_of_pauses(self, traffic):
            for before, now in pairwise(found for found in row if found.later is not None):
                self.case()
                grown = before.pause_ms * ratio if cap is None else min(before.pause_ms * ratio, cap)
                if now.pause_ms < grown * (1 - tolerance):
                    assert now.later is not None
                    text = f"a pause of {now.pause_ms} ms follows one of {before.pause_ms} ms"
                    self.fail(text, before.earlier[0], now.earlier[0], now.later[0])


class LongestPause(Check):
    """Holds how long pauses are at most."""

    name = "longest_pause"

    def end(self, traffic: Traffic) -> None:
        """Compare each pause."""
        most = self.parameters["at_most_ms"]
        for found in answered(self, traffic):
            if found.later is not None:
                self.case()
                if found.pause_ms > most:
                    text = f"a retry comes {found.pause_ms} ms after {answer_of(found.earlier[0])}, after {most} ms"
                    self.fail(text, found.earlier[0], found.later[0])


class RetryAfter(Check):
    """Holds that Retry-After is honoured."""

    name = "retry_after"

    def end(self, traffic: Traffic) -> None:
        """Compare each pause with what the answer asked for."""
        rules = self.parameters
        for found in answered(self, traffic):
            asked = _asked_ms(traffic, found.earlier[0])
            if asked is None or found.later is None:
                continue
            self.case()
            asked = min(asked, rules.get("cap_ms", asked))
            pause, pair = found.pause_ms, (found.earlier[0], found.later[0])
            latest = asked * (1 + rules.get("late_ratio", 0)) + rules.get("late_ms", 0)
            if pause < asked - rules.get("early_ms", 0):
                self.fail(f"the next attempt comes after {pause} ms, and {asked} ms were asked for", *pair)
            elif ("late_ms" in rules or "late_ratio" in rules) and pause > latest:
                self.fail(f"the next attempt comes after {pause} ms, long after the {asked} ms asked for", *pair)


def _asked_ms(traffic: Traffic, exchange: Exchange) -> int | None:
    """Return the time that an answer asks to wait, in ms; None where it asks for none that can be read."""
    value = (traffic.reply_header(exchange, RETRY_AFTER) or "").strip()
    if value.isascii() and value.isdigit():
        return int(value) * 1000
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0, round(until.timestamp() * 1000) - exchange.now_ms)


class Attempts(Check):
    """Holds how often an event is sent in a row."""

    name = "attempts"

    def end(self, traffic: Traffic) -> None:
        """Count the attempts of each row."""
        most = self.parameters["at_most"]
        for row in rows_of_pauses(self, traffic):
            last = row[-1]
            made = len(row) + (last.later is not None)
            gave_up = last.next is None and traffic.settled(last.earlier[0], self.parameters["patience_ms"])
            starts_over = last.later is not None and is_answered(traffic, last.later, self.parameters["after"])
            if gave_up or starts_over or made > most:
                self.case()
            if made > most:
                self.fail(f"an event is sent {made} times in a row", *(found.earlier[0] for found in row))
