"""Text that arrives as bytes in a header, a path or a query, where HTTP names no encoding."""

from __future__ import annotations

from urllib.parse import unquote


def decoded(raw: bytes) -> str:
    """Return bytes as text: UTF-8, or Latin-1, which HTTP clients send too. An encoded surrogate becomes U+FFFD."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
    return raw.decode("utf-8", "replace")


def restored(text: str) -> str:
    """Return text in which bytes that are not UTF-8 are escaped as surrogates, decoded like other bytes."""
    return text if text.isascii() else decoded(text.encode("utf-8", "surrogateescape"))


def unquoted(text: str) -> str:
    """Return a percent-encoded part of a request target as text."""
    return restored(unquote(text, errors="surrogateescape"))
