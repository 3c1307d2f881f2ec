"""Each event of a stream is one line that tells what matters, and in which nothing can act."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver import MockServer
from mockserver.client.stream import Stream, StreamedEvent
from mockserver.client.stream_text import LONGEST_LINE, REASONS, Line, line_of
from mockserver.server import control
from tests.sending import send_whisperr, whisperr_event


def event(kind: str, **data: Any) -> StreamedEvent:
    return StreamedEvent(kind=kind, cursor="r.1", data=data)


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("session", {"session": "a"}, "-- new session a"),
        ("session", {"session": "a", "eviction": {}}, "-- session a is there again after it was evicted"),
        ("deleted", {"session": "a"}, "-- session a was deleted"),
        (
            "evicted",
            {"session": "a", "reason": "journal", "requests": 7},
            "-- session a: requests were gone before they could be shown (7)",
        ),
        (
            "evicted",
            {"session": None, "reason": "restart", "requests": None},
            "-- the server was started again: what it had received before is gone",
        ),
        ("evicted", {"session": None, "reason": "newer", "requests": 1}, "-- newer (1)"),
        ("newer", {}, "-- unknown event newer"),
        ("session", {"session": "a\x1b[31m\n::error::x\u202e"}, "-- new session a\\x1b[31m\\n::error::x\\u202e"),
    ],
)
def test_what_is_no_request_is_a_note(kind: str, data: dict[str, Any], line: str) -> None:
    assert line_of(event(kind, **data)) == Line(line, "note")


def test_every_reason_has_words() -> None:
    schema = control.document()["components"]["schemas"]["StreamedEviction"]
    assert set(schema["properties"]["reason"]["enum"]) == set(REASONS)


async def lines_of(server: MockServer, count: int) -> list[Line]:
    lines = list[Line]()
    async for streamed in Stream(server.target, None, "0").events():
        if streamed.kind == "request":
            lines.append(line_of(streamed))
            if len(lines) == count:
                return lines
    raise AssertionError("the stream has ended")


async def test_request_has_its_verdicts_and_the_first_reason() -> None:
    with MockServer(session="pk_demo") as server:
        server.clock.freeze("2026-06-14T12:00:00Z")
        good = whisperr_event("paid", occurred_at="2026-06-14T12:00:00.000Z")
        send_whisperr(server, good)
        send_whisperr(server, good, whisperr_event("left", occurred_at="2026-06-14T12:00:00.000Z"))
        send_whisperr(server, good, whisperr_event("No\n::error", occurred_at="2026-06-14T12:00:00.000Z"))
        server.faults.add(connection="drop")
        with pytest.raises(ConnectionError):
            send_whisperr(server, good)
        lines = await lines_of(server, 4)
    shown = [line.text.partition(" ")[2] for line in lines]
    assert shown[0] == "pk_demo r1 POST /v1/events/batch -> 202 (1 event: paid) 1 accepted"
    assert shown[1] == "pk_demo r2 POST /v1/events/batch -> 202 (2 events: paid, left) 1 duplicate, 1 accepted"
    assert shown[2].startswith(
        "pk_demo r3 POST /v1/events/batch -> 400 (2 events: paid, No\\n::error) 2 rejected; "
        "event_type must match ^[a-z0-9]+(?:_[a-z0-9]+)*$, got"
    )
    assert "\n" not in shown[2]
    assert "at /events/1/event_type [/events/event/properties/event_type/pattern]" in shown[2]
    assert "-> no reply (1 event: paid, fault injected:" in shown[3]
    assert [line.look for line in lines] == ["good", "odd", "bad", "bad"]


async def test_line_is_short_whatever_a_client_sent() -> None:
    with MockServer() as server:
        send_whisperr(server, whisperr_event("x" * 100_000))
        (line,) = await lines_of(server, 1)
    assert len(line.text) <= LONGEST_LINE
