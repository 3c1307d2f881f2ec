"""Serving mutants of contracts in process and asking verify about each, under several settings of the same contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError
from mockserver.verify import Rule, Runner, Setup, rules_of
from tests.verify.inprocess import InProcess, Ticking, setup_of
from tests.verify.mutants import Mutant, dependencies, served
from tests.verify.settings import NEW, settings_of

Json = Any
HARD: Final = 3_000_000
"""Rules that send so many bytes are tried last."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """One way to hunt: the contract that verify holds the target to, how the target is set up, the rules to try."""

    contract: Contract
    patch: Json
    open_doors: bool
    clock: Ticking
    rules: list[Rule]

    def setup(self) -> Setup:
        return _setup(self.contract.name, open_doors=self.open_doors)

    def target(self, contract: Contract) -> InProcess:
        return InProcess(contract, allow_all=self.open_doors, clock=self.clock)

    def finds(self, rule: Rule, contract: Contract) -> bool:
        """Tell whether a rule finds anything wrong with a server of a contract."""
        return Runner(self.contract, self.setup(), self.target(contract)).try_rule(rule).finding is not None


def _setup(protocol: str, *, open_doors: bool) -> Setup:
    setup = setup_of(protocol)
    return replace(setup, revoked=()) if open_doors else setup


@cache
def hunts(protocol: str, revision: str) -> list[Hunt]:
    """Return every way to hunt mutants of a contract: with keys to refuse, without, under each of the settings."""
    found = [_hunt(protocol, revision, None, (), open_doors=open_doors) for open_doors in (False, True)]
    for patch, only in settings_of(protocol, revision):
        with suppress(ContractError):  # a revision may lack what the settings are about
            found.append(_hunt(protocol, revision, {"protocol": patch}, only, open_doors=False))
    return found


def _hunt(protocol: str, revision: str, patch: Json, only: tuple[str, ...], *, open_doors: bool) -> Hunt:
    base = library().protocol(protocol).contract(revision)
    patch = None if patch is None else _there(patch, base.documents)
    patches = [] if patch is None else [Patch(name="settings", patch=patch)]
    contract, clock = library().protocol(protocol).contract(revision, patches), Ticking()
    target = InProcess(contract, allow_all=open_doors, clock=clock)
    rules = rules_of(contract, _setup(protocol, open_doors=open_doors), target)
    wanted = [rule for rule in rules if rule.probes and (not only or rule.id.startswith(only))]
    return Hunt(contract, patch, open_doors, clock, wanted)


def _there(patch: Json, documents: Json) -> Json:
    """Return a patch without what it says of operations, gates and the like that a revision does not have."""
    made: dict[str, Json] = {}
    for name, value in patch.items():
        known = documents.get(name) if isinstance(documents, Mapping) else None
        if isinstance(value, dict) and isinstance(known, Mapping):
            made[name] = _there(value, known)
        elif not isinstance(value, dict) or name in NEW:
            made[name] = value
    return made


def caught_by(mutant: Mutant, protocol: str, revision: str) -> str | None:
    """Return the first rule that tells a mutant from the contract; only rules that touch it are tried."""
    for hunt in hunts(protocol, revision):
        contract = served(hunt.contract, mutant, hunt.patch)
        if contract is not None and contract.digest != hunt.contract.digest:
            for rule in ranked(mutant, hunt.rules):
                if hunt.finds(rule, contract):
                    return rule.id
    return None


def ranked(mutant: Mutant, rules: list[Rule]) -> Iterator[Rule]:
    """Yield the rules that touch a mutated fact, the nearest first."""
    scored = [(dependencies(mutant, rule.depends_on), rule) for rule in rules]
    near = [(score, rule) for score, rule in scored if score]
    near.sort(key=lambda one: (cost(one[1]) > HARD, not about(mutant, one[1]), -one[0], cost(one[1])))
    return (rule for _, rule in near)


def about(mutant: Mutant, rule: Rule) -> bool:
    """Tell whether a mutated fact is the rule's own."""
    return mutant.place.startswith(rule.fact) or rule.fact.startswith(mutant.place)


def cost(rule: Rule) -> int:
    """Return how many bytes a rule sends."""
    return sum(probe.size for probe in rule.probes)


def is_served(mutant: Mutant, protocol: str, revision: str) -> bool:
    """Tell whether a mutant is a contract, and another one than it was made of."""
    base = library().protocol(protocol).contract(revision)
    contract = served(base, mutant)
    return contract is not None and contract.digest != base.digest
