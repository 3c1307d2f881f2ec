"""Chance: the choices that one sample is made of, drawn from Hypothesis.

Hypothesis makes most examples by copying parts of the one before over others with the same label. Here each draw of a
sample has a label of its own; then it draws each example anew instead, and much more is seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeAlias

from hypothesis import HealthCheck, Phase, find, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from mockserver.strategies.samples import TooLargeError

Draw: TypeAlias = Callable[[SearchStrategy[Any], int], Any]
ATTEMPTS: Final = 16
"""How often is drawn again what came more often than the rest."""
REMEMBERED: Final = 1200
"""Samples whose turns are remembered. After a failing example, Hypothesis draws up to 1000 more, then shrinks it."""
FIRST_LABEL: Final = 1 << 40
EVEN: Final = 128
"""So many numbers, and fewer, Hypothesis draws evenly."""
CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
"""Every character that UTF-8 has. Hypothesis builds its tables much faster for this than for `codec="utf-8"`."""
WARMING: Final = settings(
    database=None, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
_NONCES: Final = st.integers(0, 2**64 - 1)


class Site:
    """A place where one of `size` outcomes is drawn, numbered from 0, the plainest.

    `cells` sorts the outcomes into groups that should come equally often; None stands for none.
    """

    __slots__ = ("cells", "coarse", "fine", "last", "size")

    def __init__(self, size: int, cells: Sequence[int | None] = ()) -> None:
        self.size = size
        self.cells = cells
        self.last = min(size, EVEN) - 1
        self.fine = st.integers(0, self.last)
        self.coarse = st.integers(0, (size - 1) // EVEN) if size > EVEN else None


class Turns:
    """What came how often at each site, for one strategy, so that its outcomes come in turn.

    An outcome that came more often than others is drawn again. That is decided once for each number that a sample
    drew before, so the same choices make the same sample again; where that number is 0, all are taken. So examples
    shrink to one that does not depend on what came before it. The numbers used last are remembered.
    """

    __slots__ = ("_counts", "_decided")

    def __init__(self) -> None:
        self._counts: dict[Site, dict[int, int]] = {}
        self._decided: OrderedDict[int, dict[tuple[Site, int], bool]] = OrderedDict()

    def is_due(self, site: Site, cell: int, nonce: int) -> bool:
        """Tell whether a cell came no more often than any other."""
        of_sample = self._of(nonce)
        decided = of_sample.get((site, cell))
        if decided is None:
            if site not in self._counts:
                self._counts[site] = {each: 0 for each in site.cells if each is not None}
            counts = self._counts[site]
            decided = of_sample[site, cell] = counts[cell] <= min(counts.values())
            counts[cell] += decided
        return decided

    def _of(self, nonce: int) -> dict[tuple[Site, int], bool]:
        """Return what was decided for a sample, by its number."""
        if nonce in self._decided:
            self._decided.move_to_end(nonce)
            return self._decided[nonce]
        if len(self._decided) >= REMEMBERED:
            self._decided.popitem(last=False)
        return self._decided.setdefault(nonce, {})


class Chance:
    """Draws the choices of one sample."""

    __slots__ = ("_draw", "_integer", "_label", "_nonce", "turns")

    def __init__(self, draw: Draw, turns: Turns | None = None) -> None:
        self._draw = draw
        # One integer without the span that Hypothesis puts around each strategy takes half the time.
        self._integer = getattr(getattr(draw, "__self__", None), "draw_integer", None)
        self._label = FIRST_LABEL
        self.turns = turns
        self._nonce: int = 0 if turns is None else self.draw(_NONCES)

    def draw(self, strategy: SearchStrategy[Any]) -> Any:
        """Draw a value of a strategy."""
        self._label += 1
        return self._draw(strategy, self._label)

    def pick(self, site: Site) -> int:
        """Draw an outcome; where the site has cells, one whose turn it is."""
        number = self.number(site)
        if not self._nonce or not site.cells or self.turns is None:
            return number
        for _ in range(ATTEMPTS):
            cell = site.cells[number]
            if cell is None or self.turns.is_due(site, cell, self._nonce):
                break
            number = self.number(site)
        return number

    def number(self, site: Site) -> int:
        """Draw an outcome, whether it is its turn or not, where it may not come to anything."""
        number: int = self.draw(site.fine) if self._integer is None else self._integer(0, site.last)
        return number if site.coarse is None else (self.draw(site.coarse) * EVEN + number) % site.size

    def choose(self, options: Sequence[Any]) -> Any:
        """Draw one of a few options that are known only now."""
        return options[self.draw(st.integers(0, len(options) - 1))] if len(options) > 1 else options[0]


@cache
def warm_up() -> None:
    """Let Hypothesis build what it builds once, which in the first draw of a test would fail a health check.

    These are its tables of characters, and the constants that it finds in the modules of a checkout.
    """
    with suppress(NoSuchExample):
        find(st.tuples(st.integers(), st.text(CHARACTERS)), lambda drawn: False, settings=WARMING)


def composed(build: Callable[[Chance], Any], turns: Turns | None = None) -> SearchStrategy[Any]:
    """Return a strategy that draws as a function does."""
    warm_up()

    @st.composite
    def drawn(draw: Any) -> Any:
        try:
            return build(Chance(draw, turns))
        except TooLargeError:  # another one may be smaller
            reject()

    return drawn()
