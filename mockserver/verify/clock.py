"""The clock of a target, as the `Date` headers of its replies tell it."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

SECOND_MS: Final = 1000
"""What `Date` leaves out: it has whole seconds, cut off."""


class TargetClock:
    """How far a target's clock is ahead of ours: between two bounds that every reply brings closer together."""

    def __init__(self) -> None:
        self._bounds: tuple[int, int] | None = None

    def heard(self, date: str | None, sent_ms: int, received_ms: int) -> None:
        """Learn from a reply: its `Date` was now at some moment between sending and receiving, in ms of our clock.

        Where that contradicts earlier replies, the target's clock was set, and the earlier ones count no more.
        """
        try:
            moment = None if date is None else parsedate_to_datetime(date)
        except (TypeError, ValueError):
            moment = None
        if moment is None or moment.tzinfo is None:
            return
        date_ms = int(moment.timestamp() * 1000)
        low, high = date_ms - received_ms, date_ms + SECOND_MS - sent_ms
        if self._bounds is not None:
            both = max(low, self._bounds[0]), min(high, self._bounds[1])
            low, high = both if both[0] <= both[1] else (low, high)
        self._bounds = low, high

    @property
    def known(self) -> bool:
        """Whether any reply told the time."""
        return self._bounds is not None

    @property
    def ahead_ms(self) -> int:
        """How far the target's clock is ahead, 0 where nothing is known, or where it may be right."""
        if self._bounds is None or self._bounds[0] <= 0 <= self._bounds[1]:
            return 0
        return sum(self._bounds) // 2

    @property
    def error_ms(self) -> int | None:
        """How far `ahead_ms` may be off; None where nothing is known."""
        return None if self._bounds is None else self._bounds[1] - self._bounds[0]
