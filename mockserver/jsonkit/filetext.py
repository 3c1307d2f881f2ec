"""The text of a file: UTF-8, with or without a byte order mark. Request bodies are not files; see `jsontext`."""

from __future__ import annotations

import codecs
from typing import Final

_OTHER_ENCODINGS: Final = (
    ("UTF-32", codecs.BOM_UTF32_LE),  # before UTF-16, whose mark begins the same way
    ("UTF-32", codecs.BOM_UTF32_BE),
    ("UTF-16", codecs.BOM_UTF16_LE),
    ("UTF-16", codecs.BOM_UTF16_BE),
)
_COMPRESSED: Final = {"gzip": b"\x1f\x8b", "zip": b"PK\x03\x04", "Zstandard": b"\x28\xb5\x2f\xfd"}
"""What a compressed file begins with."""


class NotUTF8Error(ValueError):
    """The text of a file is not UTF-8; the message says where, or which encoding it has."""


def without_mark(text: bytes) -> bytes:
    """Return the text of a file without its byte order mark.

    Raises NotUTF8Error for UTF-16, UTF-32 and a compressed file.
    """
    for kind, beginning in _COMPRESSED.items():
        if text.startswith(beginning):
            raise NotUTF8Error(f"the file is compressed ({kind}); unpack it first")
    for encoding, mark in _OTHER_ENCODINGS:
        if text.startswith(mark):
            raise NotUTF8Error(f"the file is {encoding}; save it as UTF-8")
    if b"\0" in text[:2] and len(text) % 2 == 0 and text[:2] != b"\0\0":
        raise NotUTF8Error("the file looks like UTF-16 without a byte order mark; save it as UTF-8")
    return text.removeprefix(codecs.BOM_UTF8)


def utf8(text: bytes) -> bytes:
    """Return the text of a file without its byte order mark. Raises NotUTF8Error."""
    text = without_mark(text)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise NotUTF8Error(f"not UTF-8: {error.reason} at byte {error.start}, line {line}") from None
    return text
