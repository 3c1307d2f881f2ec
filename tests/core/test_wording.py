"""Lines of text: lists and values are cut when they are long."""

from __future__ import annotations

import json

from mockserver.core import wording
from mockserver.core.findings import Finding


def test_lists_are_cut_when_they_are_long() -> None:
    lines = wording.block("rows", map(str, range(25)))
    assert lines[:2] == ["rows:", "  0"]
    assert lines[-2:] == ["  19", "  … and 5 more"]
    assert wording.block("rows", []) == []


def test_values_are_cut_when_they_are_long() -> None:
    assert wording.value({"a": "ü"}) == '{"a": "ü"}'
    assert len(wording.value("x" * 500)) == wording.SHOWN_VALUE


def test_count_has_its_noun() -> None:
    assert [wording.counted(number, "event") for number in (0, 1, 2)] == ["0 events", "1 event", "2 events"]


def test_finding_is_one_line() -> None:
    row = Finding(rule="/a", pointer="/b", source="docs: x", message="is wrong")
    assert wording.finding(row) == "is wrong at /b [/a; docs: x]"
    assert wording.finding(Finding(rule="/a", source="", message="is wrong")) == "is wrong [/a]"


def test_value_is_abridged_to_what_could_be_shown_of_it() -> None:
    small = {"a": ["b", 1, None, {"c": True}]}
    assert wording.abridged(small) == small
    for large in ("x" * 9000, ["x" * 300] * 90, {"x" * 9000: 1}, [0] * 9000, {"a": [{"b": "x" * 9000}], "c": "d"}):
        text = json.dumps(wording.abridged(large))
        assert wording.LONGEST_ABRIDGED <= len(text) < 4 * wording.LONGEST_ABRIDGED
        assert wording.value(wording.abridged(large)) == wording.value(large)
