"""Which keys a recorded server knows: a setting of a session, which no contract has."""

from __future__ import annotations

from collections.abc import Sequence

from mockserver.recording.learning.bounds import narrower_patterns
from mockserver.recording.learning.play_again import Played
from mockserver.recording.learning.trials import Trial, Trials


def known_keys(trials: Trials, start: Trial) -> frozenset[str] | None:
    """Return the keys that a server knows if it refused others as unknown ones; None if it may know any.

    Keys that a pattern tells apart are not such keys: the contract can have the pattern.
    """
    keys = dict.fromkeys(one.judged.credential for one in start.played if one.judged.credential is not None)
    taken = [key for key in keys if any(_is_taken(one, key) for one in start.played)]
    if not taken or len(taken) == len(keys):
        return None
    unknown = _unknown_keys(trials, start.played, [key for key in keys if key not in taken])
    unknown = [key for key in unknown if next(iter(narrower_patterns(taken, key, "")), None) is None]
    return frozenset(key for key in keys if key not in unknown) if unknown else None


def _is_taken(played: Played, key: str) -> bool:
    return played.judged.credential == key and not played.answer.is_refusal and not played.answer.problem


def _unknown_keys(trials: Trials, played: Sequence[Played], keys: Sequence[str]) -> list[str]:
    """Return the keys whose requests were all answered as those with an unknown key are."""
    trials.know(frozenset())
    without = trials.start
    trials.know(None)
    wrong = {one.judged.credential for one in without.played if one.distance}
    differing = {one.judged.credential for one in played if one.distance}
    return [key for key in keys if key in differing and key not in wrong]
