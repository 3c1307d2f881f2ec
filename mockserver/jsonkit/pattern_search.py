r"""Searches of an automaton that count what they cost: over a text, and over all texts at once.

All places where a search may be are kept together, so no text is read twice, and each step is counted. An engine's
search is faster by far, but uncounted: it has to be known beforehand to be cheap for every text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeAlias

from mockserver.jsonkit.automaton import ACCEPT, Assertion, Automaton, Look
from mockserver.jsonkit.pattern_syntax import BOUNDARIES

OF_A_CHARACTER: Final = 4
"""Steps that a character costs beside the places that it leads to."""

State: TypeAlias = tuple[frozenset[int], bool, bool]
"""Where a search may be, whether it is at the start of the text, and whether a character of a word precedes."""


class TooManyStepsError(Exception):
    """A search is over its number of steps."""


class Steps:
    """How many steps are left: a step visits a place."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, count: int) -> None:
        """Take steps. Raises TooManyStepsError when none are left."""
        self.left -= count
        if self.left < 0:
            raise TooManyStepsError


def _reached(automaton: Automaton, places: Iterable[int], holds: Callable[[Assertion], bool], steps: Steps) -> set[int]:
    """Return the places that are reached without reading a character: those that read one, or demand something."""
    pending, reached, passed, visits = [*places], set[int](), set[int](), OF_A_CHARACTER
    while pending:
        place = pending.pop()
        closure = automaton.closure(place)
        if closure is None:
            visits += 1
            pending += () if place in passed else automaton.follows[place]
            passed.add(place)
            continue
        visits += len(closure)
        for demanding in automaton.demanding.intersection(closure) - reached if automaton.demanding else ():
            demand = automaton.asserts[demanding]
            if demand is not None and holds(demand):
                pending += automaton.follows[demanding]
        reached |= closure
    steps.take(visits)
    return reached


def search(automaton: Automaton, text: str, steps: Steps) -> bool:
    """Tell whether a pattern matches somewhere in a text. Raises TooManyStepsError."""
    return any(_Search(automaton, text, steps).run(automaton.start, 0, anchored=automaton.anchored))


class _Search:
    """A search of one text, with what its look-around has found so far."""

    def __init__(self, automaton: Automaton, text: str, steps: Steps) -> None:
        self._automaton, self._text, self._steps = automaton, text, steps
        self._ahead: dict[tuple[int, int], bool] = {}
        self._behind: dict[int, tuple[Iterator[bool], list[bool]]] = {}

    def run(self, start: int, position: int, *, anchored: bool) -> Iterator[bool]:
        """Yield for each position whether a match ends there; `anchored` ones start at the first position only."""
        automaton, text, reads = self._automaton, self._text, self._automaton.reads
        places = {start}
        while places or not anchored:
            reached = _reached(automaton, places, partial(self._holds, position), self._steps)
            yield ACCEPT in reached
            if position == len(text):
                return
            kind = automaton.kind(text[position])
            places = {automaton.follows[place][0] for place in reached if reads[place] & kind}
            position += 1
            if not anchored:
                places.add(start)

    def _holds(self, position: int, demand: Assertion) -> bool:
        if isinstance(demand, Look):
            seen = self._sees_ahead if demand.token in ("(?=", "(?!") else self._sees_behind
            return seen(demand.start, position) is (demand.token[-1] == "=")
        if demand == r"\b" or demand == r"\B":
            return (self._is_word(position - 1) is not self._is_word(position)) is (demand == r"\b")
        return position == (0 if demand == "^" else len(self._text))

    def _is_word(self, position: int) -> bool:
        if not 0 <= position < len(self._text):
            return False
        return bool(self._automaton.kind(self._text[position]) & self._automaton.word)

    def _sees_ahead(self, start: int, position: int) -> bool:
        if (start, position) not in self._ahead:
            self._ahead[start, position] = any(self.run(start, position, anchored=True))
        return self._ahead[start, position]

    def _sees_behind(self, start: int, position: int) -> bool:
        """Tell whether a match ends at a position: one search from the start of the text finds all such positions."""
        if start not in self._behind:
            self._behind[start] = self.run(start, 0, anchored=False), []
        run, found = self._behind[start]
        while len(found) <= position:
            found.append(next(run))
        return found[position]


def is_cheap(automaton: Automaton, most: int) -> bool:
    """Tell whether a search is in one of few states, whatever the text: `most` steps lead through all of them.

    An engine makes each state once and then takes one look-up a character. The automaton has no look-around.
    """
    steps = Steps(most)
    word, everything = automaton.word, -1
    kinds = ((word, True), (everything ^ word, False)) if automaton.has_boundary else ((everything, False),)
    pending: list[State] = [(frozenset([automaton.start]), True, False)]
    seen = set(pending)
    try:
        while pending:
            state = pending.pop()
            for readable, is_word in kinds:
                new = _successors(automaton, state, readable, steps, is_word=is_word) - seen
                seen |= new
                pending += new
    except TooManyStepsError:
        return False
    return True


def _successors(automaton: Automaton, state: State, readable: int, steps: Steps, *, is_word: bool) -> set[State]:
    """Return the states that the readable characters lead to; none once the pattern has matched."""
    places, first, after_word = state

    def holds(demand: Assertion) -> bool:
        if demand in BOUNDARIES:
            return (after_word is not is_word) is (demand == r"\b")
        return first and demand == "^"

    reached = _reached(automaton, places, holds, steps)
    if ACCEPT in reached:
        return set()
    restart = () if automaton.anchored else (automaton.start,)
    groups: list[tuple[int, set[int]]] = [(readable, set(restart))]
    for place in (place for place in reached if automaton.reads[place]):
        reads, follow = automaton.reads[place], automaton.follows[place][0]
        parts = [(kinds & reads, kinds & ~reads, targets) for kinds, targets in groups]
        groups = [(without, set(targets) if within else targets) for within, without, targets in parts if without]
        for within, _, targets in parts:
            if within:
                targets.add(follow)
                groups.append((within, targets))
        steps.take(len(groups) + automaton.weights[place])
    return {(frozenset(targets), False, is_word) for _, targets in groups if targets}
