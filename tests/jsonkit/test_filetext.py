"""Texts of files: UTF-8 with or without a byte order mark, and clear words about every other encoding."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.filetext import NotUTF8Error, utf8


def test_byte_order_mark_is_removed_once() -> None:
    assert utf8("\ufeffa".encode()) == b"a"
    assert utf8("\ufeff\ufeffa".encode()) == "\ufeffa".encode()
    assert utf8("a\ufeff".encode()) == "a\ufeff".encode()
    assert utf8(b"") == b""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encoding_is_named(encoding: str) -> None:
    with pytest.raises(NotUTF8Error, match=encoding[:6].upper()):
        utf8('{"a": 1}'.encode(encoding))


def test_line_is_named_when_a_byte_is_not_utf8() -> None:
    with pytest.raises(NotUTF8Error, match="not UTF-8: invalid continuation byte at byte 3, line 2"):
        utf8(b"ab\n\xe9a")


@pytest.mark.parametrize(
    ("kind", "beginning"), [("gzip", b"\x1f\x8b\x08"), ("zip", b"PK\x03\x04"), ("Zstandard", b"\x28\xb5\x2f\xfd")]
)
def test_compressed_file_is_named(kind: str, beginning: bytes) -> None:
    with pytest.raises(NotUTF8Error, match=rf"the file is compressed \({kind}\); unpack it first"):
        utf8(beginning + b"rest")
