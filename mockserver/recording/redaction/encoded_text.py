"""Texts in a text: what its escapes (JSON, URLs, pointers) stand for, and what is in Base64."""

from __future__ import annotations

import base64
import codecs
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.recording.redaction.word_search import PIECE

_RUN: Final = re.compile("[A-Za-z0-9+/_-]{20,}")
_MORE_OF_RUN: Final = re.compile("[A-Za-z0-9+/_-]+")
_SHORTEST_RUN: Final = 20
"""Characters of a text in Base64 in which a name and its value, or a key, may be."""
_ESCAPE: Final = re.compile(
    r"\\{1,40}u[dD][89abAB][0-9a-fA-F]{2}\\{1,40}u[dD][c-fC-F][0-9a-fA-F]{2}|\\{1,40}u[0-9a-fA-F]{4}"
    r"|\\{1,40}[\"\\/]|~[01]|(?:%(?:25){0,40}[0-9a-fA-F]{2})+"
)
_LONGEST_ESCAPE: Final = 100
"""Characters of an escape; one that is escaped itself several times has more backslashes, or `25`, at its beginning."""
_BYTE: Final = re.compile("%(?:25){0,40}([0-9a-fA-F]{2})")
_SHORTEST_ENCODED: Final = 6


def decoded_runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where Base64 of a text is, and that text."""
    for start, end in _runs(text):
        plain = text[start:end].replace("-", "+").replace("_", "/")
        try:
            yield start, end, base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "==").decode("utf-8")
        except ValueError:  # other bytes
            continue


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Yield where characters of Base64 are in a row; it is searched piece by piece."""
    position = 0
    while position < len(text):
        match = _RUN.search(text, position, position + PIECE)
        if match is None:
            position += PIECE - _SHORTEST_RUN
            continue
        end = match.end()
        while (more := _MORE_OF_RUN.match(text, end, end + PIECE)) is not None:
            end = more.end()
        position = end
        yield match.start(), end


def in_base64(secret: str) -> Iterator[str]:
    """Yield what a secret contributes to the Base64 of a text around it, by where in three bytes it begins."""
    plain = secret.encode("utf-8", "replace")
    if len(plain) < _SHORTEST_ENCODED:
        return
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + plain).decode("ascii").rstrip("=")
        inner = text[(offset * 8 + 5) // 6 : (offset + len(plain)) * 8 // 6]
        yield from {inner, inner.replace("+", "-").replace("/", "_")}


class _Starts:
    """Where in a text each character of its unescaped form starts; what is noted are the ends of escapes."""

    def __init__(self) -> None:
        self._unescaped = [0]
        self._escaped = [0]

    def note(self, length: int, escaped_length: int) -> None:
        """Note characters that have a length of their own after those that were noted."""
        self._unescaped.append(self._unescaped[-1] + length)
        self._escaped.append(self._escaped[-1] + escaped_length)

    def __call__(self, index: int) -> int:
        last = bisect_right(self._unescaped, index) - 1
        return self._escaped[last] + index - self._unescaped[last]


def unescaped(text: str) -> tuple[str, _Starts]:
    """Return a text with escapes of JSON, URLs and pointers undone, and where its characters come from."""
    parts, starts, position = list[str](), _Starts(), 0
    for match in _escapes(text):
        unchanged = match.start() - position
        parts.append(text[position : match.start()])
        for character, length in _meant(match[0]):
            parts.append(character)
            starts.note(unchanged + 1, unchanged + length)
            unchanged = 0
        position = match.end()
    return without_surrogates("".join([*parts, text[position:]])), starts


def _escapes(text: str) -> Iterator[re.Match[str]]:
    """Yield the escapes in a text, which is searched piece by piece."""
    if not any(mark in text for mark in "\\%~"):
        return
    position = 0
    while position < len(text):
        match = _ESCAPE.search(text, position, position + PIECE)
        if match is None:
            position += PIECE - _LONGEST_ESCAPE
        else:
            match = _ESCAPE.match(text, match.start(), match.start() + PIECE) or match
            position = match.end()
            yield match


def _meant(escape: str) -> Iterator[tuple[str, int]]:
    """Yield the characters that an escape stands for, each with the length of its part."""
    if escape[0] == "~":
        yield "/" if escape == "~1" else "~", 2
    elif escape[0] == "\\":
        units = re.findall("u([0-9a-fA-F]{4})", escape)
        raw = b"".join(int(unit, 16).to_bytes(2, "big") for unit in units)
        yield (raw.decode("utf-16-be", "replace") if units else escape[-1]), len(escape)
    else:
        decoder, length = codecs.getincrementaldecoder("utf-8")("replace"), 0
        for byte in _BYTE.finditer(escape):
            length += len(byte[0])
            for character in decoder.decode(bytes([int(byte[1], 16)])):
                yield character, length
                length = 0
        for character in decoder.decode(b"", final=True):
            yield character, length
            length = 0
