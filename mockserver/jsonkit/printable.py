"""Text for a person, a terminal or a CI runner: what came from elsewhere is shown in it, and cannot act.

A line break starts a forged line, an escape sequence drives a terminal, an invisible or bidirectional character makes a
text look like another one, and CI runners execute lines such as `::error::text`. Ordinary text stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

_NOT_ASCII: Final = re.compile("[^ -~]+")
_NOT_ASCII_IN_JSON: Final = re.compile("[^\n -~]+")

_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]"
)
"""Characters without a picture that Unicode counts as letters, marks or symbols: Python calls them printable."""

_PICTURE: Final = "[\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]"
_EACH: Final = re.compile(rf"(?P<joiner>(?<={_PICTURE})\u200d(?={_PICTURE}))|.", re.DOTALL)
"""A character; a joiner makes one picture of several, such as a family."""

_COMMAND: Final = re.compile(r"#(?=#[A-Za-z]*\[)")
"""The start of `##[…]`, `##vso[…]` or `##teamcity[…]`, which runners search for anywhere in a line."""

_COMMAND_AT_START: Final = "::"
"""What makes a line a command of GitHub, where only white space is before it."""

_LINE_BREAK: Final = re.compile(r"[ \t]*[\r\n]\s*")
"""A break between tokens of JSON, whose texts have none."""

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """Return a text as one line that shows what it holds: escapes such as `\\n` and `\\u202e` replace what does not."""
    text = _NOT_ASCII.sub(lambda run: _seen(run[0], _escaped), text)
    text = _COMMAND.sub(r"\\x23", text)
    return text.replace(":", r"\x3a", 1) if text.lstrip().startswith(_COMMAND_AT_START) else text


def printable_lines(text: str) -> str:
    """Return a text of several lines, each of them printable."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """Return a JSON text with the same value, in which escapes of JSON replace what `printable` escapes."""
    return _COMMAND.sub(r"\\u0023", _NOT_ASCII_IN_JSON.sub(lambda run: _seen(run[0], _escaped_in_json), text))


def printable_body(body: bytes, most: int) -> str:
    """Return a body as one printable line, cut to a number of characters; JSON is not broken into lines."""
    if not body:
        return "an empty body"
    text = body[: 4 * most].decode("utf-8", "replace")
    if "\n" in text and _is_json(body):
        text = _LINE_BREAK.sub(" ", text)
    text = printable(text)
    return text if len(text) <= most else f"{text[:most]}…"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _seen(run: str, escape: Callable[[str], str]) -> str:
    if run.isprintable() and not _INVISIBLE.search(run):
        return run
    return _EACH.sub(lambda one: one[0] if one["joiner"] or _is_seen(one[0]) else escape(one[0]), run)


def _is_seen(character: str) -> bool:
    return character.isprintable() and not _INVISIBLE.match(character)


def _escaped(character: str) -> str:
    code = ord(character)
    long = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(character, long)


def _escaped_in_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))
