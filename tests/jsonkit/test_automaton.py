"""The automaton of a pattern: its size is known before it is made, and its places know what they lead to."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.automaton import Automaton, size_of
from mockserver.jsonkit.pattern_syntax import parse


@pytest.mark.parametrize(
    ("pattern", "places", "depth"),
    [
        ("", 0, 0),
        ("abc", 3, 0),
        ("a{40}", 41, 0),
        ("a{2,40}", 41, 0),
        ("a{40,}", 41, 0),
        ("a*b+", 4, 0),
        ("(a|b)", 4, 1),
        ("(?:a{10}b){10}", 131, 1),
        ("((a))b", 4, 2),
        ("(a)(b)", 4, 1),
        ("(?:a{9}){0}", 1, 1),
        ("(a{1,1000}){1,1000}", 1_002_001, 1),
    ],
)
def test_size_of_a_pattern_is_counted_with_its_repeats_written_out(pattern: str, places: int, depth: int) -> None:
    size = size_of(parse(pattern).tokens)
    assert (size.places, size.depth) == (places, depth)


@pytest.mark.parametrize(
    "pattern", ["abc", "a{40}", "a{2,40}", "(a|b|ab){7}", "(?:a?){9}b{3,}", "^(?:(?=a{4}b)a|c+)*$"]
)
def test_automaton_has_no_more_places_than_were_counted(pattern: str) -> None:
    tokens = parse(pattern).tokens
    assert len(Automaton(tokens).follows) <= 2 * size_of(tokens).places + 2


def test_repeats_inside_repeats_are_not_copied_when_they_have_no_end() -> None:
    assert len(Automaton(parse("(" * 40 + "a" + "+)" * 40).tokens).follows) < 100


@pytest.mark.parametrize(
    ("pattern", "anchored"),
    [("^a", True), ("^(a|b)", True), ("a", False), ("^a|b", False), ("(^a)", False), ("", False)],
)
def test_automaton_is_anchored_when_no_match_starts_later(pattern: str, anchored: bool) -> None:
    assert Automaton(parse(pattern).tokens).anchored is anchored


def test_characters_are_of_one_kind_when_no_set_of_the_pattern_tells_them_apart() -> None:
    automaton = Automaton(parse("[b-d]x").tokens)
    kinds = [automaton.kind(character) for character in "bcdxaA_\u4e00\ud800\ufffd"]
    assert kinds[0] == kinds[1] == kinds[2]
    assert len({kinds[0], *kinds[3:8]}) == 6
    assert kinds[8] == kinds[9]


def test_places_after_a_place_are_not_remembered_when_they_are_many() -> None:
    few, many = Automaton(parse("a?b?c").tokens), Automaton(parse("a?" * 50 + "c").tokens)
    assert {few.reads[place] for place in few.closure(few.start) or ()} == {few.kind(letter) for letter in "abc"}
    assert many.closure(many.start) is None
