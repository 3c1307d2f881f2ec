"""The closed list of string formats that a contract may use, and the parsing of date-times.

The built-in formats of the two engines differ, so both use the rules here. `AS_KEYWORDS` states each format in keywords
that the fast engine evaluates itself. Only a leap second, day 366 and week 53 are left to a function: whether a minute
can have one, or a year, depends on the offset and the calendar.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.patterns import matches_known

_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_HOUR, _SIXTY = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]"
_TIME = f"{_HOUR}:{_SIXTY}"


def _day(dash: str = "-") -> str:
    return (
        f"(?:[0-9]{{4}}{dash}(?:(?:0[13578]|1[02]){dash}(?:0[1-9]|[12][0-9]|3[01])"
        f"|(?:0[469]|11){dash}(?:0[1-9]|[12][0-9]|30)|02{dash}(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}{dash}02{dash}29)"
    )


def _iso_8601(dash: str, colon: str, *, weeks: str, days: str, second: str) -> str:
    """Return one form of ISO 8601: a date of the calendar, of a week or of a year, alone or with a time of day."""
    on = f"(?:{_day(dash)}|[0-9]{{4}}{dash}(?:W{weeks}{dash}[1-7]|{days}))"
    at = f"(?:{_HOUR}(?:{colon}{_SIXTY}(?:{colon}{second})?)?(?:[.,][0-9]+)?|24(?:{colon}00(?:{colon}00)?)?)"
    return f"{on}(?:[Tt]{at}(?:[Zz]|[+-]{_HOUR}(?:{colon}{_SIXTY})?)?)?"


_DAY = _day()
_DATE_TIME: Final = f"^{_DAY}[Tt]{_TIME}:{_SIXTY}(?:\\.[0-9]+)?(?:[Zz]|[+-]{_TIME})$"
"""A date-time of RFC 3339 section 5.6 that is no leap second."""
_DAY_OF_YEAR: Final = "(?:00[1-9]|0[1-9][0-9]|[12][0-9]{2}|3(?:[0-5][0-9]|6[0-5]))"
_ISO_8601: Final = (
    "^(?:"
    + "|".join(
        _iso_8601(dash, colon, weeks="(?:0[1-9]|[1-4][0-9]|5[0-2])", days=_DAY_OF_YEAR, second=_SIXTY)
        for dash, colon in (("-", ":"), ("", ""))
    )
    + ")$"
)
"""A date, or a date and time with an optional zone, in the extended or the basic form of ISO 8601.

