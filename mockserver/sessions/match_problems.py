"""Why a matcher cannot be used: operators that are none, operands that fit nothing, and where they stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from mockserver.errors import LONGEST_VALUE, nearest, unknown
from mockserver.jsonkit import Json, patterns, pointer
from mockserver.jsonkit.pattern_syntax import LONGEST_PATTERN
from mockserver.sessions.matcher import COMPARED, OPERATORS, is_operators, kind_of

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
"""The methods of RFC 9110 and RFC 5789; they are upper case."""
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
MOST_OPTIONS: Final = 1000
"""Values that `in` may list: each is compared with every event."""
SHORTEST_NAME: Final = 3
"""Shorter names are near an operator by chance: `n` is near `in`."""
LONGEST_NAME: Final = 20
"""Characters of a name that can be a misspelled operator."""

Trail: TypeAlias = "tuple[Trail | None, str | int, Json]"
"""A value in a JSON value: what it is in, its name or position there, and the value."""


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
        case "equals" if kind not in (None, kind_of(operand)):
            return f"must be a {'number' if kind is float else 'string'}"
        case "exists" if not isinstance(operand, bool):
            return "must be true or false"
        case "in" if not isinstance(operand, list):
            return "must be an array"
        case "in" if len(operand) > MOST_OPTIONS:
            return f"{len(operand)} values, but at most {MOST_OPTIONS} are allowed"
        case "in" if not operand:
            return "must have at least one value: nothing is in an empty array"
        case "in" if kind is not None and any(kind_of(option) is not kind for option in operand):
            return f"must be an array of {'numbers' if kind is float else 'strings'}"
        case "regex" if not isinstance(operand, str):
            return "must be a string"
        case "regex":
            try:
                patterns.check_pattern(operand)
            except ValueError as error:
                return f"not a regular expression: {error}"
        case "gt" | "gte" | "lt" | "lte" if kind_of(operand) not in (float, str):
            return "must be a number or a string"
        case "gt" | "gte" | "lt" | "lte" if kind not in (None, kind_of(operand)):
            return f"must be a {'number' if kind is float else 'string'}"
    return None


def _range_problem(expected: Mapping[str, Json], place: str) -> tuple[str, str] | None:
    """Return why bounds leave nothing between them, or None."""
    bounds = {name: operand for name, operand in expected.items() if name in COMPARED}
    if len({kind_of(operand) for operand in bounds.values()}) > 1:
        return place, f"{' and '.join(bounds)} must be of one type: numbers or strings"
    for low in bounds.keys() & {"gt", "gte"}:
        for high in bounds.keys() & {"lt", "lte"}:
            empty = bounds[low] > bounds[high] or (bounds[low] == bounds[high] and (low, high) != ("gte", "lte"))
            if empty:
                return place, f"no value is {low} {bounds[low]!r} and {high} {bounds[high]!r}"
    return None
