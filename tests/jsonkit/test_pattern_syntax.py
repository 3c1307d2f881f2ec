"""The syntax of patterns: where one looks around, what its quantifiers say, how its parts are written."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.pattern_syntax import (
    LookAround,
    parse,
    repeat_bounds,
    without_outer_looks,
    write,
)


@pytest.mark.parametrize(
    ("pattern", "look_around"),
    [
        ("^[a-z]+$", LookAround.NONE),
        (r"\bfoo\b", LookAround.NONE),
        ("^(?!a)b", LookAround.OUTER),
        ("^(?!a|b)(?=(?:c)d)(?:b|c)", LookAround.OUTER),
        ("(?!a)b", LookAround.ANYWHERE),
        ("^(?!a)b|c", LookAround.ANYWHERE),
        ("^(?!a)b(?!c)", LookAround.ANYWHERE),
        ("^(?!a)b(?<!c)$", LookAround.OUTER),
        ("b(?<!c)$", LookAround.OUTER),
        ("b(?<!c)", LookAround.ANYWHERE),
        ("^" + "(?=a)" * 8, LookAround.ANYWHERE),
        ("(?:b(?<!c))$", LookAround.ANYWHERE),
        ("a|b(?<!c)$", LookAround.ANYWHERE),
        ("^(?:(?!a)b)", LookAround.ANYWHERE),
        ("^(?<!a)b", LookAround.ANYWHERE),
        (r"^(?!a)b\b", LookAround.OUTER),
    ],
)
def test_pattern_is_sorted_by_where_it_looks_around_when_it_is_read(pattern: str, look_around: LookAround) -> None:
    assert parse(pattern).look_around is look_around


@pytest.mark.parametrize(
    ("quantifier", "bounds"),
    [
        ("*", (0, None)),
        ("+?", (1, None)),
        ("?", (0, 1)),
        ("{3}", (3, 3)),
        ("{3,}", (3, None)),
        ("{0,4}?", (0, 4)),
        ("(?:", None),
        ("^", None),
        ((("a", "a"),), None),
    ],
)
def test_quantifier_says_how_often_it_repeats(quantifier: str, bounds: tuple[int, int | None] | None) -> None:
    assert repeat_bounds(quantifier) == bounds


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("^(?!a|(b))(?=c$)d", [(False, "^(?:a|(?:b))"), (True, "^(?:c$)"), (True, "^d")]),
        ("a(?<=b|c)(?<!d)$", [(False, "(?:d)$"), (True, "(?:b|c)$"), (True, "a$")]),
        ("^(?=a)(?<!b)$", [(True, "^(?:a)"), (False, "(?:b)$"), (True, "^$")]),
        ("^(?=a)", [(True, "^(?:a)"), (True, "^")]),
        ("(?<=a)$", [(True, "(?:a)$"), (True, "$")]),
        ("^", [(True, "^")]),
        ("$", [(True, "$")]),
        ("^$", [(True, "^$")]),
        ("", [(True, "")]),
        ("ab", [(True, "ab")]),
        ("(?<=a)b$", [(True, "(?<=a)b$")]),
        ("(?<=a)", [(True, "(?<=a)")]),
        ("(a(?<=b))$", [(True, "(?:a(?<=b))$")]),
        ("^(?=a)b|c$", [(True, "^(?=a)b|c$")]),
    ],
)
def test_outer_look_around_is_taken_off_as_patterns_of_its_own(pattern: str, parts: list[tuple[bool, str]]) -> None:
    found = without_outer_looks(parse(pattern).tokens)
    assert [(expected, write(tokens, {}, ".")) for expected, tokens in found] == parts
