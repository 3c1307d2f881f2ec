"""Serving mutants of contracts in process and asking verify about each, under several settings of the same contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from operator import itemgetter
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError
from mockserver.verify import Probe, Rule, Runner, Setup, Step, rules_of
from tests.verify.inprocess import InProcess, Ticking, setup_of
from tests.verify.mutants import Dependencies, Mutant, mutants, served
from tests.verify.settings import NEW, settings_of

Json = Any
HARD: Final = 3_000_000
"""Rules that send so many bytes are tried last."""
LONG: Final = 100_000
RATE: Final = "rate"
"""What limits, gates, refusals and members of operations are named after that have to do with a rate limit."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rule with its probes: how many bytes they send, and whether they exceed a rate limit."""

    rule: Rule
    depends_on: Dependencies
    probes: list[Probe]
    cost: int
    bursts: bool


@dataclass(frozen=True, slots=True, eq=False)
class Hunt:
    """One way to hunt: the contract that verify holds the target to, how the target is set up, the rules to try."""

    contract: Contract
    patch: Json
    open_doors: bool
    clock: Ticking
    rules: list[Prepared]

    def finds(self, prepared: Prepared, contract: Contract) -> bool:
        """Tell whether a rule finds anything wrong with a server of a contract."""
        target = InProcess(contract, allow_all=self.open_doors, clock=self.clock)
        runner = Runner(self.contract, _setup(self.contract.name, open_doors=self.open_doors), target)
        return any(runner.play(prepared.rule, probe) is not None for probe in prepared.probes)


def _setup(protocol: str, *, open_doors: bool) -> Setup:
    setup = setup_of(protocol)
    return replace(setup, revoked=()) if open_doors else setup


@cache
def hunts(protocol: str, revision: str) -> list[Hunt]:
    """Return every way to hunt mutants of a contract: with keys to refuse, without, under each of the settings."""
    every = [_hunt(protocol, revision, None, (), open_doors=open_doors) for open_doors in (False, True)]
    for patch, only in settings_of(protocol, revision):
        with suppress(ContractError):  # a revision may lack what the settings are about
            every.append(_hunt(protocol, revision, {"protocol": patch}, only, open_doors=False))
    return every


def _hunt(protocol: str, revision: str, patch: Json, only: tuple[str, ...], *, open_doors: bool) -> Hunt:
    base = library().protocol(protocol).contract(revision)
    patch = None if patch is None else _there(patch, base.documents)
    patches = [] if patch is None else [Patch(name="settings", patch=patch)]
    contract, clock = library().protocol(protocol).contract(revision, patches), Ticking()
    target = InProcess(contract, allow_all=open_doors, clock=clock)
    rules = [
        _prepared(rule)
        for rule in rules_of(contract, _setup(protocol, open_doors=open_doors), target)
        if not only or rule.id.startswith(only)
    ]
    return Hunt(contract, patch, open_doors, clock, [prepared for prepared in rules if prepared.probes])


def probes_of(rule: Rule) -> list[Probe]:
    """Build the probes of a rule to keep: equal bodies are one object, as hundreds of them are a megabyte long."""
    return [Probe(tuple(map(_with_shared_body, probe.steps))) for probe in rule.probes()]


def _prepared(rule: Rule) -> Prepared:
    probes = probes_of(rule)
    bursts = any(step.limited for probe in probes for step in probe.steps)
    cost = sum(probe.size for probe in probes)
    return Prepared(replace(rule, drafts=[]), Dependencies(rule.depends_on), probes, cost, bursts)


def _with_shared_body(step: Step) -> Step:
    body = step.request.body
    return step if len(body) < LONG else replace(step, request=replace(step.request, body=_shared(body)))


@cache
def _shared(body: bytes) -> bytes:
    return body


def _there(patch: Json, documents: Json) -> Json:
    """Return a patch without what it says of operations, gates and the like that a revision does not have."""
    kept: dict[str, Json] = {}
    for name, value in patch.items():
        known = documents.get(name) if isinstance(documents, Mapping) else None
        if isinstance(value, dict) and isinstance(known, Mapping):
            kept[name] = _there(value, known)
        elif not isinstance(value, dict) or name in NEW:
            kept[name] = value
    return kept


def caught_by(mutant: Mutant, protocol: str, revision: str, *, everything: bool = False) -> str | None:
    """Return the first rule that tells a mutant from the contract; only those that depend on it, or `everything`."""
    served_under: dict[Hunt, Contract | None] = {}
    every = hunts(protocol, revision)
    chosen = [(hunt, prepared) for hunt in every for prepared in hunt.rules] if everything else ranked(mutant, every)
    for hunt, prepared in chosen:
        if hunt not in served_under:
            contract = served(hunt.contract, mutant, hunt.patch)
            changed = contract is not None and contract.digest != hunt.contract.digest
            served_under[hunt] = contract if changed else None
        contract = served_under[hunt]
        if contract is not None and hunt.finds(prepared, contract):
            return prepared.rule.id
    return None


def ranked(mutant: Mutant, hunts: Iterable[Hunt]) -> list[tuple[Hunt, Prepared]]:
    """Return the rules that depend on a mutated fact, those about it first, in all hunts; bursts only if about it."""
    keyed = []
    for number, hunt in enumerate(hunts):
        for prepared in hunt.rules:
            score = prepared.depends_on.closeness(mutant)
            if not score:
                continue
            about = (prepared.bursts and RATE in mutant.id) or _is_about(mutant, prepared.rule)
            if about or not prepared.bursts:
                dear = prepared.cost > HARD
                own = _is_within(mutant.place, prepared.rule.fact)
                key = (not about, prepared.bursts, dear, not own, number, -score, prepared.cost)
                keyed.append((key, hunt, prepared))
    return [(hunt, prepared) for _, hunt, prepared in sorted(keyed, key=itemgetter(0))]


def _is_about(mutant: Mutant, rule: Rule) -> bool:
    """Tell whether a mutated fact is one of the rule's own, or right beside it."""
    fact, place = rule.fact, mutant.place
    own = place.startswith(fact) or fact.startswith(place) or place in rule.depends_on
    return own or fact.rpartition("/")[0] == place.rpartition("/")[0]


def mutants_of(protocol: str, revision: str) -> Iterator[Mutant]:
    """Yield the mutants of a contract that are contracts themselves, and other ones."""
    contract = library().protocol(protocol).contract(revision)
    return (mutant for mutant in mutants(contract) if is_served(mutant, protocol, revision))


def _is_within(place: str, fact: str) -> bool:
    """Tell whether one of two pointers is the other, or stands in it."""
    return f"{place}/".startswith(f"{fact}/") or f"{fact}/".startswith(f"{place}/")


@cache
def is_served(mutant: Mutant, protocol: str, revision: str) -> bool:
    """Tell whether a mutant is a contract, and another one than it was made of."""
    base = library().protocol(protocol).contract(revision)
    contract = served(base, mutant)
    return contract is not None and contract.digest != base.digest
