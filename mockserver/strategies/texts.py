"""Texts that have a format or match a pattern, and texts that nearly have a format.

A user's patch may ask for `^ORD-[0-9]{6}$`, and no plausible text matches that. This is the one place where Python's
`re` meets a pattern of a contract: Hypothesis draws texts from nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from hypothesis import HealthCheck, find, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.pattern_syntax import parse, write
from mockserver.strategies.plausible import UUID

EAST_MS: Final = 19_800_000
"""How far the zone +05:30 is ahead."""
LEAP_SECONDS: Final = ("1998-12-31T23:59:60Z", "2016-12-31T15:59:60.5-08:00", "2017-01-01T05:29:60+05:30")
NO_LEAP_SECONDS: Final = (
    "1998-12-31T22:59:60Z",
    "1998-12-30T23:59:60Z",
    "1998-12-31T23:59:61Z",
    "1998-12-31T23:59:60+01:00",
)
SEARCH = settings(
    max_examples=1000, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
_WORDS: Final = {"$": r"\Z", r"\b": r"(?a:\b)", r"\B": r"(?!(?a:\b))"}  # Python: no \B in an empty text


@dataclass(frozen=True, slots=True)
class FormatTexts:
    """Texts that have a format, the plainest first, and texts that do not."""

    good: tuple[str, ...]
    bad: tuple[str, ...]


def moment_texts(ms: int) -> tuple[str, ...]:
    """Return one moment in the forms that RFC 3339 has for it, the plainest first."""
    utc, east = rfc3339_ms(ms), rfc3339_ms(ms + EAST_MS)
    short = f"{utc[:-5]}Z" if utc.endswith(".000Z") else f"{utc[:-1]}000Z"
    return (utc, short, f"{east[:-1]}+05:30", f"{utc[:-1]}-00:00", utc.lower(), f"{utc[:-1]}000000000Z")


def _broken_times(now_ms: int) -> tuple[str, ...]:
    day = rfc3339_ms(now_ms)[:10]
    no_day = f"{day[:4]}-02-30T00:00:00"
    return (day.replace("-", "/"), f"{day}T25:00:00Z", f"{no_day}Z", "yesterday", str(now_ms), "", f"{no_day}.000Z")


def _date_time(now_ms: int) -> FormatTexts:
    now = rfc3339_ms(now_ms)
    bad = (now[:10], now[:-1], now.replace("T", " "), f"{now}\n", f"{now[:-1]}+0100")
    good = (now, *moment_texts(now_ms - 1000), *LEAP_SECONDS)
    return FormatTexts(good=good, bad=(*_broken_times(now_ms), *bad, *NO_LEAP_SECONDS))


def _iso_8601(now_ms: int) -> FormatTexts:
    now = rfc3339_ms(now_ms)
    day = now[:10]
    loose = (now[:-1], day, f"{day}T12:00", f"{day}T12:00:00,5Z", f"{day}T12:00+01", day.replace("-", ""))
    bad = (now.replace("T", " "), f"{now}\n", day[:7], f"{day}T1200", f"{day}T12:00:00.Z")
    good = (now, *moment_texts(now_ms - 1000), *loose, *LEAP_SECONDS)
    return FormatTexts(good=good, bad=(*_broken_times(now_ms), *bad, *NO_LEAP_SECONDS))


def _uuid(now_ms: int) -> FormatTexts:
    return FormatTexts(
        good=(UUID, UUID.upper(), "00000000-0000-0000-0000-000000000000"),
        bad=(UUID[:-1], UUID.replace("-", ""), f"{UUID[:-1]}g", "visitor-123", "", f"{{{UUID}}}", f"{UUID}\n"),
    )


def _uri(now_ms: int) -> FormatTexts:
    root = "https://example.com/"
    return FormatTexts(
        good=(
            root,
            f"{root}pricing?plan=pro#faq",
            "app://screen/1",
            "mailto:ada@example.com",
            "urn:x",
            "http://ada:pw@[2001:db8::7]:8207/gr%C3%B6%C3%9Fe?a=%5B%5D",
        ),
        bad=(
            "/pricing",
            "example.com",
            "//example.com/",
            f"{root}a b",
            "",
            "1http://x",
            f"{root}<a>",
            f"{root}\n",
            f"{root}größe",
            f"{root}?a[]=1",
            f"{root}%zz",
            f"{root}#a#b",
            "http://[::1/",
        ),
    )


def _email(now_ms: int) -> FormatTexts:
    host = "@example.com"
    return FormatTexts(
        good=(
            f"ada{host}",
            "o'hara+test@mail.example.co.uk",
            "x@localhost",
            "l" * 64 + host,
            f'"ada @ home"{host}',
            "ada@[192.0.2.1]",
            "ada@[IPv6:2001:db8::7]",
            "a@" + ".".join(["d" * 62] * 4),
        ),
        bad=(
            "ada",
            "ada@",
            host,
            f"ada@{host}",
            "ada@example..com",
            f"a b{host}",
            "",
            "l" * 65 + host,
            "ada@.example.com",
            f"ada.{host}",
            f"a..b{host}",
            f"zoë{host}",
            "ada@müller.example",
            f'"ada{host}',
            "ada@[192.0.2.256]",
            "ada@[2001:db8::7]",
            "ada@-example.com",
            f"ada{host}\n",
            "a@" + ".".join(["d" * 63] * 4),
        ),
    )


FORMATS: Final[Mapping[str, Callable[[int], FormatTexts]]] = {
    "date-time": _date_time,
    "iso-8601": _iso_8601,
    "uuid": _uuid,
    "uri": _uri,
    "email": _email,
}
"""Texts by format; times are near the given clock, in ms."""


@lru_cache(maxsize=1024)
def python_regex(pattern: str) -> re.Pattern[str] | None:
    """Return the pattern for Python's engine, to be used with `search`; None where Python cannot read it."""
    try:
        return re.compile(write(parse(pattern).tokens, _WORDS, "(?s:.)"))
    except (re.error, OverflowError, RecursionError):
        return None


def text_for(pattern: str, fits: Callable[[Json], bool], least: int = 0) -> list[str]:
    """Return the simplest text that matches and fits the rest of its schema, or nothing where none was found.

    A text that is shorter than `least` is made longer by repeating one of its characters.
    """
    regex = python_regex(pattern)
    if regex is None:
        return []
    ascii_texts = st.from_regex(regex, alphabet=st.characters(codec="ascii"))
    any_texts = st.from_regex(regex, alphabet=st.characters(codec="utf-8"))
    for texts in (ascii_texts, any_texts):
        try:
            simplest = find(texts, lambda text: True, settings=SEARCH)
            longer = (_stretched(simplest, index, least) for index in range(len(simplest)))
            fitting = next((text for text in (simplest, *longer) if fits(text)), None)
            return [find(texts, fits, settings=SEARCH) if fitting is None else fitting]
        except (HypothesisException, ValueError):
            continue
    return []


def _stretched(text: str, index: int, length: int) -> str:
    return text[:index] + text[index] * (length - len(text) + 1) + text[index + 1 :] if length > len(text) else text
