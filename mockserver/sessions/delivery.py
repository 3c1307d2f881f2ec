"""One logical event: its attempts, what the client made of their answers, and its fate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.outcomes import ClientOutcome

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
