"""How far `check` is, told while it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mockserver.lint.source import Source
from mockserver.realtime import monotonic

EVERY: Final = 256
"""Items after which the clock is looked at."""
FIRST_S: Final = 1.0
"""Seconds without a word, so that short checks say nothing."""
MB: Final = 1_000_000


class Progress:
    """Tells `say`, now and then, how much of the files is read; nothing if it is None."""

    def __init__(self, say: Callable[[str], None] | None, interval_s: float = 1.0) -> None:
        self._say = say
        self._interval_s = interval_s
        self._next = monotonic() + FIRST_S
        self._items = 0
        self._source: Source | None = None

    def open(self, source: Source) -> None:
        """Take note of the source that is read from now on."""
        self._source = source

    def advance(self, requests: int) -> None:
        """Count an item; now and then, tell how many requests were checked."""
        self._items += 1
        if self._say is not None and self._items % EVERY == 0 and monotonic() >= self._next:
            self._next = monotonic() + self._interval_s
            self._say(f"{requests:,} requests checked{self._share()}")

    def _share(self) -> str:
        source = self._source
        if source is None or not source.size:
            return ""
        return f"; {source.name}: {source.position() // MB} of {source.size // MB} MB"


SILENT: Final = Progress(None)
