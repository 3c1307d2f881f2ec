r"""The syntax of patterns: ECMA-262 regular expressions, read into tokens and written out for an engine.

Engines differ in what `.`, `$`, `\b`, `\d`, `\s`, `\w` and classes mean to them; jsonschema-rs reads them as ECMA-262
does only in patterns without look-around. So their meaning is written out for an engine, as explicit sets of characters
and assertions. Supported is what ECMA-262 reads with its `u` flag, except named groups, backreferences, Unicode
properties, `\c`, `\0` and `\u{…}`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""A set of characters: the first and last code point of each range, in order, with gaps between them."""

Token: TypeAlias = str | Ranges
"""A set of characters, or what stands between two: a bracket of a group, `|`, a quantifier, an assertion."""

ALL: Final[Ranges] = ((0, 0xD7FF), (0xE000, 0x10FFFF))
"""All characters. Lone surrogates are not characters."""

LONGEST_PATTERN: Final = 2_100
"""Characters that a pattern may have: so many are read and compiled in less than 10 ms."""

MOST_PARTS: Final = 8
"""Patterns that one with outer look-around may consist of: each takes time of its own, however short it is."""

WORD: Final[Ranges] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_DIGIT: Final[Ranges] = ((0x30, 0x39),)
_SPACE: Final[Ranges] = (
    *((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)),
    *((0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_LINE_TERMINATOR: Final[Ranges] = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_SETS: Final[Mapping[str, Ranges]] = {"d": _DIGIT, "w": WORD, "s": _SPACE}
_CONTROLS: Final = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_SYNTAX: Final = frozenset("^$\\.*+?()[]{}|/-")
GROUPS: Final = ("(", "(?:", "(?=", "(?!", "(?<=", "(?<!")
LOOKS: Final = frozenset(GROUPS[2:])
BOUNDARIES: Final = frozenset((r"\b", r"\B"))
ASSERTIONS: Final = BOUNDARIES | {"^", "$"}

_BOUNDS: Final[Mapping[str, tuple[int, int | None]]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}

_SAFE: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
"""Characters that mean themselves in every place of every dialect."""

_ESCAPE: Final = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)"
_TOKEN: Final = re.compile(
    rf"(?P<open>\((?:\?<?.?)?)|(?P<close>\))|(?P<either>\|)|(?P<assertion>[\^$]|\\[bB])"
    r"|(?P<quantifier>(?:[*+?]|\{(?P<least>[0-9]+)(?:,(?P<most>[0-9]*))?\})\??)"
    rf"|\[(?P<negated>\^?)(?P<members>(?:\\.|[^\]\\])*)\]|(?P<escape>{_ESCAPE})|(?P<character>.)",
    re.DOTALL,
)
_MEMBER: Final = re.compile(rf"{_ESCAPE}|.", re.DOTALL)


class LookAround(Enum):
    """Where a pattern looks around, which decides how it can be matched."""

    NONE = "nowhere"
    OUTER = "only ahead directly after a leading ^, and behind directly before a final $"
    ANYWHERE = "anywhere else"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern as it was read."""

    tokens: tuple[Token, ...]
    look_around: LookAround


def parse(pattern: str) -> Pattern:
    """Read a pattern. Raises ValueError, saying what is wrong, for one that ECMA-262 or this module does not know."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"it is longer than {LONGEST_PATTERN} characters")
    tokens = tuple(_tokens(pattern))
    return Pattern(tokens=tokens, look_around=_look_around(tokens))


def write(tokens: Iterable[Token], words: Mapping[str, str], everything: str) -> str:
    """Write a pattern in an engine's dialect: its words for some assertions, and its class of all characters."""
    return "".join(
        words.get(token, token) if isinstance(token, str) else write_set(token, everything) for token in tokens
    )


@lru_cache(maxsize=512)
def write_set(ranges: Ranges, everything: str) -> str:
    """Write a set of characters as a character or a class, whichever way round is shorter."""
    if ranges == ALL:
        return everything
    others = complement(ranges)
    if _size(ranges) == 1:
        return _code(ranges[0][0])
    sign, shown = ("^", others) if _size(others) < _size(ranges) else ("", ranges)
    return f"[{sign}{''.join(_code(low) if low == high else f'{_code(low)}-{_code(high)}' for low, high in shown)}]"


def _size(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def _code(code: int) -> str:
    if chr(code) in _SAFE:
        return chr(code)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _tokens(pattern: str) -> Iterator[Token]:
    opened: list[str] = []
    repeatable = False
    for match in _TOKEN.finditer(pattern):
        text = match.group()
        token: Token = text
        was_repeatable, repeatable = repeatable, False
        match match.lastgroup:
            case "open":
                token = _opened(text, opened)
            case "close":
                if not opened:
                    raise ValueError("a ) closes no group")
                repeatable = opened.pop() not in LOOKS
            case "quantifier":
                if not was_repeatable:
                    raise ValueError(f"there is nothing that {text} can repeat")
                if match["most"] and int(match["most"]) < int(match["least"]):
                    raise ValueError(f"the numbers in {text} are out of order")
            case "members" | "escape" | "character":
                token, repeatable = _characters(match), True
        yield token
    if opened:
        raise ValueError("a group is not closed")


def _opened(text: str, opened: list[str]) -> str:
    """Return the bracket that opens a group, and note it. No pattern refers to what a group matched: none captures."""
    if text not in GROUPS:
        raise ValueError("only the groups (…), (?:…), (?=…), (?!…), (?<=…) and (?<!…) are supported")
    if text in LOOKS and LOOKS.intersection(opened):
        raise ValueError("look-around inside look-around is not supported")
    opened.append(text)
    return "(?:" if text == "(" else text


def _characters(match: re.Match[str]) -> Ranges:
    """Return the set of characters that one character, an escape, a dot or a class stands for."""
    text = match.group()
    if match.lastgroup == "members":
        ranges = _class(match["members"])
        ranges = complement(ranges) if match["negated"] else ranges
        if not ranges:
            raise ValueError(f"no character fits the class {text}")
        return ranges
    if match.lastgroup == "escape":
        return _escaped(text)
    if text in "[{\\":
        raise ValueError(f"{text} stands alone; write \\{text} for the character")
    return complement(_LINE_TERMINATOR) if text == "." else _single(text)


def _class(members: str) -> Ranges:
    """Return the set of characters that the members of a class stand for."""
    if not members:
        raise ValueError("an empty character class is not supported")
    rest = deque(_MEMBER.findall(members))
    ranges: list[tuple[int, int]] = []
    while rest:
        first = _member(rest.popleft())
        if len(rest) >= 2 and rest[0] == "-":
            rest.popleft()
            ranges.append(_range(first, _member(rest.popleft())))
        else:
            ranges += first
    return complement(complement(tuple(sorted(ranges))))


def _member(text: str) -> Ranges:
    if text == r"\b":
        return ((0x08, 0x08),)
    return _escaped(text) if text.startswith("\\") else _single(text)


def _range(first: Ranges, last: Ranges) -> tuple[int, int]:
    (start, start_too), (end, end_too) = first[0], last[-1]
    if len(first) + len(last) > 2 or start != start_too or end != end_too:
        raise ValueError("a range in a character class needs a character at both ends")
    if start > end:
        raise ValueError(f"the range {chr(start)}-{chr(end)} is out of order")
    return start, end


def _escaped(text: str) -> Ranges:
    name = text[1:]
    if name.lower() in _SETS:
        ranges = _SETS[name.lower()]
        return complement(ranges) if name.isupper() else ranges
    if name in _SYNTAX:
        return _single(name)
    if name in _CONTROLS:
        return ((_CONTROLS[name], _CONTROLS[name]),)
    if len(name) == 1:
        raise ValueError(f"{text} is not supported")
    return _single(chr(int(name[1:], 16)))


def _single(character: str) -> Ranges:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError("half a surrogate pair is not supported; write the character itself")
    return ((code, code),)


@lru_cache(maxsize=512)
def complement(ranges: Ranges) -> Ranges:
    """Return the set of all other characters, its ranges in order and joined; `ranges` may touch or overlap."""
    others: list[tuple[int, int]] = []
    for first, last in ALL:
        start = first
        for low, high in ranges:
            if high >= start and low <= last:
                others.append((start, low - 1))
                start = high + 1
        others.append((start, last))
    return tuple((low, high) for low, high in others if low <= high)


def _look_around(tokens: tuple[Token, ...]) -> LookAround:
    """Tell where a pattern looks around."""
    if LOOKS.isdisjoint(tokens):
        return LookAround.NONE
    parts = list(without_outer_looks(tokens))
    is_outer = len(parts) <= MOST_PARTS and all(LOOKS.isdisjoint(part) for _, part in parts)
    return LookAround.OUTER if is_outer else LookAround.ANYWHERE


def without_outer_looks(tokens: tuple[Token, ...]) -> Iterator[tuple[bool, tuple[Token, ...]]]:
    """Yield the patterns without outer look-around that a pattern consists of, each with whether it has to match."""
    partners = brackets(tokens)
    divided = any(bars(tokens, partners, 0, len(tokens)))
    head, tail = tokens[:1] if tokens[:1] == ("^",) else (), tokens[-1:] if tokens[-1:] == ("$",) else ()
    first, end = len(head), len(tokens) - len(tail)
    while head and not divided and first < end and tokens[first] in ("(?=", "(?!"):
        start, first = first, partners[first] + 1
        yield tokens[start] == "(?=", (*head, "(?:", *tokens[start + 1 : first])
    while tail and not divided and first < end and tokens[partners.get(end - 1, end - 1)] in ("(?<=", "(?<!"):
        last, end = end, partners[end - 1]
        yield tokens[end] == "(?<=", ("(?:", *tokens[end + 1 : last], *tail)
    yield True, (*head, *tokens[first:end], *tail)


def brackets(tokens: Sequence[Token]) -> dict[int, int]:
    """Return the position of the other bracket by that of each bracket."""
    partners: dict[int, int] = {}
    opened: list[int] = []
    for position, token in enumerate(tokens):
        if token in GROUPS:
            opened.append(position)
        elif token == ")":
            first = opened.pop()
            partners |= {first: position, position: first}
    return partners


def bars(tokens: Sequence[Token], partners: Mapping[int, int], first: int, end: int) -> Iterator[int]:
    """Yield where alternatives are separated, directly between two positions."""
    while first < end:
        if tokens[first] == "|":
            yield first
        first = partners.get(first, first) + 1


def repeat_bounds(token: Token) -> tuple[int, int | None] | None:
    """Return how often a quantifier repeats, at least and at most; None for any other token."""
    if not isinstance(token, str) or token[0] not in "*+?{":
        return None
    if token[0] != "{":
        return _BOUNDS[token[0]]
    least, *most = token.rstrip("?")[1:-1].split(",")
    return int(least), None if most == [""] else int((most or [least])[0])
