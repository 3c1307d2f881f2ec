"""What a patch leaves true of the sources of single facts."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract import merging
from mockserver.contract.library import Patch, library
from mockserver.contract.merging import merge
from mockserver.contract.provenance import Scope, dangling, source_at
from mockserver.jsonkit import pointer
from tests.contract.test_provenance import DOCUMENTS, sources_of


def changed(patch: Any, origin: str = "patch: mine") -> dict[str, str]:
    """Return the sources that a patch changes, and check that it changes nothing of what it is applied to."""
    before = copy.deepcopy(DOCUMENTS)
    merged, _ = merge(DOCUMENTS, patch, origin)
    assert before == DOCUMENTS
    assert list(dangling(merged)) == []
    old = sources_of(DOCUMENTS)
    return {place: source for place, source in sources_of(merged).items() if old.get(place) != source}


def test_patch_gives_its_source_to_what_it_writes_and_to_nothing_else() -> None:
    rate = {"requests": 5, "source": "sdk: new"}
    assert changed({"protocol": {"limits": {"rate": rate}}}) == {"protocol/limits/rate/requests": "sdk: new"}
    assert changed({"protocol": {"limits": {"rate": {"requests": 5}}}}) == {
        "protocol/limits/rate/requests": "patch: mine"
    }
    above = {"protocol": {"source": "sdk: new", "limits": {"body": {"max_bytes": 5}}}}
    assert changed(above) == {"protocol/limits/body/max_bytes": "patch: mine"}


def test_patch_of_a_source_alone_gives_it_to_all_that_is_there() -> None:
    patch = {"protocol": {"replies": {"ok": {"source": "docs: new"}}}}
    assert changed(patch) == {"protocol/replies/ok/status": "docs: new", "protocol/replies/ok/body": "docs: new"}


def test_element_that_a_list_gains_has_the_source_of_the_patch() -> None:
    patch = {"events": {"click": {"source": "spec: new", "required": ["a", "b", "c"]}}}
    assert changed(patch) == {"events/click/required": "spec: new", "events/click/required/a": "docs: click"}
    merged, _ = merge(DOCUMENTS, patch, "patch: mine")
    assert [source_at(merged, f"/events/click/required/{name}", "")[0] for name in "abc"] == [
        "docs: click",
        "spec: b",
        "spec: new",
    ]


def test_source_goes_with_the_element_that_a_list_loses() -> None:
    merged, _ = merge(DOCUMENTS, {"events": {"click": {"required": ["a"]}}}, "patch: mine")
    assert merged["events"]["click"]["sources"] == {"properties/c/pattern": "assumed: c"}
    merged, _ = merge(merged, {"events": {"click": {"properties": {"c": None}}}}, "patch: mine")
    assert "sources" not in merged["events"]["click"]


def test_patch_names_the_source_of_one_member() -> None:
    patch = {"events": {"click": {"sources": {"required/a": "spec: a", "required/b": None}}}}
    merged, _ = merge(DOCUMENTS, patch, "patch: mine")
    assert source_at(merged, "/events/click/required/a", "")[0] == "spec: a"
    assert source_at(merged, "/events/click/required/b", "")[0] == "docs: click"


def test_patch_names_the_sources_of_members_that_it_writes() -> None:
    member = {
        "minLength": 1,
        "message": {"minLength": "too short"},
        "source": "docs: page",
        "sources": {"minLength": "assumed: b", "message": "assumed: text"},
    }
    merged, without = merge(DOCUMENTS, {"events": {"click": {"properties": {"c": member}}}}, "docs: file")
    found = sources_of(merged)
    assert without == []
    assert found["events/click/properties/c/minLength"] == "assumed: b"
    assert found["events/click/properties/c/message/minLength"] == "assumed: text"
    assert found["events/click/properties/c/pattern"] == "assumed: c"
    listed = {
        "events": {"click": {"required": ["a", "b", "d"], "source": "docs: page", "sources": {"required/d": "sdk: d"}}}
    }
    assert sources_of(merge(DOCUMENTS, listed, "docs: file")[0])["events/click/required/d"] == "sdk: d"


def test_part_of_a_body_that_a_patch_changes_is_a_fact_of_its_own() -> None:
    patch = {"protocol": {"replies": {"ok": {"body": {"ids": ["a", "b"]}}}}}
    body = "protocol/replies/ok/body"
    parts = {f"{body}/ids/b": "patch: mine", f"{body}/ids": "spec: ok", f"{body}/source": "spec: ok"}
    assert changed(patch) == parts


def test_branches_that_a_patch_writes_have_its_source() -> None:
    patch = {"events": {"click": {"anyOf": [{"required": ["a"]}, {"required": ["c"]}]}}}
    assert changed(patch) == {
        "events/click/anyOf/0/required": "patch: mine",
        "events/click/anyOf/1/required": "patch: mine",
    }


def test_new_object_has_its_own_source() -> None:
    member = {"type": "number", "source": "docs: new"}
    patch = {"events": {"click": {"properties": {"d": member}}, "drag": {"type": "object"}}}
    assert changed(patch) == {"events/click/properties/d/type": "docs: new", "events/drag/type": "patch: mine"}


def test_empty_patch_changes_no_source() -> None:
    assert changed({}) == changed({"protocol": {}}) == {}


@pytest.mark.parametrize(
    "patch",
    [
        {"protocol": []},
        {"protocol": {"limits": 5, "sources": {"limits": "x"}}},
        {"events": {"click": {"sources": {"a~b": 5, "": "x"}, "properties": []}}},
        {"events": {"click": {"anyOf": {"a": 1}, "required": "a", "source": 7}}},
        {"warnings": {"events": {"late": None}}, "replies": {"x": 1}},
        {"protocol": {"replies": {"ok": {"body": None}}}, "events": {"shared": {"x": {}}}},
    ],
)
def test_patch_of_the_wrong_form_is_merged_for_the_language_to_refuse(patch: Any) -> None:
    merged, _ = merge(DOCUMENTS, patch, "patch: mine")
    assert without_sources(merged) == without_sources(pointer.merge_patch(DOCUMENTS, patch))


def without_sources(value: Any) -> Any:
    if isinstance(value, list):
        return [without_sources(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: without_sources(member) for name, member in value.items() if name != "sources"}


EVERYTHING = merging._leaves
REVISIONS = [
    (protocol.documents, patch) for protocol in library().protocols.values() for patch in protocol.revisions.values()
]


@pytest.mark.parametrize(("documents", "patch"), REVISIONS, ids=[Path(patch.name).stem for _, patch in REVISIONS])
def test_what_a_patch_leaves_as_it_is_changes_nothing_when_it_is_passed_over(
    documents: dict[str, Any], patch: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = merge(documents, patch.patch, "patch: mine")
    seen: list[str] = []

    def every(value: Any, tokens: tuple[str, ...], scope: Scope, *_: object) -> Iterator[tuple[tuple[str, ...], str]]:
        seen.extend(tokens[-1:])
        return EVERYTHING(value, tokens, scope)

    monkeypatch.setattr(merging, "_leaves", every)
    assert merge(documents, patch.patch, "patch: mine") == merged
    assert seen
