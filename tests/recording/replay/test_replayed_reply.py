"""Replies of a recording with the ids of a client, compressed where the client takes that."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.recording.recordings import recording_of
from mockserver.recording.replay.replayed_reply import replayed_reply
from tests.judging import wire_request
from tests.recording.made import exchange, lines


def replayed(
    body: Any,
    pairs: Mapping[Json, Json] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    accepted: str | None = None,
    known: Mapping[Json, Json] | None = None,
) -> WireReply:
    row = exchange(reply=body)
    row["reply"]["headers"] += [list(pair) for pair in (headers or {}).items()]
    (recorded,) = recording_of(lines(row), "f").exchanges
    request = wire_request("/", b"", {} if accepted is None else {"accept-encoding": accepted})
    return replayed_reply(recorded, pairs or {}, (known or {}).get, request)


def test_values_of_the_client_are_in_place_of_the_recorded_ones() -> None:
    body = {
        "whole": "<id:1>",
        "inside": "user <id:1> got m-1a2b3c4d",
        "list": ["<id:2>", 3],
        "at": 1781438400000,
        "count": 1,
        "known": "<id:9>",
    }
    pairs: dict[Json, Json] = {"<id:1>": "ada", "m-1a2b3c4d": "k-9z8y7x6w", 1781438400000: 1798761600123, 1: 2, 3: 4}
    reply = replayed({"json": body}, pairs, known={"<id:9>": "eve"})
    assert json.loads(reply.body) == {
        "whole": "ada",
        "inside": "user ada got k-9z8y7x6w",
        "list": ["<id:2>", 3],
        "at": 1798761600123,
        "count": 1,
        "known": "eve",
    }


def test_plain_words_are_not_taken_for_ids() -> None:
    reply = replayed({"json": {"message": "paid in full"}}, {"paid": "trial"})
    assert json.loads(reply.body) == {"message": "paid in full"}


def test_text_and_headers_have_the_ids_of_the_client_too() -> None:
    reply = replayed({"text": "kept <id:1>"}, {"<id:1>": "ada\r\nX: y"}, headers={"Location": "/users/<id:1>"})
    assert reply.body == b"kept ada\r\nX: y"
    assert dict(reply.headers)["Location"] == "/users/ada??X: y"


@pytest.mark.parametrize(
    ("encoding", "accepted", "unpack"),
    [
        ("gzip", "gzip, deflate", gzip.decompress),
        ("gzip", "*", gzip.decompress),
        ("x-gzip", "gzip", gzip.decompress),
        ("deflate", "deflate;q=0.5", zlib.decompress),
    ],
)
def test_body_is_compressed_as_the_headers_say(encoding: str, accepted: str, unpack: Any) -> None:
    reply = replayed({"json": {"a": 1}}, headers={"content-encoding": encoding}, accepted=accepted)
    assert json.loads(unpack(reply.body)) == {"a": 1}
    assert dict(reply.headers)["content-encoding"] == encoding


@pytest.mark.parametrize(
    ("encoding", "accepted"), [("gzip", None), ("gzip", "gzip;q=0, br"), ("br", "br"), ("gzip", "identity")]
)
def test_body_is_plain_if_the_client_does_not_take_it_or_we_cannot_make_it(encoding: str, accepted: str | None) -> None:
    reply = replayed({"json": {"a": 1}}, headers={"Content-Encoding": encoding}, accepted=accepted)
    assert json.loads(reply.body) == {"a": 1}
    assert "Content-Encoding" not in dict(reply.headers)


def test_headers_of_a_connection_are_left_out() -> None:
    given = {"Transfer-Encoding": "chunked", "content-length": "1", "Connection": "close", "Date": "then", "ETag": "a"}
    reply = replayed({"json": {}}, headers=given)
    assert [name for name, _ in reply.headers] == ["Content-Type", "ETag"]
