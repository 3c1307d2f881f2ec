"""What arrived and is in no session's journal: a wait, a report or a failed test would say that nothing came."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Iterable
from itertools import takewhile
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.printable import printable
from mockserver.recording.redaction.redact import Redactor
from mockserver.recording.redaction.secret_names import is_random

_log = logging.getLogger("mockserver")

KEPT: Final = 10_000
"""How many of the latest entries have their time kept."""

SHOWN_PATH: Final = 120
SHOWN_REASON: Final = 300
_WORD: Final = re.compile("[A-Za-z.-]{0,20}")
_VERSION: Final = re.compile("v[0-9]{1,3}")


class Unseen:
    """Connections and requests that no session shows, with their reasons, which hold no credential.

    `prefixes` is what the keys of the served contracts begin with.
    """

    def __init__(self, prefixes: Iterable[str] = ()) -> None:
        self.count = 0
        self._redactor = Redactor((), prefixes)
        self._latest: deque[tuple[int, str]] = deque(maxlen=KEPT)

    def add(self, reason: str) -> None:
        """Count one, now, and log it."""
        self.count += 1
        reason = printable(self._redactor.loose_text(reason))
        if len(reason) > SHOWN_REASON:
            reason = f"{reason[: SHOWN_REASON - 1]}…"
        _log.info("in no session: %s", reason)
        self._latest.append((time.time_ns() // 1_000_000, reason))

    def as_json(self, since_ms: int = 0) -> Json:
        """Return `{"count","reason","at"}`: how many since a time (ms), why the last one, and when; null for none."""
        if not self._latest or self._latest[-1][0] < since_ms:
            return {"count": 0, "reason": None, "at": None}
        at, reason = self._latest[-1]
        count = sum(1 for _ in takewhile(lambda entry: entry[0] >= since_ms, reversed(self._latest)))
        return {"count": count if since_ms else self.count, "reason": reason, "at": rfc3339_ms(at)}


def plain_path(path: str) -> str:
    """Return a path in which each segment that may be a key is replaced by an ellipsis."""
    segments = path.partition("?")[0].split("/")
    shown = "/".join(segment if _is_plain(segment) else "…" for segment in segments)
    return shown if len(shown) <= SHOWN_PATH else f"{shown[: SHOWN_PATH - 1]}…"


def _is_plain(segment: str) -> bool:
    if segment == "_mock":
        return True
    return _VERSION.fullmatch(segment) is not None or (_WORD.fullmatch(segment) is not None and not is_random(segment))