The last day of a leap year counted from its first, and the week that only some years have, are left to a function.
"""

_BYTE = "(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"
_IPV4 = f"{_BYTE}(?:\\.{_BYTE}){{3}}"
_H16 = "[0-9A-Fa-f]{1,4}"
_LS32 = f"(?:{_H16}:{_H16}|{_IPV4})"
_IPV6 = "|".join(
    [
        f"(?:{_H16}:){{6}}{_LS32}",
        f"::(?:{_H16}:){{5}}{_LS32}",
        *(f"(?:(?:{_H16}:){{0,{before}}}{_H16})?::(?:{_H16}:){{{4 - before}}}{_LS32}" for before in range(5)),
        f"(?:(?:{_H16}:){{0,5}}{_H16})?::{_H16}",
        f"(?:(?:{_H16}:){{0,6}}{_H16})?::",
    ]
)
"""IPv6address of RFC 3986 section 3.2.2."""

_SUB_DELIMS, _UNRESERVED, _PERCENT = "!$&'()*+,;=", "A-Za-z0-9._~-", "%[0-9A-Fa-f]{2}"
_PCHAR = f"(?:[:@{_SUB_DELIMS}{_UNRESERVED}]|{_PERCENT})"
_IP_LITERAL = f"\\[(?:{_IPV6}|[Vv][0-9A-Fa-f]+\\.[:{_SUB_DELIMS}{_UNRESERVED}]+)\\]"
_HOST = f"(?:{_IP_LITERAL}|(?:[{_SUB_DELIMS}{_UNRESERVED}]|{_PERCENT})*)"
_AUTHORITY = f"(?:(?:[:{_SUB_DELIMS}{_UNRESERVED}]|{_PERCENT})*@)?{_HOST}(?::[0-9]*)?"
_SEGMENTS = f"(?:/{_PCHAR}*)*"
_HIER_PART = f"(?://{_AUTHORITY}{_SEGMENTS}|/?{_PCHAR}+{_SEGMENTS}|/?)"
_EXTRA = f"(?:[/?:@{_SUB_DELIMS}{_UNRESERVED}]|{_PERCENT})*"
_URI: Final = f"^[A-Za-z][A-Za-z0-9+.-]*:{_HIER_PART}(?:\\?{_EXTRA})?(?:#{_EXTRA})?$"
"""A URI of RFC 3986 section 3 and appendix A."""

_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_QUOTED = '"(?:[ !#-\\[\\]-~]|\\\\[ -~])*"'
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LITERAL = f"\\[(?:{_IPV4}|[Ii][Pp][Vv]6:(?:{_IPV6}))\\]"
_MAILBOX: Final = f"^(?:{_ATOM}(?:\\.{_ATOM})*|{_QUOTED})@(?:{_LABEL}(?:\\.{_LABEL})*|{_LITERAL})$"
"""A Mailbox of RFC 5321 section 4.1.2, with labels of at most 63 characters (RFC 1035 section 2.3.4)."""
_SHORT_LOCAL_PART: Final = "^.{1,64}@[^@]*$"
_LONGEST_MAILBOX: Final = 254
"""RFC 5321 section 4.5.3.1: 64 octets of local part; 256 of path, less its angle brackets."""

_UUID: Final = "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"

OWN_PATTERNS: Final = frozenset((_DATE_TIME, _ISO_8601, _UUID, _URI, _MAILBOX, _SHORT_LOCAL_PART))
"""The patterns of the formats. A test, and not each start, finds out that they are cheap for jsonschema-rs."""

AS_KEYWORDS: Final[Mapping[str, Json]] = {
    "date-time": {"anyOf": [{"pattern": _DATE_TIME}, {"format": "date-time"}]},
    "iso-8601": {"anyOf": [{"pattern": _ISO_8601}, {"format": "iso-8601"}]},
    "uuid": {"pattern": _UUID},
    "uri": {"pattern": _URI},
    "email": {"allOf": [{"pattern": _MAILBOX}, {"pattern": _SHORT_LOCAL_PART}], "maxLength": _LONGEST_MAILBOX},
}
"""Each format as keywords. An alternative that is a format again is called only for what the pattern refuses."""
_OR_LEAP: Final = f"(?:{_SIXTY}|60)"
_ANY_ISO_8601: Final = "|".join(
    _iso_8601(dash, colon, weeks="(?:0[1-9]|[1-4][0-9]|5[0-3])", days="[0-3][0-9]{2}", second=_OR_LEAP)
    for dash, colon in (("-", ":"), ("", ""))
)
AS_PORTABLE: Final[Mapping[str, Mapping[str, Json]]] = {
    "date-time": {"pattern": f"^{_DAY}[Tt]{_TIME}:{_OR_LEAP}(?:\\.[0-9]+)?(?:[Zz]|[+-]{_TIME})$"},
    "iso-8601": {"pattern": f"^(?:{_ANY_ISO_8601})$"},
    "uuid": {"pattern": _UUID},
    "uri": {"pattern": f"^[A-Za-z][A-Za-z0-9+.-]*:(?:[#/?:@\\[\\]{_SUB_DELIMS}{_UNRESERVED}]|{_PERCENT})*$"},
    "email": {
        "pattern": f'^(?:[^\\s"(),:;<>@\\[\\\\\\]]{{1,64}}|".{{0,62}}")@(?:{_LABEL}(?:\\.{_LABEL})*|\\[.+\\])$',
        "maxLength": _LONGEST_MAILBOX,
    },
}
"""Each format as keywords with a short pattern, for validators that read it otherwise or not at all.

