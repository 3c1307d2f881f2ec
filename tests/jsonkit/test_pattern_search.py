"""Searches of an automaton find what an engine finds, and take as many steps as they say."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.automaton import Automaton
from mockserver.jsonkit.pattern_search import Steps, TooManyStepsError, is_at_one_place, is_cheap, search
from mockserver.jsonkit.pattern_syntax import parse
from tests.ecma262 import ALL_CASES, Case

MANY = 10**7


def found(pattern: str, text: str) -> bool:
    return search(Automaton(parse(pattern).tokens), text, Steps(MANY))


def cost(pattern: str, text: str) -> int:
    """Return the steps that a search takes."""
    steps = Steps(MANY)
    search(Automaton(parse(pattern).tokens), text, steps)
    return MANY - steps.left


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case.clause}:{case.pattern}")
def test_search_finds_what_ecma_says(case: Case) -> None:
    assert [text for text in case.matching if not found(case.pattern, text)] == []
    assert [text for text in case.other if found(case.pattern, text)] == []


@pytest.mark.parametrize(
    "pattern", ["(?:a|aa)+$", "^(?:(?=a)a|aa)+$", "(?<!a+)b", "(a*)*b", "(?:a?){8}b", r"(?:\ba|\B)+c"]
)
def test_search_takes_steps_linear_in_the_length_of_the_text(pattern: str) -> None:
    assert cost(pattern, "a" * 2_000 + "!") <= 2.01 * cost(pattern, "a" * 1_000 + "!")


def test_search_of_an_anchored_pattern_ends_with_its_last_place() -> None:
    for pattern in ("^ab", "^(?<!x)ab", "^(?!.{3})ab"):
        assert cost(pattern, "a" * 1_000_000) == cost(pattern, "a" * 5)


def test_searches_that_share_their_steps_share_what_they_found() -> None:
    automaton, first = Automaton(parse("(?<!b)a{5}$").tokens), Steps(MANY)
    search(automaton, "aaaaa", first)
    again = Steps(MANY, first)
    search(automaton, "aaaaa", again)
    assert MANY - again.left < (MANY - first.left) / 2


def test_search_ends_when_no_steps_are_left() -> None:
    with pytest.raises(TooManyStepsError):
        search(Automaton(parse("ab").tokens), "a" * 1_000, Steps(500))


@pytest.mark.parametrize(
    ("pattern", "cheap"),
    [
        ("^([a-zA-Z0-9]+[._-]?)+@[a-z]+[.]com$", True),
        ("^(a+)+$", True),
        (r"\bword\b", True),
        ("^[a-z]{1,64}$", True),
        ("[ab]*a[ab]{3}c", True),
        ("(?:)", True),
        ("x|.*", True),
        ("[ab]*a[ab]{15}c", False),
        (r"\b[ab]*a[ab]{15}\bc", False),
        ("^.{5,100}@.{2,50}$", False),
        ("(z{1,30}){1,30}y", False),
    ],
)
def test_pattern_is_cheap_when_few_steps_lead_through_all_its_states(pattern: str, cheap: bool) -> None:
    assert is_cheap(Automaton(parse(pattern).tokens), 5_000) is cheap


@pytest.mark.parametrize(
    ("pattern", "at_one_place"),
    [
        ("^[a-z]{1,900}$", True),
        ("^a?b?c$", True),
        ("^(?:ab|[cd]e)*$", True),
        (r"^[\s\S]{0,1000}$", True),
        ("[a-z]{1,900}$", False),
        ("^a?a$", False),
        ("^(?:a|ab)$", False),
        ("^(?:a*b?)*[b-d]$", False),
        (r"^a\b[ab]?c$", False),
        ("^a?b?c?d?e?f?g?h?i?j?k?l?m?$", False),
    ],
)
def test_search_is_at_one_place_when_each_character_leads_to_one_at_most(pattern: str, at_one_place: bool) -> None:
    assert is_at_one_place(Automaton(parse(pattern).tokens)) is at_one_place
