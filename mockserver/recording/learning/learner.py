"""The search for the smallest patch: change by change, each checked by playing all recorded requests again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.learning.changes import Change, Learnt, Tokens
from mockserver.recording.learning.contradictions import Contradiction
from mockserver.recording.learning.looser_rules import looser_rules, order_changes, restated_limits
from mockserver.recording.learning.memory_changes import memory_changes
from mockserver.recording.learning.play_again import Played
from mockserver.recording.learning.recorded_answers import FAILING
from mockserver.recording.learning.reply_changes import reply_changes
from mockserver.recording.learning.seen_values import seen_values
from mockserver.recording.learning.tighter_rules import tighter_rules
from mockserver.recording.learning.trials import Trial, Trials

MOST_TRIED: Final = 150
"""Changes that are tried for one exchange."""
MOST_FOLLOWED: Final = 6
"""Of the changes that make other exchanges worse, those for which a second one is looked for that mends that."""


@dataclass(slots=True)
class Search:
    """What a search came to: the best trial, and the exchanges for which nothing was found."""

    trial: Trial
    stuck: list[int] = field(default_factory=list)
    rivals: list[Contradiction] = field(default_factory=list)


def search(trials: Trials, forbidden: frozenset[Tokens]) -> Search:
    """Return the changes after which as many requests as possible are answered as recorded, and none is worse."""
    start = trials.trial(())
    assert start is not None, "the contract itself is valid"
    found = Search(start)
    while True:
        found.stuck, found.rivals, progress = [], [], False
        for number in range(len(start.distances)):
            while found.trial.distances[number] and (better := _better(trials, found, number, forbidden)) is not None:
                found.trial, progress = better, True
            if found.trial.distances[number]:
                found.stuck.append(number)
        if not progress or not found.stuck:
            return Search(_smallest(trials, found.trial), found.stuck, found.rivals)


def _better(trials: Trials, found: Search, number: int, forbidden: frozenset[Tokens]) -> Trial | None:
    """Return the best trial that answers an exchange better and no other worse; None if there is none."""
    trial = found.trial
    tried = list(_tried(trials, trial, number, forbidden))
    good = [one for one in tried if not one.worse_than(trial)]
    if good:
        best = min(good, key=lambda one: one.cost)
        return _step_by_step(trials, trial, best, number, forbidden) or best
    tried.sort(key=lambda one: (len(one.worse_than(trial)), one.cost))
    for one in tried[:MOST_FOLLOWED]:
        mended = _mended(trials, one, trial, forbidden)
        if mended is not None:
            return mended
    instead = _instead(trials, trial, number, forbidden)
    if instead is not None:
        return instead
    for one in tried:
        if len(one.learnt[-1].change.edits) == 1:
            places = one.learnt[-1].change.places
            found.rivals += [Contradiction.of(number, n, places) for n in one.worse_than(trial)[:1]]
    return None


def _step_by_step(trials: Trials, trial: Trial, best: Trial, number: int, forbidden: frozenset[Tokens]) -> Trial | None:
    """Return a trial that answers an exchange as well as one that writes several facts at once, with fewer facts."""
    steps = trial
    for _ in range(best.facts - trial.facts - 1):
        tried = (one for one in _tried(trials, steps, number, forbidden) if not one.worse_than(steps))
        steps = min((one for one in tried if one.facts == steps.facts + 1), key=lambda one: one.cost, default=steps)
    return steps if steps.cost < best.cost else None


def _instead(trials: Trials, trial: Trial, number: int, forbidden: frozenset[Tokens]) -> Trial | None:
    """Return a trial in which a rule no longer refuses what another one does then: the server names the other one."""
    played = trial.played[number]
    for change in islice(looser_rules(played, seen_values(trial.played), refused_too=True), MOST_FOLLOWED):
        first = trials.trial((*trial.learnt, Learnt(change=change, seen=(played.answer.name,))))
        if first is None or change.places & forbidden:
            continue
        for one in _tried(trials, first, number, forbidden, most=MOST_TRIED // 3):
            if one.distances[number] < trial.distances[number] and not one.worse_than(trial):
                return one
    return None


def _mended(trials: Trials, trial: Trial, before: Trial, forbidden: frozenset[Tokens]) -> Trial | None:
    """Return a trial with a second change after which no exchange is worse than it was before both."""
    for number in trial.worse_than(before)[:1]:
        for one in _tried(trials, trial, number, forbidden, most=MOST_TRIED // 3):
            if not one.worse_than(before) and one.cost < before.cost:
                return one
    return None


def _tried(
    trials: Trials, trial: Trial, number: int, forbidden: frozenset[Tokens], most: int = MOST_TRIED
) -> Iterator[Trial]:
    """Yield the trials of one more change that answer an exchange better."""
    played = trial.played[number]
    for change in islice(dict.fromkeys(_Once(change) for change in changes_for(trial, number)), most):
        if change.change.places & forbidden:
            continue
        learnt = Learnt(change=change.change, seen=(played.answer.name,))
        one = trials.trial((*trial.learnt, learnt))
        most_left = 0 if change.change.is_whole else trial.distances[number] - 1
        if one is not None and one.distances[number] <= most_left:
            yield one
            if not any(one.distances):
                return


class _Once:
    """A change that equals another one that writes the same."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self._key = repr(change.edits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


def changes_for(trial: Trial, number: int) -> Iterator[Change]:
    """Yield what may make the mock answer an exchange as recorded, likelier changes first."""
    played = trial.played[number]
    if played.answer.reply.status >= FAILING and not played.is_refusal:
        return  # it is not known what the server would have answered
    if played.answer.is_refusal and played.answer.body is MISSING and played.answer.reply.body:
        return  # refusals of the API are JSON: something before it refused the request
    seen = seen_values(trial.played)
    if played.is_refusal and played.answer.is_refusal:
        yield from restated_limits(played, played.answer.words)
        yield from reply_changes(played)
        yield from order_changes(played)
        yield from looser_rules(played, seen)
        yield from tighter_rules(played, seen)
        yield from memory_changes(played, _earlier(trial.played, number))
        return
    yield from memory_changes(played, _earlier(trial.played, number))
    if not played.answer.is_refusal:
        yield from looser_rules(played, seen)
    if played.answer.is_refusal or not played.is_refusal:
        yield from tighter_rules(played, seen)
    if played.is_refusal == played.answer.is_refusal:
        yield from restated_limits(played, played.answer.words)
        yield from reply_changes(played)


def _earlier(played: Sequence[Played], number: int) -> list[Played]:
    head = played[number].answer.exchange.head
    return [one for one in played[:number] if one.answer.exchange.head is head]


def _smallest(trials: Trials, trial: Trial) -> Trial:
    """Return a trial without the changes that no exchange needs, and with all exchanges that each one answers."""
    for one in reversed(trial.learnt):
        without = trials.trial(other for other in trial.learnt if other is not one)
        if without is not None and not without.worse_than(trial):
            trial = without
    named: list[Learnt] = []
    for one in trial.learnt:
        without = trials.trial(other for other in trial.learnt if other is not one)
        if without is None:
            named.append(one)
            continue
        pairs = zip(trial.played, without.distances, trial.distances, strict=True)
        names = tuple(played.answer.name for played, worse, own in pairs if worse > own)
        named.append(replace(one, seen=names or one.seen))
    return trials.trial(named) or trial
