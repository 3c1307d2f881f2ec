"""The closed list of string formats a contract may use, and the one reading of a date-time.

Engines differ in their built-in formats, so each format is one ECMA pattern here, given to both engines. The pattern of
a day knows the calendar: it takes 29 February in leap years only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Final

from mockserver.jsonkit.patterns import matches

_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_TIME = f"{_HOUR}:{_SIXTY}"
_ISO_TIME = f"{_TIME}(?::{_SIXTY}(?:[.,][0-9]+)?)?(?:Z|[+-]{_HOUR}(?::{_SIXTY})?)?"

PATTERNS: Final[Mapping[str, str]] = {
    "date-time": f"^{_DAY}T{_TIME}:{_SIXTY}(?:\\.[0-9]{{1,9}})?(?:Z|[+-]{_TIME})$",
    "iso-8601": f"^{_DAY}(?:T{_ISO_TIME})?$",
    "uuid": "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
    "uri": '^[A-Za-z][A-Za-z0-9+.-]*:[^\\s<>"{}|\\\\^`\\x00-\\x20]*$',
    "email": '^[^\\s@<>,;:"()\\[\\]\\\\]{1,64}@[^\\s@.<>,;:"()\\[\\]\\\\]+(?:\\.[^\\s@.<>,;:"()\\[\\]\\\\]+)*$',
}
_PARTS = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_SECOND_LENGTH: Final = len("2026-06-14T12:00:00")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND: Final = int((datetime.min.replace(tzinfo=UTC) - _EPOCH).total_seconds())
_LAST_SECOND: Final = int((datetime.max.replace(tzinfo=UTC, microsecond=0) - _EPOCH).total_seconds())
_MS: Final = timedelta(milliseconds=1)


def epoch_ms(text: str) -> int | None:
    """Return an RFC 3339 date-time in milliseconds since 1970, finer digits cut off; None when it is none."""
    match = _PARTS.fullmatch(text)
    if match is None or not FORMATS["date-time"](text):
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    ms = (moment - _EPOCH) // _MS + (int(fraction[:3].ljust(3, "0")) if fraction else 0)
    if sign is None:
        return ms
    offset = (int(off_hours) * 60 + int(off_minutes)) * 60_000
    return ms - offset if sign == "+" else ms + offset


def rfc3339_ms(ms: int) -> str:
    """Write milliseconds since 1970 as UTC with three digits and `Z`; times outside years 1 to 9999 are cut to them."""
    seconds, rest = divmod(ms, 1000)
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        seconds, rest = (_FIRST_SECOND, 0) if ms < 0 else (_LAST_SECOND, 999)
    return f"{_to_the_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    """Write seconds since 1970 as a date and a time of day; many requests of one second ask for the same."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}".rjust(_SECOND_LENGTH, "0")


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    name: partial(matches, pattern) for name, pattern in PATTERNS.items()
}
