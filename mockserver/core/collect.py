"""Everything that a request breaks, not only what is refused first: for generated requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mockserver.contract.extension import BUILT_IN
from mockserver.contract.operation import BoundGate
from mockserver.core.adapter import adapter_of
from mockserver.core.events import broken_rules, events_of
from mockserver.core.gates import checks_of
from mockserver.core.model import Judged, Terms
from mockserver.core.refusals import broken_by
from mockserver.jsonkit import pointer

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
    form, adapter = judged.form, judged.contract.adapter
    if gate.check == "envelope":
        if form is not None and form.request is not None:
            for violation in broken_by(judged, form.request, judged.body):
                yield BrokenRule(violation.rule, violation.tokens)
    elif gate.check == "events":
        if form is not None and form.events is not None:
            judged.events = events_of(form, judged.body)
            event_rule = adapter_of(adapter).event_rules(judged.contract)
            for index, event in enumerate(judged.events):
                for violation in broken_rules(judged, form, event, event_rule):
                    yield BrokenRule(violation.rule, violation.tokens, None if form.single else index)
    elif (refusal := checks_of(adapter)[gate.check](judged, gate)) is not None:
        yield BrokenRule(refusal.finding.rule, pointer.parse(refusal.finding.pointer))
