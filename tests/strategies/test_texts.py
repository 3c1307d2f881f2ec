"""Texts by format are what they are said to be; texts for a pattern match it as ECMA-262 reads it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.jsonkit.formats import FORMATS, epoch_ms
from mockserver.jsonkit.patterns import matches
from mockserver.strategies.texts import FORMATS as TEXTS
from mockserver.strategies.texts import moment_texts, python_regex, text_for
from tests.ecma262 import BEYOND_UNICODE_MODE, CASES, NOT_FOR_PYTHON, Case

CLOCKS = (0, 1_781_438_402_000, 1_781_438_402_347, 253_402_000_000_000)


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("now_ms", CLOCKS)
def test_texts_have_the_format_or_not_as_listed(name: str, now_ms: int) -> None:
    texts = TEXTS[name](now_ms)
    assert [text for text in texts.good if not FORMATS[name](text)] == []
    assert [text for text in texts.bad if FORMATS[name](text)] == []


@pytest.mark.parametrize("now_ms", CLOCKS)
def test_one_moment_is_written_in_several_ways_when_times_are_made(now_ms: int) -> None:
    texts = moment_texts(now_ms)
    assert len(set(texts)) == len(texts)
    assert {epoch_ms(text) for text in texts} == {now_ms}


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
