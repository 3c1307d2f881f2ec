"""Rows as lines of text."""

from __future__ import annotations

from datetime import UTC, datetime

from mockserver.client import text
from mockserver.client.results import Counts, FaultStep, Request

NOON = datetime(2026, 6, 14, 12, tzinfo=UTC)


def test_request_names_its_status_and_its_fault() -> None:
    row = Request(
        id="r1",
        seq=1,
        received_at=NOON,
        session_time=NOON,
        protocol="whisperr",
        operation="batch",
        method="POST",
        path="/v1/events/batch",
        status=None,
        events=1,
        fault={"connection": "reset", "remaining": 2},
    )
    line = 'r1 POST /v1/events/batch -> no reply (1 event, fault injected: {"connection": "reset"})'
    assert text.request(row) == line


def test_fault_step_names_its_remaining_uses() -> None:
    assert text.fault_step(FaultStep(step={"delay_ms": 1}, remaining=None)) == '{"delay_ms": 1}'
    assert text.fault_step(FaultStep(step={"delay_ms": 1}, remaining=2)) == '{"delay_ms": 1}, 2 remaining'


def test_counts_are_in_words() -> None:
    row = Counts(requests=1, accepted=2, duplicate=0, rejected=3)
    assert text.counts(row) == "1 request; events: 2 accepted, 0 duplicate, 3 rejected"


def test_requests_name_their_events_and_share_a_line_when_they_are_alike() -> None:
    kinds = ["a_b"] * 20 + ["c_d", "a_b"]
    rows = [
        Request(
            id=f"r{number}",
            seq=number,
            received_at=NOON,
            session_time=NOON,
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
    labels = text.labels([{"request_id": f"r{number}", "type": kind} for number, kind in enumerate(kinds, 1)])
    assert list(text.requests(rows, labels)) == [
        "r1 to r20 (20 alike) POST /v1/events/batch -> 202 (1 event: a_b)",
        "r21 POST /v1/events/batch -> 202 (1 event: c_d)",
        "r22 POST /v1/events/batch -> 202 (1 event: a_b)",
    ]
    batch = [{"request_id": "r1", "type": "custom", "label": f"custom:{name}"} for name in ("a", "b", "a")]
    assert text.labels([*batch, {"request_id": "r2", "type": None}]) == {"r1": "custom:a ×2, custom:b", "r2": "no type"}
