"""The matcher: what fits, and how far what does not fit is off."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.matcher import differences, equal, fits, problem

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
    ],
)
def test_row_says_how_it_differs(match: Any, place: str, expected: Any, got: Any) -> None:
    (difference,) = differences(match, ROW)
    assert difference.as_json() == {"pointer": place, "expected": expected, "got": got}


def test_every_difference_is_told() -> None:
    match = {"protocol": "apex", "type": "x", "where": {"/n": 2, "/flag": True, "/none": 1}}
    assert [d.pointer for d in differences(match, ROW)] == ["/protocol", "/type", "/n", "/none"]


def test_pattern_has_its_ecma_meaning() -> None:
    assert not fits("abc\n", {"regex": "^abc$"})
    assert fits("abc\n", {"regex": "abc"})


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
    ("match", "place"),
    [
        ({"where": {"n": 1}}, "/match/where/n"),
        ({"where": {"/a": {"regex": "["}}}, "/match/where/~1a/regex"),
        ({"where": {"/a": {"regex": 7}}}, "/match/where/~1a/regex"),
        ({"where": {"/a": {"exists": "yes"}}}, "/match/where/~1a/exists"),
        ({"where": {"/a": {"in": 7}}}, "/match/where/~1a/in"),
    ],
)
def test_matcher_is_refused_with_its_place(match: Any, place: str) -> None:
    found = problem(match)
    assert found is not None
    assert found[0] == place


@pytest.mark.parametrize("match", [{}, {"where": {"/a": {"regex": "^a$"}, "": 1, "/b": {"exists": True, "in": 1}}}])
def test_matcher_is_taken_when_it_can_be_used(match: Any) -> None:
    assert problem(match) is None
