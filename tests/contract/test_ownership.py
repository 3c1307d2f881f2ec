"""Which prefix owns a path."""

from __future__ import annotations

import pytest

from mockserver.contract.ownership import is_under, longest_first, owner
from mockserver.contract.sections import Prefix, RefusalFamily, RefusalTemplate, Shape

FAMILY = RefusalFamily(
    name="plain",
    default=RefusalTemplate(
        family="plain", reason="default", status=500, shape=Shape(name="plain", body="${message}"), message="no"
    ),
    reasons={},
)


def prefix(path: str, protocol: str = "any") -> Prefix:
    return Prefix(protocol=protocol, path=path, family=FAMILY)


@pytest.mark.parametrize(
    ("path", "under"),
    [
        ("/api/v1/", True),
        ("/api/v1/events", True),
        ("/api/v1", True),
        ("/api/v10", False),
        ("/api/", False),
        ("/API/v1/events", False),
        ("/x/api/v1/", False),
    ],
)
def test_path_is_under_a_prefix_that_ends_in_a_slash(path: str, under: bool) -> None:
    assert is_under(path, "/api/v1/") is under


@pytest.mark.parametrize(
    ("path", "under"),
    [("/health", True), ("/health/", True), ("/health/db", True), ("/healthy", False), ("/heal", False)],
)
def test_prefix_without_a_slash_ends_at_a_segment(path: str, under: bool) -> None:
    assert is_under(path, "/health") is under


def test_everything_is_under_the_root() -> None:
    assert is_under("/", "/")
    assert is_under("/anything", "/")


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/api/v1/events", "second"),
        ("/api/v1", "second"),
        ("/api/v2", "first"),
        ("//api/v1/events", "second"),
        ("api/v1/events", "second"),
        ("/other", None),
        ("/", None),
    ],
)
def test_longest_prefix_owns_a_path(path: str, protocol: str | None) -> None:
    prefixes = longest_first([prefix("/api/", "first"), prefix("/api/v1/", "second"), prefix("/health", "third")])
    owning = owner(prefixes, path)
    assert (None if owning is None else owning.protocol) == protocol


def test_longest_come_first_and_equal_ones_keep_their_order() -> None:
    given = [prefix("/a/", "one"), prefix("/abc/", "two"), prefix("/b/", "three")]
    assert [entry.protocol for entry in longest_first(given)] == ["two", "one", "three"]
