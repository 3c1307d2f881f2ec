"""The strategies themselves: events, requests, broken ones, mixed ones, each with the reply it must get."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypedDict, Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.core.contract import Contract
from mockserver.core.pointer import MISSING
from mockserver.errors import ContractError
from mockserver.loader import library
from mockserver.strategies.bodies import Bodies, Broken
from mockserver.strategies.drawing import Draw, Strategy, composed
from mockserver.strategies.faults import Fault
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.gatefaults import Change, GateFault, rule_id
from mockserver.strategies.plans import NOBODY, NOW_MS, OperationPlan, Plan, plan_of
from mockserver.strategies.samples import Sample
from mockserver.strategies.transport import transports

IDENTIFYING: Final = "identi"
"""Operations and types of events whose names begin so say who somebody is."""


class Options(TypedDict, total=False):
    """What every strategy takes.

    `contract` is used as it is, else the protocol's `revision`, else its base. Times are offsets from `now_ms` and stay
    `slack_ms` clear of the ends of windows. `keys` gives credentials by their names in the contract.
    """

    revision: str | None
    contract: Contract | None
    now_ms: int
    slack_ms: int
    keys: Mapping[str, str]


def plan(protocol: str, **options: Unpack[Options]) -> Plan:
    """Return the compiled plan of a contract. Raises ContractError."""
    contract = options.get("contract") or library().protocol(protocol).contract(options.get("revision"))
    keys = tuple(sorted(options.get("keys", {}).items()))
    return plan_of(contract, options.get("now_ms", NOW_MS), options.get("slack_ms", 0), keys)


@lru_cache(maxsize=512)
def bodies_of(form: FormPlan) -> Bodies:
    """Return the strategies of a form, built once."""
    return Bodies(form)


def _operations(found: Plan, operation: str | None) -> list[OperationPlan]:
    if operation is None:
        return list(found.operations.values())
    if operation not in found.operations:
        known = ", ".join(found.operations)
        raise ContractError(
            found.contract.name, "/protocol/operations", f"no operation {operation!r}. There are: {known}"
        )
    return [found.operations[operation]]


def _forms(found: Plan, operation: str | None, type: str | None) -> list[tuple[OperationPlan, FormPlan, list[Kind]]]:
    """Return the forms that hold events of a type, each with the kinds meant. Raises ContractError for none."""
    made: list[tuple[OperationPlan, FormPlan, list[Kind]]] = []
    for one in _operations(found, operation):
        every = [(form, list(form.kinds.values())) for form in one.forms.values() if form.kinds]
        made += [(one, form, kinds) for form, kinds in (every if type is None else one.of_type(type))]
    if not made:
        raise ContractError(found.contract.name, "/events", f"no operation takes events of type {type!r}")
    return made


def events(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> Strategy:
    """Return good events as plain JSON: of every type, or of one; for every operation that takes events, or one."""
    made = _forms(plan(protocol, **options), operation, type)
    return st.one_of([bodies_of(form).event([kind.name for kind in kinds]) for _, form, kinds in made])


def requests(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> SearchStrategy[Sample]:
    """Return good requests of every operation, or of one, each with the reply it must get."""
    found = plan(protocol, **options)
    if type is None:
        return st.one_of([_good(one) for one in _operations(found, operation)])
    return st.one_of([_good_of(one, form, kinds) for one, form, kinds in _forms(found, operation, type)])


def _good(one: OperationPlan) -> SearchStrategy[Sample]:
    if one.forms:
        return st.one_of([_good_of(one, form, list(form.kinds.values())) for form in one.forms.values()])
    changes = st.sampled_from(transports(one))
    return changes.map(lambda change: one.good(change(one.parts())))


def _good_of(one: OperationPlan, form: FormPlan, kinds: Sequence[Kind]) -> SearchStrategy[Sample]:
    bodies, names = bodies_of(form), [kind.name for kind in kinds]
    changes = st.sampled_from(transports(one))

    def build(draw: Draw) -> Sample:
        body = bodies.draw_good(draw, names)
        return one.good(draw(changes)(one.parts(body)), form.events_in(body))

    return composed(build)


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
    made = [
        _one_bad(one, form, kinds, rules) for one, form, kinds in _forms(plan(protocol, **options), operation, type)
    ]
    return st.one_of([strategy for strategy in made if strategy is not None])


def _chosen(kinds: Sequence[Kind], rules: Collection[str] | None) -> dict[str, list[tuple[Kind, Fault]]]:
    """Return the faults to choose from, by rule: each rule is as likely as the others."""
    made: dict[str, list[tuple[Kind, Fault]]] = {}
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
    made = []
    for one, form, kinds in _forms(plan(protocol, **options), operation, None):
        strategy = None if form.form.single else _mixed(one, form, kinds, rules)
        if strategy is not None:
            made.append(strategy)
    return st.one_of(made)


def _mixed(
    one: OperationPlan, form: FormPlan, kinds: Sequence[Kind], rules: Collection[str] | None
) -> SearchStrategy[Sample] | None:
    bodies, broken = bodies_of(form), _broken(kinds, rules)
    if broken is None:
        return None
    names = [kind.name for kind in kinds]
    slots = st.lists(st.one_of(st.none(), broken), min_size=1, max_size=min(bodies.most or 6, 6))

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
    made = [strategy for one in _operations(found, operation) for strategy in _broken_requests(one, rules)]
    unserved = [sample for sample in found.unserved() if rules is None or sample.breach.id in rules]
    if operation is None and unserved:
        made.append(st.sampled_from(unserved))
    return st.one_of(made)


def _broken_requests(one: OperationPlan, rules: Collection[str] | None) -> Iterator[SearchStrategy[Sample]]:
    for form in one.forms.values():
        faults = [fault for fault in form.envelope_faults if rules is None or rule_id(fault) in rules]
        if faults:
            yield _broken_envelope(one, form, faults)
        bodies = bodies_of(form)
        if bodies.nameless and (rules is None or rule_id(NOBODY) in rules):
            yield _nameless(one, bodies)
    gates = [fault for fault in one.gate_faults if fault.changes and (rules is None or rule_id(fault) in rules)]
    if gates:
        yield _gated(one, gates)


def _broken_envelope(one: OperationPlan, form: FormPlan, faults: Sequence[Fault]) -> SearchStrategy[Sample]:
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


def _gated(one: OperationPlan, faults: Sequence[GateFault]) -> SearchStrategy[Sample]:
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
    made = [invalid_requests(protocol, operation=operation, rules=rules, **options)]
    if any(form.kinds for one in _operations(plan(protocol, **options), operation) for form in one.forms.values()):
        made.append(invalid_events(protocol, operation=operation, rules=rules, **options))
    return st.one_of(made)


def identities(protocol: str, **options: Unpack[Options]) -> SearchStrategy[Sample]:
    """Return good requests that say who somebody is: identify events, and operations made for it."""
    found = plan(protocol, **options)
    made = []
    for one in found.operations.values():
        for form in one.forms.values():
            kinds = [kind for kind in form.kinds.values() if kind.name.startswith(IDENTIFYING)]
            if kinds or one.operation.name.startswith(IDENTIFYING):
                made.append(_good_of(one, form, kinds or list(form.kinds.values())))
    return st.one_of(made)


def breaches(protocol: str, *, operation: str | None = None, **options: Unpack[Options]) -> list[str]:
    """Return the id of every rule that the strategies can break alone, for all operations or one."""
    found = plan(protocol, **options)
    ids: list[str] = []
    for one in _operations(found, operation):
        for form in one.forms.values():
            ids += [rule_id(fault) for fault in form.envelope_faults]
            ids += [rule_id(fault) for kind in form.kinds.values() for fault in kind.faults]
            ids += [rule_id(NOBODY)] if bodies_of(form).nameless else []
        ids += [rule_id(fault) for fault in one.gate_faults if fault.changes]
    ids += [] if operation else [sample.breach.id for sample in found.unserved()]
    return list(dict.fromkeys(ids))
