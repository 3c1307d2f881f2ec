"""Patterns mean what ECMA-262 says, in bounded time, or are refused with a reason."""

from __future__ import annotations

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.jsonkit.automaton import Automaton
from mockserver.jsonkit.formats import OWN_PATTERNS
from mockserver.jsonkit.pattern_search import Steps, is_cheap, search
from mockserver.jsonkit.pattern_syntax import LONGEST_PATTERN, LookAround, parse
from mockserver.jsonkit.patterns import (
    DEEPEST,
    LONGEST_TEXT,
    MOST_PLACES,
    MOST_STEPS,
    are_steps_left,
    bounded,
    check_pattern,
    engine_text,
    matcher,
    matches,
    matches_known,
)
from mockserver.strategies.texts import python_regex
from tests.ecma262 import ALL_CASES, Case
from tests.evil_patterns import EVIL, LONGEST, Evil

MANY = 10**9


def refusal(pattern: str) -> str | None:
    """Return why a pattern is refused, if it is."""
    try:
        check_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None


USABLE = [evil for evil in EVIL if refusal(evil.pattern) is None]


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
        (
            "(?:(?:a{1000}){1000}){1000}",
            f"it has about 1002002001 places .* at most {MOST_PLACES} are allowed; repeat less",
        ),
        ("(" * 1000 + ")" * 1000, f"its groups are nested 1000 deep, and at most {DEEPEST} are allowed"),
        ("a" * (LONGEST_PATTERN + 1), f"it is longer than {LONGEST_PATTERN} characters"),
    ],
)
def test_pattern_is_refused_with_a_reason_when_it_cannot_be_used(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_pattern(pattern)


@settings(deadline=None)
@given(st.text(alphabet="ab(?:=!<)[]{}^$\\dwsSbB-,.*+|0123\ud800\u2028\U0001f600", max_size=12), st.text(max_size=4))
def test_any_text_is_matched_or_refused_as_a_pattern(pattern: str, text: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    assert matches(pattern, text) in (True, False)


@pytest.mark.parametrize("evil", USABLE, ids=lambda evil: evil.pattern[:40])
def test_evil_pattern_takes_a_bounded_number_of_steps_on_its_worst_texts(evil: Evil) -> None:
    for text in (make(size) for make in evil.texts for size in (LONGEST, LONGEST_TEXT, 5_000)):
        with bounded(MANY) as steps:
            matcher(evil.pattern).decide(text)
        assert MANY - steps.left <= MOST_STEPS


def test_most_evil_patterns_are_decided_and_the_others_refused_as_too_large() -> None:
    refusals = {refusal(evil.pattern) for evil in EVIL if evil not in USABLE}
    assert {text.partition(" ")[2][:9] for text in refusals if text} == {"is longer", "has about"}
    decided = [all(matcher(evil.pattern).decide(make(64)) is not None for make in evil.texts) for evil in USABLE]
    assert decided.count(True) > 40


LINEAR = jsonschema_rs.RegexOptions()
FANCY = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000_000)


def reference(pattern: str, text: str) -> bool:
    """Match a pattern that looks around as engines do that go back: Python's, or one that looks back at any width."""
    regex = python_regex(pattern)
    if regex is not None:
        return regex.search(text) is not None
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=FANCY).is_valid(text)


@pytest.mark.parametrize("evil", USABLE, ids=lambda evil: evil.pattern[:40])
def test_evil_pattern_has_its_meaning_on_short_texts(evil: Evil) -> None:
    parsed = parse(evil.pattern)
    made = (make(size) for make in evil.texts for size in range(2, 7))
    texts = [*made, "", "b", "aab", "ab ab", "xyx!", "zzy", "a@b.com", "aXbX", "foo", "="]
    if parsed.look_around is not LookAround.NONE:
        assert [matches(evil.pattern, text) for text in texts] == [reference(evil.pattern, text) for text in texts]
        return
    engine = jsonschema_rs.Draft202012Validator({"pattern": engine_text(parsed.tokens)}, pattern_options=LINEAR)
    expected = [engine.is_valid(text) for text in texts]
    assert [matches(evil.pattern, text) for text in texts] == expected
    assert [search(Automaton(parsed.tokens), text, Steps(MANY)) for text in texts] == expected


