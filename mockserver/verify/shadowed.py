"""Faults that no value has alone: a value breaks another keyword of the same schema too, and the first one is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mockserver.jsonkit import Json
from mockserver.strategies.diagnosis import Broken
from mockserver.strategies.forms import Bad, FormPlan
from mockserver.strategies.places import Tokens, apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Sample
from mockserver.strategies.schema_mutations import Mutation, drafts
from mockserver.strategies.values import Values
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import depends_on, probe_of, rule_of


def declare(rule_set: RuleSet) -> None:
    """Write down, for each keyword that others cover, values that break it first of all."""
    for one in rule_set.operations():
        for form in one.forms.values():
            for sample in (*_envelopes(rule_set, one, form), *_events(rule_set, one, form)):
                rule_set.add(
                    rule_of(rule_set, sample),
                    one.operation.name,
                    probe_of(rule_set, sample),
                    depends_on(rule_set, sample),
                )


def _envelopes(rule_set: RuleSet, one: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    if form.envelope is not None:
        for fault, tokens, body in _drafted(form.envelope, form.hidden):
            if _is_named(form.diagnosis.of(body, rule_set.now_ms), (fault.rule, tokens, None)):
                yield one.refused(one.parts(body), fault, tokens)


def _events(rule_set: RuleSet, one: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    index = None if form.form.single else 0
    for kind in form.kinds.values():
        for fault, tokens, event in _drafted(kind.values, kind.hidden):
            body = form.body([event])
            if _is_named(form.diagnosis.of(body, rule_set.now_ms), (fault.rule, tokens, index)):
                bad = Bad(index=0, fault=fault, tokens=tokens)
                yield one.mixed(form, one.parts(body), form.events_in(body), [bad])


def _drafted(values: Values, hidden: Iterable[Mutation]) -> Iterator[tuple[Mutation, Tokens, Json]]:
    """Yield each hidden fault with the place and the value of every way to break it."""
    rules = {fault.rule for fault in hidden}
    for fault in drafts(values) if rules else ():
        if fault.rule in rules:
            yield from ((fault, tokens, apply(values.host(tokens), edit)) for tokens, edit in fault.ways)


def _is_named(found: list[Broken], wanted: Broken) -> bool:
    """Tell whether a fault comes first of those found, which are all at its place."""
    return found[:1] == [wanted] and all(broken[1:] == wanted[1:] for broken in found)
