"""Drawing requests at random, and making one that fails small."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import Flaky, NoSuchExample

from mockserver.strategies.samples import Sample
from mockserver.verify.rule import LARGE, Finding, Random, Setup

SHRINKING: Final = 150
"""How many requests may be spent on making one failing request small."""


class _StopSearch(BaseException):
    """Ends the search for a small example: Hypothesis would send the request again and again after an Exception."""


def search(
    draws: Random,
    setup: Setup,
    play: Callable[[Sample], list[Finding]],
    sent: Callable[[], int],
    found: list[tuple[Finding, Sample]],
) -> None:
    """Draw examples; where one fails, let Hypothesis look for smaller ones.

    `play` sends a sample, and returns what it is the first to find; `sent` is the number of requests so far. All
    findings are added to `found`, which also has them if this raises what `play` raised.
    """
    began, known = sent(), dict[bytes, bool]()
    budget = began + setup.examples + SHRINKING

    def fails(sample: Sample) -> bool:
        key = repr(sample.request.path).encode() + repr(sample.request.headers).encode() + sample.request.body
        if key in known or sent() > budget or (found and found[-1][0].reply is None):
            return known.get(key, False)
        if len(sample.request.body) >= LARGE and sent() > began:  # rules about sizes send such bodies
            return False
        try:
            new = play(sample)
        except (Exception, KeyboardInterrupt) as error:
            raise _StopSearch from error
        found.extend((finding, sample) for finding in new)
        known[key] = bool(new)
        return bool(new)

    quiet = settings(
        max_examples=setup.examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        find(draws.strategy(), fails, settings=quiet, random=random.Random(setup.seed))
    except (NoSuchExample, Flaky):
        pass  # no example fails, or one does not fail again: `found` has what was seen
    except _StopSearch as gone:
        raise (gone.__cause__ or gone) from None
