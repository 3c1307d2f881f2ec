"""What invalid samples can break, sorted by rule: each rule has its turn, however many ways there are to break it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeAlias, TypeVar

from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.bodies import Bodies, EventMutation, Pick
from mockserver.strategies.chance import Chance, Site
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.gate_mutations import GateMutation
from mockserver.strategies.naming import NOBODY
from mockserver.strategies.places import fresh
from mockserver.strategies.plans import OperationPlan, Plan
from mockserver.strategies.samples import BreakableRule, Sample
from mockserver.strategies.schema_mutations import Mutation

AnyRule = TypeVar("AnyRule", bound=BreakableRule)
Rules: TypeAlias = Collection[str] | None
"""Ids of rules; only those are broken. None stands for all."""
Build: TypeAlias = Callable[[Chance], Sample]
Targets: TypeAlias = dict[str, list[Build]]
"""By the id of a rule, what draws samples that break it."""


@lru_cache(maxsize=512)
def bodies_of(form: FormPlan) -> Bodies:
    """Return what draws the bodies of a form, built once."""
    return Bodies(form)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """The events of some kinds that one form of an operation holds."""

    owner: OperationPlan
    form: FormPlan
    kinds: Sequence[Kind]

    def pick(self) -> Pick:
        """Return what picks a kind for each good event."""
        return Pick(self.form.kinds, [kind.name for kind in self.kinds])


class Choice:
    """Picks one of several, in turn where they have turns."""

    def __init__(self, builds: Sequence[Build], *, in_turn: bool = False) -> None:
        self.builds = builds
        self.site = Site(len(builds), range(len(builds)) if in_turn else ())

    def __call__(self, chance: Chance) -> Sample:
        """Draw a sample by one of them."""
        return self.builds[chance.pick(self.site) if len(self.builds) > 1 else 0](chance)


def in_turn(targets: Targets) -> Choice:
    """Return what draws samples that break each of the rules in turn."""
    return Choice([Choice(builds) if len(builds) > 1 else builds[0] for builds in targets.values()], in_turn=True)


def event_targets(found: Iterable[Events], rules: Rules) -> Targets:
    """Return what breaks one event, in batches of which it is nearly always the only one."""
    targets: Targets = {}
    for events in found:
        pick, places = events.pick(), _places(events.form)
        for kind in events.kinds:
            for mutation in _chosen(kind.mutations, rules):
                build = partial(_one_bad, events, pick, places, Breaker(kind, mutation))
                targets.setdefault(mutation.id, []).append(build)
    return targets


class Breaker:
    """One mutation of one kind of event: draws the way in which it is done."""

    def __init__(self, kind: Kind, mutation: Mutation) -> None:
        self.kind = kind
        self.mutation = mutation
        self.ways = Site(len(mutation.ways))

    def draw(self, chance: Chance) -> EventMutation:
        """Draw a way."""
        way = self.mutation.ways[chance.pick(self.ways) if len(self.mutation.ways) > 1 else 0]
        return EventMutation(self.kind, self.mutation, way)


class Places:
    """How many good events stand before a bad one and after it."""

    def __init__(self, places: Sequence[tuple[int, int]]) -> None:
        self.places = places
        self.site = Site(len(places))

    def draw(self, chance: Chance) -> tuple[int, int]:
        """Draw a place."""
        return self.places[chance.pick(self.site) if len(self.places) > 1 else 0]


def _places(form: FormPlan) -> Places:
    if form.form.single:
        return Places([(0, 0)])
    room = 4 if form.bounds[1] is None else min(form.bounds[1], 4)
    around = [(before, after) for before in (0, 1, 2) for after in (0, 1) if before + after < room]
    return Places([(0, 0)] * 4 + around)


def _one_bad(events: Events, pick: Pick, places: Places, breaker: Breaker, chance: Chance) -> Sample:
    broken = breaker.draw(chance)
    before, after = places.draw(chance)
    return _mixed(events, pick, [*[None] * before, broken, *[None] * after], chance)


def _mixed(events: Events, pick: Pick, slots: Sequence[EventMutation | None], chance: Chance) -> Sample:
    body, bad = bodies_of(events.form).draw_mixed(chance, slots, pick)
    return events.owner.mixed(events.owner.parts(body), events.form.events_in(body), bad)


def batch_builds(found: Iterable[Events], rules: Rules) -> list[Build]:
    """Return what draws batches of good and bad events, at least one of them bad."""
    builds: list[Build] = []
    for events in found:
        by_rule: dict[str, list[Breaker]] = {}
        for kind in events.kinds if not events.form.form.single else ():
            for mutation in _chosen(kind.mutations, rules):
                by_rule.setdefault(mutation.id, []).append(Breaker(kind, mutation))
        if by_rule:
            builds.append(Batch(events, list(by_rule.values())))
    return builds


class Batch:
    """Draws batches of good and bad events of one form."""

    def __init__(self, events: Events, rules: Sequence[Sequence[Breaker]]) -> None:
        least, most = events.form.bounds
        self.events = events
        self.pick = events.pick()
        self.rules = rules
        self.sizes = range(max(1, least), max(1, least, min(6, most or 6)) + 1)
        self.size, self.bad = Site(len(self.sizes)), Site(2)
        self.rule, self.first = Site(len(rules)), Site(len(rules), range(len(rules)))

    def __call__(self, chance: Chance) -> Sample:
        """Draw a batch; the first bad event breaks a rule whose turn it is."""
        size = self.sizes[chance.pick(self.size)]
        slots: list[EventMutation | None] = []
        for _ in range(size):
            bad = chance.pick(self.bad) or (len(slots) == size - 1 and not any(slots))
            slots.append(self._broken(chance, self.rule if any(slots) else self.first) if bad else None)
        return _mixed(self.events, self.pick, slots, chance)

    def _broken(self, chance: Chance, site: Site) -> EventMutation:
        breaker: Breaker = chance.choose(self.rules[chance.pick(site)])
        return breaker.draw(chance)


def request_targets(plan: Plan, owners: Sequence[OperationPlan], rules: Rules, *, unserved: bool) -> Targets:
    """Return what breaks a request beside its events; with `unserved`, also its path."""
    targets: Targets = {}
    for owner in owners:
        for form in owner.forms.values():
            pick = Pick(form.kinds, list(form.kinds))
            for mutation in _chosen(form.envelope_mutations, rules):
                build = partial(_broken_envelope, owner, form, pick, mutation, Site(len(mutation.ways)))
                targets.setdefault(mutation.id, []).append(build)
            if bodies_of(form).nameless and (rules is None or NOBODY.id in rules):
                targets.setdefault(NOBODY.id, []).append(partial(_nameless, owner, form))
        for gate in _chosen(owner.gate_mutations, rules):
            if gate.changes:
                targets.setdefault(gate.id, []).append(Gated(owner, gate))
    for sample in plan.unserved() if unserved else ():
        if rules is None or sample.breach.id in rules:
            targets.setdefault(sample.breach.id, []).append(partial(_copied, sample))
    return targets


def _broken_envelope(
    owner: OperationPlan, form: FormPlan, pick: Pick, mutation: Mutation, ways: Site, chance: Chance
) -> Sample:
    way = mutation.ways[chance.pick(ways) if len(mutation.ways) > 1 else 0]
    body = bodies_of(form).draw_enveloped(chance, mutation, way, pick)
    return owner.refused(owner.parts(body), mutation, way[0])


def _nameless(owner: OperationPlan, form: FormPlan, chance: Chance) -> Sample:
    return owner.nobody(owner.parts(bodies_of(form).draw_nameless(chance)))


class Gated:
    """Draws good requests of one operation and changes them so that one gate refuses them."""

    def __init__(self, owner: OperationPlan, gate: GateMutation) -> None:
        self.owner = owner
        self.gate = gate
        self.forms = [(form, Pick(form.kinds, list(form.kinds))) for form in owner.forms.values()]
        self.change, self.form = Site(len(gate.changes)), Site(max(1, len(self.forms)))

    def __call__(self, chance: Chance) -> Sample:
        """Draw a request."""
        change, body = self.gate.changes[chance.pick(self.change)], MISSING
        if self.forms:
            form, pick = self.forms[chance.pick(self.form)]
            body = bodies_of(form).draw_good(chance, pick)
        parts = change(self.owner.parts(body))
        return self.owner.gated(replace(parts, body=fresh(parts.body)), self.gate)


def _copied(sample: Sample, chance: Chance) -> Sample:
    return replace(sample, prediction=replace(sample.prediction, body=fresh(sample.prediction.body)))


def _chosen(mutations: Iterable[AnyRule], rules: Rules) -> list[AnyRule]:
    return [mutation for mutation in mutations if rules is None or mutation.id in rules]
