r"""Automata: a pattern as places that characters lead through, for the searches of `pattern_search`.

Groups, alternatives and repeats become arrows between places; a repeat with numbers is written out. How many places
there will be is counted before any is made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final, TypeAlias

from mockserver.jsonkit.pattern_syntax import ASSERTIONS, BOUNDARIES, GROUPS, WORD, Token, bars, brackets, repeat_bounds

ACCEPT: Final = 0
"""The place at which the pattern, or what a look-around contains, has matched."""

PASSED: Final = -1
"""Stands for a place that a search only passes."""

MOST_BEYOND: Final = 8
"""Places up to which what follows a place is remembered."""

MOST_CHARACTERS: Final = 256
"""Characters of which the kind is remembered."""

REPLACEMENT: Final = 0xFFFD
"""The code point that half a surrogate pair is read as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A look-around: the token that opens it, and the place where what it contains starts."""

    token: str
    start: int


Assertion: TypeAlias = str | Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the automaton of a pattern is: its places, its depth of nesting, and about the bytes it reads."""

    places: int
    depth: int
    weight: int


def size_of(tokens: Iterable[Token]) -> Size:
    """Return the size of the automaton of a pattern, in time linear in its length."""
    sums, last, deepest = [(0, 0)], (0, 0), 1
    for token in tokens:
        bounds = repeat_bounds(token)
        if bounds is not None:
            times = max(bounds[0], 1) if bounds[1] is None else bounds[1]
            last = (last[0] * times + 1, last[1] * times + 1)
            continue
        sums[-1] = (sums[-1][0] + last[0], sums[-1][1] + last[1])
        last = (1, _weight(token))
        if token in GROUPS:
            sums.append(last)
            deepest = max(deepest, len(sums))
            last = (0, 0)
        elif token == ")":
            last = sums.pop()
    return Size(places=sums[0][0] + last[0], depth=deepest - 1, weight=sums[0][1] + last[1])


def _weight(token: Token) -> int:
    """Return about how many places an engine that reads UTF-8 byte by byte needs for a token."""
    return 1 if isinstance(token, str) else 1 + 3 * sum(high > 0x7F for _, high in token)


class Automaton:
    """The automaton of a pattern.

    A place either reads a character of the kinds in `reads`, or may demand something (`asserts`); then it leads to the
    places in `follows`. A kind is what no set of the pattern tells apart; kinds are bits.
    """

    __slots__ = (
        *("_closures", "_edges", "_kind_of", "_kinds", "_partners", "_tokens", "_weights"),
        *("anchored", "asserts", "demanding", "follows", "reads", "start", "weights", "word"),
    )

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        sets = {WORD, *(token for token in tokens if not isinstance(token, str))}
        self._edges = sorted({0, *(edge for ranges in sets for low, high in ranges for edge in (low, high + 1))})
        numbers = {edge: number for number, edge in enumerate(self._edges)}
        self._kinds = {
            ranges: sum((1 << numbers[high + 1]) - (1 << numbers[low]) for low, high in ranges) for ranges in sets
        }
        self._weights = {ranges: _weight(ranges) for ranges in sets}
        self._tokens, self._partners = tokens, brackets(tokens)
        self.reads: list[int] = [0]
        self.asserts: list[Assertion | None] = [None]
        self.follows: list[tuple[int, ...]] = [()]
        self.weights: list[int] = [1]
        self.word = self._kinds[WORD]
        self.anchored = tokens[:1] == ("^",) and not any(bars(tokens, self._partners, 0, len(tokens)))
        self.start = self._choice(0, len(tokens), ACCEPT)
        self.demanding = frozenset(place for place, demand in enumerate(self.asserts) if demand is not None)
        self._kind_of: dict[str, int] = {}
        self._closures: dict[int, frozenset[int] | None] = {}

    def closure(self, place: int) -> frozenset[int] | None:
        """Return the places after a place, itself included, that read a character, demand something or accept.

        None for a place that many others follow: it is cheaper to go through what `follows` it.
        """
        if place not in self._closures:
            found = list(islice(self._beyond(place), MOST_BEYOND + 1))
            self._closures[place] = frozenset(found) - {PASSED} if len(found) <= MOST_BEYOND else None
        return self._closures[place]

    def _beyond(self, place: int) -> Iterator[int]:
        """Yield the places of the closure, and `PASSED` for each place on the way to them."""
        pending, seen = [place], set[int]()
        while pending:
            place = pending.pop()
            if place not in seen:
                seen.add(place)
                stops = self.reads[place] or self.asserts[place] is not None or place == ACCEPT
                yield place if stops else PASSED
                pending += () if stops else self.follows[place]

    @property
    def has_boundary(self) -> bool:
        """Whether it asks for a boundary of a word."""
        return not BOUNDARIES.isdisjoint(token for token in self.asserts if isinstance(token, str))

    def kind(self, character: str) -> int:
        """Return the kind of a character."""
        kind = self._kind_of.get(character)
        if kind is None:
            code = ord(character)
            kind = 1 << (bisect_right(self._edges, REPLACEMENT if 0xD800 <= code <= 0xDFFF else code) - 1)
            if len(self._kind_of) < MOST_CHARACTERS:
                self._kind_of[character] = kind
        return kind

    def _place(
        self, follows: tuple[int, ...], reads: int = 0, asserts: Assertion | None = None, weight: int = 1
    ) -> int:
        self.weights.append(weight)
        self.reads.append(reads)
        self.asserts.append(asserts)
        self.follows.append(follows)
        return len(self.follows) - 1

    def _choice(self, first: int, end: int, after: int) -> int:
        """Make the places of alternatives, last ones first; return where they start."""
        cuts = (first - 1, *bars(self._tokens, self._partners, first, end), end)
        starts = tuple(self._sequence(left + 1, right, after) for left, right in pairwise(cuts))
        return starts[0] if len(starts) == 1 else self._place(starts)

    def _sequence(self, first: int, end: int, after: int) -> int:
        while end > first:
            last = end - 1
            bounds = repeat_bounds(self._tokens[last])
            last -= bounds is not None
            end = self._partners.get(last, last)
            after = self._atom(end, last, after) if bounds is None else self._repeat(end, last, after, *bounds)
        return after

    def _repeat(self, first: int, last: int, after: int, least: int, most: int | None) -> int:
        if most is None:
            loop = self._place(())
            inside = self._atom(first, last, loop)
            self.follows[loop] = (inside, after)
            least, after = (least - 1, inside) if least else (0, loop)
        else:
            end = after
            for _ in range(most - least):
                after = self._place((self._atom(first, last, after), end))
        for _ in range(least):
            after = self._atom(first, last, after)
        return after

    def _atom(self, first: int, last: int, after: int) -> int:
        token = self._tokens[first]
        if not isinstance(token, str):
            return self._place((after,), reads=self._kinds[token], weight=self._weights[token])
        if token in ASSERTIONS:
            return self._place((after,), asserts=token)
        if token == "(?:":
            return self._choice(first + 1, last, after)
        return self._place((after,), asserts=Look(token=token, start=self._choice(first + 1, last, ACCEPT)))
