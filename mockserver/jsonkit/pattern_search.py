r"""Searches of an automaton that count what they cost: over a text, and over all texts at once.

All places where a search may be are kept together, so no text is read twice, and each step is counted. An engine's
search is faster by far, but uncounted: it has to be known beforehand to be cheap for every text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from mockserver.jsonkit.automaton import ACCEPT, Assertion, Automaton, Look

OF_A_CHARACTER: Final = 3
"""Steps that a character costs which leads from places to places that the search was at before."""
OF_NEW_PLACES: Final = 6
"""Steps that other places cost, beside those that are visited."""

State: TypeAlias = tuple[frozenset[int], bool, bool]
"""Where a search may be, whether it is at the start of the text, and whether a character of a word precedes."""
Move: TypeAlias = tuple[bool, frozenset[int]]
"""Whether the pattern has matched, and where a search is after the next character."""


class TooManyStepsError(Exception):
    """A search is over its number of steps."""


class Moves:
    """What searches of one automaton have found to follow from places, so that it is found out once."""

    def __init__(self) -> None:
        self.demands: dict[frozenset[int], tuple[int, ...]] = {}
        self.made: dict[tuple[frozenset[int], frozenset[int], int, bool], Move] = {}
        self._same: dict[frozenset[int], frozenset[int]] = {}

    def same(self, places: frozenset[int]) -> frozenset[int]:
        """Return the one object that stands for places, with which look-ups are fast."""
        return self._same.setdefault(places, places)


class Steps:
    """How many steps are left, and what searches that share them have found: a step visits a place."""

    __slots__ = ("_moves", "left")

    def __init__(self, left: int, shared: Steps | None = None) -> None:
        self.left = left
        self._moves: dict[Automaton, Moves] = {} if shared is None else shared._moves

    def take(self, count: int) -> None:
        """Take steps. Raises TooManyStepsError when none are left."""
        self.left -= count
        if self.left < 0:
            raise TooManyStepsError

    def moves(self, automaton: Automaton) -> Moves:
        """Return what is known of an automaton."""
        return self._moves.setdefault(automaton, Moves())


def _reached(automaton: Automaton, places: Iterable[int], holding: frozenset[int], steps: Steps) -> set[int]:
    """Return the places that are reached without reading a character: those that read one, or demand something.

    `holding` are the places whose demand holds.
    """
    steps.take(OF_NEW_PLACES)
    pending, reached, passed, visits = [*places], set[int](), set[int](), 0
    while pending:
        place = pending.pop()
        closure = automaton.closure(place)
        if closure is None:
            visits += 1
            pending += () if place in passed else automaton.follows[place]
            passed.add(place)
            continue
        visits += len(closure)
        for held in holding.intersection(closure) - reached if holding else ():
            pending += automaton.follows[held]
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
        self._moves = steps.moves(automaton)
        self._ahead: dict[tuple[int, int], bool] = {}
        self._behind: dict[int, tuple[Iterator[bool], list[bool]]] = {}

    def run(self, start: int, position: int, *, anchored: bool) -> Iterator[bool]:
        """Yield for each position whether a match ends there; `anchored` ones start at the first position only."""
        text, kind_of, known = self._text, self._automaton.kind, self._moves.made
        places = self._moves.same(frozenset([start]))
        restart = frozenset() if anchored else places
        while places:
            self._steps.take(OF_A_CHARACTER)
            kind = kind_of(text[position]) if position < len(text) else 0
            holding = self._holding(places, position)
            move = known.get((places, holding, kind, anchored))
            if move is None:
                move = known[places, holding, kind, anchored] = self._move(places, holding, kind, restart)
            yield move[0]
            if not kind:
                return
            places = move[1]
            position += 1

    def _move(self, places: frozenset[int], holding: frozenset[int], kind: int, restart: frozenset[int]) -> Move:
        automaton = self._automaton
        reached = _reached(automaton, places, holding, self._steps)
        after = restart.union(automaton.follows[place][0] for place in reached if automaton.reads[place] & kind)
        return ACCEPT in reached, self._moves.same(after)

    def _holding(self, places: frozenset[int], position: int) -> frozenset[int]:
        """Return the places whose demand holds at a position, of those that can be reached from others."""
        automaton = self._automaton
        if not automaton.demanding:
            return automaton.demanding
        demands = self._moves.demands.get(places)
        if demands is None:
            reached = _reached(automaton, places, automaton.demanding, self._steps)
            demands = self._moves.demands[places] = tuple(reached & automaton.demanding)
        self._steps.take(2 * len(demands))
        return frozenset([place for place in demands if self._holds(position, automaton.asserts[place])])

    def _holds(self, position: int, demand: Assertion | None) -> bool:
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
            self._steps.take(OF_A_CHARACTER)
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
            places, first, after_word = pending.pop()
            for readable, is_word in kinds:
                held = {r"\b" if after_word is not is_word else r"\B", *("^" if first else "")}
                new = {(after, False, is_word) for after in _successors(automaton, places, readable, held, steps)}
                pending += new - seen
                seen |= new
    except TooManyStepsError:
        return False
    return True


def is_at_one_place(automaton: Automaton) -> bool:
    """Tell whether a search is never at two places that read a character, as in `^[a-z]{1,900}$`."""
    if not automaton.anchored:
        return False
    starts = {follow for place, reads in enumerate(automaton.reads) if reads for follow in automaton.follows[place]}
    begin = automaton.follows[automaton.start][0]
    return all(_tell_apart(automaton, automaton.closure(start)) for start in (begin, *starts))


def _tell_apart(automaton: Automaton, places: frozenset[int] | None) -> bool:
    """Tell whether no character is read by two of the places, and what they demand only ends a match."""
    seen = 0
    for place in places or ():
        demands = automaton.asserts[place] is not None
        if seen & automaton.reads[place] or (demands and automaton.follows[place] != (ACCEPT,)):
            return False
        seen |= automaton.reads[place]
    return places is not None


def _successors(
    automaton: Automaton, places: frozenset[int], readable: int, held: set[str], steps: Steps
) -> set[frozenset[int]]:
    """Return where the readable characters lead to where the demands in `held` hold; none after a match."""
    holding = frozenset(place for place in automaton.demanding if automaton.asserts[place] in held)
    reached = _reached(automaton, places, holding, steps)
    if ACCEPT in reached:
        return set()
    restart = () if automaton.anchored else (automaton.start,)
    groups: list[tuple[int, set[int]]] = [(readable, set(restart))]
    for place in reached:
        reads = automaton.reads[place]
        if not reads:
            continue
        parts = [(kinds & reads, kinds & ~reads, targets) for kinds, targets in groups]
        groups = [(without, set(targets) if within else targets) for within, without, targets in parts if without]
        for within, _, targets in parts:
            if within:
                targets.add(automaton.follows[place][0])
                groups.append((within, targets))
        steps.take(len(groups) + automaton.weights[place])
    return {frozenset(targets) for _, targets in groups if targets}
