"""One row of the delivery ledger: a logical event, its attempts, its fate."""

from __future__ import annotations

from typing import Final, Literal

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.sessions.attempts import ClientOutcome
from mockserver.sessions.exchange import Exchange

Fate = Literal["accepted", "accepted_after_retry", "rejected", "rejected_then_resent", "pending", "lost"]
Flag = Literal["duplicate_delivery", "mutated_between_attempts", "identity_changed", "reordered"]
Key = tuple[str, bytes]
"""A protocol and the digest of an event's content."""

BY_FINGERPRINT: Final = "fingerprint"


class Delivery:
    """One logical event: its attempts in the order of arrival, and its fate."""

    __slots__ = (
        "_acknowledged",
        "_first_success",
        "_refused",
        "_resent",
        "attempts",
        "bare",
        "by",
        "content",
        "flags",
        "id",
        "last",
        "number",
        "protocol",
        "stored_by",
        "type",
    )

    def __init__(self, *, number: int, id: str, by: str, protocol: str, type: str | None, content: bytes) -> None:
        self.number = number
        self.id = id
        self.by = by
        self.protocol = protocol
        self.type = type
        self.content = content
        self.bare: Key | None = None
        self.attempts: list[tuple[Exchange, int]] = []
        self.flags: list[Flag] = []
        self.last = ClientOutcome.RETRY
        self.stored_by: Exchange | None = None
        self._first_success = 0
        self._acknowledged: tuple[int, int] | None = None
        self._refused: tuple[int, int] | None = None
        self._resent = False

    @property
    def stored(self) -> bool:
        """Whether the server holds the event, whatever the client was told."""
        return self.stored_by is not None

    @property
    def closed(self) -> bool:
        """Whether the client was told that the event is delivered."""
        return self._acknowledged is not None

    def flag(self, name: Flag) -> None:
        """Set a flag."""
        if name not in self.flags:
            self.flags.append(name)

    def attempt(self, exchange: Exchange, index: int, said: ClientOutcome) -> None:
        """Add an attempt and what the client was told of it."""
        if self._acknowledged is not None and _after(exchange, self._acknowledged):
            self.flag("duplicate_delivery")
        elif self._refused is not None and _after(exchange, self._refused):
            self._resent = True
        place = self._place(exchange)
        self.attempts.insert(place, (exchange, index))
        if self.closed:
            self._first_success += place <= self._first_success
            return
        self.last = said
        if said is ClientOutcome.ACKNOWLEDGED:
            self._acknowledged, self._first_success = exchange.answered, place
        elif said is ClientOutcome.REFUSED and self._refused is None:
            self._refused = exchange.answered

    def _place(self, exchange: Exchange) -> int:
        """Return where an attempt belongs: one that a fault held up may have arrived before others."""
        place = len(self.attempts)
        while place and self.attempts[place - 1][0].received_ms > exchange.received_ms:
            place -= 1
        return place

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
