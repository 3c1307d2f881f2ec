"""The matcher: what fits, and how far what does not fit is off."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions import matcher
from mockserver.sessions.matcher import RequestFacts, differences, equal, fits, problem
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
LONG_PATTERN = {"regex": "a" * 1_200}
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

    monkeypatch.setattr("mockserver.sessions.matcher._looks_like_operator", looks_like_operator)
    assert problem({"where": {"/a": {f"k{number}": number for number in range(1000)}}}) is None
    assert not looked_at, "so many are no operators"
    assert problem({"where": {"/a": {"ka": 1, "kb": 2, "kc": 3}}}) is not None
    assert looked_at == {"ka": 1, "kb": 1, "kc": 1}


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


def test_large_object_is_compared_with_the_operators_only_if_it_can_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def nearest(name: str, known: Any, cutoff: float = 0.6) -> str | None:
        nonlocal compared
        compared += 1
        return "equals"

    monkeypatch.setattr(matcher, "nearest", nearest)
    large = {f"equal{number}": 1 for number in range(200)} | {"x": 1}
    assert problem({"where": {"/a": large}}) is None
    assert problem({"where": {"/a": {"e" * 1000: 1}}}) is None
    assert compared <= len(matcher.OPERATORS) + len(matcher.FOREIGN)
