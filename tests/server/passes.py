"""How often a loop ran other callbacks while something was done."""

from __future__ import annotations

import asyncio


class Passes:
    """Counts the passes of the running loop over its callbacks, as long as the block runs."""

    def __enter__(self) -> Passes:
        self.count = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._add)
        return self

    def _add(self) -> None:
        self.count += 1
        self._next = self._loop.call_soon(self._add)

    def __exit__(self, *error: object) -> None:
        self._next.cancel()
