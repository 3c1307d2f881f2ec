"""Memory that is freed piece by piece. A journal of 100 000 requests that goes at once takes longer than a turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

PIECE: Final = 500
"""How many objects are freed at once, which takes less than a millisecond."""


class Remains:
    """What is left of things that are gone, so that it is freed only when somebody calls `free_some`."""

    def __init__(self) -> None:
        self._held: deque[list[object]] = deque()

    def add(self, things: Iterable[object]) -> None:
        """Hold some objects. What else refers to them can go without freeing them."""
        held = list(things)
        if len(held) > PIECE:
            self._held.append(held)

    def free_some(self) -> bool:
        """Free some of the objects held; return whether others are left."""
        if self._held:
            del self._held[0][-PIECE:]
            if not self._held[0]:
                self._held.popleft()
        return bool(self._held)
