"""JSON Pointer and merge patch, by the examples of their RFCs and by their laws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING

RFC_6901 = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", RFC_6901),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointer_finds_what_its_rfc_says(text: str, expected: Any) -> None:
    assert pointer.get(RFC_6901, pointer.parse(text)) == expected


NOWHERE = ["/foo/2", "/foo/-", "/foo/01", "/foo/00", "/foo/01x", "/foo/٠", "/foo/bar", "/bar", "/foo/0/x", "//"]


@pytest.mark.parametrize("text", [*NOWHERE, "/foo/" + "9" * 5000])
def test_nothing_is_found_where_nothing_stands(text: str) -> None:
    assert pointer.get(RFC_6901, pointer.parse(text)) is MISSING


def test_nothing_is_not_null() -> None:
    assert pointer.get({"a": None}, ("a",)) is None
    assert pointer.get({"a": None}, ("a", "b")) is MISSING
    assert not MISSING


@pytest.mark.parametrize("text", ["foo", "a/b", " /a", "#/a"])
def test_pointer_is_refused_when_it_does_not_start_with_a_slash(text: str) -> None:
    with pytest.raises(ValueError, match="JSON Pointer"):
        pointer.parse(text)


@given(st.lists(st.text(max_size=6)))
def test_pointer_reads_back_whatever_the_tokens(tokens: list[str]) -> None:
    assert pointer.parse(pointer.build(tokens)) == tuple(tokens)


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_gives_what_its_rfc_says(target: Any, patch: Any, expected: Any) -> None:
    assert pointer.merge_patch(target, patch) == expected


@given(JSON, JSON)
def test_merge_patch_changes_neither_argument(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    pointer.merge_patch(target, patch)
    assert (target, patch) == before


@given(OBJECTS, OBJECTS)
def test_merge_patch_does_nothing_the_second_time(target: Any, patch: Any) -> None:
    once = pointer.merge_patch(target, patch)
    assert pointer.merge_patch(once, patch) == once


@given(OBJECTS, OBJECTS)
def test_merge_patch_sets_every_leaf_it_names(target: Any, patch: Any) -> None:
    merged = pointer.merge_patch(target, patch)
    for tokens, value in pointer.leaves(patch):
        if value is None:
            assert pointer.get(merged, tokens) is MISSING
        elif value != {}:
            assert pointer.get(merged, tokens) == value


@given(OBJECTS)
def test_leaves_say_all_of_an_object(value: Any) -> None:
    rebuilt: Any = {}
    for tokens, leaf in pointer.leaves(value):
        patch = leaf
        for token in reversed(tokens):
            patch = {token: patch}
        rebuilt = pointer.merge_patch(rebuilt, patch)
    assert rebuilt == without_nulls(value)


@pytest.mark.parametrize("text", ["/~", "/~2", "/a~", "/a/~~0", "/~01/~x", "a", "~0"])
def test_pointer_is_refused_when_it_is_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="JSON Pointer"):
        pointer.parse(text)
