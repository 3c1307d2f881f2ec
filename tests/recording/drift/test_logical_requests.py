"""Attempts are one request, and an event that comes again in another batch is one event."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.recording.drift.logical_requests import Contracts, Item, LogicalRequest, logical_requests
from mockserver.recording.recordings import recording_of
from tests.recording.test_recordings import EXCHANGE, HEAD, lines


def event(id: str, kind: str = "paid") -> dict[str, Any]:
    return {"external_user_id": "u", "event_type": kind, "context": {"$message_id": id}}


def exchange(number: int, *events: Any, status: int | None = 202, verdict: str = "accepted") -> dict[str, Any]:
    row = copy.deepcopy(EXCHANGE) | {"id": f"x{number}"}
    row["request"] |= {"headers": [], "body": {"json": {"events": list(events), "sent_at": number}}}
    row["events"] = [{"type": sent["event_type"], "verdict": verdict, "findings": []} for sent in events]
    row["reply"] = None if status is None else row["reply"] | {"status": status}
    return row


def read(*rows: Any) -> list[LogicalRequest]:
    return logical_requests(recording_of(lines(HEAD, *rows), "f"), Contracts(library()))


def shown(requests: list[LogicalRequest]) -> list[Any]:
    return [([one.id for one in request.attempts], list(map(judged, request.items))) for request in requests]


def judged(item: Item) -> tuple[str, str | None]:
    return item.sent["context"]["$message_id"], item.verdict


@pytest.mark.parametrize("status", [503, 401, None])
def test_request_that_failed_is_sent_again(status: int | None) -> None:
    requests = read(exchange(1, event("a"), status=status, verdict="rejected"), exchange(2, event("a")))
    assert shown(requests) == [(["x1", "x2"], [("a", "accepted")])]
    assert requests[0].statuses == [status, 202]


def test_event_that_was_accepted_at_first_remains_so() -> None:
    requests = read(exchange(1, event("a"), status=None), exchange(2, event("a"), verdict="duplicate"))
    assert shown(requests) == [(["x1", "x2"], [("a", "accepted")])]


def test_request_that_was_taken_is_a_new_one_when_it_comes_again() -> None:
    requests = read(exchange(1, event("a")), exchange(2, event("a"), verdict="duplicate"))
    assert shown(requests) == [(["x1"], [("a", "accepted")]), (["x2"], [("a", "duplicate")])]


def test_event_of_a_failed_request_is_one_when_it_comes_with_others() -> None:
    failed = exchange(1, event("a"), event("b"), status=503, verdict="rejected")
    requests = read(failed, exchange(2, event("a"), event("b"), event("c")))
    assert shown(requests) == [(["x1"], [("a", "accepted"), ("b", "accepted")]), (["x2"], [("c", "accepted")])]


def test_what_is_around_the_events_has_no_events() -> None:
    (request,) = read(exchange(7, event("a")))
    assert request.around == ({"sent_at": 7}, {"sent_at": 7})
    assert request.items[0].key == ("whisperr", "batch", "paid")
    assert request.items[0].normal["context"] == {"$message_id": "<id>"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"left_out": "not valid JSON", "bytes": 3}, "left out: not valid JSON"),
        ({"text": ""}, "none"),
        ({"text": "{"}, "text"),
        ({"text": '{"events": [], "events": []}'}, "JSON"),
        ({"json": [1]}, "JSON"),
        ({"json": None}, "JSON"),
        ({"json": {"events": {"a": 1}}}, "JSON"),
    ],
)
def test_body_without_events_is_a_request_of_its_own(body: Any, kind: str) -> None:
    row = exchange(1)
    row["request"]["body"] = body
    (request,) = read(row)
    assert (request.body_kind, request.has_events, len(request.items)) == (kind, False, 1)


def test_request_to_no_operation_is_named_by_method_and_path() -> None:
    row = exchange(1) | {"operation": None}
    row["request"] |= {"method": "PUT", "path": "/v1/other/6f9619ff-8b86-4d01-b42d-00cf4fc964ff?a=1"}
    (request,) = read(row)
    assert request.operation == "PUT /v1/other/<id>?a=1"


def test_preflight_counts_once() -> None:
    asked = {"method": "OPTIONS", "headers": [["Access-Control-Request-Method", "POST"]], "body": {"text": ""}}
    rows = [exchange(number) | {"operation": "preflight"} for number in range(1, 4)]
    for row, path in zip(rows, ("/v1/identify", "/v1/identify", "/v1/events/batch"), strict=True):
        row["request"] |= {**asked, "path": path}
    assert [request.first.id for request in read(*rows)] == ["x1", "x3"]


def test_repeated_header_has_all_values() -> None:
    row = exchange(1)
    row["request"]["headers"] = [["Accept", "a"], ["accept", "b"], ["Date", "x"]]
    assert read(row)[0].headers == {"accept": "a\nb"}