atoms = st.sampled_from(["a", "b", "[ab]", ".", "^", "$", r"\b", r"\B", "", r"\s"])
plain = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "{0}"])),
    ),
    max_leaves=6,
)
looks = st.one_of(
    st.builds("(?{}{})".format, st.sampled_from("=!"), plain),
    st.builds("(?<{}{})".format, st.sampled_from("=!"), st.sampled_from(["a", "b", "ab", "^", r"\b", "[ab]a", "a|b"])),
)
looking = st.lists(
    st.one_of(plain, looks, st.sampled_from("^$"), st.builds("(?:{}{})+".format, looks, plain)), max_size=4
).map("".join)


@settings(max_examples=500, deadline=None)
@given(looking, st.text(alphabet="ab c\n", max_size=6))
def test_pattern_matches_what_an_engine_that_goes_back_matches(pattern: str, text: str) -> None:
    assert matches(pattern, text) is reference(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(?:(?=a))*b", "ab"), ("(?:(?=a)|a)+b", "aab"), ("(?:(?!b)|b)*$", "bb"), ("(?<=(?:a|bb)+)c", "abbac")],
)
def test_look_around_that_is_repeated_without_a_character_does_not_hold_a_search(pattern: str, text: str) -> None:
    assert matches(pattern, text)


def test_pattern_is_undecided_and_does_not_match_when_the_steps_do_not_suffice() -> None:
    wild = "[ab]*a[ab]{15}c"
    assert matches(wild, "a" * 500 + "bbbbbbbbbbbbbbbc")
    assert matcher(wild).decide("ab" * 50_000) is None
    assert not matches(wild, "ab" * 50_000 + "a" * 16 + "c")


def test_pattern_does_not_match_when_the_text_is_longer_than_any_body_of_ours() -> None:
    assert matches("a$", "a" * LONGEST_TEXT)
    assert matcher("a$").decide("a" * (LONGEST_TEXT + 1)) is None


@pytest.mark.parametrize(
    "pattern", [r"^[\s\S]{1,1000}$", "^.{1,255}$", "^[a-z\u4e00-\u9fff]{0,700}$", r"^(?:\S{1,400}|)$"]
)
def test_length_that_a_pattern_demands_is_decided_for_texts_of_any_script(pattern: str) -> None:
    assert matches(pattern, "a" * 250)
    assert matches(pattern, "\u4e00" * 250)
    assert matcher(pattern).decide("\u4e00" * 1_001) is False


def test_searches_of_one_request_share_their_steps() -> None:
    wild, text = matcher("[ab]*a[ab]{15}c"), "a" * 400
    with bounded(MANY) as steps:
        assert wild.decide(text) is False
        cost = MANY - steps.left
    with bounded(3 * cost + 1):
        assert [wild.decide(text) for _ in range(3)] == [False] * 3
        assert are_steps_left()
        assert wild.decide(text) is None
        assert not are_steps_left()
        assert matches("^a", text[:200])
    assert wild.decide(text) is False


@pytest.mark.parametrize("pattern", sorted(OWN_PATTERNS))
def test_pattern_of_a_format_is_cheap_for_the_engine(pattern: str) -> None:
    assert is_cheap(Automaton(parse(pattern).tokens), 40_000)
    assert not matches_known(pattern, "x" * 100_000)


@pytest.mark.parametrize("pattern", ["^\ufffd+$", "^(?!a)\ufffd+$", "(?!a)\ufffd"])
def test_half_a_surrogate_pair_is_matched_as_a_replacement_character(pattern: str) -> None:
    assert matches(pattern, "\ud800")
    assert matches(pattern, "\udfff\ud800")
    assert not matches(pattern, "a")


def test_pattern_is_compiled_once_when_it_is_asked_for_again() -> None:
    assert matcher("^once$") is matcher("^once$")
