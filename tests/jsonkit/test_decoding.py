"""From JSON to frozen values: each member read as its type says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from mockserver.jsonkit.decoding import KEY, read, read_named


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True)
class Shout:
    text: str

    @classmethod
    def of(cls, value: Any) -> Shout:
        return cls(str(value).upper())


@dataclass(frozen=True)
class Everything:
    number: int
    free: Any
    at: datetime
    point: Point
    points: tuple[Point, ...]
    names: tuple[str, ...]
    by_name: Mapping[str, Point]
    maybe: Point | None
    maybe_text: str | None
    maybe_points: tuple[Point, ...] | None
    shout: Shout


ROW: dict[str, Any] = {
    "number": 1,
    "free": {"a": [1]},
    "at": "2026-06-14T12:00:00.250Z",
    "point": {"x": 1, "y": 2},
    "points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
    "names": ["a", "b"],
    "by_name": {"p": {"x": 5, "y": 6}},
    "maybe": None,
    "maybe_text": "t",
    "maybe_points": [{"x": 7, "y": 8}],
    "shout": "hey",
}


def test_every_member_is_read_as_its_type_says() -> None:
    assert read(Everything, ROW) == Everything(
        number=1,
        free={"a": [1]},
        at=datetime(2026, 6, 14, 12, 0, 0, 250_000, tzinfo=UTC),
        point=Point(1, 2),
        points=(Point(1, 2), Point(3, 4)),
        names=("a", "b"),
        by_name={"p": Point(5, 6)},
        maybe=None,
        maybe_text="t",
        maybe_points=(Point(7, 8),),
        shout=Shout("HEY"),
    )


def test_optional_members_are_read_when_they_are_there() -> None:
    value = read(Everything, {**ROW, "maybe": {"x": 9, "y": 9}, "maybe_text": None, "maybe_points": None})
    assert (value.maybe, value.maybe_text, value.maybe_points) == (Point(9, 9), None, None)


def test_members_that_no_field_has_are_left_out() -> None:
    assert read(Point, {"x": 1, "y": 2, "z": 3}) == Point(1, 2)


@pytest.mark.parametrize("row", [{}, {"x": 1}])
def test_missing_member_is_an_error_with_its_name(row: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match="x" if not row else "y"):
        read(Point, row)


@dataclass(frozen=True)
class Rule:
    name: str
    place: str = field(metadata={KEY: "in"})
    kinds: frozenset[str] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


def test_absent_member_takes_its_fields_default() -> None:
    assert read(Rule, {"name": "a", "in": "header"}) == Rule("a", "header", None, {})
    assert read(Rule, {"name": "a", "in": "header", "kinds": ["x", "x"]}).kinds == frozenset({"x"})


def test_member_may_have_another_name_in_json() -> None:
    assert read(Rule, {"name": "a", "in": "query", "place": "never read"}).place == "query"


def test_known_values_go_before_the_objects() -> None:
    assert read(Rule, {"name": "a", "in": "query", "limits": {"b": 1}}, name="c", limits={}) == Rule("c", "query")


def test_each_member_of_an_object_is_read_under_its_name() -> None:
    rows = {"first": {"in": "path"}, "second": {"in": "body", "name": "never read"}}
    assert read_named(Rule, rows) == {"first": Rule("first", "path"), "second": Rule("second", "body")}
