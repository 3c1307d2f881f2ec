"""Bodies on their way in: encodings undone within bounds, and what stands in the way named."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from mockserver.core.intake import Intake
from mockserver.core.model import WireRequest

LIMIT = 1024 * 1024
TEXT = b'{"type": "pageview"}'


def intake(body: bytes, encoding: str | None = None, *, truncated: bool = False) -> Intake:
    headers = () if encoding is None else ((b"Content-Encoding", encoding.encode()),)
    fields = {name.lower(): value for name, value in headers}
    return Intake(
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
        (gzip.compress(TEXT), "gzip"),
        (gzip.compress(TEXT), "x-gzip"),
        (gzip.compress(TEXT), " GZIP "),
        (zlib.compress(TEXT), "deflate"),
    ],
)
def test_body_is_decoded_when_its_encoding_is_known(body: bytes, encoding: str | None) -> None:
    found = intake(body, encoding)
    assert found.decode(LIMIT) is None
    assert found.text == TEXT
    assert found.parse(LIMIT)
    assert found.value == {"type": "pageview"}


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip;q=1", "\xff"])
def test_encoding_is_unsupported_when_it_is_not_known(encoding: str) -> None:
    found = intake(gzip.compress(TEXT), encoding)
    assert found.decode(LIMIT) == "unsupported_encoding"
    assert not found.parse(LIMIT)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, "gzip"),
        (b"", "gzip"),
        (gzip.compress(TEXT)[:-1], "gzip"),
        (gzip.compress(TEXT)[:10], "gzip"),
        (gzip.compress(TEXT) + b"more", "gzip"),
        (gzip.compress(TEXT)[:-8] + b"\0" * 8, "gzip"),
        (gzip.compress(TEXT), "deflate"),
        (zlib.compress(TEXT), "gzip"),
        (zlib.compress(TEXT)[:-1], "deflate"),
        (TEXT, "deflate"),
    ],
)
def test_encoding_is_broken_when_the_body_does_not_keep_to_it(body: bytes, encoding: str) -> None:
    assert intake(body, encoding).decode(LIMIT) == "broken_encoding"


def test_body_is_too_large_when_it_only_unpacks_over_the_limit() -> None:
    assert intake(gzip.compress(b" " * LIMIT), "gzip").decode(LIMIT) is None
    assert intake(gzip.compress(b" " * (LIMIT + 1)), "gzip").decode(LIMIT) == "body_too_large"


def test_bomb_is_not_unpacked_further_than_the_limit() -> None:
    packed = bomb(256 * LIMIT)
    assert len(packed) < LIMIT
    tracemalloc.start()
    assert intake(packed, "gzip").decode(LIMIT) == "body_too_large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LIMIT


def test_body_is_too_large_when_only_its_beginning_is_here() -> None:
    assert intake(TEXT, truncated=True).decode(LIMIT) == "body_too_large"
    assert intake(gzip.compress(TEXT), "gzip", truncated=True).decode(LIMIT) == "body_too_large"


def test_outcome_is_worked_out_anew_when_the_limit_is_another() -> None:
    found = intake(TEXT)
    assert found.decode(len(TEXT) - 1) == "body_too_large"
    assert found.decode(len(TEXT)) is None
    assert found.parse(len(TEXT))


def test_reason_is_kept_when_the_text_is_not_json() -> None:
    found = intake(b"{")
    assert not found.parse(LIMIT)
    assert found.not_json
    assert not found.parse(LIMIT)
