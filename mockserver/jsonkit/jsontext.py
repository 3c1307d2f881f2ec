"""Parsing and rendering of JSON.

orjson parses most texts. It rejects lone surrogates, which JSON allows and two published SDKs send, so such a text is
parsed again with the standard library. NaN, infinities, numbers outside the range of a double, invalid UTF-8, a byte
order mark and nesting deeper than 254 levels (the limit of orjson's writer) are not valid JSON here.
"""

from __future__ import annotations

import json
import math
import re
from codecs import BOM_UTF8
from typing import Any, Final, NoReturn

import orjson

from mockserver.jsonkit import Json
from mockserver.jsonkit.pieces import loads

_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER: Final = b"0" * 17
_BLANKS: Final = re.compile("[ \t\n\r]*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

PIECE: Final = 65_536
"""Blanks that are passed over at once."""

MAX_DEPTH: Final = 254
"""Maximum nesting of arrays and objects, so that every accepted value can be processed recursively."""

MEMORY_PER_BYTE: Final = 8
"""What parsed JSON takes in memory for each byte of its text, in arrays of small numbers."""

TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels"


class NotJSONError(ValueError):
    """The text is not valid JSON; the message says why."""


def parse(text: bytes) -> tuple[Json, bool]:
    """Parse a JSON text; return the value and whether it may contain lone surrogates. Raises NotJSONError."""
    try:
        value = loads(text)
    except orjson.JSONDecodeError as error:
        if b"\\ud" not in text and b"\\uD" not in text:
            raise NotJSONError(_encoding_problem(text) or str(error)) from None
        return parse_exactly(text), True
    if len(text) > 2 * MAX_DEPTH and _too_deep(value):
        raise NotJSONError(TOO_DEEP)
    return value, False


def parse_exactly(text: bytes, duplicates: list[str] | None = None) -> Json:
    """Parse a JSON text without loss: integers of any length keep their value. Raises NotJSONError.

    Duplicate keys of an object are added to `duplicates`.
    """

    def members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        parsed = dict(pairs)
        if duplicates is not None and len(parsed) != len(pairs):
            seen: set[str] = set()
            duplicates.extend(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return parsed

    decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=members)
    try:
        characters = text.decode("utf-8")
        value, end = decoder.raw_decode(characters, _after_blanks(characters, 0))
        if (rest := _after_blanks(characters, end)) != len(characters):
            raise json.JSONDecodeError("Extra data", characters, rest)
    except RecursionError:
        raise NotJSONError(TOO_DEEP) from None
    except ValueError as error:
        raise NotJSONError(_encoding_problem(text) or str(error)) from None
    if _too_deep(value):
        raise NotJSONError(TOO_DEEP)
    return value


def _after_blanks(text: str, start: int) -> int:
    """Return where the next character is that is no blank. Megabytes of blanks are passed over piece by piece.

    While a regular expression searches, the interpreter lets no other thread run.
    """
    while (blanks := _BLANKS.match(text, start, start + PIECE)) is not None and blanks.end() > start:
        start = blanks.end()
    return start


def _encoding_problem(text: bytes) -> str | None:
    """Return why a text is not that of JSON already as bytes, or None: libraries say it in terms of their own."""
    if text.startswith(BOM_UTF8):
        return "it begins with a byte order mark; send it without"
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8: {error.reason} at byte {error.start}"
    return None


def _too_deep(value: Json) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:  # too deep, or something else that orjson does not write
        return depth(value) > MAX_DEPTH
    return False


def depth(value: Json) -> int:
    """Return the nesting depth of a value; iterative, because Python limits recursion."""
    levels, level = 0, [value]
    while level := [member for member in level if isinstance(member, dict | list)]:
        levels += 1
        level = [inner for member in level for inner in (member.values() if isinstance(member, dict) else member)]
    return levels


def has_long_number(text: bytes) -> bool:
    """Return whether a text may hold an integer that is too long for orjson to keep its value."""
    return _LONG_NUMBER in text.translate(_DIGITS_TO_ZERO)


def view(text: bytes) -> Json:
    """Parse a text that is known to be valid, with orjson where that loses nothing."""
    if not has_long_number(text):
        try:
            return loads(text)
        except orjson.JSONDecodeError:
            pass
    return parse_exactly(text)


def render(value: Json) -> bytes:
    """Render JSON; values that orjson cannot write (long integers, lone surrogates) get ASCII escapes."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def memory_of(value: Json) -> int:
    """Return about how many bytes of memory a parsed JSON value takes, from the length of its text."""
    return MEMORY_PER_BYTE * len(render(value))


def render_stable(value: Json) -> bytes:
    """Render JSON for files: like `render`, but with the same bytes for every version of orjson."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def without_surrogates(value: Json) -> Json:
    """Return a copy with U+FFFD for each lone surrogate, which the validator cannot handle."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("�", value)
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(name): without_surrogates(item) for name, item in value.items()}
    return value


def _no_constant(name: str) -> NoReturn:
    raise NotJSONError(f"{name} is not a JSON value")


def _finite(text: str) -> Any:
    number = float(text)
    if math.isinf(number):
        raise NotJSONError("a number is out of range for a double")
    return number
