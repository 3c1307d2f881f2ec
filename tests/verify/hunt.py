"""Serving mutants of contracts in process and asking verify about each, under several settings of the same contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer
from mockserver.verify import Probe, Rule, Runner, Setup, Step, rules_of
from mockserver.verify.evidence import Evidence
from tests.verify.inprocess import InProcess, Ticking, setup_of
from tests.verify.mutants import Dependencies, Mutant, mutants, served
from tests.verify.settings import NEW, settings_of

Json = Any
HARD: Final = 3_000_000
"""Rules that send so many bytes are tried last."""
LONG: Final = 100_000
ACCEPTED: Final = "accepted"
"""What rules are named after whose requests are good."""
REFUSE_GOOD: Final = (
    *("/enum without", "/anyOf without", "/credentials without"),
    *("/nulls/members is", "/anything flipped", "/pattern changed", "/pointers without"),
)
"""Ends of mutants under which good requests are refused."""
REFUSED_BY: Final[Mapping[str, str]] = {"/invalid_event/": "anyOf"}
"""The keyword that most likely shows a reason of refusals, where nearly all others have a text of their own."""
LOW: Final = 20
"""Requests that every limit of a rate lets through."""
RATE: Final = "rate"
"""What limits, gates, refusals and members of operations are named after that have to do with a rate limit."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rule with its probes: how many bytes they send, and whether they exceed a rate limit."""

    rule: Rule
    names: frozenset[str]
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
    evidence: Evidence
    rules: list[Prepared]

    def finds(self, prepared: Prepared, contract: Contract) -> bool:
        """Tell whether a rule finds anything wrong with a server of a contract."""
        target = InProcess(contract, allow_all=self.open_doors, clock=self.clock)
        runner = Runner(self.contract, _setup(self.contract.name, open_doors=self.open_doors), target)
        self.evidence.refusals.clear()  # they are those of another server
        return any(runner.play(prepared.rule, probe) for probe in prepared.probes)


def _setup(protocol: str, *, open_doors: bool) -> Setup:
    setup = setup_of(protocol)
    return replace(setup, revoked=()) if open_doors else setup


@lru_cache(maxsize=1)  # the probes of one contract take hundreds of megabytes
def hunts(protocol: str, revision: str) -> list[Hunt]:
    """Return every way to hunt mutants of a contract: with keys to refuse, without, under each of the settings.

    The limits of rates are low in all of them, so that a few requests reach one.
    """
    contract, bodies = library().protocol(protocol).contract(revision), dict[bytes, bytes]()
    low = low_rates(contract)
    every = [_hunt(contract, low, (), bodies, open_doors=open_doors) for open_doors in (False, True)]
    for patch, only in settings_of(protocol, revision):
        with suppress(ContractError):  # a revision may lack what the settings are about
            settings = pointer.merge_patch(low, _there({"protocol": patch}, contract.documents))
            every.append(_hunt(contract, settings, only, bodies, open_doors=False))
    return every


def low_rates(contract: Contract) -> Json:
    """Return a patch under which a few requests reach every limit of a rate; empty where there is none."""
    rates = [name for name, limit in contract.documents["protocol"]["limits"].items() if "requests" in limit]
    return {"protocol": {"limits": {name: {"requests": LOW} for name in rates}}} if rates else {}


def _with(base: Contract, patch: Json) -> Contract:
    patches = [Patch(name="scenario", patch=patch)] if patch else []
    return library().protocol(base.name).contract(base.revision, patches)


def _hunt(base: Contract, patch: Json, only: tuple[str, ...], bodies: dict[bytes, bytes], *, open_doors: bool) -> Hunt:
    contract, clock = _with(base, patch), Ticking()
    target, evidence = InProcess(contract, allow_all=open_doors, clock=clock), Evidence()
    rules = [
        _prepared(rule, bodies)
        for rule in rules_of(contract, _setup(base.name, open_doors=open_doors), target, evidence)
        if not only or rule.id.startswith(only)
    ]
    return Hunt(contract, patch, open_doors, clock, evidence, [prepared for prepared in rules if prepared.probes])


def probes_of(rule: Rule, bodies: dict[bytes, bytes]) -> list[Probe]:
    """Build the probes of a rule to keep: equal bodies are one object, as hundreds of them are a megabyte long.

    `bodies` are the long ones of earlier rules.
    """
    return [Probe(tuple(_with_shared_body(step, bodies) for step in probe.steps)) for probe in rule.probes()]


def _prepared(rule: Rule, bodies: dict[bytes, bytes]) -> Prepared:
    probes = probes_of(rule, bodies)
    bursts = any(step.limited for probe in probes for step in probe.steps)
    cost = sum(probe.size for probe in probes)
    return Prepared(replace(rule, drafts=[]), _names_of(rule), Dependencies(rule.depends_on), probes, cost, bursts)


def _with_shared_body(step: Step, bodies: dict[bytes, bytes]) -> Step:
    body = step.request.body
    if len(body) < LONG:
        return step
    return replace(step, request=replace(step.request, body=bodies.setdefault(body, body)))


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
                common = names_in(mutant) & prepared.names
                sure = ACCEPTED in common or len(common) > 1
                named = len(common) if sure or not (prepared.bursts or dear) else 0
                key = (-named, not about, prepared.bursts, dear, not own, number, -score, prepared.cost)
                keyed.append((key, hunt, prepared))
    return [(hunt, prepared) for _, hunt, prepared in sorted(keyed, key=itemgetter(0))]


def names_in(mutant: Mutant) -> frozenset[str]:
    """Return what the rules are named after that most likely notice a mutant: what a list lost, which gates moved.

    Some mutants refuse what is good: a value of an enumeration, a key, a null, another media type.
    """
    what, _, other = mutant.change.partition(" ")
    if what in ("before", "behind"):
        moved = mutant.place.split("/")[3]
        return frozenset(name for gate in (moved, other) for name in (f"{gate}/order", f"before-{gate}"))
    names = {other.lstrip("/")} if what == "without" else set[str]()
    names |= {keyword for reason, keyword in REFUSED_BY.items() if reason in mutant.place}
    if f"{mutant.place} {what}".endswith(REFUSE_GOOD):
        names.add(ACCEPTED)
    return frozenset(names)


def _names_of(rule: Rule) -> frozenset[str]:
    """Return what the id of a rule is made of, gates in rules about their order as `key/order`."""
    tokens = rule.id.replace("#", "/").split("/")
    return frozenset(tokens) | {f"{gate}/order" for gate, token in pairwise(tokens) if token == "order"}


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
    """Tell whether a mutant is a contract, and another one than it was made of; under low rates, as it is hunted."""
    base = library().protocol(protocol).contract(revision)
    low = low_rates(base)
    contract = served(base, mutant, low)
    return contract is not None and contract.digest != _with(base, low).digest
