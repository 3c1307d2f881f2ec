"""What an unsatisfied wait says, member by member."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mockserver.client import text
from mockserver.client.results import Counts, Request, Waited
from mockserver.jsonkit.decoding import read

NOTHING: dict[str, Any] = {
    "satisfied": False,
    "reason": "timeout",
    "matched": 0,
    "events": [],
    "next": 0,
    "near_misses": [],
    "refused": [],
    "faults_pending": [],
    "unseen": {"count": 0, "reason": None, "at": None},
    "other_sessions": [],
}
SPEC = {"match": {}, "count": 1, "quiet_ms": 500, "timeout_ms": 5000}


def told(requests: int = 0, spec: dict[str, Any] | None = None, **members: Any) -> list[str]:
    seen = Counts(requests=requests, accepted=0, duplicate=0, rejected=0)
    return text.wait(spec or SPEC, read(Waited, {**NOTHING, **members}), "pk_x", seen).splitlines()


def test_hint_is_to_look_at_the_url_when_nothing_came_anywhere() -> None:
    assert told() == [
        "waited for 1 accepted event: 0 arrived within 5 s",
        "session pk_x: 0 requests; events: 0 accepted, 0 duplicate, 0 rejected",
        "No requests arrived: does the client use the URL of this server, and was it flushed?",
    ]


def test_hint_is_to_look_at_the_key_when_another_session_got_requests() -> None:
    lines = told(other_sessions=[{"session": "pk_typo", "requests": 1}])
    assert lines[2:] == [
        "requests to other sessions:",
        "  pk_typo: 1 request",
        "This session received nothing, but another session did: does the client use the key of this session?",
    ]


def test_wanted_events_are_named_when_the_matcher_says_much() -> None:
    match = {
        "protocol": "apex",
        "operation": "events",
        "type": "page",
        "verdict": "any",
        "where": {"/a": {"exists": True}},
    }
    (line, *_) = told(spec={**SPEC, "match": match, "exactly": 2}, reason="not_quiet")
    assert line == (
        'waited for exactly 2 apex events events of type page, /a {"exists": true}: '
        "the session was not quiet for 0.5 s within 5 s"
    )


def test_reason_is_told_when_the_session_went_away() -> None:
    assert "deleted during the wait" in told(reason="deleted")[0]
    assert "--max-sessions" in told(reason="evicted")[0]


def test_lists_are_cut_when_they_are_long() -> None:
    lines = text.block("rows", map(str, range(25)))
    assert lines[:2] == ["rows:", "  0"]
    assert lines[-2:] == ["  19", "  … and 5 more"]
    assert text.block("rows", []) == []


def test_values_are_cut_when_they_are_long() -> None:
    assert text.value({"a": "ü"}) == '{"a": "ü"}'
    assert len(text.value("x" * 500)) == text.SHOWN_VALUE


def row(index: int, type: str, **members: Any) -> dict[str, Any]:
    return {
        "id": f"e{index}",
        "request_id": f"r{index}",
        "index": 0,
        "seq": index,
        "received_at": "2026-01-01T00:00:00Z",
        "session_time": "2026-01-01T00:00:00Z",
        "protocol": "whisperr",
        "operation": "batch",
        "type": type,
        "verdict": "accepted",
        "findings": [],
        "event": {"event_type": type, **members},
        "stored": None,
    }


def test_events_show_what_tells_them_apart_when_too_many_arrived() -> None:
    rows = [row(1, "a_b", user="u", n=1), row(2, "a_b", user="u", n=2), row(3, "a_b", user="u")]
    assert told(reason="too_many", matched=3, events=rows)[3:] == [
        '  e1 whisperr batch: a_b accepted {"n": 1}',
        '  e2 whisperr batch: a_b accepted {"n": 2}',
        "  e3 whisperr batch: a_b accepted",
    ]


def test_requests_name_their_events_and_share_a_line_when_they_are_alike() -> None:
    kinds = ["a_b"] * 20 + ["c_d", "a_b"]
    found = [
        Request(
            id=f"r{number}",
            seq=number,
            received_at=datetime.now(UTC),
            session_time=datetime.now(UTC),
            protocol="whisperr",
            operation="batch",
            method="POST",
            path="/v1/events/batch",
            status=202,
            events=1,
            fault=None,
        )
        for number in range(1, len(kinds) + 1)
    ]
    labels = text.labels([row(number, kind) for number, kind in enumerate(kinds, 1)])
    assert list(text.requests(found, labels)) == [
        "r1 to r20 (20 alike) POST /v1/events/batch -> 202 (1 event: a_b)",
        "r21 POST /v1/events/batch -> 202 (1 event: c_d)",
        "r22 POST /v1/events/batch -> 202 (1 event: a_b)",
    ]
    batch = [{"request_id": "r1", "type": "custom", "label": f"custom:{name}"} for name in ("a", "b", "a")]
    assert text.labels([*batch, {"request_id": "r2", "type": None}]) == {"r1": "custom:a ×2, custom:b", "r2": "no type"}
