"""Broken keywords that no value breaks alone: it breaks another keyword of the same schema too, which comes second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.places import Tokens, apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Sample
from mockserver.strategies.schema_mutations import Mutation, drafts
from mockserver.strategies.values import Values
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import add_sample, rule_of, with_bad_event


def declare(rule_set: RuleSet) -> None:
    """Add, for each shadowed keyword, values that break it first of all."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            for sample in (*_envelopes(plan, form), *_events(plan, form)):
                add_sample(rule_set, rule_of(sample), sample)


def _envelopes(plan: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    if form.envelope is not None:
        for mutation, tokens, body in _drafted(form.envelope, form.shadowed):
            if _is_first(form.diagnosis.of(body), BrokenRule(mutation.rule, tokens)):
                yield plan.refused(plan.parts(body), mutation, tokens)


def _events(plan: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    for kind in form.kinds.values():
        for mutation, tokens, event in _drafted(kind.values, kind.shadowed):
            body = form.body([event])
            broken = BrokenRule(mutation.rule, tokens, None if form.form.single else 0)
            if _is_first(form.diagnosis.of(body), broken):
                yield with_bad_event(plan, form, body, mutation, tokens)


def _drafted(values: Values, shadowed: Iterable[Mutation]) -> Iterator[tuple[Mutation, Tokens, Json]]:
    """Yield each shadowed mutation with the place and the value of every way to break it."""
    rules = {mutation.rule for mutation in shadowed}
    for mutation in drafts(values) if rules else ():
        if mutation.rule in rules:
            for tokens, edit in mutation.ways:
                yield mutation, tokens, apply(values.host(tokens), edit)


def _is_first(broken: list[BrokenRule], rule: BrokenRule) -> bool:
    """Tell whether a rule comes first of the broken ones, which are all at its place."""
    return broken[:1] == [rule] and all((each.tokens, each.index) == (rule.tokens, rule.index) for each in broken)
