"""Paths that two protocols both claim."""

from __future__ import annotations

import pytest

from mockserver.contract.library import library
from mockserver.contract.ownership import collisions
from mockserver.jsonkit import Json
from tests.judging import TALLY


def served(protocol: str, *prefixes: str, **operations: str) -> Json:
    return {
        "name": protocol,
        "prefixes": {f"p{number}": {"path": path} for number, path in enumerate(prefixes)},
        "operations": {name: {"path": path} for name, path in operations.items()},
    }


def test_paths_are_read_out_of_documents() -> None:
    tally = TALLY.documents["protocol"]
    assert list(collisions([served("first", "/tally/"), tally])) == [
        ("tally", "/prefixes/tally/path", "/tally/ already belongs to first"),
        (
            "tally",
            "/operations/collect/path",
            "/tally/v2/{stream}/collect starts with /tally/, which belongs to first",
        ),
    ]


def test_shipped_protocols_and_the_made_up_one_do_not_collide() -> None:
    shipped = [protocol.documents["protocol"] for protocol in library().protocols.values()]
    assert list(collisions([*shipped, TALLY.documents["protocol"]])) == []


def test_prefix_collides_when_two_protocols_name_it() -> None:
    problems = list(collisions([served("first", "/a/"), served("second", "/b/", "/a/")]))
    assert problems == [("second", "/prefixes/p1/path", "/a/ already belongs to first")]


def test_prefix_may_stand_twice_in_one_protocol() -> None:
    assert list(collisions([served("first", "/a/", "/a/")])) == []


@pytest.mark.parametrize("turned", [False, True])
def test_operation_collides_when_another_protocol_has_a_longer_prefix(turned: bool) -> None:
    both = [served("first", "/a/", send="/a/b/send"), served("second", "/a/b/")]
    problems = list(collisions(both[::-1] if turned else both))
    assert problems == [("first", "/operations/send/path", "/a/b/send starts with /a/b/, which belongs to second")]


def test_operation_does_not_collide_below_its_own_longer_prefix() -> None:
    assert list(collisions([served("first", "/a/"), served("second", "/a/b/", send="/a/b/send")])) == []


def test_operation_does_not_collide_with_a_prefix_it_only_begins_like() -> None:
    assert (
        list(collisions([served("first", "/health"), served("second", "/healthcare/", send="/healthcare/send")])) == []
    )


def test_operation_under_the_root_does_not_collide_with_a_prefix_it_only_begins_like() -> None:
    assert list(collisions([served("first", "/health"), served("second", "/", send="/healthcare")])) == []


def test_every_collision_is_told() -> None:
    problems = list(collisions([served("first", "/a/"), served("second", "/a/", send="/a/x", read="/a/y")]))
    assert [place for _, place, _ in problems] == [
        "/prefixes/p0/path",
        "/operations/send/path",
        "/operations/read/path",
    ]
