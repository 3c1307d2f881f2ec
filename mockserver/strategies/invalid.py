"""Strategies of what is bad: requests that break exactly one rule, and batches that mix good events with bad ones.

What a protocol's adapter checks in code, and no contract says, is not known here and never broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.errors import ContractError
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.bodies import Bodies, Broken
from mockserver.strategies.drawing import Draw, composed
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.gate_mutations import Change, GateMutation, rule_id
from mockserver.strategies.options import Options, bodies_of, forms_of, operations_of, plan
from mockserver.strategies.plans import NOBODY, OperationPlan, Plan
from mockserver.strategies.samples import Sample
from mockserver.strategies.schema_mutations import Mutation


def invalid_events(
    protocol: str,
    *,
    operation: str | None = None,
    type: str | None = None,
    rules: Collection[str] | None = None,
    **options: Unpack[Options],
) -> SearchStrategy[Sample]:
    """Return requests in which one event breaks exactly one rule; the others in its batch are good.

    `rules` are ids of rules as `breaches` lists them; only those are broken.
    """
    found = plan(protocol, **options)
    return _any_of(_bad_events(found, operation, type, rules), found, rules)


def _any_of(
    made: Iterable[SearchStrategy[Sample]], found: Plan, rules: Collection[str] | None
) -> SearchStrategy[Sample]:
    """Return one of some strategies. Raises ContractError where there are none, or a rule is unknown."""
    known, strategies = breaches_of(found, None) if rules else [], list(made)
    unknown = [rules] if isinstance(rules, str) else [rule for rule in rules or () if rule not in known]
    if unknown or not strategies:
        told = f"no rule {unknown[0]!r}" if unknown else "no rule of this kind"
        problem = f"{told} can be broken here; rules are given as a list of ids that breaches() has"
        raise ContractError(found.contract.name, "", problem)
    return st.one_of(strategies)


def _bad_events(
    found: Plan, operation: str | None, type: str | None, rules: Collection[str] | None
) -> Iterator[SearchStrategy[Sample]]:
    for one, form, kinds in forms_of(found, operation, type):
        strategy = _one_bad(one, form, kinds, rules)
        if strategy is not None:
            yield strategy


def _chosen(kinds: Sequence[Kind], rules: Collection[str] | None) -> dict[str, list[tuple[Kind, Mutation]]]:
    """Return the faults to choose from, by rule: each rule is as likely as the others."""
    made: dict[str, list[tuple[Kind, Mutation]]] = {}
    for kind in kinds:
        for fault in kind.faults:
            name = rule_id(fault)
            if rules is None or name in rules:
                made.setdefault(name, []).append((kind, fault))
    return made


def _broken(kinds: Sequence[Kind], rules: Collection[str] | None) -> SearchStrategy[Broken] | None:
    chosen = list(_chosen(kinds, rules).values())
    if not chosen:
        return None

    def build(draw: Draw) -> Broken:
        options = draw(st.sampled_from(chosen))
        kind, fault = options[0] if len(options) == 1 else draw(st.sampled_from(options))
        return Broken(kind, fault, fault.ways[draw(st.integers(0, len(fault.ways) - 1))])

    return composed(build)


def _one_bad(
    one: OperationPlan, form: FormPlan, kinds: Sequence[Kind], rules: Collection[str] | None
) -> SearchStrategy[Sample] | None:
    bodies, broken = bodies_of(form), _broken(kinds, rules)
    if broken is None:
        return None
    names = [kind.name for kind in kinds]
    room = 1 if bodies.most is None else min(bodies.most, 4)
    places = [(0, 0)] * 4 + [(before, after) for before in (0, 1, 2) for after in (0, 1) if before + after < room]

    def build(draw: Draw) -> Sample:
        fault = draw(broken)
        before, after = (0, 0) if form.form.single else draw(st.sampled_from(places))
        body, bad = bodies.draw_mixed(draw, [None] * before + [fault] + [None] * after, names)
        return one.mixed(form, one.parts(body), form.events_in(body), bad)

    return composed(build)


def batches(
    protocol: str, *, operation: str | None = None, rules: Collection[str] | None = None, **options: Unpack[Options]
) -> SearchStrategy[Sample]:
    """Return batches of good and bad events, in any order, at least one of them bad."""
    found, made = plan(protocol, **options), []
    for one, form, kinds in forms_of(found, operation, None):
        strategy = None if form.form.single else _mixed(one, form, kinds, rules)
        if strategy is not None:
            made.append(strategy)
    return _any_of(made, found, rules)


def _mixed(
    one: OperationPlan, form: FormPlan, kinds: Sequence[Kind], rules: Collection[str] | None
) -> SearchStrategy[Sample] | None:
    bodies, broken = bodies_of(form), _broken(kinds, rules)
    if broken is None:
        return None
    names = [kind.name for kind in kinds]
    least = max(1, bodies.least)
    most = max(least, 6) if bodies.most is None else min(bodies.most, max(least, 6))
    slots = st.lists(st.one_of(st.none(), broken), min_size=least, max_size=most)

    def build(draw: Draw) -> Sample:
        slotted = draw(slots)
        if not any(slotted):
            slotted[draw(st.integers(0, len(slotted) - 1))] = draw(broken)
        body, bad = bodies.draw_mixed(draw, slotted, names)
        return one.mixed(form, one.parts(body), form.events_in(body), bad)

    return composed(build)


def invalid_requests(
    protocol: str, *, operation: str | None = None, rules: Collection[str] | None = None, **options: Unpack[Options]
) -> SearchStrategy[Sample]:
    """Return requests that break exactly one rule beside those of events: envelope, size, JSON, credential, path."""
    found = plan(protocol, **options)
    return _any_of(_bad_requests(found, operation, rules), found, rules)


def _bad_requests(
    found: Plan, operation: str | None, rules: Collection[str] | None
) -> Iterator[SearchStrategy[Sample]]:
    for one in operations_of(found, operation):
        yield from _broken_requests(one, rules)
    unserved = [sample for sample in found.unserved() if rules is None or sample.breach.id in rules]
    if operation is None and unserved:
        yield st.sampled_from(unserved)


def _broken_requests(one: OperationPlan, rules: Collection[str] | None) -> Iterator[SearchStrategy[Sample]]:
    for form in one.forms.values():
        faults = [fault for fault in form.envelope_mutations if rules is None or rule_id(fault) in rules]
        if faults:
            yield _broken_envelope(one, form, faults)
        bodies = bodies_of(form)
        if bodies.nameless and (rules is None or rule_id(NOBODY) in rules):
            yield _nameless(one, bodies)
    gates = [fault for fault in one.gate_mutations if fault.changes and (rules is None or rule_id(fault) in rules)]
    if gates:
        yield _gated(one, gates)


def _broken_envelope(one: OperationPlan, form: FormPlan, faults: Sequence[Mutation]) -> SearchStrategy[Sample]:
    bodies, names = bodies_of(form), list(form.kinds)

    def build(draw: Draw) -> Sample:
        fault = draw(st.sampled_from(faults))
        way = fault.ways[draw(st.integers(0, len(fault.ways) - 1))]
        body = bodies.draw_enveloped(draw, fault, way, names)
        return one.refused(one.parts(body), fault, way[0])

    return composed(build)


def _nameless(one: OperationPlan, bodies: Bodies) -> SearchStrategy[Sample]:
    def build(draw: Draw) -> Sample:
        return one.nobody(one.parts(bodies.draw_nameless(draw)))

    return composed(build)


def _gated(one: OperationPlan, faults: Sequence[GateMutation]) -> SearchStrategy[Sample]:
    forms = list(one.forms.values())

    def build(draw: Draw) -> Sample:
        fault = draw(st.sampled_from(faults))
        change: Change = draw(st.sampled_from(fault.changes))
        body = MISSING
        if forms:
            form = draw(st.sampled_from(forms))
            body = bodies_of(form).draw_good(draw, list(form.kinds))
        return one.gated(change(one.parts(body)), fault)

    return composed(build)


def invalid(
    protocol: str, *, operation: str | None = None, rules: Collection[str] | None = None, **options: Unpack[Options]
) -> SearchStrategy[Sample]:
    """Return requests that break exactly one rule of any kind: `invalid_events` and `invalid_requests` together."""
    found = plan(protocol, **options)
    made = list(_bad_requests(found, operation, rules))
    if any(form.kinds for one in operations_of(found, operation) for form in one.forms.values()):
        made += _bad_events(found, operation, None, rules)
    return _any_of(made, found, rules)


def breaches(protocol: str, *, operation: str | None = None, **options: Unpack[Options]) -> list[str]:
    """Return the id of every rule that the strategies can break alone, for all operations or one."""
    return breaches_of(plan(protocol, **options), operation)


def breaches_of(found: Plan, operation: str | None) -> list[str]:
    """Return the ids of a plan."""
    ids: list[str] = []
    for one in operations_of(found, operation):
        for form in one.forms.values():
            ids += [rule_id(fault) for fault in form.envelope_mutations]
            ids += [rule_id(fault) for kind in form.kinds.values() for fault in kind.faults]
            ids += [rule_id(NOBODY)] if bodies_of(form).nameless else []
        ids += [rule_id(fault) for fault in one.gate_mutations if fault.changes]
    ids += [] if operation else [sample.breach.id for sample in found.unserved()]
    return list(dict.fromkeys(ids))