Each takes every text that has the format, and a few more: second 60 of any minute, week 53 of any year, a URI whose
parts are in no order.
"""
STANDARD: Final = frozenset(AS_PORTABLE) - {"iso-8601", "email"}
"""The formats that all tools know and read as we do. What an e-mail address is, they do not agree on."""
DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
CANONICAL: Final = b"0000-00-00T00:00:00.000Z"
"""A time as `rfc3339_ms` writes it, with zeros for its digits. Such times compare as their texts do."""
_SECOND_LENGTH: Final = len("2026-06-14T12:00:00")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND: Final = int((datetime.min.replace(tzinfo=UTC) - _EPOCH).total_seconds())
_LAST_SECOND: Final = int((datetime.max.replace(tzinfo=UTC, microsecond=0) - _EPOCH).total_seconds())
MAX_TIME_MS: Final = _LAST_SECOND * 1000 + 999
"""The end of the year 9999, the latest time that RFC 3339 and HTTP can express."""
_MS: Final = timedelta(milliseconds=1)
_CYCLE_YEARS: Final = 400
_CYCLE_MS: Final = 146_097 * 86_400_000
"""The calendar repeats after 400 years."""


def epoch_ms(text: str) -> int | None:
    """Return an RFC 3339 date-time as milliseconds since 1970, truncated; None for any other text.

    A leap second counts as the first second of the next day.
    """
    if matches_known(_DATE_TIME, text):
        return _moment_ms(text)
    return _moment_ms(_second_before(text)) + 1000 if _is_leap_second(text) else None


def _moment_ms(text: str) -> int:
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MS
    except ValueError:  # the year 0000 or a lower-case z
        cycles, year = divmod(int(text[:4]), _CYCLE_YEARS)
        moment = datetime.fromisoformat(f"{2000 + year}{text[4:].upper()}")
        return (moment - _EPOCH) // _MS + (cycles - 5) * _CYCLE_MS


def _second_before(leap_second: str) -> str:
    return f"{leap_second[:17]}59{leap_second[19:]}"


def _is_leap_second(text: str) -> bool:
    """Tell whether a date-time is second 60 of the last minute of a month in UTC, the only place of leap seconds."""
    if text[17:19] != "60" or not matches_known(_DATE_TIME, _second_before(text)):
        return False
    moment = _EPOCH + timedelta(milliseconds=_moment_ms(_second_before(text)) % _CYCLE_MS)
    last_day = monthrange(moment.year, moment.month)[1]
    return (moment.day, moment.hour, moment.minute) == (last_day, 23, 59)


def _is_rare_date(text: str) -> bool:
    """Tell whether a text has the form of ISO 8601 and is in week 53 or on day 366 of a year that has it."""
    rest = text[4:].removeprefix("-")
    common = {"W53": "W52", "366": "365"}.get(rest[:3])
    if common is None or not matches_known(_ISO_8601, text.removesuffix(rest) + common + rest[3:]):
        return False
    year = 2000 + int(text[:4]) % _CYCLE_YEARS
    return isleap(year) if common == "365" else date(year, 12, 28).isocalendar().week == 53


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


def _is_mailbox(text: str) -> bool:
    return len(text) <= _LONGEST_MAILBOX and matches_known(_MAILBOX, text) and matches_known(_SHORT_LOCAL_PART, text)


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date-time": lambda text: matches_known(_DATE_TIME, text) or _is_leap_second(text),
    "iso-8601": lambda text: matches_known(_ISO_8601, text) or _is_rare_date(text) or _is_leap_second(text),
    "uuid": partial(matches_known, _UUID),
    "uri": partial(matches_known, _URI),
    "email": _is_mailbox,
}
"""The closed list of formats: each tells whether a text has it."""
