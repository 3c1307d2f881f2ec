"""Reply templates: names alone keep their value's type, names inside text become text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit import template

VARIABLES = {"count": 2, "text": "a ${count}", "nothing": None, "errors": [{"index": 0}], "flag": True}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("${count}", 2),
        ("${nothing}", None),
        ("${errors}", [{"index": 0}]),
        ("${flag}", True),
        ("n=${count}", "n=2"),
        ("${count}${count}", "22"),
        ("${text}!", "a ${count}!"),
        ("$count {count} $ {count}", "$count {count} $ {count}"),
        ({"a": ["${count}", {"b": "${nothing}"}], "c": 1}, {"a": [2, {"b": None}], "c": 1}),
        ([], []),
        (1.5, 1.5),
    ],
)
def test_template_is_filled(given: Any, expected: Any) -> None:
    assert template.fill(given, VARIABLES) == expected


@pytest.mark.parametrize("given", ["${unknown}", "a ${unknown}", {"a": ["${unknown}"]}])
def test_name_without_a_value_is_an_error(given: Any) -> None:
    with pytest.raises(KeyError, match="unknown"):
        template.fill(given, VARIABLES)


def test_names_of_members_are_not_templates() -> None:
    assert template.fill({"${count}": 1}, VARIABLES) == {"${count}": 1}
    assert template.names({"${count}": 1}) == set()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", set()),
        ("${a}", {"a"}),
        ({"x": ["${a}-${b}", {"y": "${c}"}], "z": 1, "n": None}, {"a", "b", "c"}),
        ("${Not-a-name}", {"Not-a-name"}),
        ("${}", {""}),
        ("${open", {"${open"}),
        ("${a} ${open", {"a", "${open"}),
    ],
)
def test_names_are_found_even_where_they_cannot_be_filled(given: Any, expected: set[str]) -> None:
    assert template.names(given) == expected


@given(
    st.recursive(
        st.sampled_from(["${count}", "x ${text}", "plain"]) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    )
)
def test_template_is_filled_when_all_its_names_have_values(value: Any) -> None:
    assert template.names(value) <= set(VARIABLES)
    assert template.names(template.fill(value, dict.fromkeys(VARIABLES, "v"))) == set()


@pytest.mark.parametrize(("status", "phrase"), [(404, "Not Found"), (200, "OK"), (420, "Status 420")])
def test_phrase_is_the_standard_one_where_there_is_one(status: int, phrase: str) -> None:
    assert template.phrase(status) == phrase
