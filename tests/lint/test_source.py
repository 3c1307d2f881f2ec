"""The bytes of a file, whatever it is: plain, compressed, cut off, one endless line."""

from __future__ import annotations

import gzip
import io
import os
import threading
from pathlib import Path

import pytest

from mockserver.jsonkit.filetext import NotUTF8Error
from mockserver.lint import source as module
from mockserver.lint.source import Source, UnreadableError, lines_of, opened


def chunks_of(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("text", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\n\n\nbcd\n", b"\n\na", b"abcdefgh\r\nij\r\n"])
def test_lines_are_those_of_the_text_when_it_comes_in_pieces(text: bytes, size: int) -> None:
    whole = text.split(b"\n")
    expected = whole[:-1] if whole[-1] == b"" else whole
    assert list(lines_of(chunks_of(text, size))) == list(enumerate(expected, 1))


@pytest.mark.parametrize("size", [1, 3, 4, 5, 100])
def test_line_is_left_out_when_it_is_too_long(size: int) -> None:
    text = b"abcd\nabcde\nab\nabcdefghijk\n\nabcdefg"
    found = list(lines_of(chunks_of(text, size), 4))
    assert found == [(1, b"abcd"), (2, None), (3, b"ab"), (4, None), (5, b""), (6, None)]


@pytest.mark.parametrize(
    "content", [b"", b"a", b"{}\n{}\n", bytes(range(256)) * 20], ids=["empty", "byte", "lines", "binary"]
)
def test_content_is_the_same_when_it_is_compressed(tmp_path: Path, content: bytes) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content[:2]) + gzip.compress(content[2:]))
    for path in (plain, packed):
        with opened(path) as source:
            assert source.peek(3) == content[:3]
            assert source.peek(1) == content[:1]
            assert source.rest() == content
            assert (source.rest(), source.position()) == (b"", path.stat().st_size)


def test_gzip_is_unreadable_when_it_is_cut_off_or_damaged() -> None:
    packed = gzip.compress(os.urandom(100_000))
    with pytest.raises(UnreadableError, match="cut off"):
        Source(io.BytesIO(packed[:-20])).rest()
    with pytest.raises(UnreadableError, match="damaged"):
        Source(io.BytesIO(packed + b"more")).rest()
    with pytest.raises(UnreadableError, match="damaged"):
        Source(io.BytesIO(packed[:1000] + b"\xff" * 100 + packed[1100:])).rest()


def test_document_is_unreadable_when_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_DOCUMENT", 3 << 20)
    assert len(Source(io.BytesIO(b" " * (3 << 20))).rest()) == 3 << 20
    with pytest.raises(UnreadableError, match="larger than 3 MiB"):
        Source(io.BytesIO(b" " * ((3 << 20) + 1))).rest()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encoding_is_named_when_it_is_not_utf8(encoding: str) -> None:
    with pytest.raises(NotUTF8Error, match=encoding.upper()[:6]):
        Source(io.BytesIO('{"a": 1}\n'.encode(encoding))).begin()


def test_large_file_is_named_as_binary_before_it_is_read() -> None:
    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    with pytest.raises(NotUTF8Error, match="binary"):
        Source(Zeros()).begin()  # type: ignore[arg-type]


def test_mark_is_left_out_when_a_file_begins_with_it() -> None:
    source = Source(io.BytesIO(b"\xef\xbb\xbfa\n"))
    source.begin()
    assert list(source.chunks()) == [b"a\n"]


def test_pipe_is_read_when_it_comes_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    packed = gzip.compress(b"{}\n{}\n")

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for byte in packed:
                pipe.write(bytes([byte]))

    writer = threading.Thread(target=write)
    writer.start()
    with opened(path) as source:
        assert (source.size, source.rest()) == (0, b"{}\n{}\n")
    writer.join()
