"""Bodies in a recording and the bytes that they stand for."""

from __future__ import annotations

import gzip
import zlib
from binascii import Error

import pytest

from mockserver.recording.recorded_body import TOO_LARGE, content_of, left_out, stable


@pytest.mark.parametrize(
    ("body", "content"),
    [
        ({"json": {"b": [1, "é"], "a": None}}, '{"a":null,"b":[1,"é"]}'.encode()),
        ({"json": "\ud800"}, b'"\\ud800"'),
        ({"text": "a=b"}, b"a=b"),
        ({"base64": "AP8="}, b"\x00\xff"),
        (left_out("not_valid_json", 3), b"\xff\xff\xff"),
    ],
)
def test_body_is_read_as_bytes(body: dict[str, object], content: bytes) -> None:
    assert content_of(body) == content


@pytest.mark.parametrize(
    ("encoding", "undo"), [("gzip", gzip.decompress), (" X-GZIP", gzip.decompress), ("deflate", zlib.decompress)]
)
def test_body_is_compressed_again_and_always_to_the_same_bytes(encoding: str, undo: object) -> None:
    assert callable(undo)
    packed = content_of({"json": {"a": 1}}, encoding)
    assert undo(packed) == b'{"a":1}'
    assert packed == content_of({"json": {"a": 1}}, encoding)
    assert undo(content_of(left_out(TOO_LARGE, 9), encoding)) == b"\xff" * 9


def test_body_that_could_not_be_decompressed_stays_so() -> None:
    with pytest.raises(OSError, match="gzip"):
        gzip.decompress(content_of(left_out("broken encoding", 20), "gzip"))
    assert content_of({"text": "x"}, "br") == b"x"


def test_base64_that_is_not_valid_is_refused() -> None:
    with pytest.raises(Error):
        content_of({"base64": "A"})


def test_large_document_is_written_like_a_small_one() -> None:
    value = {"b": ["é", 1.5, None] * 60_000, "a": {"d": 1, "c": "\ud800"}}
    small = stable({"a": value["a"]})
    assert stable(value).startswith(small[:-1] + ',"b":["\\u00e9",1.5,null,')
    assert len(stable({"b": value["b"]})) == 13 * 60_000 + len('{"b":[]}') - 1


def test_json_has_its_members_in_order() -> None:
    assert stable({"b": {"d": 1, "c": 2}, "a": "é"}) == '{"a":"é","b":{"c":2,"d":1}}'
