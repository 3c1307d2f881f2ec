"""What a contract can tell of itself: messages, places, prefixes, sources."""

from __future__ import annotations

import pytest

from mockserver.contract.contract import KEPT_PLACES, split_target
from tests.judging import COLLECT, MADE_UP, contract_of

TALLY = contract_of("tally")
OUTLIT = contract_of("outlit")
APEX = contract_of("apex")
WHISPERR = contract_of("whisperr")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/a/b?c=d", "/a/b", "c=d"),
        ("/a", "/a", ""),
        ("/a?b?c", "/a", "b?c"),
        ("/a#b?c", "/a", "c"),
        ("http://h.example/a?b", "/a", "b"),
        ("https://h.example:1/a/", "/a/", ""),
        ("HTTP://h.example/a", "/a", ""),
        ("http://h.example", "/", ""),
        ("http://h.example?b=c", "/", "b=c"),
        ("http://h.example?b=/c", "/", "b=/c"),
        ("/a?next=http://h.example/b", "/a", "next=http://h.example/b"),
        ("//h.example/a", "//h.example/a", ""),
        ("*", "*", ""),
        ("", "", ""),
    ],
)
def test_target_is_split_into_path_and_query(target: str, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


def test_place_is_remembered_and_the_memory_bounded() -> None:
    contract = contract_of("tally", {"protocol": {"title": "of this test"}})
    place = contract.locate(COLLECT)
    assert contract.locate(COLLECT) is place
    for number in range(KEPT_PLACES + 1):
        contract.locate(f"{COLLECT}?n={number}")
    assert len(contract._places) <= KEPT_PLACES
    assert contract.locate(COLLECT).params == {"stream": "main"}


@pytest.mark.parametrize(
    ("target", "family"),
    [
        ("/api/nothing", "flat"),
        ("/api/v1/nothing", "v1"),
        ("/api/v1", "v1"),
        ("/api/v10", "flat"),
        ("/elsewhere", "flat"),
    ],
)
def test_unknown_path_has_the_family_of_the_longest_prefix(target: str, family: str) -> None:
    assert APEX.prefix_of(target).family is APEX.families[family]


def test_message_is_the_keywords_else_the_default() -> None:
    assert OUTLIT.message("required") == "Missing required field: ${field}"
    assert OUTLIT.message("multipleOf") == "Invalid value for field: ${field}"
    assert TALLY.message("required") == "${detail}"


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/protocol",
        "/protocol/limits/body/max_bytes",
        "/protocol/limits/body/nothing",
        "/events/sale/properties/cents/minimum",
        "/nowhere/at/all",
    ],
)
def test_source_is_the_nearest_one_at_or_above_or_that_of_the_contract(place: str) -> None:
    assert TALLY.source_of(place) == MADE_UP


def test_source_is_that_of_the_closest_object() -> None:
    document = OUTLIT.documents["protocol"]
    assert OUTLIT.source_of("/protocol/gates/key/order") == document["gates"]["key"]["source"]
    assert OUTLIT.source_of("/protocol/gates") == document["source"]
    assert OUTLIT.source_of("/protocol/gates/key/order") != OUTLIT.source_of("/protocol/gates")


def test_source_of_a_patched_leaf_is_the_patch() -> None:
    patched = contract_of("tally", {"protocol": {"limits": {"body": {"max_bytes": 7}}}})
    assert patched.source_of("/protocol/limits/body/max_bytes") == "patch: test"
    assert patched.source_of("/protocol/limits/per_minute/requests") == MADE_UP
    sourced = {"max_bytes": 7, "source": "docs: here"}
    named = contract_of("tally", {"protocol": {"limits": {"body": sourced}}})
    assert named.source_of("/protocol/limits/body/max_bytes") == "docs: here"


def test_contract_shows_name_revision_and_digest() -> None:
    assert repr(TALLY) == f"Contract(tally, base, {TALLY.digest[:12]})"


def test_cors_of_a_place_is_that_of_the_first_operation_with_rules() -> None:
    assert APEX.locate("/api/events").cors is APEX.operations["events"].cors
    assert WHISPERR.locate("/v1/users/u").cors is None
    assert TALLY.locate("/tally/nowhere").first is None
