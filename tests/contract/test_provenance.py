"""Sources of single facts: what reaches them from above, and what a patch leaves true."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mockserver.contract.library import Patch, library
from mockserver.contract.provenance import dangling, merge, source_at, stated
from mockserver.errors import ContractError

LIMIT = {"max_bytes": 9, "source": "docs: page"}
DOCUMENTS: dict[str, Any] = {
    "protocol": {
        "source": "docs: all",
        "limits": {"body": LIMIT, "rate": {"requests": 1, "window_ms": 2, "source": "docs: rate"}},
        "replies": {"ok": {"status": 200, "body": {"source": "x", "ids": ["a"]}, "source": "spec: ok"}},
    },
    "events": {
        "click": {
            "source": "docs: click",
            "sources": {"required/b": "spec: b", "properties/c/pattern": "assumed: c"},
            "required": ["a", "b"],
            "properties": {
                "source": {"type": "string", "source": "docs: a member of that name"},
                "sources": {"type": "string"},
                "c": {"type": "string", "pattern": "x"},
            },
            "anyOf": [{"required": ["a"]}],
        }
    },
    "warnings": {"events": {"late": {"message": "late", "schema": {"minLength": 1}, "source": "inferred: x"}}},
}


def sources_of(documents: Any) -> dict[str, str]:
    return {"/".join(tokens): source for tokens, _, source in stated(documents, "none")}


def test_each_fact_has_the_nearest_source() -> None:
    assert sources_of(DOCUMENTS) == {
        "protocol/limits/body/max_bytes": "docs: page",
        "protocol/limits/rate/requests": "docs: rate",
        "protocol/limits/rate/window_ms": "docs: rate",
        "protocol/replies/ok/status": "spec: ok",
        "protocol/replies/ok/body": "spec: ok",
        "events/click/required/b": "spec: b",
        "events/click/required": "docs: click",
        "events/click/properties/source/type": "docs: a member of that name",
        "events/click/properties/sources/type": "docs: click",
        "events/click/properties/c/type": "docs: click",
        "events/click/properties/c/pattern": "assumed: c",
        "events/click/anyOf/0/required": "docs: click",
        "warnings/events/late": "inferred: x",
    }
    assert source_at(DOCUMENTS, "/events/click/required/b", "") == ("spec: b", True)
    assert source_at(DOCUMENTS, "/events/click/required/z", "") == ("docs: click", False)


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
    merge(DOCUMENTS, patch, "patch: mine")


def test_key_of_sources_that_leads_nowhere_is_a_load_error() -> None:
    patch = {"protocol": {"dedup": {"sources": {"pionter": "docs: a page"}}}}
    with pytest.raises(ContractError, match="pionter leads to nothing in this object"):
        library().protocol("outlit").contract(None, [Patch(name="mine.yaml", patch=patch)])
