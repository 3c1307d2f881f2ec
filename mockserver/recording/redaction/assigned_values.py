"""Values after a name that says they are secret, in text of any kind: JSON in pieces, forms, queries, XML, URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import ahocorasick_rs

from mockserver.recording.redaction.encoded_text import unescaped
from mockserver.recording.redaction.secret_names import (
    AFTER,
    LONGEST_NAME,
    PLACEHOLDER,
    WORD,
    is_random,
    is_secret_name,
)
from mockserver.recording.redaction.word_search import Words, lower_case, matches_at

_BEGINNINGS: Final = (
    "key",
    "token",
    "secret",
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "auth",
    "credential",
    "cookie",
    "sig",
    "bearer",
    "jwt",
)
_SIGN: Final = r"\s{0,20}(?:=>|:=|==|[:=>]|%3[aAdD])\s{0,20}"
_OPENED: Final = r"(?:[\[{]\s{0,20}(?:\\{0,3}[\"'][^\"'\\\n]{1,40}\\{0,3}[\"']\s{0,20}:\s{0,20})?)?"
"""The beginning of a list or an object, whose first text is hidden: where it can be parsed, all of them are."""
_SIBLING: Final = r"(?:,\s{0,20}\\{0,3}[\"'](?:value|val|content)\\{0,3}[\"']\s{0,20}:\s{0,20})"
"""What is between a name and its value in `{"name": "X-Api-Key", "value": "…"}`."""
_ATTRIBUTE: Final = r"\s{1,20}(?:value|content)\s{0,3}=\s{0,3}"
"""What is between them in `<input name="csrf_token" value="…">`."""
_TAG: Final = r"\s[^<>\n]{1,80}>(?:<!\[CDATA\[)?|><!\[CDATA\["
_SCHEME: Final = r"(?:(?:bearer|basic|token)\s{1,20})?"
_VALUE: Final = (
    rf"{_SCHEME}(?:\"(?P<double>(?:[^\"\\\n]++|\\[^\n])++)|'(?P<single>(?:[^'\\\n]++|\\[^\n])++)"
    r"|\\{1,3}[\"'](?P<escaped>(?:[^\"'\\\n]++|\\u[0-9a-f]{4})++)"
    r"|(?P<plain>[^\s\"'\\&,;<>{}\[\]][^\s\"'\\&,;<>}\]]*))"
)
_PARTS: Final = ("double", "single", "escaped", "plain", "listed")
_LISTED: Final = r"(?P<listed>[^\s\"'\\&,;<>{}\[\]]{1,64}(?:[,;][^\s\"'\\&,;<>{}\[\]=:]{1,64}){1,4})(?=[&\s]|$)"
"""A value in a query or a form, where commas do not end it."""
_MIDDLE: Final = rf"[\"'\]\\]{{0,4}}(?P<sign>{_SIGN}{_OPENED}|\s{{0,20}}{_SIBLING}|{_ATTRIBUTE}|{_TAG}"
_ASSIGNED: Final = re.compile(rf"(?P<word>{WORD}{AFTER}){_MIDDLE})(?:{_LISTED}|{_VALUE})", re.IGNORECASE)
"""A value after a name that says it is secret, in text of any kind: JSON in pieces, forms, queries, XML."""
_ASSIGNED_BELOW: Final = re.compile(
    rf"(?P<word>{WORD}{AFTER}){_MIDDLE}|[^\n]{{0,80}}\r?\n(?:[a-z-]{{1,40}}:[^\n]{{0,200}}\r?\n){{0,4}}\r?\n)"
    rf"(?:{_LISTED}|{_VALUE})",
    re.IGNORECASE,
)
"""Also a value below an empty line, as in multipart bodies."""
_SPOKEN: Final = re.compile(
    r"(?P<word>bearer|basic|jwt|\s--[a-z-]{1,64})\s{1,20}(?P<plain>[a-z0-9._~+/=-]{8,})", re.IGNORECASE
)
"""A value after a scheme, or after the name of a flag."""
_SCHEMES: Final = frozenset({"bearer", "basic", "jwt"})
_USER_INFORMATION: Final = re.compile(r"://(?P<user>[^/\s:@\"'<>\\]{0,256}):?(?P<password>[^/\s:@\"'<>\\]{0,256})@")
_EMPTY_LINE: Final = re.compile("\n\r?\n")
_NAME_CHARACTER: Final = re.compile("[A-Za-z0-9_.$-]")
_LITERAL: Final = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
SECRET_NAMES: Final = Words(_BEGINNINGS, ahocorasick_rs.MatchKind.Standard)
"""Finds where a value of a secret name may begin."""
SPOKEN_WORDS: Final = Words([*sorted(_SCHEMES), " --"], ahocorasick_rs.MatchKind.Standard)
_URLS: Final = Words(["://"], ahocorasick_rs.MatchKind.Standard)


def assigned_texts(text: str) -> Iterator[str]:
    """Yield the values of secret names."""
    return (text[start:end] for start, end in assigned_spans(text))


def assigned_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret names are, also where the names are written with escapes."""
    yield from _spans_after_names(text)
    yield from _spans_of_users(text)
    read, starts = unescaped(text)
    if read != text:
        yield from ((starts(start), starts(end)) for start, end in _spans_after_names(read))


def _spans_after_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of secret names are: not numbers, true, false and null in JSON, and placeholders."""
    pattern, lower = _ASSIGNED_BELOW if _EMPTY_LINE.search(text) else _ASSIGNED, lower_case(text)
    for match in matches_at(SECRET_NAMES, pattern, text, lower):
        start = _start_of_name(text, match.start())
        is_literal = ":" in match["sign"] and match["plain"] and _LITERAL.fullmatch(match["plain"])
        is_placeholder = text.startswith(PLACEHOLDER, start - 1) and not text.startswith("</", match.end())
        if is_secret_name(text[start : match.end("word")]) and not (is_literal or is_placeholder):
            yield next(match.span(part) for part in _PARTS if match[part])
    for match in matches_at(SPOKEN_WORDS, _SPOKEN, text, lower):
        is_flag = match["word"].startswith(" --") and is_secret_name(match["word"])
        if (is_flag or match["word"].lower() in _SCHEMES) and is_random(match["plain"]):
            yield match.span("plain")


def _start_of_name(text: str, start: int) -> int:
    first = max(0, start - LONGEST_NAME)
    while start > first and _NAME_CHARACTER.match(text[start - 1]):
        start -= 1
    return start


def _spans_of_users(text: str) -> Iterator[tuple[int, int]]:
    """Yield where passwords are in URLs, and what stands alone before the host."""
    for match in matches_at(_URLS, _USER_INFORMATION, text, text):
        if match["password"]:
            yield match.span("password")
        elif is_random(match["user"]):
            yield match.span("user")
