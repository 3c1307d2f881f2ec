"""The one matcher of the control surface: for waits, faults and searches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Final, TypeAlias

from mockserver.contract.contract import split_target
from mockserver.core.wire import WireRequest
from mockserver.core.wording import abridged
from mockserver.errors import LONGEST_VALUE, nearest, unknown
from mockserver.jsonkit import Json, patterns, pointer
from mockserver.jsonkit.pattern_syntax import LONGEST_PATTERN
from mockserver.jsonkit.pointer import MISSING, Missing

ROW_MEMBERS: Final = ("protocol", "operation", "type", "verdict")
ABOUT_EVENTS: Final = ("type", "verdict", "where")
"""Members of a matcher that a request fits when one of its events does."""
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
"""The methods of RFC 9110 and RFC 5789; they are upper case."""
ANY: Final = "any"
WILDCARD: Final = "*"
COMPARED: Final = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
OPERATORS: Final = ("exists", "regex", "in", "contains", *COMPARED, "equals")
_OPERATORS: Final = frozenset(OPERATORS)
FOREIGN: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(("eq", "equalto", "deepequals", "exact", "iexact", "const"), "equals"),
    **dict.fromkeys(("like", "ilike", "match", "matches", "matching", "pattern", "glob", "wildcard"), "regex"),
    **dict.fromkeys(("startswith", "istartswith", "endswith", "iendswith", "regexp", "iregex"), "regex"),
    **dict.fromkeys(("includes", "icontains", "elemmatch"), "contains"),
    **dict.fromkeys(("anyof", "oneof", "enum"), "in"),
    **dict.fromkeys(("present", "absent", "isnull", "notnull"), "exists"),
    **dict.fromkeys(("ge", "greaterthanorequal", "atleast"), "gte"),
    **dict.fromkeys(("le", "lessthanorequal", "atmost"), "lte"),
    "greaterthan": "gt",
    "lessthan": "lt",
    **dict.fromkeys(("ne", "neq", "not", "notin", "nin", "allof", "noneof", "doesnotmatch", "doesnotcontain")),
}
"""Operators of other query languages and mock servers, in lower case and without `_`, with what stands for them here.

