"""How fast events are generated in process: good ones, and ones with exactly one fault."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from mockserver import strategies


def _per_second(strategy: SearchStrategy[Any], examples: int) -> float:
    count = 0

    @seed(1)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(sample: Any) -> None:
        nonlocal count
        count += 1

    began = time.perf_counter()
    draw()
    return count / (time.perf_counter() - began)


def measure(examples: int) -> dict[str, float]:
    """Return certified samples a second, by protocol."""
    made: dict[str, float] = {}
    for protocol in ("outlit", "apex", "whisperr"):
        made[f"{protocol} good/s"] = _per_second(strategies.events(protocol), examples)
        made[f"{protocol} bad/s"] = _per_second(strategies.invalid_events(protocol), examples)
    return made
