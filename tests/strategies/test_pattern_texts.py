"""Texts drawn for a pattern: Python's engine reads it as ECMA-262 does, or is not asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.jsonkit.patterns import matches
from mockserver.strategies.pattern_texts import python_regex, text_for
from tests.ecma262 import BEYOND_UNICODE_MODE, CASES, NOT_FOR_PYTHON, Case


@pytest.mark.parametrize("case", [*CASES, *BEYOND_UNICODE_MODE], ids=lambda case: f"{case.clause}:{case.pattern}")
def test_pattern_has_its_ecma_meaning_when_python_reads_it(case: Case) -> None:
    regex = python_regex(case.pattern)
    assert regex is not None
    assert [text for text in case.matching if not regex.search(text)] == []
    assert [text for text in case.other if regex.search(text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "^ORD-[0-9]{6}$",
        "^a.*b$",
        r"^[\s\S]$",
        r"^\S(?:.*\S)?$",
        r"^\d{3}\W\w+$",
        r"\bfoo\b",
        "^(?!apex_)a",
        "^(?!-)[a-z0-9-]{1,63}(?<!-)$",
        "^[\u4e00-\u9fff]$",
    ],
)
def test_text_for_a_pattern_matches_it(pattern: str) -> None:
    (text,) = text_for(pattern, lambda text: matches(pattern, text))
    assert matches(pattern, text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*CASES, *BEYOND_UNICODE_MODE]), st.text(max_size=5))
def test_both_engines_agree_when_the_text_is_any(case: Case, text: str) -> None:
    regex = python_regex(case.pattern)
    assert regex is not None
    assert matches(case.pattern, text) is (regex.search(text) is not None)


@pytest.mark.parametrize("pattern", [*(case.pattern for case in NOT_FOR_PYTHON), "(?:(?:a{999}){999}){9999999999}"])
def test_no_text_is_drawn_when_python_cannot_read_the_pattern(pattern: str) -> None:
    assert python_regex(pattern) is None
    assert text_for(pattern, lambda text: True) == []
