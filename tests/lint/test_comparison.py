"""Where a reply or an event row differs from what a golden case expects."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.core.wire import WireReply
from mockserver.lint.comparison import differences, reply_differences, row_differences
from mockserver.lint.golden_cases import ExpectedEvent, ExpectedReply


def replied(body: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> WireReply:
    return WireReply(status=status, headers=headers, body=body)


@pytest.mark.parametrize(
    ("expected", "got", "texts"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, ["/a: expected 1, got 1.0"]),
        (True, 1, [": expected true, got 1"]),
        ({"a": [1, {"b/c": 2}]}, {"a": [1, {"b/c": 3}]}, ["/a/1/b~1c: expected 2, got 3"]),
        ([1, 2], [1], [": expected [1,2], got [1]"]),
        ({"a": 1, "b": 2}, {"b": 2, "c": 3}, ["/a: missing, expected 1", "/c: unexpected, got 3"]),
        ({"a": None}, {}, ["/a: missing, expected null"]),
        (None, "x", [': expected null, got "x"']),
        ({"$match": "a.c"}, "abc", []),
        ({"$match": "a|b"}, "ab", [': expected a text that matches a|b, got "ab"']),
        ({"$match": "a"}, "a\n", [': expected a text that matches a, got "a\\n"']),
        ({"$match": ".*"}, 5, [": expected a text that matches .*, got 5"]),
        ({"$match": ".*"}, {"$match": ".*"}, [': expected a text that matches .*, got {"$match":".*"}']),
        ({"$number": True}, 5, []),
        ({"$number": True}, 0.5, []),
        ({"$number": True}, True, [": expected a number, got true"]),
        ({"$number": True}, None, [": expected a number, got null"]),
    ],
)
def test_values_differ_in_each_place_where_they_are_not_equal(expected: Any, got: Any, texts: list[str]) -> None:
    assert [str(difference) for difference in differences(expected, got)] == texts


@pytest.mark.parametrize(
    ("expect", "reply", "texts"),
    [
        (ExpectedReply(status=200, json={}), replied(b"{}"), []),
        (ExpectedReply(status=200), replied(b"anything"), []),
        (ExpectedReply(status=204, text=""), replied(b"", 204), []),
        (ExpectedReply(status=200, text="a"), replied(b"b"), ['/text: expected "a", got "b"']),
        (ExpectedReply(status=201), replied(b"why"), ["/status: expected 201, got 200 with the body why"]),
        (ExpectedReply(status=200, json=None), replied(b"null"), []),
        (
            ExpectedReply(status=200, json={}),
            replied(b"<html>"),
            ["/json: expected JSON, got <html>, which is not valid JSON: Expecting value: line 1 column 1 (char 0)"],
        ),
        (ExpectedReply(status=200, headers={"X-A": "1", "x-b": None}), replied(b"", headers=(("x-A", "1"),)), []),
        (ExpectedReply(status=200, headers={"X-A": {"$match": "[0-9]+"}}), replied(b"", headers=(("x-a", "12"),)), []),
        (
            ExpectedReply(status=200, headers={"x-a": "1", "x-b": None}),
            replied(b"", headers=(("x-b", "2"),)),
            ['/headers/x-a: missing, expected "1"', '/headers/x-b: unexpected, got "2"'],
        ),
    ],
)
def test_reply_differs_in_status_headers_and_body(expect: ExpectedReply, reply: WireReply, texts: list[str]) -> None:
    assert [str(difference) for difference in reply_differences(expect, reply)] == texts


def test_rows_differ_in_number_type_verdict_stored_form_and_errors() -> None:
    warned = {"pointer": "/b", "severity": "warning"}
    rows: list[dict[str, Any]] = [
        {"type": "a", "verdict": "accepted", "stored": {"type": "a"}, "findings": [warned]},
        {"type": None, "verdict": "rejected", "stored": None, "findings": [{"pointer": "/type", "severity": "error"}]},
    ]
    good = [
        ExpectedEvent(type="a", verdict="accepted", stored={"type": "a"}, findings=()),
        ExpectedEvent(type=None, verdict="rejected", findings=("/type",)),
    ]
    assert list(row_differences(good, rows)) == []
    assert [str(difference) for difference in row_differences(good[:1], rows)] == ["/events: expected 1 rows, got 2"]
    bad = [
        ExpectedEvent(type="b", verdict="duplicate", stored={}, findings=("/b",)),
        ExpectedEvent(type=None, verdict="rejected", findings=()),
    ]
    assert [difference.pointer for difference in row_differences(bad, rows)] == [
        "/events/0/type",
        "/events/0/verdict",
        "/events/0/stored/type",
        "/events/0/findings",
        "/events/1/findings",
    ]
