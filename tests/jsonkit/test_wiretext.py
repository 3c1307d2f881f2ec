"""Bytes of headers, paths and queries as text."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.wiretext import decoded, restored, unquoted


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"pk_a", "pk_a"),
        ("Größe 😀".encode(), "Größe 😀"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"\xc3\xa9\xff", "Ã©ÿ"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
    ],
)
def test_bytes_are_utf_8_or_latin_1(raw: bytes, text: str) -> None:
    assert decoded(raw) == text
    assert restored(raw.decode("utf-8", "surrogateescape")) == text
    assert unquoted("".join(f"%{byte:02X}" for byte in raw)) == text


def test_text_is_decoded_once() -> None:
    assert unquoted("a%252Fb%2Fc") == "a%2Fb/c"
