"""Everything that is broken, not only what is refused first: for the journal, for `check`, for generated requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.extension import BUILT_IN
from mockserver.contract.operation import BoundGate, Form
from mockserver.contract.schema import Schema, drop_nulls
from mockserver.core.adapter import EventRule, adapter_of
from mockserver.core.checks import checks_of
from mockserver.core.events import event_violations, events_of, outside_window
from mockserver.core.explain import Violation, reference_spots, violations
from mockserver.core.model import Judged, Terms
from mockserver.core.refusals import broken_by
from mockserver.jsonkit import Json, pointer

READING: Final = ("size", "encoding", "json", "object")
"""Checks after whose failure there is no body to look at."""


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One broken rule: its contract pointer, the place in the event or the body, the event's index (None: the body)."""

    rule: str
    tokens: tuple[str | int, ...]
    index: int | None = None


def everything_broken(judged: Judged, terms: Terms) -> list[BrokenRule]:
    """Return every rule that a routed request breaks, in the order of its gates and of its events.

    A check that cannot be carried out because an earlier one failed (no JSON, not an object, an envelope that an
    adapter's check reads) is left out.
    """
    judged.terms = terms
    if judged.refusal is not None or judged.operation is None:
        return [] if judged.refusal is None else [BrokenRule(judged.refusal.finding.rule, ())]
    broken: list[BrokenRule] = []
    kinds = {**BUILT_IN, **adapter_of(judged.contract.adapter).checks}
    failed: set[str] = set()
    for gate in judged.operation.gates:
        if not failed.isdisjoint(kinds[gate.check].after):
            failed.add(gate.check)
            continue
        rules = list(_broken_at(judged, gate))
        broken += rules
        if rules:
            failed.add(gate.check)
            if gate.check in READING:
                break
    return broken


def _broken_at(judged: Judged, gate: BoundGate) -> Iterator[BrokenRule]:
    if gate.check == "envelope":
        yield from _envelope(judged)
    elif gate.check == "events":
        yield from _events(judged)
    else:
        refusal = checks_of(judged.contract.adapter)[gate.check](judged, gate)
        if refusal is not None:
            yield BrokenRule(refusal.finding.rule, pointer.parse(refusal.finding.pointer))


def _envelope(judged: Judged) -> Iterator[BrokenRule]:
    form = judged.form
    if form is not None and form.request is not None:
        for violation in broken_by(judged, form.request, judged.body):
            yield BrokenRule(violation.rule, violation.tokens)


def _events(judged: Judged) -> Iterator[BrokenRule]:
    form = judged.form
    if form is None or form.events is None:
        return
    judged.events = events_of(form, judged.body)
    event_rule = adapter_of(judged.contract.adapter).event_rules(judged.contract)
    for index, event in enumerate(judged.events):
        for violation in (*event_violations(judged, form, event), *_beside_schema(judged, form, event, event_rule)):
            yield BrokenRule(violation.rule, violation.tokens, None if form.single else index)


def _beside_schema(judged: Judged, form: Form, event: Json, event_rule: EventRule | None) -> Iterator[Violation]:
    """Yield what an event breaks beside its schema; an event of no known type is asked for nothing but its time."""
    violation = event_rule(judged.body, event) if event_rule is not None and form.schema_for(event) else None
    if violation is not None:
        yield violation
    late = outside_window(judged, event)
    if late is not None:
        yield late


def explained_violations(judged: Judged, form: Form, event: Json, contract: Contract) -> Sequence[Violation]:
    """Return what an event breaks under a contract as the reference engine explains it; windows are left out."""
    schema = form.schema_for(event)
    if schema is None:
        return event_violations(judged, form, event)
    event_rule = adapter_of(contract.adapter).event_rules(contract)
    violation = None if event_rule is None else event_rule(judged.request_body.value, event)
    broken = explained(judged, schema, event, nulls_absent=contract.nulls_absent)
    return [*broken, *([] if violation is None else [violation])]


def explained(judged: Judged, schema: Schema, value: Json, *, nulls_absent: bool) -> Sequence[Violation]:
    """Return what a value breaks in a schema, explained by the reference engine."""
    value = judged.engine_view(value)
    if schema.is_valid(value):
        return ()
    return violations(schema, drop_nulls(value, schema.body) if nulls_absent else value, reference_spots)
