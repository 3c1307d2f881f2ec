"""Which exchanges of large recordings are searched with: some of each kind, so that a trial does not take seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

from mockserver.core.model import Verdict
from mockserver.recording.learning.play_again import Played

SMALL: Final = 300
"""Exchanges of recordings that are searched with as they are."""
OF_A_KIND: Final = 5


def representatives(played: Sequence[Played]) -> set[str] | None:
    """Return the names of the exchanges to search with; None for all.

    Those whose ids come again are kept with each other, so that repeats stay repeats.
    """
    if len(played) <= SMALL:
        return None
    ids = Counter(id for one in played for id in one.judged.dedup or () if id is not None)
    kinds: Counter[Hashable] = Counter()
    names = set[str]()
    for one in played:
        kind = _kind(one)
        kinds[kind] += 1
        repeats = any(id is not None and ids[id] > 1 for id in one.judged.dedup or ())
        if kinds[kind] <= OF_A_KIND or repeats or Verdict.DUPLICATE in one.receipt.verdicts:
            names.add(one.answer.name)
    return names


def _kind(played: Played) -> Hashable:
    """Return what makes exchanges alike: what was asked, what was wrong with it, how both answered."""
    judged, form = played.judged, played.judged.form
    rules = [error.finding.rule for error in judged.event_errors if error.finding is not None]
    refusal = "" if judged.refusal is None else judged.refusal.finding.rule
    types = frozenset(form.type_of(event) for event in judged.events) if form is not None else frozenset()
    differing = tuple(difference.pointer for difference in played.differences)
    size = len(judged.events).bit_length()
    return judged.operation_name, played.answer.reply.status, refusal, *rules[:3], types, differing, size
