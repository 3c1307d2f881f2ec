"""The matcher: what fits, and how far what does not fit is off."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions import matcher
from mockserver.sessions.matcher import RequestFacts, differences, equal, fits
from tests.judging import wire_request

EVENT = {
    "type": "custom",
    "n": 1,
    "flag": True,
    "none": None,
    "list": [1, {"a": "b"}],
    "props": {"a/b": "x", "deep": {"k": 7}},
}
ROW = {"protocol": "outlit", "operation": "events", "type": "custom", "verdict": "accepted", "event": EVENT}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 1.5]) | st.sampled_from(["", "a", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"protocol": "outlit"},
        {"protocol": "outlit", "operation": "events", "type": "custom", "verdict": "accepted"},
        {"verdict": "any"},
        {"where": None},
        {"where": {"/n": 1}},
        {"where": {"/n": 1.0}},
        {"where": {"/flag": True}},
        {"where": {"/none": None}},
        {"where": {"": EVENT}},
        {"where": {"/list/1/a": "b"}},
        {"where": {"/props/a~1b": {"regex": "^x$"}}},
        {"where": {"/props": {"a/b": "x", "deep": {"k": 7}}}},
        {"where": {"/props/deep/k": {"in": [6, 7]}}},
        {"where": {"/missing": {"exists": False}, "/none": {"exists": True}}},
        {"where": {"/*": "custom"}},
        {"where": {"/list/*": 1, "/list/*/a": "b", "/props/*/k": {"gte": 7}}},
        {"where": {"/missing/*": {"exists": False}, "/list/*/z": {"exists": False}, "/*/deep": {"exists": True}}},
        {"where": {"/type": {"contains": "sto"}, "/list": {"contains": 1}, "/props": {"contains": {"deep": {"k": 7}}}}},
        {"where": {"/list": {"contains": {"a": "b"}}}},
        {"where": {"/n": {"gte": 1, "lt": 5}, "/type": {"gt": "a", "lte": "custom"}}},
        {"where": {"/n": {"gt": 0.5, "in": [1, 2], "exists": True}}},
        {"where": {"/props/deep": {"equals": {"k": 7}}}},
    ],
)
def test_row_matches(match: Any) -> None:
    assert differences(match, ROW) == []


@pytest.mark.parametrize(
    ("match", "place", "expected", "got"),
    [
        ({"protocol": "apex"}, "/protocol", "apex", "outlit"),
        ({"type": "Custom"}, "/type", "Custom", "custom"),
        ({"verdict": "rejected"}, "/verdict", "rejected", "accepted"),
        ({"where": {"/n": 2}}, "/n", 2, 1),
        ({"where": {"/n": True}}, "/n", True, 1),
        ({"where": {"/flag": 1}}, "/flag", 1, True),
        ({"where": {"/none": {"exists": False}}}, "/none", {"exists": False}, None),
        ({"where": {"/missing": None}}, "/missing", None, None),
        ({"where": {"/n": {"regex": "1"}}}, "/n", {"regex": "1"}, 1),
        ({"where": {"/type": {"regex": "^cust$"}}}, "/type", {"regex": "^cust$"}, "custom"),
        ({"where": {"/n": {"in": []}}}, "/n", {"in": []}, 1),
        ({"where": {"/props": {"a/b": "x"}}}, "/props", {"a/b": "x"}, EVENT["props"]),
        ({"where": {"/list/*": 2}}, "/list/*", 2, [1, {"a": "b"}]),
        ({"where": {"/list/*": {"exists": False}}}, "/list/*", {"exists": False}, [1, {"a": "b"}]),
        ({"where": {"/n/*": 1}}, "/n/*", 1, None),
        ({"where": {"/type": {"contains": "x"}}}, "/type", {"contains": "x"}, "custom"),
        ({"where": {"/n": {"contains": 1}}}, "/n", {"contains": 1}, 1),
        ({"where": {"/n": {"gt": 1}}}, "/n", {"gt": 1}, 1),
        ({"where": {"/flag": {"gte": 1}}}, "/flag", {"gte": 1}, True),
        ({"where": {"/n": {"gte": "1"}}}, "/n", {"gte": "1"}, 1),
        ({"where": {"/missing": {"lt": 5}}}, "/missing", {"lt": 5}, None),
        ({"where": {"/n": {"gte": 1, "in": [2]}}}, "/n", {"gte": 1, "in": [2]}, 1),
    ],
)
def test_row_says_how_it_differs(match: Any, place: str, expected: Any, got: Any) -> None:
    (difference,) = differences(match, ROW)
    assert difference.as_json() == {"pointer": place, "expected": expected, "got": got}


REQUEST = RequestFacts(
    request=wire_request("/v1/track?x=1", b"", {"X-Trace": "abc", "Accept": "*/*"}), status=202, attempt=2
)


@pytest.mark.parametrize(
    ("request_match", "place"),
    [
        ({"method": "POST", "path": "/v1/track", "status": 202, "attempt": 2}, None),
        ({"path": "/v1/track?x=1", "status": {"gte": 200, "lt": 300}, "attempt": {"gt": 1}}, None),
        ({"path": {"contains": "?x="}, "headers": {"x-TRACE": {"regex": "^a"}, "Accept": "*/*"}}, None),
        ({"headers": {"Authorization": {"exists": False}}}, None),
        ({"method": "GET"}, "/request/method"),
        ({"path": "/v1/track?x=2"}, "/request/path"),
        ({"status": 200}, "/request/status"),
        ({"attempt": 1}, "/request/attempt"),
        ({"headers": {"X-Trace": "abd"}}, "/request/headers/X-Trace"),
        ({"headers": {"X-Trace": {"exists": False}}}, "/request/headers/X-Trace"),
    ],
)
def test_request_is_looked_at(request_match: Any, place: str | None) -> None:
    differing = differences({"request": request_match}, {**ROW, "request": REQUEST})
    assert [difference.pointer for difference in differing] == ([] if place is None else [place])


def test_every_difference_is_told() -> None:
    match = {"protocol": "apex", "type": "x", "where": {"/n": 2, "/flag": True, "/none": 1}}
    assert [d.pointer for d in differences(match, ROW)] == ["/protocol", "/type", "/n", "/none"]


def test_pattern_has_its_ecma_meaning() -> None:
    assert not fits("abc\n", {"regex": "^abc$"})
    assert fits("abc\n", {"regex": "abc"})


def test_searches_of_one_event_share_their_steps() -> None:
    wild = {f"/{number}": {"regex": "[ab]*a[ab]{15}c|$"} for number in range(100)}
    event = dict.fromkeys(map(str, range(100)), "a" * 2_000)
    assert 0 < len(differences({"where": wild}, {"event": event})) < 100
    assert differences({"where": {"/0": wild["/0"]}}, {"event": event}) == []


def test_object_with_one_member_is_compared_when_the_member_is_no_word_of_ours() -> None:
    assert fits({"amount": 1}, {"amount": 1})
    assert not fits(1, {"amount": 1})


@given(JSON, JSON)
def test_equality_is_that_of_json(left: Any, right: Any) -> None:
    assert equal(left, right) is equal(right, left)
    assert equal(left, left)
    if equal(left, right):
        assert left == right
    assert not equal(MISSING, left)


@pytest.mark.parametrize(
    ("left", "right"), [(True, 1), (False, 0), ([True], [1]), ({"a": 0}, {"a": False}), (None, False)]
)
def test_truth_is_no_number(left: Any, right: Any) -> None:
    assert not equal(left, right)


@pytest.mark.parametrize(
    ("place", "expected", "event"),
    [
        ("/list/*", 1, {"list": [0] * 20 + [1]}),
        ("/list/*/*", 1, {"list": [[0, 0]] * 10 + [[1]]}),
        ("/*", {"in": [7, 8, 9]}, {**{f"m{number}": number % 7 for number in range(20)}, "last": 9}),
        ("/list/*", {"contains": 1}, {"list": [[0] * 5] * 4 + [[1]]}),
    ],
)
def test_values_beyond_the_maximum_do_not_fit_and_the_difference_says_that_it_is_cut(
    place: str, expected: Any, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {**ROW, "event": event}
    assert differences({"where": {place: expected}}, row) == []
    monkeypatch.setattr(matcher, "MOST_VALUES", 10)
    (difference,) = differences({"where": {place: expected}}, row)
    assert difference.cut
    monkeypatch.setattr(matcher, "MOST_VALUES", 1_000)
    assert not any(other.cut for other in differences({"where": {place: "nothing"}}, row))
