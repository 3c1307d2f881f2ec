"""Bodies on their way in: encodings undone within bounds, and what stands in the way named."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from mockserver.core.body import RequestBody
from mockserver.core.wire import WireRequest

LIMIT = 1024 * 1024
TEXT = b'{"type": "pageview"}'


def request_body(body: bytes, encoding: str | None = None, *, truncated: bool = False) -> RequestBody:
    headers = () if encoding is None else ((b"Content-Encoding", encoding.encode()),)
    fields = {name.lower(): value for name, value in headers}
    return RequestBody(
        WireRequest(method="POST", target="/", headers=headers, fields=fields, body=body, truncated=truncated)
    )


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"0" * (1024 * 1024)
    return b"".join(packer.compress(zeros) for _ in range(size // len(zeros))) + packer.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, None),
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT, mtime=0), "x-gzip"),
        (gzip.compress(TEXT, mtime=0), " GZIP "),
        (zlib.compress(TEXT), "deflate"),
    ],
)
def test_body_is_decoded_when_its_encoding_is_known(body: bytes, encoding: str | None) -> None:
    found = request_body(body, encoding)
    assert found.decode(LIMIT) is None
    assert found.text == TEXT
    assert found.parse(LIMIT)
    assert found.value == {"type": "pageview"}


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip;q=1", "\xff"])
def test_encoding_is_unsupported_when_it_is_not_known(encoding: str) -> None:
    found = request_body(gzip.compress(TEXT, mtime=0), encoding)
    assert found.decode(LIMIT) == "unsupported_encoding"
    assert not found.parse(LIMIT)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, "gzip"),
        (b"", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-1], "gzip"),
        (gzip.compress(TEXT, mtime=0)[:10], "gzip"),
        (gzip.compress(TEXT, mtime=0) + b"more", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, "gzip"),
        (gzip.compress(TEXT, mtime=0), "deflate"),
        (zlib.compress(TEXT), "gzip"),
        (zlib.compress(TEXT)[:-1], "deflate"),
        (TEXT, "deflate"),
    ],
)
def test_encoding_is_broken_when_the_body_does_not_keep_to_it(body: bytes, encoding: str) -> None:
    assert request_body(body, encoding).decode(LIMIT) == "broken_encoding"


def test_body_is_too_large_when_it_only_unpacks_over_the_limit() -> None:
    assert request_body(gzip.compress(b" " * LIMIT), "gzip").decode(LIMIT) is None
    assert request_body(gzip.compress(b" " * (LIMIT + 1)), "gzip").decode(LIMIT) == "body_too_large"


def test_bomb_is_not_unpacked_further_than_the_limit() -> None:
    packed = bomb(256 * LIMIT)
    assert len(packed) < LIMIT
    tracemalloc.start()
    assert request_body(packed, "gzip").decode(LIMIT) == "body_too_large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LIMIT


def test_body_is_too_large_when_only_its_beginning_is_here() -> None:
    assert request_body(TEXT, truncated=True).decode(LIMIT) == "body_too_large"
    assert request_body(gzip.compress(TEXT, mtime=0), "gzip", truncated=True).decode(LIMIT) == "body_too_large"


def test_outcome_is_worked_out_anew_when_the_limit_is_another() -> None:
    found = request_body(TEXT)
    assert found.decode(len(TEXT) - 1) == "body_too_large"
    assert found.decode(len(TEXT)) is None
    assert found.parse(len(TEXT))


def test_reason_is_kept_when_the_text_is_not_json() -> None:
    found = request_body(b"{")
    assert not found.parse(LIMIT)
    assert found.not_json
    assert not found.parse(LIMIT)
