"""Matchers that cannot be used are refused with the place and the reason; others are taken."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from mockserver.sessions import match_problems, matcher
from mockserver.sessions.match_problems import problem

LONG_PATTERN = {"regex": "a" * 1_200}


def test_misspelled_operator_names_the_nearest_one_and_how_to_write_an_object() -> None:
    assert problem({"where": {"/a": {"regx": "x"}}}) == (
        "/match/where/~1a/regx",
        'unknown operator "regx", did you mean "regex"?; for a literal object use {"equals": …}',
    )


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("REGEX", "regex"),
        ("startsWith", "regex"),
        ("ends_with", "regex"),
        ("matching", "regex"),
        ("pattern", "regex"),
        ("$eq", "equals"),
        ("equalTo", "equals"),
        ("anyOf", "in"),
        ("oneOf", "in"),
        ("icontains", "contains"),
        ("greater_than", "gt"),
        ("$lte", "lte"),
        ("present", "exists"),
        ("absent", "exists"),
        ("$ne", None),
        ("not_in", None),
    ],
)
def test_operator_of_another_tool_is_refused_with_what_stands_for_it(name: str, ours: str | None) -> None:
    found = problem({"where": {"/a": {name: "x"}}})
    assert found is not None
    hint = f', did you mean "{ours}"?' if ours else "; available: exists, regex, in, "
    assert (found[0], f'unknown operator "{name}"{hint}' in found[1]) == (f"/match/where/~1a/{name}", True), found


@pytest.mark.parametrize(
    ("expected", "place"),
    [
        ({"plan": {"regex": "^pro"}}, "/plan"),
        ({"plan": {"name": {"exists": True}}}, "/plan/name"),
        ([1, {"gt": 1}], "/1"),
        ({"in": ["a", {"contains": "b"}]}, "/in/1"),
        ({"contains": {"a/b": {"lt": 1}}}, "/contains/a~1b"),
        ({"plan": {"equals": {"regex": "x"}}}, "/plan"),
    ],
)
def test_operators_inside_a_value_are_refused_because_they_would_be_compared_literally(
    expected: Any, place: str
) -> None:
    found = problem({"where": {"/p": expected}})
    assert found is not None
    assert (found[0], "a pointer of its own" in found[1]) == (f"/match/where/~1p{place}", True)
    assert problem({"where": {"/p": {"equals": expected}}}) is None


@pytest.mark.parametrize(
    ("request_match", "place", "message"),
    [
        ({"method": "post"}, "/method", 'unknown method "post", did you mean "POST"?'),
        ({"method": {"in": ["GET", "PSOT"]}}, "/method/in/1", 'unknown method "PSOT", did you mean "POST"?'),
        ({"method": {"equals": "get"}}, "/method/equals", 'unknown method "get", did you mean "GET"?'),
        ({"path": "v1/identify"}, "/path", "a path begins with /, got 'v1/identify'"),
        ({"path": {"in": ["/v1", "https://a.example/v1"]}}, "/path/in/1", "a path begins with /"),
    ],
)
def test_request_that_cannot_come_is_refused(request_match: Any, place: str, message: str) -> None:
    found = problem({"request": request_match})
    assert found is not None
    assert (found[0], message in found[1]) == (f"/match/request{place}", True)


@pytest.mark.parametrize("request_match", [{"method": {"regex": "^p"}}, {"path": {"contains": "v1"}}, {"path": "/"}])
def test_part_of_a_method_or_path_is_taken(request_match: Any) -> None:
    assert problem({"request": request_match}) is None


@pytest.mark.parametrize(
    "literal",
    [
        {},
        {"n": 1},
        {"text": "x"},
        {"id": 1},
        {"equals": {"regx": 1}},
        [{"regx": 1}],
        {"price": {"min": 1, "max": 2}},
        {"$message_id": "m1"},
        {"match": "home", "score": 1},
    ],
)
def test_literal_object_is_accepted(literal: Any) -> None:
    assert problem({"where": {"/a": literal}}) is None


def test_keys_of_a_literal_object_are_compared_with_operators_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = Counter[str]()

    def looks_like_operator(name: str) -> bool:
        looked_at[name] += 1
        return True

    monkeypatch.setattr("mockserver.sessions.match_problems._looks_like_operator", looks_like_operator)
    assert problem({"where": {"/a": {f"k{number}": number for number in range(1000)}}}) is None
    assert not looked_at, "so many are no operators"
    assert problem({"where": {"/a": {"ka": 1, "kb": 2, "kc": 3}}}) is not None
    assert looked_at == {"ka": 1, "kb": 1, "kc": 1}


@pytest.mark.parametrize(
    ("match", "place"),
    [
        ({"where": {"n": 1}}, "/match/where/n"),
        ({"where": {"/a": {"regex": "["}}}, "/match/where/~1a/regex"),
        ({"where": {"/a": {"regex": 7}}}, "/match/where/~1a/regex"),
        ({"where": {"/a": {"exists": "yes"}}}, "/match/where/~1a/exists"),
        ({"where": {"/a": {"in": 7}}}, "/match/where/~1a/in"),
        ({"where": {"/a": {"in": []}}}, "/match/where/~1a/in"),
        ({"where": {"/a": {"exists": True, "in": 1}}}, "/match/where/~1a/in"),
        ({"where": {"/a": {"regx": "x"}}}, "/match/where/~1a/regx"),
        ({"where": {"/a": {"Regex": "x"}}}, "/match/where/~1a/Regex"),
        ({"where": {"/a": {"$in": [1]}}}, "/match/where/~1a/$in"),
        ({"where": {"/a": {"eq": 1}}}, "/match/where/~1a/eq"),
        ({"where": {"/a": {"gte": 1, "ltt": 5}}}, "/match/where/~1a/ltt"),
        ({"where": {"/a": {"regex": "x", "flags": "i"}}}, "/match/where/~1a/flags"),
        ({"where": {"/a": {"gt": None}}}, "/match/where/~1a/gt"),
        ({"where": {"/a": {"gt": True}}}, "/match/where/~1a/gt"),
        ({"where": {"/a": {"gt": 1, "lt": "5"}}}, "/match/where/~1a"),
        ({"where": {"/a": {"gt": 5, "lte": 5}}}, "/match/where/~1a"),
        ({"request": {"status": {"regex": "^5"}}}, "/match/request/status/regex"),
        ({"request": {"status": {"gte": "5"}}}, "/match/request/status/gte"),
        ({"request": {"status": {"in": [500, "503"]}}}, "/match/request/status/in"),
        ({"request": {"method": {"equals": 5}}}, "/match/request/method/equals"),
        ({"request": {"path": {"contians": "x"}}}, "/match/request/path/contians"),
        ({"request": {"headers": {"a/b": {"n": 1}}}}, "/match/request/headers/a~1b/n"),
        ({"where": {"/a": {"regex": "(z{1,400}){1,40}"}}}, "/match/where/~1a/regex"),
        ({"where": {"/a": LONG_PATTERN, "/b": LONG_PATTERN}}, "/match/where/~1b/regex"),
        (
            {"where": {"/a": {"regex": "a" * 1200}}, "request": {"path": {"regex": "b" * 1200}}},
            "/match/request/path/regex",
        ),
        (
            {"request": {"headers": {f"x{n}": {"regex": "a" * 700} for n in range(5)}}},
            "/match/request/headers/x3/regex",
        ),
    ],
)
def test_matcher_is_refused_with_its_place(match: Any, place: str) -> None:
    found = problem(match)
    assert found is not None
    assert found[0] == place


@pytest.mark.parametrize("match", [{}, {"where": {"/a": {"regex": "^a$"}, "": 1, "/b": {"exists": True, "in": [1]}}}])
def test_matcher_is_taken_when_it_can_be_used(match: Any) -> None:
    assert problem(match) is None


def test_large_object_is_compared_with_the_operators_only_if_it_can_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def nearest(name: str, known: Any, cutoff: float = 0.6) -> str | None:
        nonlocal compared
        compared += 1
        return "equals"

    monkeypatch.setattr(match_problems, "nearest", nearest)
    large = {f"equal{number}": 1 for number in range(200)} | {"x": 1}
    assert problem({"where": {"/a": large}}) is None
    assert problem({"where": {"/a": {"e" * 1000: 1}}}) is None
    assert compared <= len(matcher.OPERATORS) + len(match_problems.FOREIGN)
