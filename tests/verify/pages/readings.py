"""The choices that readers of a page make where it leaves something open: drawn by a number, the same each time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

Json = Any
DATES: Final = re.compile(r"\d{4}(-\d\d(-\d\d)?)?([T ]\d\d:?\d\d.*)?|[A-Z][a-z]{2},? .*|\d+([/-]\d+)*.*")
"""What a kind parser of times, as that of browsers, takes, roughly."""
RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
EXAMPLE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Reading:
    """One reader. Each question is answered once; who asks again gets the same answer."""

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)
        self._answers: dict[str, Any] = {}

    def pick(self, question: str, *answers: Any) -> Any:
        """Return the answer to a question."""
        if question not in self._answers:
            self._answers[question] = self._random.choice(answers)
        return self._answers[question]

    def whether(self, question: str) -> bool:
        """Return whether it is so."""
        return bool(self.pick(question, False, True))

    def has(self, value: Mapping[str, Json], name: str) -> bool:
        """Tell whether a member is there: a null may count as none."""
        return name in value and not (value[name] is None and self.whether("null is absent"))

    def is_time(self, text: Json) -> bool:
        """Tell whether a text is a time."""
        checks: tuple[Callable[[str], object], ...] = (
            lambda text: True,
            _from_iso,
            RFC_3339.fullmatch,
            EXAMPLE.fullmatch,
            DATES.fullmatch,
        )
        return isinstance(text, str) and bool(self.pick("times", *checks)(text))

    def is_text(self, value: Json) -> bool:
        """Tell whether a required text is there: a blank or an empty one may count as none."""
        least = self.pick("texts", lambda text: True, bool, str.strip)
        return isinstance(value, str) and bool(least(value))

    def is_mail(self, value: Json) -> bool:
        """Tell whether a text is an address."""
        return isinstance(value, str) and (self.whether("any address") or MAIL.fullmatch(value) is not None)


def _from_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_number(value: Json) -> bool:
    """Tell whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
