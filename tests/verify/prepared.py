"""Runs against targets in this process that share their rules and probes: making those takes longer than playing them.

A rule's draft makes a new probe each time, with ids that no earlier request had. A target that is new knows none, so a
run may begin with the probes that an earlier run against another target had.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from mockserver.contract.contract import Contract
from mockserver.strategies.samples import Request
from mockserver.verify import Outcome, Probe, Reply, Rule, Runner, Setup, rules_of
from mockserver.verify.evidence import Evidence
from mockserver.verify.rule import LARGE, Draft, Transport
from mockserver.verify.run_results import narrowed
from mockserver.verify.runner import run
from tests.verify.inprocess import START_MS, Ticking


class Watched:
    """What rules ask a target about its clock, before they are tried."""

    def __init__(self, clock: Ticking, error_ms: int | None) -> None:
        self.clock = clock
        self.error_ms = error_ms

    def send(self, request: Request) -> Reply:
        raise AssertionError("rules send nothing when they are declared")

    def pause(self, ms: int) -> None:
        self.clock.ms += ms

    def now_ms(self) -> int:
        return self.clock.ms

    def clock_error_ms(self) -> int | None:
        return self.error_ms


class Declared:
    """The rules of a contract under a setup, for any number of runs, one after the other."""

    def __init__(self, contract: Contract, setup: Setup, error_ms: int | None) -> None:
        self.clock, self.evidence, self.run = Ticking(), Evidence(), 0
        self.rules = rules_of(contract, setup, Watched(self.clock, error_ms), self.evidence)
        for rule in self.rules:
            rule.drafts = [self._kept(draft) for draft in rule.drafts]

    def begin(self) -> None:
        """Begin a run: its clock starts anew, and nothing was found."""
        self.run += 1
        self.clock.ms = START_MS
        vars(self.evidence).update(vars(Evidence()))

    def _kept(self, draft: Draft) -> Draft:
        """Return a draft whose probe is the same the first time in each run. Large ones are not kept."""
        kept: list[Probe | None] = []
        asked_in = 0

        def drafted() -> Probe | None:
            nonlocal asked_in
            again, asked_in = asked_in == self.run, self.run
            if kept and not again:
                return kept[0]
            probe = draft()
            if not kept and (probe is None or probe.size < LARGE):
                kept.append(probe)
            return probe

        return drafted


@lru_cache(maxsize=2)  # those of one contract take tens of megabytes
def declared(contract: Contract, setup: Setup, error_ms: int | None) -> Declared:
    return Declared(contract, setup, error_ms)


class Target(Transport, Protocol):
    """A target whose clock stands still unless something moves it."""

    clock: Ticking


class Prepared(Runner):
    """A runner whose rules are there already; where time has passed, it declares them again as any other does."""

    def __init__(self, contract: Contract, setup: Setup, target: Target) -> None:
        super().__init__(contract, setup, target)
        self._declared: Declared | None = declared(contract, setup, target.clock_error_ms())
        self._declared.begin()
        target.clock, self.evidence = self._declared.clock, self._declared.evidence

    def declared(self) -> list[Rule]:
        first, self._declared = self._declared, None
        return super().declared() if first is None else first.rules


def verify(
    contract: Contract, setup: Setup, target: Target, only: Sequence[str] = (), skip: Sequence[str] = ()
) -> list[Outcome]:
    """Verify a new target, as `mockserver.verify.verify` does."""
    return narrowed(run(Prepared(contract, setup, target), only, skip), only, skip)
