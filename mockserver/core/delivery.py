"""One row of the delivery ledger: a logical event, its attempts, its fate."""

from __future__ import annotations

from typing import Final, Literal

from mockserver.core.attempts import Told
from mockserver.core.formats import rfc3339_ms
from mockserver.core.model import Exchange, Json

Fate = Literal["accepted", "accepted_after_retry", "rejected", "rejected_then_resent", "pending", "lost"]
Flag = Literal["duplicate_delivery", "mutated_between_attempts", "identity_changed", "reordered"]
Key = tuple[str, bytes]
"""A protocol and the digest of an event's content."""

BY_FINGERPRINT: Final = "fingerprint"


class Delivery:
    """One logical event: its attempts in order, and what became of it."""

    __slots__ = (
        "_acknowledged_ms",
        "_first_success",
        "_refused_ms",
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
        self.last = Told.RETRY
        self.stored_by: int | None = None
        self._first_success = 0
        self._acknowledged_ms: int | None = None
        self._refused_ms: int | None = None
        self._resent = False

    @property
    def stored(self) -> bool:
        """Whether the server holds the event, whatever the client was told."""
        return self.stored_by is not None

    @property
    def closed(self) -> bool:
        """Whether the client was told that the event is delivered."""
        return self._acknowledged_ms is not None

    def flag(self, name: Flag) -> None:
        """Set a flag."""
        if name not in self.flags:
            self.flags.append(name)

    def attempt(self, exchange: Exchange, index: int, said: Told) -> None:
        """Add an attempt and what the client was told of it."""
        again = bool(self.attempts) and self.attempts[-1][0] is not exchange
        if again and self._acknowledged_ms is not None and exchange.received_ms >= self._acknowledged_ms:
            self.flag("duplicate_delivery")
        elif again and self._refused_ms is not None and exchange.received_ms >= self._refused_ms:
            self._resent = True
        answered = exchange.received_ms if exchange.answered_ms is None else exchange.answered_ms
        if not self.closed:
            self.last = said
            if said is Told.ACKNOWLEDGED:
                self._acknowledged_ms, self._first_success = answered, len(self.attempts)
            elif said is Told.REFUSED and self._refused_ms is None:
                self._refused_ms = answered
        self.attempts.append((exchange, index))

    def fate(self, *, final: bool) -> Fate:
        """Say what became of the event. What the server holds is not lost, whatever the client was told."""
        if self._resent:
            return "rejected_then_resent"
        if self.last is Told.RETRY and not final:
            return "pending"
        if self.closed:
            return "accepted_after_retry" if self._first_success else "accepted"
        if self.stored_by is not None:
            return "accepted_after_retry" if self.stored_by else "accepted"
        return "lost" if self.last is Told.RETRY else "rejected"

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
                    "status": exchange.told_status,
                    "fault": exchange.fault,
                }
                for exchange, index in self.attempts
            ],
            "fate": self.fate(final=final),
            "flags": self.flags,
        }
