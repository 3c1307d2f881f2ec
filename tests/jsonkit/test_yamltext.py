"""The strict subset of YAML that contracts and cases are written in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.errors import ContractError
from mockserver.jsonkit import yamltext

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)
    | st.sampled_from(
        ["on", "no", "yes", "~", "null", "1", "010", "0x1f", "1_000", "1e3", "2026-06-14", "a: b", "- a", "#"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc:", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: on", {"a": "on"}),
        ("a: no", {"a": "no"}),
        ("a: True", {"a": "True"}),
        ("a: true", {"a": True}),
        ("a: null", {"a": None}),
        ("a:", {"a": None}),
        ("a: ~", {"a": "~"}),
        ("a: 10", {"a": 10}),
        ("a: 010", {"a": "010"}),
        ("a: 0x1f", {"a": "0x1f"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: -1.5e3", {"a": -1500.0}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: .5", {"a": ".5"}),
        ("a: 2026-06-14", {"a": "2026-06-14"}),
        ("a: 12:30:45", {"a": "12:30:45"}),
        ("'1': a", {"1": "a"}),
        ("a: [1, {b: c}]", {"a": [1, {"b": "c"}]}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("a: 'R&D *'", {"a": "R&D *"}),
        ("a: R&D", {"a": "R&D"}),
        ("a: b!\nc: '!x'\nd: \"% !y\"\ne: 5 !z", {"a": "b!", "c": "!x", "d": "% !y", "e": "5 !z"}),
        (b"\xef\xbb\xbfa: 1", {"a": 1}),
        ("a: " + "[" * 99 + "]" * 99, {"a": json.loads("[" * 99 + "]" * 99)}),
    ],
)
def test_scalars_are_null_true_false_decimal_numbers_or_text(text: str | bytes, value: Any) -> None:
    assert yamltext.loads(text, "x.yaml") == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: {c: 1, c: 2}", r"x\.yaml#/: line 2, column 11: .*\bc\b"),
        ("1: a", "a key must be a string, got 1"),
        ("true: a", "a key must be a string, got True"),
        ("a: &x 1\nb: *x", "line 1: anchors"),
        ("a: *x", "anchors|undefined alias"),
        ("a: !!set {b}", "line 1, column 4: tags are not allowed, got 'tag:yaml.org,2002:set'"),
        ("a: !own b", "line 1, column 4: tags are not allowed, got '!own'"),
        ("a: !!python/object/apply:os.system [b]", "line 1, column 4: .*tags are not allowed"),
        ("a: 1\nb: !!str 5", r"line 2: tags and directives are not allowed \(column 4\)"),
        ("a: [!!int '5']", r"line 1: tags .* \(column 5\)"),
        ("!!map {a: 1}", r"line 1: tags .* \(column 1\)"),
        ("a: !<tag:yaml.org,2002:str> 5", "line 1: tags"),
        ("a: ! b", "line 1: tags|constructor"),
        ("%YAML 1.2\n---\na: 1", "line 1: tags and directives"),
        ("a: 1e999", "out of range for a double"),
        ("a: [", "line 1, column 5|line 2, column 1"),
        ("a: b: c", "mapping values are not allowed"),
        (b"a: \xff", "not UTF-8: invalid start byte at byte 3"),
        (b"a: 1\nb: \xff", "not UTF-8: invalid start byte at byte 8, line 2"),
        ("a: 1".encode("utf-16"), "the file is UTF-16; save it as UTF-8"),
        ("[" * 5000, "nested deeper than 100 levels|line"),
        ("[" * 101 + "]" * 101, "nested deeper than 100 levels"),
        ("a: " + "{a: " * 100 + "1" + "}" * 100, "nested deeper than 100 levels"),
    ],
)
def test_text_is_refused_with_the_file_and_the_line(text: str | bytes, problem: str) -> None:
    with pytest.raises(ContractError, match=problem) as caught:
        yamltext.loads(text, "x.yaml")
    assert (caught.value.file, caught.value.pointer) == ("x.yaml", "")


def test_file_is_read_with_its_path_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: [1]\n")
    assert yamltext.load(path) == {"a": [1]}
    path.write_text("a: [\n")
    with pytest.raises(ContractError) as caught:
        yamltext.load(path)
    assert caught.value.file == str(path)


@given(JSON)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = yamltext.dumps(value)
    assert yamltext.loads(text, "x.yaml") == value


def test_written_text_keeps_the_order_and_puts_short_objects_on_one_line() -> None:
    text = yamltext.dumps({"b": {"x": 1, "w": "on"}, "a": {"long": "x" * 100}, "c": []})
    assert text == f"b: {{x: 1, w: 'on'}}\na:\n  long: {'x' * 100}\nc: []\n"


def test_equal_values_are_written_out_each_time() -> None:
    shared = {"x": [1]}
    assert yamltext.loads(yamltext.dumps({"a": shared, "b": shared}), "x.yaml") == {"a": shared, "b": shared}
