"""The closed list of string formats that a contract may use, and the parsing of date-times.

The built-in formats of the two engines differ, so each format here is one ECMA pattern that both engines use. The
pattern for a date knows the calendar: it accepts 29 February in leap years only.
"""

from __future__ import annotations

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
_SECOND_LENGTH: Final = len("2026-06-14T12:00:00")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND: Final = int((datetime.min.replace(tzinfo=UTC) - _EPOCH).total_seconds())
_LAST_SECOND: Final = int((datetime.max.replace(tzinfo=UTC, microsecond=0) - _EPOCH).total_seconds())
_MS: Final = timedelta(milliseconds=1)


def epoch_ms(text: str) -> int | None:
    """Return an RFC 3339 date-time as milliseconds since 1970, truncated; None for any other text."""
    return (datetime.fromisoformat(text) - _EPOCH) // _MS if FORMATS["date-time"](text) else None


def rfc3339_ms(ms: int) -> str:
    """Format milliseconds since 1970 as UTC with three decimals and `Z`, clamped to the years 1 to 9999."""
    seconds, rest = divmod(ms, 1000)
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        seconds, rest = (_FIRST_SECOND, 0) if ms < 0 else (_LAST_SECOND, 999)
    return f"{_to_the_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    """Format seconds since 1970 as a date and time; cached, because requests of one second share it."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}".rjust(_SECOND_LENGTH, "0")


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    name: partial(matches, pattern) for name, pattern in PATTERNS.items()
}
