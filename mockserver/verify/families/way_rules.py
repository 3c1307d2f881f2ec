"""Every way to break a rule, and every kind of event to break it in: the corpus has two ways, in the first kind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from mockserver.strategies.corpus import WAYS
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.places import apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.verify.families.sample_rules import probe_of, with_bad_event
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet

LONG: Final = ("minLength", "maxLength", "minItems", "maxItems", "max_bytes")
"""Keywords whose ways differ by size alone, and are large."""


def declare(rule_set: RuleSet) -> None:
    """Add to the rule of each mutation what the corpus leaves out."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            for kind, mutation, way in _left_out(form):
                rule_set.add(
                    mutation.id, plan.operation.name, partial(_event, rule_set, plan, form, kind, mutation, way)
                )
            for mutation in form.envelope_mutations:
                for way in mutation.ways[WAYS:] if mutation.keyword not in LONG else ():
                    draft = partial(_envelope, rule_set, plan, form, mutation, way)
                    rule_set.add(mutation.id, plan.operation.name, draft)


def _left_out(form: FormPlan) -> Iterator[tuple[Kind, Mutation, Way]]:
    """Yield the further ways in the first kind that has a mutation, and the first way in each other kind."""
    shown: set[str] = set()
    for kind in form.kinds.values():
        for mutation in kind.mutations:
            if mutation.id in shown:
                yield kind, mutation, mutation.ways[0]
            elif mutation.keyword not in LONG:
                yield from ((kind, mutation, way) for way in mutation.ways[WAYS:])
        shown.update(mutation.id for mutation in kind.mutations)


def _event(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind, mutation: Mutation, way: Way) -> Probe:
    tokens, edit = way
    body = form.mixed_body([apply(kind.values.host(tokens), edit)], [mutation])
    return probe_of(rule_set, with_bad_event(plan, form, body, mutation, tokens))


def _envelope(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, mutation: Mutation, way: Way) -> Probe:
    tokens, edit = way
    return probe_of(rule_set, plan.refused(plan.parts(apply(form.envelope_host(tokens), edit)), mutation, tokens))
