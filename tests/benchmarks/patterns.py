"""How long evil patterns take: to be compiled, and to be searched for in their worst texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import thread_time
from typing import Final

from mockserver.jsonkit.patterns import LONGEST_TEXT, check_pattern, matcher, matches
from tests.evil_patterns import EVIL, LONGEST, Evil

SIZES: Final = (*(64 << step for step in range(14)), LONGEST_TEXT, LONGEST)
"""Characters of the texts. The longest fill the largest body, and are too long for any pattern."""
SHOWN: Final = 40
"""Characters of a pattern that are printed."""


def measure(rounds: int) -> Mapping[str, Mapping[str, float]]:
    """Print the worst times of each pattern; returns the longest of all, in milliseconds.

    Times are those of the processor: other programs that run do not count. Of each, the shortest of the rounds counts.
    """
    matches("warm", "up")
    print(f"{'pattern':{SHOWN}}{'compile ms':>12}{'search ms':>11}   what becomes of it")
    worst = {"compile_ms": 0.0, "search_ms": 0.0}
    for evil in EVIL:
        found = _measured(evil, rounds)
        worst = {name: max(most, found[name]) for name, most in worst.items()}
        times = f"{found['compile_ms']:>12.2f}{found['search_ms']:>11.2f}"
        print(f"{evil.pattern[:SHOWN]:{SHOWN}}{times}   {_outcome(evil)}", flush=True)
    return {"patterns": {"patterns": float(len(EVIL)), **worst}}


def _measured(evil: Evil, rounds: int) -> dict[str, float]:
    def compile_anew() -> None:
        matcher.cache_clear()
        _refusal(evil.pattern)

    compiled = _shortest(compile_anew, rounds)
    if _refusal(evil.pattern) is not None:
        return {"compile_ms": compiled, "search_ms": 0.0}
    texts = [make(size) for make in evil.texts for size in SIZES]
    searched = (_shortest(partial(matcher(evil.pattern).decide, text), rounds) for text in texts)
    return {"compile_ms": compiled, "search_ms": max(searched)}


def _shortest(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = thread_time()
        work()
        times.append((thread_time() - began) * 1000)
    return min(times)


def _refusal(pattern: str) -> str | None:
    try:
        check_pattern(pattern)
    except ValueError as error:
        return str(error)
    return None


def _outcome(evil: Evil) -> str:
    refusal = _refusal(evil.pattern)
    if refusal is not None:
        return refusal[:SHOWN]
    pattern = matcher(evil.pattern)
    decided = [size for size in SIZES if all(pattern.decide(make(size)) is not None for make in evil.texts)]
    return f"decided up to {max(decided, default=0):,} characters" + (", by the engine" if pattern.engine_text else "")
