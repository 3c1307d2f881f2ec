"""What generated values look like to a reader: texts that fit a member's name, and texts that are odd.

Nothing here is a fact of a protocol. Whatever a contract does not take is left out when a schema is compiled.
"""

from __future__ import annotations

import re
from typing import Final

from mockserver.jsonkit import Json

DAY_MS: Final = 86_400_000
UUID: Final = "7d444840-9dc0-41d1-b245-5ffdce74fad2"
FACE: Final = "😀"

_BY_NAME: Final[tuple[tuple[re.Pattern[str], tuple[Json, ...]], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), values)
    for pattern, values in (
        (r"email", ("ada@example.com", "zoe.müller@example.org", "o'hara+test@mail.example.co.uk")),
        (r"domain", ("example.com", "shop.example.org")),
        (r"referrer", ("https://www.google.com/", "")),
        (r"url", ("https://example.com/", "https://example.com/pricing?plan=pro#faq", "https://müller.example/größe")),
        (r"^path$", ("/", "/pricing", "/docs/größe")),
        (r"title", ("Pricing", "Größe & Preise")),
        (r"event_?(name|type)|^type$", ("signup_completed", "trial_started", "button_clicked", "step_2_done", "a1")),
        (r"uuid|message_id|session_?id|visitor_?id|fingerprint", (UUID, "m-0", "visitor-123")),
        (r"address", ("ada@example.com", "+14155550123")),
        (r"id$", ("user_1", "cus_9s6XKzkNRiz8i3", "42")),
        (r"name", ("Ada Lovelace", "Zoë 李")),
        (r"provider|source|medium|campaign|term|content|ref", ("newsletter", "cpc")),
        (r"duration|time_?ms", (30000, 1)),
        (r"channel|kind|platform|env", ("email", "fcm", "ios", "production")),
    )
)  # fmt: skip
_TIMES: Final = re.compile(r"(timestamp|_at|time)$", re.IGNORECASE)

ODD_TEXTS: Final = (
    "",
    " ",
    "x",
    "naïve café 😀 日本語",
    "\u202eright to left",
    "e\u0301 combined, \u2028 a line, \x00 a null",
    'a "quoted" \\ text\twith\nlines',
    "x" * 2000,
)
TELLING: Final[tuple[Json, ...]] = (
    "",
    "naïve café 😀 日本語",
    "e\u0301 combined, \u2028 a line, \x00 a null",
    "x" * 2000,
    -1,
    0,
    1.5,
    1e300,
)
"""Of the values that a member without limits may have, those that a short list shows."""
ODD_NAMES: Final = (
    "größe",
    "",
    " ",
    "a.b",
    "a/b~c",
    "$set",
    "__proto__",
    "constructor",
    "日本語",
    "😀",
    "e\u0301",
    "\u2028",
    "\x00",
    "null",
    "0",
    "x" * 300,
)
"""Names of members that servers trip over."""
FREE_OBJECTS: Final[tuple[Json, ...]] = (
    {},
    {"plan": "pro", "seats": 5, "trial": True},
    {"note": "naïve 😀", "empty": "", "nothing": None},
    {"amount": 19.99, "": "a member without a name"},
    {"nested": {"deep": [1, {"x": None}]}},
    {"__proto__": {"polluted": True}, "constructor": "x", "a.b": 1, "$set": {"plan": "pro"}, "a/b~c": [], " ": 0},
    {"日本語": "😀", "e\u0301": "e\u0301", "\u2028": "\u2028", "\x00": "\x00"},
    {"least": -(2**53) + 1, "most": 2**53 - 1, "huge": 1e300, "tiny": 5e-324, "below": -0.5},
    {"a": {"b": {"c": {"d": {"e": {"f": [[[[]]]]}}}}}},
    {"list": [1, "two", None, True, {"five": 5}, [6]], "same": [0] * 100},
    {"text": "x" * 2000, "n" * 300: "a long name"},
    {f"m{number}": number for number in range(40)},
)
SCALARS: Final[tuple[Json, ...]] = ("text", 5, 1.5, True, False, None, "")
NUMBERS: Final[tuple[Json, ...]] = (1, 0, -1, 1.5, 2**53 - 1, -(2**53) + 1, 1e300, -1e-9, -1e300, 5e-324, 0.1)
JUNK: Final = (
    "",
    " ",
    "\t\n",
    "not a value",
    "Not-A-Slug",
    "trailing_",
    "_leading",
    "two__in_row",
    "ümlaut",
    "a\n",
    "😀",
    "-",
    "0",
    "null",
)
"""Texts that most patterns, formats and enumerations refuse."""
NEW_NAMES: Final = ("surprise", "Surprise Member", "", "größe")


def by_name(name: str, now_ms: int) -> tuple[Json, ...]:
    """Return values a member of this name might have, of any type."""
    times: tuple[Json, ...] = ()
    if _TIMES.search(name):
        times = now_ms, now_ms - 1500, now_ms - 30 * DAY_MS, now_ms // 1000, now_ms + 0.5
    return times + next((values for pattern, values in _BY_NAME if pattern.search(name)), ("text",))
