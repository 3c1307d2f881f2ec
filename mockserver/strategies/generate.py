"""The strategies: good events and requests, requests that break exactly one rule, batches that mix good events and bad.

What a protocol's adapter checks in code, and no contract says, is not known here and never broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypedDict, TypeVar, Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.bodies import Bodies, EventMutation
from mockserver.strategies.drawing import Draw, Strategy, composed
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.gate_mutations import GateMutation
from mockserver.strategies.naming import NOBODY
from mockserver.strategies.plans import NOW_MS, OperationPlan, Plan, plan_of
from mockserver.strategies.request_variations import transports
from mockserver.strategies.samples import BreakableRule, Sample
from mockserver.strategies.schema_mutations import Mutation

AnyRule = TypeVar("AnyRule", bound=BreakableRule)
Rules = Collection[str] | None
"""Ids of rules as `breaches` lists them; only those are broken. None stands for all."""
Samples = SearchStrategy[Sample]
Slots = list[EventMutation | None]
"""What is done to each event of a batch."""


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


def compiled(protocol: str, **options: Unpack[Options]) -> Plan:
    """Return the compiled plan of a contract. Raises ContractError, and TypeError for unknown options."""
    for name in options:
        if name not in Options.__annotations__:
            others = [other for other in ("operation", "type", "rules") if other != name]
            raise TypeError(unknown("option", name, [*Options.__annotations__, *others]))
    times = options.get("now_ms", NOW_MS), options.get("slack_ms", 0)
    if not isinstance(protocol, str) or not all(type(time) is int for time in times):
        raise TypeError("a protocol is a name; now_ms and slack_ms are whole milliseconds, the first since 1970")
    contract = options.get("contract") or library().protocol(protocol).contract(options.get("revision"))
    if contract.name != protocol:
        raise ContractError(contract.name, "", f"is not the contract of {protocol}")
    keys = options.get("keys", {})
    for name in keys:
        if name not in contract.credentials:
            known = ", ".join(contract.credentials)
            raise ContractError(contract.name, "/protocol/credentials", f"no credential {name!r}; available: {known}")
    return plan_of(contract, *times, tuple(sorted(keys.items())))


@lru_cache(maxsize=512)
def bodies_of(form: FormPlan) -> Bodies:
    """Return the strategies of a form, built once."""
    return Bodies(form)


def operations_of(plan: Plan, operation: str | None) -> list[OperationPlan]:
    """Return all operations, or the one named. Raises ContractError for an unknown one."""
    if operation is None:
        return list(plan.operations.values())
    if not isinstance(operation, str) or operation not in plan.operations:
        problem = f"no operation {operation!r}; available: {', '.join(plan.operations)}"
        raise ContractError(plan.contract.name, "/protocol/operations", problem)
    return [plan.operations[operation]]


def forms_of(plan: Plan, operation: str | None, type: str | None) -> list[tuple[OperationPlan, FormPlan, list[Kind]]]:
    """Return the forms that hold events of a type, each with the kinds meant. Raises ContractError for none."""
    forms: list[tuple[OperationPlan, FormPlan, list[Kind]]] = []
    for owner in operations_of(plan, operation):
        every = [(form, list(form.kinds.values())) for form in owner.forms.values() if form.kinds]
        forms += [(owner, form, kinds) for form, kinds in (every if type is None else owner.of_type(type))]
    if not forms:
        subject = "no operation takes" if operation is None else f"operation {operation!r} does not take"
        events = "events" if type is None else f"events of type {type!r}"
        known = {name for owner in plan.operations.values() for form in owner.forms.values() for name in form.kinds}
        hint = "" if type is None or type in known else f": {unknown('event type', str(type), sorted(known))}"
        raise ContractError(plan.contract.name, "/events", f"{subject} {events}{hint}")
    return forms


def events(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> Strategy:
    """Return good events as plain JSON: of every type, or of one; for every operation that takes events, or one."""
    forms = forms_of(compiled(protocol, **options), operation, type)
    return st.one_of([bodies_of(form).event([kind.name for kind in kinds]) for _, form, kinds in forms])


def requests(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> Samples:
    """Return good requests of every operation, or of one, each with the reply it must get."""
    plan = compiled(protocol, **options)
    if type is None:
        return st.one_of([_good(owner) for owner in operations_of(plan, operation)])
    return st.one_of([_good_of(owner, form, kinds) for owner, form, kinds in forms_of(plan, operation, type)])


def _good(owner: OperationPlan) -> Samples:
    if owner.forms:
        return st.one_of([_good_of(owner, form, list(form.kinds.values())) for form in owner.forms.values()])
    changes = st.sampled_from(transports(owner))
    return changes.map(lambda change: owner.good(change(owner.parts())))


def _good_of(owner: OperationPlan, form: FormPlan, kinds: Sequence[Kind]) -> Samples:
    bodies, names = bodies_of(form), [kind.name for kind in kinds]
    changes = st.sampled_from(transports(owner))

    def build(draw: Draw) -> Sample:
        body = bodies.draw_good(draw, names)
        return owner.good(draw(changes)(owner.parts(body)), form.events_in(body))

    return composed(build)


def invalid_events(
    protocol: str,
    *,
    operation: str | None = None,
    type: str | None = None,
    rules: Rules = None,
    **options: Unpack[Options],
) -> Samples:
    """Return requests in which one event breaks exactly one rule; the others in its batch are good.

    `rules` are ids of rules as `breaches` lists them; only those are broken.
    """
    plan = compiled(protocol, **options)
    return _any_of(_bad_events(plan, operation, type, rules), plan, rules)


def batches(protocol: str, *, operation: str | None = None, rules: Rules = None, **options: Unpack[Options]) -> Samples:
    """Return batches of good and bad events, in any order, at least one of them bad."""
    plan = compiled(protocol, **options)
    strategies = [
        _with_bad(owner, form, kinds, _slots(form, mutations))
        for owner, form, kinds in forms_of(plan, operation, None)
        for mutations in _event_mutations(kinds, rules)
        if not form.form.single
    ]
    return _any_of(strategies, plan, rules)


def invalid_requests(
    protocol: str, *, operation: str | None = None, rules: Rules = None, **options: Unpack[Options]
) -> Samples:
    """Return requests that break exactly one rule beside those of events: envelope, size, JSON, credential, path."""
    plan = compiled(protocol, **options)
    return _any_of(_bad_requests(plan, operation, rules), plan, rules)


def invalid(protocol: str, *, operation: str | None = None, rules: Rules = None, **options: Unpack[Options]) -> Samples:
    """Return requests that break exactly one rule of any kind: `invalid_events` and `invalid_requests` together."""
    plan = compiled(protocol, **options)
    strategies = list(_bad_requests(plan, operation, rules))
    if any(form.kinds for owner in operations_of(plan, operation) for form in owner.forms.values()):
        strategies += _bad_events(plan, operation, None, rules)
    return _any_of(strategies, plan, rules)


def breaches(protocol: str, *, operation: str | None = None, **options: Unpack[Options]) -> list[str]:
    """Return the id of every rule that the strategies can break alone, for all operations or one."""
    return breaches_of(compiled(protocol, **options), operation)


def breaches_of(plan: Plan, operation: str | None) -> list[str]:
    """Return the ids of a plan."""
    ids: list[str] = []
    for owner in operations_of(plan, operation):
        for form in owner.forms.values():
            ids += [mutation.id for mutation in form.envelope_mutations]
            ids += [mutation.id for kind in form.kinds.values() for mutation in kind.mutations]
            ids += [NOBODY.id] if bodies_of(form).nameless else []
        ids += [mutation.id for mutation in owner.gate_mutations if mutation.changes]
    ids += [] if operation else [sample.breach.id for sample in plan.unserved()]
    return list(dict.fromkeys(ids))


def _any_of(strategies: Iterable[Samples], plan: Plan, rules: Rules) -> Samples:
    """Return one of some strategies. Raises ContractError where there are none, or a rule is unknown."""
    known, options = breaches_of(plan, None) if rules else [], list(strategies)
    unknown = [rules] if isinstance(rules, str) else [rule for rule in rules or () if rule not in known]
    if unknown or not options:
        subject = f"no rule {unknown[0]!r}" if unknown else "no rule of this kind"
        problem = f"{subject} can be broken here; rules are given as a list of ids that breaches() has"
        raise ContractError(plan.contract.name, "", problem)
    return st.one_of(options)


def _chosen(mutations: Iterable[AnyRule], rules: Rules) -> list[AnyRule]:
    return [mutation for mutation in mutations if rules is None or mutation.id in rules]


def _bad_events(plan: Plan, operation: str | None, type: str | None, rules: Rules) -> Iterator[Samples]:
    for owner, form, kinds in forms_of(plan, operation, type):
        for mutations in _event_mutations(kinds, rules):
            yield _with_bad(owner, form, kinds, _one_slot(form, mutations))


def _event_mutations(kinds: Sequence[Kind], rules: Rules) -> Iterator[SearchStrategy[EventMutation]]:
    """Yield a strategy of ways to break an event, each rule as likely as the others, if there is any."""
    by_rule: dict[str, list[tuple[Kind, Mutation]]] = {}
    for kind in kinds:
        for mutation in _chosen(kind.mutations, rules):
            by_rule.setdefault(mutation.id, []).append((kind, mutation))
    choices = list(by_rule.values())

    def build(draw: Draw) -> EventMutation:
        options = draw(st.sampled_from(choices))
        kind, mutation = options[0] if len(options) == 1 else draw(st.sampled_from(options))
        return EventMutation(kind, mutation, mutation.ways[draw(st.integers(0, len(mutation.ways) - 1))])

    if choices:
        yield composed(build)


def _one_slot(form: FormPlan, mutations: SearchStrategy[EventMutation]) -> SearchStrategy[Slots]:
    """Return places for events of which one is bad, alone more often than not."""
    room = 1 if form.bounds[1] is None else min(form.bounds[1], 4)
    places = [(0, 0)] * 4 + [(before, after) for before in (0, 1, 2) for after in (0, 1) if before + after < room]

    def build(draw: Draw) -> Slots:
        mutation = draw(mutations)
        before, after = (0, 0) if form.form.single else draw(st.sampled_from(places))
        return [*[None] * before, mutation, *[None] * after]

    return composed(build)


def _slots(form: FormPlan, mutations: SearchStrategy[EventMutation]) -> SearchStrategy[Slots]:
    """Return places for events of which at least one is bad."""
    least, most = form.bounds
    size = max(1, least, min(6, most or 6))
    lists = st.lists(st.one_of(st.none(), mutations), min_size=max(1, least), max_size=size)

    def build(draw: Draw) -> Slots:
        slots: Slots = draw(lists)
        if not any(slots):
            slots[draw(st.integers(0, len(slots) - 1))] = draw(mutations)
        return slots

    return composed(build)


def _with_bad(owner: OperationPlan, form: FormPlan, kinds: Sequence[Kind], slots: SearchStrategy[Slots]) -> Samples:
    bodies, names = bodies_of(form), [kind.name for kind in kinds]

    def build(draw: Draw) -> Sample:
        body, bad = bodies.draw_mixed(draw, draw(slots), names)
        return owner.mixed(owner.parts(body), form.events_in(body), bad)

    return composed(build)


def _bad_requests(plan: Plan, operation: str | None, rules: Rules) -> Iterator[Samples]:
    for owner in operations_of(plan, operation):
        for form in owner.forms.values():
            mutations = _chosen(form.envelope_mutations, rules)
            if mutations:
                yield _broken_envelope(owner, form, mutations)
            if bodies_of(form).nameless and (rules is None or NOBODY.id in rules):
                yield _nameless(owner, bodies_of(form))
        gates = [mutation for mutation in _chosen(owner.gate_mutations, rules) if mutation.changes]
        if gates:
            yield _gated(owner, gates)
    unserved = [sample for sample in plan.unserved() if rules is None or sample.breach.id in rules]
    if operation is None and unserved:
        yield st.sampled_from(unserved)


def _broken_envelope(owner: OperationPlan, form: FormPlan, mutations: Sequence[Mutation]) -> Samples:
    bodies, names = bodies_of(form), list(form.kinds)

    def build(draw: Draw) -> Sample:
        mutation = draw(st.sampled_from(mutations))
        way = mutation.ways[draw(st.integers(0, len(mutation.ways) - 1))]
        body = bodies.draw_enveloped(draw, mutation, way, names)
        return owner.refused(owner.parts(body), mutation, way[0])

    return composed(build)


def _nameless(owner: OperationPlan, bodies: Bodies) -> Samples:
    return composed(lambda draw: owner.nobody(owner.parts(bodies.draw_nameless(draw))))


def _gated(owner: OperationPlan, mutations: Sequence[GateMutation]) -> Samples:
    forms = list(owner.forms.values())

    def build(draw: Draw) -> Sample:
        mutation = draw(st.sampled_from(mutations))
        change, body = draw(st.sampled_from(mutation.changes)), MISSING
        if forms:
            form = draw(st.sampled_from(forms))
            body = bodies_of(form).draw_good(draw, list(form.kinds))
        return owner.gated(change(owner.parts(body)), mutation)

    return composed(build)
