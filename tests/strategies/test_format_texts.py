"""Texts by format are what they are said to be, at any clock."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.formats import FORMATS, epoch_ms
from mockserver.strategies import format_texts

CLOCKS = (0, 1_781_438_402_000, 1_781_438_402_347, 253_402_000_000_000)


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("now_ms", CLOCKS)
def test_texts_have_the_format_or_not_as_listed(name: str, now_ms: int) -> None:
    texts = format_texts.FORMATS[name](now_ms)
    assert [text for text in texts.good if not FORMATS[name](text)] == []
    assert [text for text in texts.bad if FORMATS[name](text)] == []


@pytest.mark.parametrize("now_ms", CLOCKS)
def test_one_moment_is_written_in_several_ways_when_times_are_made(now_ms: int) -> None:
    texts = format_texts.moment_texts(now_ms)
    assert len(set(texts)) == len(texts)
    assert {epoch_ms(text) for text in texts} == {now_ms}
