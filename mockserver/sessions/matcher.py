"""The one matcher of the control surface: for waits, faults and searches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Final

from mockserver.contract.contract import split_target
from mockserver.core.wire import WireRequest
from mockserver.core.wording import abridged
from mockserver.jsonkit import Json, patterns, pointer
from mockserver.jsonkit.pointer import MISSING, Missing

ROW_MEMBERS: Final = ("protocol", "operation", "type", "verdict")
ABOUT_EVENTS: Final = ("type", "verdict", "where")
"""Members of a matcher that a request fits when one of its events does."""
ANY: Final = "any"
WILDCARD: Final = "*"
COMPARED: Final = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
OPERATORS: Final = ("exists", "regex", "in", "contains", *COMPARED, "equals")
_OPERATORS: Final = frozenset(OPERATORS)
MOST_VALUES: Final = 100_000
"""How many values of one event a matcher looks at, all pointers with `*` and all options of `in` counted: a large event
and a large matcher could otherwise take minutes. Values beyond do not fit; a difference says so."""
SHOWN_VALUES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where an event is not what was asked for.

    With `cut`, not all of its values were compared; with `undecided`, a pattern took too many steps on one of them.
    """

    pointer: str
    expected: Json
    got: Json
    cut: bool = False
    undecided: bool = False

    def as_json(self) -> dict[str, Json]:
        """Return the difference as the control surface shows it, with the beginning of very long values."""
        return {"pointer": self.pointer, "expected": abridged(self.expected), "got": abridged(self.got)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """What a matcher's `request` is compared with; `status` is None without a reply, `attempt` where it is unknown."""

    request: WireRequest
    status: int | None = None
    attempt: int | None = None

    def values(self, name: str, expected: Json) -> Json:
        """Return the value of a member. A path that is asked for without a query is compared without it."""
        match name:
            case "method":
                return self.request.method
            case "path":
                target = self.request.target
                return split_target(target)[0] if isinstance(expected, str) and "?" not in expected else target
            case "status":
                return self.status
        return self.attempt

    def header(self, name: str) -> list[Json]:
        """Return the values of a header, whatever the case of its name."""
        sought = name.lower().encode("latin-1", "replace")
        return [value.decode("latin-1") for known, value in self.request.headers if known.lower() == sought]


@patterns.bounded()
def differences(match: Mapping[str, Json], row: Mapping[str, Json]) -> list[Difference]:
    """Return how an event row differs from a matcher; empty means it matches.

    `where` looks into the event as sent, and a difference there has the pointer that was asked for. `request` looks at
    the row's `request`, which is `RequestFacts`.
    """
    differing: list[Difference] = []
    for name in ROW_MEMBERS:
        expected = match.get(name)
        if expected is not None and expected != ANY and row.get(name) != expected:
            differing.append(Difference(pointer=f"/{name}", expected=expected, got=row.get(name)))
    room = _Room()
    for place, expected in (match.get("where") or {}).items():
        values = _values(row["event"], pointer.parse(place), room)
        differing += _difference(place, expected, room.limit(values, expected), room)
    if match.get("request"):
        differing += request_differences(match["request"], row["request"])
    return differing


def request_differences(match: Mapping[str, Json], facts: RequestFacts) -> Iterator[Difference]:
    """Yield how a request differs from the member `request` of a matcher."""
    for name, expected in match.items():
        if name != "headers":
            yield from _difference(f"/request/{name}", expected, [facts.values(name, expected)])
    for name, expected in (match.get("headers") or {}).items():
        place = f"/request/headers/{pointer.escape(name)}"
        yield from _difference(place, expected, facts.header(name))


class _Room:
    """How many more values of an event are compared."""

    def __init__(self) -> None:
        self.left = MOST_VALUES

    def limit(self, values: Iterable[Json], expected: Json) -> Iterator[Json]:
        """Yield values until their comparison with what is expected would take too long."""
        options = len(expected["in"]) if is_operators(expected) and "in" in expected else 1
        searched = is_operators(expected) and "contains" in expected
        for value in values:
            if self.left < 0:
                return
            self.left -= options + (len(value) if searched and isinstance(value, list) else 0)
            yield value


def _difference(
    place: str, expected: Json, values: Iterable[Json | Missing], room: _Room | None = None
) -> Iterator[Difference]:
    """Yield the difference at a place, if none of its values fits; `got` is a list where it has several."""
    shown: list[Json] = []
    undecided = False
    for value in values:
        fitting = decide(value, expected)
        if fitting:
            return
        undecided = undecided or fitting is None
        if len(shown) < SHOWN_VALUES:
            shown.append(value)
    cut = room is not None and room.left < 0
    if not shown and not cut and fits(MISSING, expected):
        return
    got = [None if value is MISSING else value for value in shown or [MISSING]]
    yield Difference(
        pointer=place, expected=expected, got=got if len(got) > 1 else got[0], cut=cut, undecided=undecided
    )


def about_events(match: Mapping[str, Json]) -> bool:
    """Return whether a matcher looks at events: a request fits it when one of its events does."""
    return any(match.get(name) is not None for name in ABOUT_EVENTS) or "attempt" in (match.get("request") or {})


def differences_without_events(match: Mapping[str, Json], row: Mapping[str, Json]) -> list[Difference]:
    """Return how a request without events differs from a matcher about events; `row` has no event.

    Where a request has events, one of their rows has to fit, else the closest one differs.
    """
    without_events = {name: member for name, member in match.items() if name not in ABOUT_EVENTS}
    return [*differences(without_events, row), Difference(pointer="/events", expected=1, got=0)]


def matches(match: Mapping[str, Json], row: Mapping[str, Json]) -> bool:
    """Return whether there is no difference, as fast as can be: many waits look at every event."""
    for name in ROW_MEMBERS:
        expected = match.get(name)
        if expected is not None and expected != ANY and row.get(name) != expected:
            return False
    return not (match.get("where") or match.get("request")) or not differences(match, row)


def _values(value: Json, tokens: Sequence[str], room: _Room) -> Iterator[Json]:
    """Yield the values at a pointer, in which `*` is any member or element, as long as there is room."""
    if WILDCARD not in tokens:
        inner = pointer.get(value, tokens)
        if inner is not MISSING:
            yield inner
        return
    place = tokens.index(WILDCARD)
    members = _members(pointer.get(value, tokens[:place]))
    for member in members:
        room.left -= 1
        if room.left < 0:
            return
        yield from _values(member, tokens[place + 1 :], room)


def _members(value: Json | Missing) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def fits(got: Json, expected: Json) -> bool:
    """Compare one value: with all of the operators, else for equality of JSON values."""
    return decide(got, expected) is True


def decide(got: Json, expected: Json) -> bool | None:
    """Compare one value; None if all that does not fit is a pattern that takes too many steps."""
    if not is_operators(expected):
        return equal(got, expected)
    decided: bool | None = True
    for name, operand in expected.items():
        fitting = _fits_operator(got, name, operand)
        if fitting is False:
            return False
        decided = decided and fitting
    return decided


def is_operators(expected: Json) -> bool:
    """Return whether a value of a matcher is an object of operators: one whose every key is one."""
    return isinstance(expected, dict) and bool(expected) and expected.keys() <= _OPERATORS


def _fits_operator(got: Json, name: str, operand: Json) -> bool | None:
    match name:
        case "exists":
            return (got is not MISSING) is bool(operand)
        case "regex":
            return isinstance(got, str) and patterns.matcher(operand).decide(got)
        case "in":
            return any(equal(got, option) for option in operand)
        case "contains":
            return _contains(got, operand)
        case "equals":
            return equal(got, operand)
    return kind_of(got) is not None and kind_of(got) is kind_of(operand) and bool(COMPARED[name](got, operand))


def kind_of(value: Json) -> type | None:
    """Return the kind of a value that has an order: numbers are compared with numbers, texts with texts."""
    if isinstance(value, str):
        return str
    return float if isinstance(value, int | float) and not isinstance(value, bool) else None


def _contains(got: Json, operand: Json) -> bool:
    if isinstance(got, str):
        return isinstance(operand, str) and operand in got
    if isinstance(got, list):
        return any(_has_part(item, operand) for item in got)
    return isinstance(got, dict) and isinstance(operand, dict) and _has_part(got, operand)


def _has_part(got: Json, part: Json) -> bool:
    """Return whether a value is another one, or an object that has all members of another one, at any depth."""
    if isinstance(got, dict) and isinstance(part, dict):
        return all(name in got and _has_part(got[name], member) for name, member in part.items())
    return equal(got, part)


def equal(left: Json, right: Json) -> bool:
    """Compare JSON values: unlike Python's, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return left is not MISSING and bool(left == right)
