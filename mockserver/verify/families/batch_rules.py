"""What lies between the edges of a batch: how many events it has, where a bad one is, how many are bad."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from mockserver.contract.schema import POINTER
from mockserver.strategies.corpus import numbered
from mockserver.strategies.forms import BadEvent, FormPlan, Kind
from mockserver.strategies.naming import IDENTITY
from mockserver.strategies.non_schema_mutations import MEASURED
from mockserver.strategies.places import apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.strategies.values import inner
from mockserver.verify.families.sample_rules import probe_of
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet

SIZES: Final = (3, 10, 11, 20, 37, 50, 64, 99, 100, 200, 256)
"""Numbers of events that are no edge, except of a server that does not do what it says."""
UNBOUNDED: Final = 99
"""The most events of a batch for which no maximum is stated."""
LATE: Final = (10, 23, 57, 97, 130, 260, 490)
"""Where a bad event is after good ones; modulo ten, or counted in tens, these are other places."""
MANY: Final = (6, 12, 30)
"""How many events are bad at once."""


def declare(rule_set: RuleSet) -> None:
    """Add to the rules of each form what only longer batches show."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            if form.form.events is not None and not form.form.single:
                _sizes(rule_set, plan, form)
                _late(rule_set, plan, form)
                _many(rule_set, plan, form)


def _sizes(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    least, most = form.bounds
    top = UNBOUNDED if most is None else most
    for size in (size for size in SIZES if least < size < top or size == top == UNBOUNDED):
        draft = partial(_of_size, rule_set, plan, form, size)
        rule_set.add(f"{_array(plan, form)}#sizes", plan.operation.name, draft)


def _array(plan: OperationPlan, form: FormPlan) -> str:
    """Return the pointer of what the contract says about the number of events."""
    if form.envelope is None:
        return f"{plan.operation.pointer}/forms/{form.form.name}"
    schema = form.envelope.root
    for token in form.form.events or ():
        schema = inner(schema, token)
    pointer = schema.get(POINTER, f"{plan.operation.pointer}/forms/{form.form.name}")
    return f"{pointer}/maxItems" if "maxItems" in schema else str(pointer)


def _of_size(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, size: int) -> Probe | None:
    body = form.body(numbered(form, size))
    if form.diagnosis.of(body):
        return None
    sample = plan.good(plan.parts(body), form.events_in(body))
    return probe_of(rule_set, sample, fact=_array(plan, form))


def _late(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    rule = f"{plan.operation.pointer}/forms/{form.form.name}/policy#late"
    places = [place for place in LATE if form.bounds[1] is None or place + 2 < form.bounds[1]]
    chosen = [[place] for place in places]
    if not form.form.atomic:
        chosen.append(places)
    for indexes in chosen:
        if indexes:
            draft = partial(_mixed, rule_set, plan, form, indexes, indexes[-1] + 3)
            rule_set.add(rule, plan.operation.name, draft)


def _many(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    """Try that each bad event of many is told, among good ones and alone."""
    if form.form.atomic:
        return
    rule = f"{plan.operation.pointer}/forms/{form.form.name}/policy#many"
    for count in (count for count in MANY if form.bounds[1] is None or count + 3 < form.bounds[1]):
        for size in (count + 3, count):
            draft = partial(_mixed, rule_set, plan, form, range(count), size)
            rule_set.add(rule, plan.operation.name, draft)


def _mixed(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, indexes: Sequence[int], size: int) -> Probe | None:
    """Return the probe of a batch of a size in which the events at some places are bad, each in another way."""
    ways = list(_breaking(form))
    if not ways or size < form.bounds[0]:
        return None
    events, bad = numbered(form, size), list[BadEvent]()
    for number, index in enumerate(indexes):
        kind, mutation, (tokens, edit) = ways[number % len(ways)]
        events[index] = apply(kind.values.host(tokens), edit)
        bad.append(BadEvent(index=index, mutation=mutation, tokens=tokens))
    body = form.body(events)
    expected = [form.broken(each.mutation, each.tokens, each.index) for each in bad]
    if form.diagnosis.of(body) != expected:
        return None
    sample = plan.mixed(plan.parts(body), form.events_in(body), bad)
    return probe_of(rule_set, sample, fact=f"{plan.operation.pointer}/forms/{form.form.name}/policy")


def _breaking(form: FormPlan) -> Iterator[tuple[Kind, Mutation, Way]]:
    """Yield one way to break an event of each kind, which its sender can send and which is small."""
    for kind in form.kinds.values():
        for mutation in kind.mutations:
            if mutation.rule != IDENTITY and mutation.keyword not in (MEASURED, "maxLength"):
                yield kind, mutation, mutation.ways[0]
                break
