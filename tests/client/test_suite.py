"""What marks and options make of a session, before any server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver import MockServer
from mockserver.client.suite import MarkError, Plan, Suite, compose
from mockserver.errors import ContractError
from mockserver.jsonkit.pointer import merge_patch

JSON = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=1),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


def grown(patch: Any) -> Any:
    """A patch that deletes what it sets to 0."""
    if isinstance(patch, dict):
        return {name: grown(member) for name, member in patch.items()}
    return None if patch == 0 else patch


@given(JSON, st.dictionaries(st.sampled_from("abc"), JSON), st.dictionaries(st.sampled_from("abc"), JSON))
def test_composed_patch_does_what_two_do_when_neither_rebuilds_what_the_other_took(
    document: Any, first: dict[str, Any], second: dict[str, Any]
) -> None:
    first, second = grown(first), second
    if not rebuilds(document, first, second):
        assert merge_patch(document, compose(first, second)) == merge_patch(merge_patch(document, first), second)


def rebuilds(document: Any, first: Any, second: Any) -> bool:
    """Whether the second patch fills an object in where the first took one away: one patch cannot say that."""
    if not isinstance(second, dict) or not isinstance(first, dict):
        return False
    return any(
        (isinstance(second[name], dict) and not isinstance(first[name], dict))
        or rebuilds(document.get(name) if isinstance(document, dict) else None, first[name], second[name])
        for name in first.keys() & second.keys()
    )


def test_later_marks_go_first_when_several_speak() -> None:
    plan = Plan(protocols={"outlit": {"revision": "r1", "patch": {"protocol": {"a": 1, "b": 1}}}})
    plan.add({"protocol": "outlit", "patch": {"protocol": {"b": 2}}, "faults": [{"delay_ms": 1}]})
    plan.add({"protocol": "outlit", "revision": "r2", "rate_limits": "off"})
    plan.add({"faults": []})
    assert plan.protocols == {"outlit": {"revision": "r2", "patch": {"protocol": {"a": 1, "b": 2}}}}
    assert (plan.faults, plan.settings, plan.protocol) == ([], {"rate_limits": "off"}, "outlit")


@pytest.mark.parametrize(
    "mark",
    [
        {"colour": 1},
        {"patch": {}},
        {"operation": "track"},
        {"faults": 7},
        {"faults": "x"},
        {"keys": "pk_x"},
        {"protocol": 1},
        {"protocol": "apex", "patch": "x"},
        {"protocol": "apex", "revision": 1},
        {"rate_limits": True},
    ],
)
def test_mark_is_refused_when_it_makes_no_sense(mark: dict[str, Any]) -> None:
    with pytest.raises(MarkError, match="marker mockserver"):
        Plan().add(mark)


@pytest.mark.parametrize("text", ["", "a: 1", "[]", "protocol: 5\npatch: {}", "protocol: outlit\npatch: []", "a: ["])
def test_file_that_is_no_patch_is_named_when_the_server_is_elsewhere(tmp_path: Path, text: str) -> None:
    file = tmp_path / "patch.yaml"
    file.write_text(text)
    with MockServer() as server, pytest.raises(ContractError, match=r"patch\.yaml#/"):
        Suite(server=server, contract_patches=[file]).prepare()
