"""Reading recordings whole: typed exchanges, and errors that name the line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mockserver.lint.document_schema import FormatError
from mockserver.recording.recordings import is_recording_line, read_recording, recording_of

HEAD: dict[str, Any] = {
    "recording": 1,
    "created": "2026-06-14T12:00:00.000Z",
    "mockserver": "0",
    "contracts": {"whisperr": {"revision": "base", "hash": "x"}},
    "upstreams": {"whisperr": "http://127.0.0.1:9"},
    "redaction": {"values": 0, "rules": 0},
}
EXCHANGE: dict[str, Any] = {
    "id": "x1",
    "protocol": "whisperr",
    "operation": "batch",
    "at_ms": 250,
    "request": {
        "method": "POST",
        "path": "/v1/events/batch",
        "headers": [["Content-Encoding", "gzip"]],
        "body": {"json": {"events": []}},
    },
    "reply": {
        "status": 202,
        "headers": [["Content-Encoding", "gzip"]],
        "body": {"json": {"accepted": 0}},
        "from": "upstream",
    },
    "findings": [],
    "events": [],
    "differs": [],
}


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_exchange_has_its_time_request_and_reply(tmp_path: Path) -> None:
    file = tmp_path / "r.ndjson"
    file.write_bytes(lines(HEAD, EXCHANGE) + b"\n")
    recording = read_recording(file)
    (exchange,) = recording.exchanges
    assert (exchange.id, exchange.protocol, exchange.operation) == ("x1", "whisperr", "batch")
    assert (exchange.at_ms, exchange.now_ms) == (250, 1_781_438_400_250)
    assert (exchange.origin, exchange.fault, exchange.has_reply_body) == ("upstream", None, True)
    assert json.loads(gzip.decompress(exchange.request.body)) == {"events": []}
    assert exchange.reply is not None
    assert (exchange.reply.status, json.loads(exchange.reply.body)) == (202, {"accepted": 0})
    assert recording.head.revision("whisperr") == "base"
    assert recording.head.revision("apex") is None
    assert recording.head.upstreams == {"whisperr": "http://127.0.0.1:9"}


def test_exchange_without_a_reply_has_no_origin() -> None:
    (exchange,) = recording_of(lines(HEAD, {**EXCHANGE, "reply": None}), "f").exchanges
    assert (exchange.reply, exchange.origin, exchange.has_reply_body) == (None, None, False)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "f: is empty; expected a recording, which begins with a head"),
        (b"\n\n", "f: is empty; expected a recording, which begins with a head"),
        (lines(HEAD, EXCHANGE, HEAD), "f line 3: a second recording begins here; a file can hold only one"),
        (lines(EXCHANGE), "f line 1: an exchange without the head of a recording before it"),
        (lines({**HEAD, "created": "yesterday"}), "f line 1 /created: "),
        (lines([1]), "f line 1: is not a recording, whose first line is a head"),
        (lines(HEAD, [1]), "f line 2: "),
        (lines(HEAD) + b'{"id":', "f line 2: "),
        (lines(HEAD) + b"\xff\xfe", "f line 2: "),
    ],
)
def test_error_names_the_line(content: bytes, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        recording_of(content, "f")
    assert str(caught.value).startswith(problem)


def test_lines_of_other_formats_are_no_recording() -> None:
    assert not any(map(is_recording_line, ([], 1, {"request": {}, "expect": {}}, {"events": []}, {"at_ms": 1})))
