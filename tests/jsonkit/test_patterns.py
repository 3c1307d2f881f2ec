"""Patterns mean what ECMA-262 says, in bounded time, or are refused with a reason."""

from __future__ import annotations

import time

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit.patterns import (
    BACKTRACK_LIMIT,
    LONGEST_PATTERN,
    LONGEST_TEXT,
    LookAround,
    check_pattern,
    engine_text,
    matcher,
    matches,
    options,
    parse,
)
from tests.ecma262 import ALL_CASES, Case

EVIL = "^([a-zA-Z0-9]+[._-]?)+@[a-z]+[.]com$"
"""A pattern on which a backtracking engine takes time exponential in the text's length."""


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case.clause}:{case.pattern}")
def test_pattern_has_its_ecma_meaning_when_it_is_matched(case: Case) -> None:
    assert [text for text in case.matching if not matches(case.pattern, text)] == []
    assert [text for text in case.other if matches(case.pattern, text)] == []


@pytest.mark.parametrize("prefix", ["(?=)", "(?<!q)", "(?:(?!q)|q)"])
def test_pattern_keeps_its_meaning_when_it_also_looks_around(prefix: str) -> None:
    for case in ALL_CASES:
        pattern = f"{prefix}(?:{case.pattern})"
        if parse(case.pattern).look_around is LookAround.NONE and "^" not in case.pattern:
            assert [text for text in case.matching if not matches(pattern, text)] == []
            assert [text for text in case.other if matches(pattern, text)] == []


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (r"^a\Z", r"\\Z is not supported"),
        (r"\A", r"\\A is not supported"),
        (r"\pL", r"\\p is not supported"),
        (r"(a)\1", r"\\1 is not supported"),
        (r"\cA", r"\\c is not supported"),
        (r"\_", r"\\_ is not supported"),
        (r"\0", r"\\0 is not supported"),
        (r"\x4", r"\\x is not supported"),
        (r"\u{41}", r"\\u is not supported"),
        (r"[\B]", r"\\B is not supported"),
        (r"\ud83d\ude00", "half a surrogate pair is not supported"),
        ("a\ud800", "half a surrogate pair is not supported"),
        ("(?P<x>a)", "only the groups"),
        ("(?<x>a)", "only the groups"),
        ("(?i)a", "only the groups"),
        ("(?>a)", "only the groups"),
        ("(?", "only the groups"),
        ("(?=a(?!b))", "look-around inside look-around is not supported"),
        ("[]a]", "an empty character class is not supported"),
        ("[^]", "an empty character class is not supported"),
        (r"[^\s\S]", "no character fits the class"),
        ("[z-a]", "the range z-a is out of order"),
        (r"[\d-z]", "a range in a character class needs a character at both ends"),
        (r"[a-\w]", "a range in a character class needs a character at both ends"),
        ("[", r"\[ stands alone"),
        ("a{", r"\{ stands alone"),
        ("a{,3}", r"\{ stands alone"),
        ("\\", "stands alone"),
        ("(a", "a group is not closed"),
        ("a)", r"a \) closes no group"),
        ("*", r"there is nothing that \* can repeat"),
        ("a|+", r"there is nothing that \+ can repeat"),
        ("^*", r"there is nothing that \* can repeat"),
        ("a**", r"there is nothing that \* can repeat"),
        ("a++", r"there is nothing that \+ can repeat"),
        ("(?=a)?", r"there is nothing that \? can repeat"),
        ("a{2,1}", r"the numbers in \{2,1\} are out of order"),
        ("(?:(?:a{1000}){1000}){1000}", "it is too large"),
        ("(" * 1000 + ")" * 1000, "nested too deeply"),
        ("(?:(?=a))*b", "repeats nothing but look-around"),
        ("a" * (LONGEST_PATTERN + 1), "it is longer than"),
    ],
)
def test_pattern_is_refused_with_a_reason_when_it_cannot_be_used(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_pattern(pattern)


@given(st.text(alphabet="ab(?:=!<)[]{}^$\\dwsSbB-,.*+|0123\ud800\u2028\U0001f600", max_size=12), st.text(max_size=4))
def test_any_text_is_matched_or_refused_as_a_pattern(pattern: str, text: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    assert matches(pattern, text) in (True, False)


@pytest.mark.parametrize(
    ("pattern", "look_around"),
    [
        ("^[a-z]+$", LookAround.NONE),
        (r"\bfoo\b", LookAround.NONE),
        ("^(?!a)b", LookAround.LEADING),
        ("^(?!a|b)(?=(?:c)d)(?:b|c)", LookAround.LEADING),
        ("(?!a)b", LookAround.ANYWHERE),
        ("^(?!a)b|c", LookAround.ANYWHERE),
        ("^(?!a)b(?!c)", LookAround.ANYWHERE),
        ("^(?:(?!a)b)", LookAround.ANYWHERE),
        ("^(?<!a)b", LookAround.ANYWHERE),
        (r"^(?!a)b\b", LookAround.ANYWHERE),
    ],
)
def test_pattern_is_sorted_by_where_it_looks_around_when_it_is_read(pattern: str, look_around: LookAround) -> None:
    assert parse(pattern).look_around is look_around


@pytest.mark.parametrize("pattern", [EVIL, EVIL.replace("^", "^(?!zz)")])
def test_evil_pattern_takes_linear_time_when_the_text_is_long(pattern: str) -> None:
    seconds = []
    for size in (100_000, 1_000_000):
        start = time.perf_counter()
        assert not matches(pattern, "a" * size + "!")
        seconds.append(time.perf_counter() - start)
    assert seconds[1] < 0.5
    assert matches(pattern, "a" * 1_000_000 + "@b.com")


@pytest.mark.parametrize("pattern", ["^(?:(?=a)a|aa)+$", "^(?:(?!b)a|(?!b)aa)+$"])
def test_pattern_does_not_match_when_the_limit_of_steps_back_is_reached(pattern: str) -> None:
    assert matches(pattern, "a" * 100)
    text = "a" * 100 + "!"
    assert not matches(pattern, text)
    engine = jsonschema_rs.Draft202012Validator(
        {"pattern": engine_text(parse(pattern))}, pattern_options=options(LookAround.ANYWHERE)
    )
    (error,) = engine.iter_errors(text)
    assert isinstance(error.kind, jsonschema_rs.ValidationErrorKind.BacktrackLimitExceeded)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?!z)x.*y",
        "^(?:(?!.*y)x|x)*$",
        "(?<=a.*)x!",
        "(?:(?=.*y)x)*!",
        "(?:(?:(?=(?:.*y)+)(?<=x.*)x*?)*?z?)*?!",
        "(?:(?:(?:(?=.*y)x)*)*)*!",
    ],
)
def test_pattern_takes_bounded_time_when_each_step_back_reads_on_to_the_end(pattern: str) -> None:
    text = "x" * (LONGEST_TEXT - 2) + "yx"
    start = time.perf_counter()
    matches(pattern, text)
    assert time.perf_counter() - start < 1


def test_text_does_not_match_when_it_is_too_long_to_look_around_in() -> None:
    assert matches("(?!b)a$", "a" * LONGEST_TEXT)
    assert not matches("(?!b)a$", "a" * (LONGEST_TEXT + 1))
    assert matches("^(?!b)a", "a" * (100 * LONGEST_TEXT))
    assert matches("a$", "a" * (100 * LONGEST_TEXT))
    assert LONGEST_TEXT < BACKTRACK_LIMIT


@pytest.mark.parametrize("pattern", ["^\ufffd+$", "^(?!a)\ufffd+$", "(?!a)\ufffd"])
def test_half_a_surrogate_pair_is_matched_as_a_replacement_character(pattern: str) -> None:
    assert matches(pattern, "\ud800")
    assert matches(pattern, "\udfff\ud800")
    assert not matches(pattern, "a")


def test_pattern_is_compiled_once_when_it_is_asked_for_again() -> None:
    assert matcher("^once$") is matcher("^once$")
