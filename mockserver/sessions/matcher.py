"""The one matcher of the control surface: for waits, faults and searches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mockserver.jsonkit import Json, patterns, pointer
from mockserver.jsonkit.pointer import MISSING

ROW_MEMBERS = ("protocol", "operation", "type", "verdict")
ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where an event is not what was asked for."""

    pointer: str
    expected: Json
    got: Json

    def as_json(self) -> dict[str, Json]:
        """Return the difference as the control surface shows it."""
        return {"pointer": self.pointer, "expected": self.expected, "got": self.got}


def differences(match: Mapping[str, Json], row: Mapping[str, Json]) -> list[Difference]:
    """Return how an event row differs from a matcher; empty means it matches.

    `where` looks into the event as sent, and a difference there has the pointer that was asked for.
    """
    differing: list[Difference] = []
    for name in ROW_MEMBERS:
        expected = match.get(name)
        if expected is not None and expected != ANY and row.get(name) != expected:
            differing.append(Difference(pointer=f"/{name}", expected=expected, got=row.get(name)))
    for place, expected in (match.get("where") or {}).items():
        got = pointer.get(row["event"], pointer.parse(place))
        if not fits(got, expected):
            differing.append(Difference(pointer=place, expected=expected, got=None if got is MISSING else got))
    return differing


def matches(match: Mapping[str, Json], row: Mapping[str, Json]) -> bool:
    """Return whether there is no difference, as fast as can be: many waits look at every event."""
    for name in ROW_MEMBERS:
        expected = match.get(name)
        if expected is not None and expected != ANY and row.get(name) != expected:
            return False
    return not match.get("where") or not differences(match, row)


def fits(got: Json, expected: Json) -> bool:
    """Compare one value: with `exists`, `regex` or `in`, else for equality of JSON values."""
    match expected if isinstance(expected, dict) and len(expected) == 1 else None:
        case {"exists": value}:
            return (got is not MISSING) is bool(value)
        case {"regex": value}:
            return isinstance(got, str) and patterns.matches(value, got)
        case {"in": value}:
            return any(equal(got, option) for option in value)
    return equal(got, expected)


def equal(left: Json, right: Json) -> bool:
    """Compare JSON values: unlike Python's, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return left is not MISSING and bool(left == right)


def problem(match: Json, place: str = "/match") -> tuple[str, str] | None:
    """Return where and why a matcher cannot be used, or None. Its members' types are checked by the API's schema."""
    for where, expected in (match.get("where") or {}).items():
        member = f"{place}/where/{pointer.escape(where)}"
        try:
            pointer.parse(where)
        except ValueError as error:
            return member, str(error)
        match expected if isinstance(expected, dict) and len(expected) == 1 else None:
            case {"exists": value} if not isinstance(value, bool):
                return f"{member}/exists", "must be true or false"
            case {"in": value} if not isinstance(value, list):
                return f"{member}/in", "must be an array"
            case {"regex": value} if not isinstance(value, str):
                return f"{member}/regex", "must be a string"
            case {"regex": value}:
                try:
                    patterns.check_pattern(value)
                except ValueError as error:
                    return f"{member}/regex", f"not a regular expression: {error}"
    return None
