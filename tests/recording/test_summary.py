"""A recording in words."""

from __future__ import annotations

import json
from typing import Any

from mockserver.recording.summary import summary_lines

HEAD = {"recording": 1, "redaction": {"values": 3, "kinds": {"credential": 1, "email": 2}, "rules": 0}}


def finding(message: str, severity: str = "error") -> dict[str, Any]:
    return {"rule": "/a/b", "severity": severity, "pointer": "", "message": message}


def exchange(id: str, **members: Any) -> dict[str, Any]:
    reply = {"status": 200, "headers": [], "body": {"text": ""}, "from": "upstream"}
    row = {"id": id, "protocol": "p", "operation": "o", "reply": reply, "findings": [], "events": [], "differs": []}
    return {**row, **members}


def told(*exchanges: Any, head: Any = HEAD) -> list[str]:
    return summary_lines(json.dumps(line).encode() for line in (head, *exchanges))


def test_what_is_equal_is_told_once_with_a_count_and_where_it_is() -> None:
    differs = [{"pointer": "/reply/status", "rule": "/r", "expected": 202, "got": 299}]
    refused = {"type": "t", "verdict": "rejected", "findings": [finding("too long")]}
    accepted = {"type": "t", "verdict": "accepted", "findings": [finding("old", "warning")]}
    rows = [exchange(f"x{number}", differs=differs, events=[refused, accepted]) for number in range(1, 6)]
    assert told(*rows) == [
        "5 requests, 10 events (5 accepted, 5 rejected)",
        "refused by the contract:",
        "  p: too long [/a/b] (5 times: x1, x2, x3 and 2 more)",
        "warnings of the contract:",
        "  p: old [/a/b] (5 times: x1, x2, x3 and 2 more)",
        "the upstream and the contract differ:",
        "  p/o: status: expected 202, got 299 (5 replies: x1, x2, x3 and 2 more)",
        "hidden: 1 credential, 2 e-mail addresses",
    ]


def test_difference_says_what_is_missing_and_what_is_there_instead() -> None:
    differs = [
        {"pointer": "/reply/headers/x-a", "rule": "/r", "expected": "1", "got": None},
        {"pointer": "/reply/json/b", "rule": "/r", "expected": None, "got": [1]},
        {"pointer": "/reply/json/c", "rule": "/r", "expected": {"$match": "[0-9]+"}, "got": "x"},
    ]
    assert told(exchange("x1", differs=differs))[2:5] == [
        '  p/o: headers/x-a: missing, expected "1" (1 reply: x1)',
        "  p/o: json/b: unexpected, got [1] (1 reply: x1)",
        '  p/o: json/c: expected a text that matches [0-9]+, got "x" (1 reply: x1)',
    ]


def test_events_of_a_request_that_was_refused_as_a_whole_are_not_told_again() -> None:
    event = {"type": "t", "verdict": "rejected", "findings": [finding("the batch is refused")]}
    lines = told(exchange("x1", findings=[finding("no key")], events=[event, event]))
    assert lines[1:3] == ["refused by the contract:", "  p: no key [/a/b] (1 time: x1)"]
    assert len(lines) == 4


def test_requests_of_several_operations_and_upstreams_without_a_reply_are_told() -> None:
    body = {"json": {"detail": "the upstream p cannot\nbe reached"}}
    failed = {"status": 502, "headers": [], "body": body, "from": "proxy"}
    lines = told(
        exchange(
            "x1",
            reply=failed,
            events=[
                {"type": "t", "verdict": "rejected", "findings": [{**finding("no reply"), "rule": "/server/upstream"}]}
            ],
        ),
        exchange("x2", operation=None, reply=None),
        head={**HEAD, "redaction": {"values": 0}},
    )
    assert lines == [
        "2 requests, 1 event (1 rejected)",
        "  1 p/o, 1 p/(no operation)",
        "the upstream gave no reply:",
        "  p: 502, the upstream p cannot\\nbe reached (1 request: x1)",
        "hidden: nothing",
    ]
