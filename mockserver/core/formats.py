"""The closed list of string formats a contract may use, and the one reading of a date-time.

Patterns alone cannot tell 30 February from 28 February, and engines differ in their built-in formats; so each format
is one function here, given to both engines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_ISO_8601 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?(?:Z|[+-]([0-9]{2})(?::([0-9]{2}))?)?)?"
)
_CANONICAL_LENGTH: Final = len("2026-06-14T12:00:00.000Z")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x20]*")
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@.<>,;:\"()\[\]\\]+(?:\.[^\s@.<>,;:\"()\[\]\\]+)*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def epoch_ms(text: str) -> int | None:
    """Return an RFC 3339 date-time in milliseconds since 1970, finer digits cut off; None when it is none."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    ms = (moment - _EPOCH) // _MS + (int(fraction[:3].ljust(3, "0")) if fraction else 0)
    if sign is None:
        return ms
    if int(off_hours) > 23 or int(off_minutes) > 59:
        return None
    offset = (int(off_hours) * 60 + int(off_minutes)) * 60_000
    return ms - offset if sign == "+" else ms + offset


def rfc3339_ms(ms: int) -> str:
    """Write milliseconds since 1970 as UTC with three digits and `Z`; times outside years 1 to 9999 are cut to them."""
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC) if ms > 0 else datetime.min.replace(tzinfo=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z".rjust(_CANONICAL_LENGTH, "0")


def is_date_time(text: str) -> bool:
    """Tell whether the text is an RFC 3339 date-time with a zone, and a day that exists."""
    return epoch_ms(text) is not None


def is_iso_8601(text: str) -> bool:
    """Tell whether the text is a day in ISO 8601's extended format, alone or with a time, and a zone or none."""
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second, off_hours, off_minutes = (int(part or 0) for part in match.groups())
    try:
        datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return off_hours <= 23 and off_minutes <= 59


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": is_date_time,
    "iso-8601": is_iso_8601,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "uri": lambda text: _URI.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
}
