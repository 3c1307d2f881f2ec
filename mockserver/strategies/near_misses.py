"""Near misses: invalid values made from good ones, each wrong in one small way that a careless server lets pass.

For a pattern, each of its anchors, classes and repetitions is loosened in turn, and of the changes of good texts one is
taken that the loosened pattern takes and the pattern does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pattern_syntax import ALL, Ranges, Token, parse, repeat_bounds, write
from mockserver.jsonkit.patterns import matcher

SEPARATORS: Final = "_-. /:@"
LONGEST: Final = 200
"""Longer texts are not changed place by place."""
MOST_PLACES: Final = 40
MOST_LOOSENINGS: Final = 150
_LETTERS: Final[Ranges] = ((0x41, 0x5A), (0x61, 0x7A))
_WIDENINGS: Final[Sequence[Ranges]] = (
    ((0x41, 0x5A), (0x61, 0x7A)),
    ((0x30, 0x39),),
    ((0x2D, 0x2D),),
    ((0x2E, 0x2E),),
    ((0x5F, 0x5F),),
    ((0x20, 0x20),),
    ((0x0A, 0x0A),),
    ((0xC0, 0x24F), (0x400, 0x4FF)),
    ((0x660, 0x669), (0xFF10, 0xFF19)),
    ALL,
)
"""Characters that a class takes where it was written carelessly."""
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def changed_texts(text: str) -> Iterator[str]:
    """Yield a text with one small change: of case, at its ends, at its separators, in number or kind of characters."""
    yield from (text.upper(), text.lower(), text.title(), text[:1].upper() + text[1:], text[:-1] + text[-1:].upper())
    yield from (f"{text}\n", f" {text}", f"{text} ", f"\n{text}", f"{text}\t", f"{text}\x00", f"{text}\u00a0")
    yield from (f"\ufeff{text}", f'"{text}"', f"{text}\r\n", f"x\n{text}\ny")
    for sign in SEPARATORS:
        yield from (f"{sign}{text}", f"{text}{sign}", f"{text}{sign}{text}", f"{text}{sign * 2}{text}")
    yield from (text[1:], text[:-1], f"{text}{text[-1:]}", f"{text[:1]}{text}", text * 2, "")
    if len(text) > LONGEST:
        return
    for place in range(0, len(text), -(-len(text) // MOST_PLACES)):
        yield from _changed_at(text, place)


def _changed_at(text: str, place: int) -> Iterator[str]:
    before, here, after = text[:place], text[place], text[place + 1 :]
    others = f"{here.swapcase()}aAgG0é９а" if here.isalnum() else SEPARATORS
    yield from (f"{before}{other}{after}" for other in others if other != here)
    yield from (f"{before}{after}", f"{before}{here}{here}{after}")
    yield from (f"{before}{here}{sign}{after}" for sign in "-_. ")
    yield f"{before}{here}__{after}"


@lru_cache(maxsize=512)
def pattern_misses(pattern: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return changes of good texts that the pattern refuses: one that each loosening of it takes, if there is one."""
    fits = matcher(pattern)
    candidates = [each for each in dict.fromkeys(chain.from_iterable(map(changed_texts, texts))) if not fits(each)]
    found: dict[str, None] = {}
    for tokens in islice(loosenings(parse(pattern).tokens), MOST_LOOSENINGS):
        loosened = _matcher(tokens)
        if loosened is not None and not any(map(loosened, found)):
            found.update(dict.fromkeys(islice(filter(loosened, candidates), 1)))
    return tuple(found)


def _matcher(tokens: Iterable[Token]) -> Callable[[str], bool] | None:
    try:
        return matcher(write(tokens, {}, "[\\s\\S]"))
    except ValueError:
        return None


def loosenings(tokens: Sequence[Token]) -> Iterator[tuple[Token, ...]]:
    """Yield the pattern with one of its parts loosened, the narrowest loosenings first."""
    yield tuple(_any_case(token) for token in tokens)
    for index, token in enumerate(tokens):
        before, after = tuple(tokens[:index]), tuple(tokens[index + 1 :])
        if not isinstance(token, str):
            yield from ((*before, _union(token, more), *after) for more in _WIDENINGS if _union(token, more) != token)
        elif token == "$":
            yield (*before, "(?:", ((0x0A, 0x0A),), "?", ")", "$", *after)
            yield (*before, *after)
        elif token == "^":
            yield (*before, *after)
        elif (bounds := repeat_bounds(token)) is not None:
            least, most = bounds
            yield from ((*before, _quantifier(*each), *after) for each in _looser(least, most))


def _looser(least: int, most: int | None) -> Iterator[tuple[int, int | None]]:
    if least:
        yield least - 1, most
        yield 0, most
    if most is not None:
        yield least, most + 1
        yield least, None


def _quantifier(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _any_case(token: Token) -> Token:
    if isinstance(token, str):
        return token
    letters = [code for low, high in _LETTERS for code in range(low, high + 1) if _holds(token, code)]
    return _union(token, tuple((code ^ 0x20, code ^ 0x20) for code in letters))


def _holds(ranges: Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _union(first: Ranges, second: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted((*first, *second)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def format_misses(texts: Iterable[str], has_format: Callable[[str], bool]) -> list[str]:
    """Return changes of good texts that do not have the format, of each kind of change the first."""
    found: dict[int, str] = {}
    for text in texts:
        for number, each in enumerate(changed_texts(text)):
            if number < _KINDS and number not in found and not has_format(each):
                found[number] = each
    return list(dict.fromkeys(found.values()))


_KINDS: Final = 22
"""Changes as a whole, of which a format is tried with each."""


def listed_misses(entries: Iterable[Json]) -> Iterator[Json]:
    """Yield what nearly stands in an enumeration: another case, padding, a plural, another separator, inside a list."""
    for entry in entries:
        if isinstance(entry, str):
            yield from (entry.capitalize(), entry.title(), f" {entry}", f"{entry}\n", f"{entry}s", entry[:-1])
            yield from (entry.replace(sign, other) for sign in "_-." for other in "_-. " if sign in entry)
            yield [entry]


def mistyped(value: Json, name: str, now_ms: int) -> Iterator[Json]:
    """Yield a good value as another type: as JSON in a text, in a list, a number as a text, a time as another time."""
    if isinstance(value, dict | list):
        yield render(value).decode()
        yield [value] if isinstance(value, dict) else {"0": value[0]} if value else {}
        yield from value[:1] if isinstance(value, list) else [list(value.values())]
    elif isinstance(value, bool):
        yield from ("true", "false", "yes", 1, 0)
    elif isinstance(value, int | float):
        yield from (str(value), f" {value}", rfc3339_ms(now_ms), [value])
    elif isinstance(value, str):
        yield from (now_ms, now_ms // 1000) if _is_time(name) else ()
        yield from ([value], {"value": value}, {name: value})


def _is_time(name: str) -> bool:
    return name.lower().endswith(("at", "time", "timestamp", "date"))


def other_spellings(name: str) -> list[str]:
    """Return a member's name as other conventions write it: snake_case, camelCase, kebab-case, another case."""
    words = [word.lower() for word in re.split(r"[_\-]|" + _CAMEL.pattern, name) if word]
    camel = "".join([*words[:1], *(word.capitalize() for word in words[1:])])
    spelled = [
        "_".join(words),
        camel,
        camel[:1].upper() + camel[1:],
        "-".join(words),
        name.lower(),
        name.upper(),
        f"{name}s",
    ]
    return [other for other in dict.fromkeys(spelled) if other and other != name]