An object with such members only is not meant literally.
"""
SIMILARITY: Final = 0.75
"""How similar a key must be to an operator to be taken for a misspelled one; `text` is not near `exists`."""
MOST_VALUES: Final = 100_000
"""How many values of one event a matcher looks at, all pointers with `*` and all options of `in` counted: a large event
and a large matcher could otherwise take minutes. Values beyond do not fit; a difference says so."""
SHOWN_VALUES: Final = 5
MOST_OPTIONS: Final = 1000
"""Values that `in` may list: each is compared with every event."""
SHORTEST_NAME: Final = 3
"""Shorter names are near an operator by chance: `n` is near `in`."""
LONGEST_NAME: Final = 20
"""Characters of a name that can be a misspelled operator."""


Trail: TypeAlias = "tuple[Trail | None, str | int, Json]"
"""A value in a JSON value: what it is in, its name or position there, and the value."""


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
    return _kind(got) is not None and _kind(got) is _kind(operand) and bool(COMPARED[name](got, operand))


def _kind(value: Json) -> type | None:
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


def problem(match: Json, place: str = "/match") -> tuple[str, str] | None:
    """Return where and why a matcher cannot be used, or None. Its members' types are checked by the API's schema."""
    invalid = _length_problem(match, place)
    for where, expected in (match.get("where") or {}).items():
        member = f"{place}/where/{pointer.escape(where)}"
        try:
            pointer.parse(where)
        except ValueError as error:
            return member, str(error)
        invalid = invalid or _value_problem(expected, member) or _nested_problem(expected, member)
    request = match.get("request") or {}
    for name, expected in request.items():
        if name != "headers":
            kind = str if name in ("method", "path") else float
            member = f"{place}/request/{name}"
            invalid = invalid or _value_problem(expected, member, kind) or _text_problem(name, expected, member)
    for name, expected in (request.get("headers") or {}).items():
        invalid = invalid or _value_problem(expected, f"{place}/request/headers/{pointer.escape(name)}", str)
    return invalid


def _length_problem(match: Json, place: str) -> tuple[str, str] | None:
    """Return at which pattern those of a matcher become too long together, and that they do, or None."""
    request = match.get("request") or {}
    parts = {
        "where": match.get("where"),
        "request": {**request, "headers": None},
        "request/headers": request.get("headers"),
    }
    length = 0
    for part, members in parts.items():
        for name, expected in (members or {}).items():
            written = expected.get("regex") if isinstance(expected, dict) else None
            length += len(written) if isinstance(written, str) else 0
            if length > LONGEST_PATTERN:
                reason = (
                    f"the patterns up to this one have {length} characters, and at most {LONGEST_PATTERN} are allowed"
                )
                return f"{place}/{part}/{pointer.escape(name)}/regex", reason
    return None


def _value_problem(expected: Json, place: str, kind: type | None = None) -> tuple[str, str] | None:
    """Return where and why a value of a matcher cannot be used; `kind` is that of the other side, if known."""
    if not isinstance(expected, dict) or not expected:
        return None
    if kind is not None or _looks_like_operators(expected):
        name = next((name for name in expected if name not in OPERATORS), None)
        if name is not None:
            literal = "" if kind is not None else '; for a literal object use {"equals": …}'
            return f"{place}/{pointer.escape(name)}", _unknown_operator(name) + literal
    if not is_operators(expected):
        return None
    for name, operand in expected.items():
        invalid = _operand_problem(name, operand, kind)
        if invalid is not None:
            return f"{place}/{name}", invalid
    return _range_problem(expected, place)


def _nested_problem(expected: Json, place: str) -> tuple[str, str] | None:
    """Return where operators stand inside a literal value, which would be compared with them, or None."""
    outer: Trail = (None, place, expected)
    inner = [outer]
    if is_operators(expected):
        inner = [(outer, name, expected[name]) for name in ("in", "contains") if name in expected]
    while inner:
        trail = inner.pop()
        value = trail[2]
        pairs = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
        for name, member in pairs:
            if isinstance(member, dict | list):
                found: Trail = (trail, name, member)
                if is_operators(member):
                    reason = "operators inside a value are compared literally: give this place a pointer of its own"
                    return _pointer(found), f'{reason}, or use {{"equals": …}} for a literal value'
                inner.append(found)
    return None


def _pointer(trail: Trail) -> str:
    """Return the pointer of a value; that of the first one is its name."""
    outer, name, _ = trail
    return str(name) if outer is None else f"{_pointer(outer)}/{pointer.escape(str(name))}"


def _text_problem(name: str, expected: Json, place: str) -> tuple[str, str] | None:
    """Return where and why no request can have a method or a path, or None."""
    texts = [(place, expected)]
    if is_operators(expected):
        texts = [(f"{place}/equals", expected.get("equals"))]
        texts += [(f"{place}/in/{index}", option) for index, option in enumerate(expected.get("in", ()))]
    for where, text in texts:
        if name == "method" and isinstance(text, str) and text not in METHODS:
            return where, unknown("method", text, METHODS)
        if name == "path" and isinstance(text, str) and not text.startswith("/"):
            return where, f"a path begins with /, got {text[:LONGEST_VALUE]!r}; use contains or regex for a part of it"
    return None


def _looks_like_operators(expected: Mapping[str, Json]) -> bool:
    """Return whether an object has an operator among its keys, or only keys that look like one."""
    if any(name in OPERATORS for name in expected):
        return True
    return len(expected) <= len(OPERATORS) and all(map(_looks_like_operator, expected))


def _looks_like_operator(name: str) -> bool:
    if len(name) > LONGEST_NAME:
        return False
    bare = name.lstrip("$").lower()
    near = bare in OPERATORS or nearest(bare, OPERATORS, SIMILARITY) is not None
    return _plain(name) in FOREIGN or (near and len(name) >= SHORTEST_NAME)


def _plain(name: str) -> str:
    return name.lstrip("$").replace("_", "").lower()


def _unknown_operator(name: str) -> str:
    """Return the message for an unknown operator, with what stands here for one of another query language."""
    ours = FOREIGN.get(_plain(name))
    return (
        unknown("operator", name, OPERATORS) if ours is None else f'unknown operator "{name}", did you mean "{ours}"?'
    )


def _operand_problem(name: str, operand: Json, kind: type | None) -> str | None:
    match name:
        case "regex" | "contains" if kind is float:
            return "does not apply to a number"
        case "equals" if kind not in (None, _kind(operand)):
            return f"must be a {'number' if kind is float else 'string'}"
        case "exists" if not isinstance(operand, bool):
            return "must be true or false"
        case "in" if not isinstance(operand, list):
            return "must be an array"
        case "in" if len(operand) > MOST_OPTIONS:
            return f"{len(operand)} values, but at most {MOST_OPTIONS} are allowed"
        case "in" if not operand:
            return "must have at least one value: nothing is in an empty array"
        case "in" if kind is not None and any(_kind(option) is not kind for option in operand):
            return f"must be an array of {'numbers' if kind is float else 'strings'}"
        case "regex" if not isinstance(operand, str):
            return "must be a string"
        case "regex":
            try:
                patterns.check_pattern(operand)
            except ValueError as error:
                return f"not a regular expression: {error}"
        case "gt" | "gte" | "lt" | "lte" if _kind(operand) not in (float, str):
            return "must be a number or a string"
        case "gt" | "gte" | "lt" | "lte" if kind not in (None, _kind(operand)):
            return f"must be a {'number' if kind is float else 'string'}"
    return None


def _range_problem(expected: Mapping[str, Json], place: str) -> tuple[str, str] | None:
    """Return why bounds leave nothing between them, or None."""
    bounds = {name: operand for name, operand in expected.items() if name in COMPARED}
    if len({_kind(operand) for operand in bounds.values()}) > 1:
        return place, f"{' and '.join(bounds)} must be of one type: numbers or strings"
    for low in bounds.keys() & {"gt", "gte"}:
        for high in bounds.keys() & {"lt", "lte"}:
            empty = bounds[low] > bounds[high] or (bounds[low] == bounds[high] and (low, high) != ("gte", "lte"))
            if empty:
                return place, f"no value is {low} {bounds[low]!r} and {high} {bounds[high]!r}"
    return None
