"""The bytes of a file that `check` is given: plain or gzip, from a disk, a pipe or stdin, in bounded memory."""

from __future__ import annotations

import codecs
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from mockserver.jsonkit.filetext import NotUTF8Error, without_mark

STDIN: Final = Path("-")
CHUNK: Final = 1 << 20
GZIP: Final = b"\x1f\x8b"
GZIP_BITS: Final = 31
LONGEST_LINE: Final = 64 << 20
"""Bytes of a line that are read; a longer one is no request that a server takes."""
LARGEST_DOCUMENT: Final = 512 << 20
"""Bytes of a file that is one JSON document."""


class UnreadableError(ValueError):
    """A file cannot be read to its end; the message says why."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes, none only at the end."""
        ...


class Source:
    """The decompressed bytes of a file, once from its beginning to its end. `size` is the file's, 0 if unknown."""

    def __init__(self, raw: IO[bytes], name: str = "", size: int = 0) -> None:
        self.name = name
        self.size = size
        self._raw = raw
        self._stream: Readable = raw
        self._beginning = b""
        self._error: UnreadableError | None = None
        if self.peek(len(GZIP)) == GZIP:
            self._stream = _Decompressed(self._beginning, raw)
            self._beginning = b""

    def peek(self, size: int) -> bytes:
        """Return the next bytes without reading them; fewer than `size` only at the end, or before an error."""
        try:
            while len(self._beginning) < size and (more := self._read(size - len(self._beginning))):
                self._beginning += more
        except UnreadableError as error:
            self._error = error
        return self._beginning[:size]

    def begin(self) -> None:
        """Leave out a byte order mark. Raises NotUTF8Error for another encoding or compression, and for binary data."""
        beginning = self.peek(CHUNK)
        without_mark(beginning)
        if len(beginning) == CHUNK and b"\0" in beginning:
            raise NotUTF8Error("the file is binary: it has zero bytes")
        self._beginning = self._beginning.removeprefix(codecs.BOM_UTF8)

    def chunks(self) -> Iterator[bytes]:
        """Yield what is not read yet. Raises UnreadableError."""
        if self._beginning:
            beginning, self._beginning = self._beginning, b""
            yield beginning
        while chunk := self._read(CHUNK):
            yield chunk

    def rest(self) -> bytes:
        """Return what is not read yet. Raises UnreadableError."""
        chunks, size = [], 0
        for chunk in self.chunks():
            size += len(chunk)
            if size > LARGEST_DOCUMENT:
                mib = LARGEST_DOCUMENT >> 20
                raise UnreadableError(f"larger than {mib} MiB, which is too large for one JSON document; write NDJSON")
            chunks.append(chunk)
        return b"".join(chunks)

    def position(self) -> int:
        """Return how many bytes of a file of known size are read."""
        return self._raw.tell()

    def _read(self, size: int) -> bytes:
        if self._error is not None:
            raise self._error
        return self._stream.read(size)


class _Decompressed:
    """What gzip data decompresses to, all that can be before an error. `beginning` is already read."""

    def __init__(self, beginning: bytes, rest: Readable) -> None:
        self._packed = beginning
        self._rest = rest
        self._inflate = zlib.decompressobj(GZIP_BITS)

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, none at the end. Raises UnreadableError."""
        while True:
            packed = self._packed or self._rest.read(CHUNK)
            if self._inflate.eof:
                packed = packed.lstrip(b"\0")  # padding
                if not packed and not (packed := self._rest.read(CHUNK)):
                    return b""
                self._inflate = zlib.decompressobj(GZIP_BITS)
            elif not packed:
                raise UnreadableError("the gzip data is cut off: the file is incomplete")
            try:
                text = self._inflate.decompress(packed, size)
            except zlib.error as error:
                raise UnreadableError(f"the gzip data is damaged: {error}") from None
            self._packed = self._inflate.unconsumed_tail or self._inflate.unused_data
            if text:
                return text


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """Open a file, or stdin. Raises OSError, UnreadableError."""
    if path == STDIN:
        yield Source(sys.stdin.buffer)
        return
    with path.open("rb") as raw:
        state = os.fstat(raw.fileno())
        yield Source(raw, str(path), state.st_size if stat.S_ISREG(state.st_mode) else 0)


def lines_of(chunks: Iterable[bytes], longest: int = LONGEST_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number, from 1; None in place of one with more than `longest` bytes."""
    number, parts, size = 1, list[bytes](), 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        size += len(first)
        parts = [*parts, first] if size <= longest else []
        for piece in others:
            yield number, b"".join(parts) if size <= longest else None
            number, parts, size = number + 1, [piece], len(piece)
    if size:
        yield number, b"".join(parts) if size <= longest else None
