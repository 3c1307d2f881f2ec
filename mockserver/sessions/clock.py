"""Session time: real time moved by an offset, or frozen at a moment. Pure: real time is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A session's clock. `frozen_ms` is the moment it stands at, or None while it runs `offset_ms` off real time."""

    offset_ms: int = 0
    frozen_ms: int | None = None

    def now(self, real_ms: int) -> int:
        """Return session time in ms since 1970."""
        return real_ms + self.offset_ms if self.frozen_ms is None else self.frozen_ms

    def set_to(self, now_ms: int, real_ms: int, *, frozen: bool) -> Clock:
        """Return a clock that reads `now_ms` at this real moment."""
        return Clock(offset_ms=now_ms - real_ms, frozen_ms=now_ms if frozen else None)

    @property
    def moved(self) -> bool:
        """Whether session time differs from real time."""
        return self.offset_ms != 0 or self.frozen_ms is not None


REAL_TIME = Clock()
