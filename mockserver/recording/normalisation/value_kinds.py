"""What a value is by its form and by the name of its member, where no contract says so: an id, a time, a duration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS

Kind: TypeAlias = Literal["credential", "id", "time", "duration", "count"]
"""A key; what tells one person or thing from another; a moment; how long something took; what earlier requests count
up, such as the rest of a rate limit."""

_ID_NAME: Final = re.compile(r"(?:^|[_.$-])(?:id|uuid|guid|ulid|nonce)s?$|[a-z](?:Id|ID|Uuid|UUID|Guid)s?$")
_TIME_NAME: Final = re.compile(r"(?:^|[_.$-])(?:at|on|ts|time|timestamp|date)$|[a-z](?:At|Time|Timestamp|Date)$")
_DURATION_NAME: Final = re.compile(
    r"(?:^|[_.$-])(?:ms|millis|milliseconds|seconds|secs|duration|elapsed|latency|took|uptime)$"
    r"|[a-z](?:Ms|Millis|Milliseconds|Seconds|Duration|Elapsed|Latency|Uptime)$"
)
_UUID_TEXT: Final = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_TIME_TEXT: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_SHAPED: Final = r"(?<![0-9A-Za-z])[xX0_.-]{0,64}(?:xxx|XXX|Xxx)[xX0_.-]{0,64}[0-9a-jA-J]{0,5}(?![0-9A-Za-z])"
"""A pseudonym of the same shape as what it replaces, as `recording.redaction.pseudonyms` makes them."""
INSIDE: Final = re.compile(
    rf"(?P<time><(?:epoch_)?(?:time|ms)[+-][^<>]{{1,40}}>|(?<![0-9]){_TIME_TEXT}(?![0-9]))"
    rf"|(?P<id><(?:id|text|value):[0-9]+>|(?<![0-9a-fA-F-]){_UUID_TEXT}(?![0-9a-fA-F-])"
    r"|(?<![0-9A-Za-z])(?=[0-9a-fA-F]{0,62}[0-9])[0-9a-fA-F]{16,64}(?![0-9A-Za-z])"
    rf"|{_SHAPED}"
    r"|[\w.%+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
    r"|(?P<credential><credential(?::[0-9]+)?>|<redacted>)"
    r"|(?P<port>(?<=127\.0\.0\.1):[0-9]{2,5}|(?<=localhost):[0-9]{2,5}|(?<=\[::1\]):[0-9]{2,5})"
)
"""What varies inside of a text: moments, ids, e-mail addresses, pseudonyms of a recording, ports of this machine."""
_RANDOM: Final = re.compile("[A-Za-z0-9_-]{20,128}")
_STEPS: Final = re.compile("[0-9][A-Za-z]|[A-Za-z][0-9]")
_DIGIT: Final = re.compile("[0-9]")
LONGEST_SEARCHED: Final = 8192
"""Characters of a text that are searched for what varies in it; the rest of a longer one counts as it is."""
_MS: Final = (1_400_000_000_000, 4_200_000_000_000)
"""Numbers that are moments in milliseconds since 1970: the years 2014 to 2103."""


def kind_by_form(value: Json, name: str = "") -> Kind | None:
    """Return what a value is by its form and the name of its member; None for one that does not vary."""
    if isinstance(value, str):
        return _kind_of_text(value, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if _MS[0] <= value < _MS[1] or (_MS[0] <= value * 1000 < _MS[1] and _TIME_NAME.search(name)):
        return "time"
    if _DURATION_NAME.search(name):
        return "duration"
    return "id" if isinstance(value, int) and _ID_NAME.search(name) else None


def _kind_of_text(value: str, name: str) -> Kind | None:
    if len(value) > LONGEST_SEARCHED or not value:
        return None
    whole = INSIDE.fullmatch(value)
    if whole is not None and whole.lastgroup != "port":
        kinds: Mapping[str | None, Kind] = {"time": "time", "credential": "credential"}
        return kinds.get(whole.lastgroup, "id")
    if value.isascii() and value.isdigit() and len(value) == 13 and _MS[0] <= int(value) < _MS[1]:
        return "time"
    if "T" in value and FORMATS["iso-8601"](value):
        return "time"
    if _RANDOM.fullmatch(value) and len(_STEPS.findall(value)) >= 3:
        return "id"
    return "id" if _ID_NAME.search(name) and _DIGIT.search(value) and " " not in value else None
