"""Values of a strategy to look at: as many as asked for, the same ones for the same seed."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

from mockserver.errors import SettingsError

T = TypeVar("T")


def draw(strategy: SearchStrategy[T], count: int, number: int = 0) -> list[T]:
    """Return `count` values, the plainest first; fewer where the strategy has no more. Raises SettingsError for none.

    The seed `number` gives the same values again with the same version of Hypothesis, not with every one.
    """
    values: list[T] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        values.append(value)

    try:
        collect()
    except Unsatisfiable:
        problem = "the texts and arrays that the schemas demand make every request larger than the protocol takes"
        raise SettingsError(f"no sample was found: {problem}") from None
    return values[:count]
