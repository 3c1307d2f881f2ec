"""Which texts are known to match a pattern or to have a format: what was found out is kept, because events repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from mockserver.jsonkit.formats import CANONICAL, DIGITS_TO_ZERO, FORMATS
from mockserver.jsonkit.patterns import matcher

MOST_KEPT: Final = 500
LONGEST_KEPT: Final = 100
"""Bounds on the texts that are kept, in number and characters."""
LONGEST: Final = 10_000
"""Characters of a text that is looked at here; a longer one is not known to fit."""

_MIDNIGHT: Final = b"T24"
"""How some readers of times write the end of a day."""
_WITH_DATES: Final = ("date-time", "iso-8601")


class KnownTexts:
    """The texts that one pattern or format is known to take."""

    def __init__(self, fits: Callable[[str], bool], *, dates: bool = False) -> None:
        self._fits = fits
        self._dates = dates
        self._kept: set[object] = set()

    def all_fit(self, texts: Iterable[object]) -> bool:
        """Tell whether all texts are known to fit. What is no text need not fit."""
        new: set[Any] = set(texts) - self._kept
        if not new:
            return True
        if len(new) > 4 and self._dates and _are_canonical(new):
            return True
        for value in new:
            if type(value) is str:
                if len(value) > LONGEST or not self._fits(value):
                    return False
                self._keep(value)
        return True

    def _keep(self, text: str) -> None:
        if len(text) <= LONGEST_KEPT:
            if len(self._kept) >= MOST_KEPT:
                self._kept = set()
            self._kept.add(text)


def _are_canonical(texts: Iterable[object]) -> bool:
    """Tell whether all are times of the calendar, in UTC and with three decimals: so most clients write them."""
    try:
        listed = [text for text in texts if type(text) is str]
        joined = "".join(listed).encode("ascii")
        if joined.translate(DIGITS_TO_ZERO) != CANONICAL * len(listed) or _MIDNIGHT in joined:
            return False
        list(map(datetime.fromisoformat, listed))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def known_texts(keyword: str, value: str) -> KnownTexts | None:
    """Return the texts that a `pattern` or a `format` takes, None for a pattern that may be costly to match."""
    if keyword == "format":
        return KnownTexts(FORMATS[value], dates=value in _WITH_DATES)
    found = matcher(value)
    return None if found.engine_text is None or found.engine is None else KnownTexts(found.engine)
