from __future__ import annotations

import pytest
from msgspec import UNSET

from mockserver.contract import known_texts as module
from mockserver.contract.known_texts import KnownTexts, known_texts
from mockserver.jsonkit.formats import FORMATS

TIMES = [f"2026-06-14T12:00:0{second}.000Z" for second in range(9)]


def counting(asked: list[str]) -> KnownTexts:
    def fits(text: str) -> bool:
        asked.append(text)
        return text.islower()

    return KnownTexts(fits)


def test_text_that_is_known_is_not_matched_again() -> None:
    asked: list[str] = []
    texts = counting(asked)
    assert texts.all_fit(["a", "b", "a"])
    assert texts.all_fit(["b", "a"])
    assert sorted(asked) == ["a", "b"]


def test_text_that_does_not_fit_is_not_kept() -> None:
    texts = counting([])
    assert not texts.all_fit(["a", "B"])
    assert not texts.all_fit(["B"])


def test_what_is_no_text_need_not_fit() -> None:
    assert counting([]).all_fit([UNSET, None, 1.5, True])


def test_number_of_kept_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    asked: list[str] = []
    texts = counting(asked)
    for text in "abcda":
        assert texts.all_fit([text])
    assert asked == ["a", "b", "c", "d", "a"]


def test_long_text_is_matched_each_time_and_a_longer_one_never_fits() -> None:
    asked: list[str] = []
    texts, long = counting(asked), "a" * (module.LONGEST_KEPT + 1)
    assert texts.all_fit([long])
    assert texts.all_fit([long])
    assert asked == [long, long]
    assert not texts.all_fit(["a" * (module.LONGEST + 1)])


@pytest.mark.parametrize("format", sorted(FORMATS))
@pytest.mark.parametrize(
    "odd",
    [
        "2026-02-29T12:00:00.000Z",
        "0000-06-14T12:00:00.000Z",
        "2026-06-14T24:00:00.000Z",
        "2026-06-14T12:00:60.000Z",
        "2016-12-31T23:59:60.000Z",
        "2026-06-14t12:00:00.000Z",
        "2026-06-14T12:00:00.000+",
        "2026-06-14T12:00:00.0000",
        "2026-06-14T12:00:0\u0661.000Z",
        "a@b.example",
    ],
)
def test_many_texts_fit_as_each_of_them_does(format: str, odd: str) -> None:
    texts = known_texts("format", format)
    assert texts is not None
    assert texts.all_fit([*TIMES, odd]) is all(map(FORMATS[format], [*TIMES, odd]))
    assert texts.all_fit(TIMES) is all(map(FORMATS[format], TIMES))


def test_pattern_that_may_be_costly_is_left_alone() -> None:
    assert known_texts("pattern", "^(?!a)b(?=c)") is None
    found = known_texts("pattern", "^[a-z]+$")
    assert found is not None
    assert found.all_fit(["a"])
    assert not found.all_fit(["a\n"])
