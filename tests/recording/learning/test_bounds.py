"""Limits and patterns that are chosen between what was taken and what was refused."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.patterns import matches
from mockserver.recording.learning.bounds import (
    bounds,
    narrower_patterns,
    numbers_in,
    patterns_in,
    quoted_in,
    roundest,
    whole_duration,
    wider_patterns,
)


@pytest.mark.parametrize(
    ("low", "high", "chosen"), [(37, 49, 40), (37, 39, 37), (60, 240, 100), (1, 600_000, 500_000), (26, 99, 50)]
)
def test_roundest_number_is_chosen(low: int, high: int, chosen: int) -> None:
    assert roundest(low, high) == chosen


def test_limit_that_the_text_says_comes_first_and_needs_no_note() -> None:
    assert next(iter(bounds(7, 11, "at most 10 events, got 12"))) == (10, "")


def test_limit_between_says_what_was_not_seen() -> None:
    assert next(iter(bounds(37, 49, "too many"))) == (40, "40 chosen; nothing between 37 and 49 was seen")


def test_limit_without_an_other_side_is_the_nearest_to_what_was_seen() -> None:
    assert list(bounds(150, None, "")) == [(150, "nothing beyond 150 was seen")]


def test_limit_with_both_sides_next_to_each_other_is_certain() -> None:
    assert list(bounds(7, 7, "")) == [(7, "")]


def test_durations_are_whole() -> None:
    assert whole_duration(20 * 86_400_000 - 5) == 20 * 86_400_000
    assert whole_duration(61_000) == 120_000
    assert whole_duration(300) == 300


def test_numbers_have_units() -> None:
    assert numbers_in("at most 1,000 events") == [1000]
    assert numbers_in("events[1].type has 40 characters") == [40]
    assert numbers_in("the limit is 50 KB") == [50, 50_000, 51_200]
    assert numbers_in("older than 30 days or 5 minutes") == [30, 2_592_000_000, 5, 300_000]


def test_patterns_and_words_are_found_in_texts() -> None:
    assert patterns_in('event_type must match ^[a-z]+$, got "A"') == ["^[a-z]+$"]
    assert quoted_in("one of \"a\", 'b' and `c`") == ["a", "b", "c"]


def test_wider_pattern_keeps_the_form_of_the_old_one() -> None:
    wider = next(iter(wider_patterns("^[a-z0-9]+(?:_[a-z0-9]+)*$", ["Trial_Started"], [])))
    assert wider == "^[a-z0-9A-Z]+(?:_[a-z0-9A-Z]+)*$"


def test_wider_pattern_takes_every_beginning() -> None:
    assert next(iter(wider_patterns("^pk_", ["xx_abc", "pk_1"], []))) == "^(?:pk_|xx_)"


def test_patterns_part_what_was_taken_from_what_was_refused() -> None:
    found = [pattern for pattern, _ in narrower_patterns(["plan", "paid"], "trial_started", "")]
    assert found
    assert all(matches(pattern, "plan") and not matches(pattern, "trial_started") for pattern in found)


def test_pattern_that_the_text_says_comes_first() -> None:
    assert next(iter(narrower_patterns(["plan"], "A", "must match ^[a-z]{1,9}$, got A"))) == ("^[a-z]{1,9}$", "")
