"""Everything that a request breaks, not only what is refused first: for generated requests, and for warnings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mockserver.contract.extension import BUILT_IN
from mockserver.contract.operation import BoundGate
from mockserver.core.adapter import adapter_of
from mockserver.core.events import broken_rules, events_of
from mockserver.core.explain import Violation
from mockserver.core.findings import Finding
from mockserver.core.gates import checks_of
from mockserver.core.model import Judged, Refusal, Terms
from mockserver.core.refusals import broken_by, explained_by
from mockserver.jsonkit import pointer

READING: Final = ("size", "encoding", "json", "object")
"""Checks after whose failure there is no body to look at."""
EVENTS: Final = "events"
"""The check of the events."""


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
    return [
        BrokenRule(broken.rule, broken.tokens, index)
        if isinstance(broken, Violation)
        else BrokenRule(broken.finding.rule, pointer.parse(broken.finding.pointer))
        for broken, index in _broken(judged, with_events=True)
    ]


def broken_by_request(judged: Judged, terms: Terms) -> list[Finding]:
    """Return every rule that a routed request breaks outside its events, as `everything_broken` finds them."""
    judged.terms = terms
    return [broken.finding() if isinstance(broken, Violation) else broken.finding for broken, _ in _broken(judged)]


def _broken(judged: Judged, *, with_events: bool = False) -> Iterator[tuple[Violation | Refusal, int | None]]:
    """Yield what a routed request breaks; a violation in an event has the event's index."""
    if judged.refusal is not None:
        yield judged.refusal, None
        return
    kinds = {**BUILT_IN, **adapter_of(judged.contract.adapter).checks}
    failed: set[str] = set()
    for gate in () if judged.operation is None else judged.operation.gates:
        if not failed.isdisjoint(kinds[gate.check].after):
            failed.add(gate.check)
            continue
        if gate.check == EVENTS and not with_events:
            continue
        broken = list(_broken_at(judged, gate, with_events=with_events))
        yield from broken
        if broken:
            failed.add(gate.check)
            if gate.check in READING:
                break


def _broken_at(
    judged: Judged, gate: BoundGate, *, with_events: bool
) -> Iterator[tuple[Violation | Refusal, int | None]]:
    form, adapter = judged.form, judged.contract.adapter
    if gate.check == "envelope":
        if form is not None and form.request is not None:
            explain = broken_by if with_events else explained_by
            yield from ((violation, None) for violation in explain(judged, form.request, judged.body))
    elif gate.check == EVENTS:
        if form is not None and form.events is not None:
            judged.events = events_of(form, judged.body)
            event_rule = adapter_of(adapter).event_rules(judged.contract)
            for index, event in enumerate(judged.events):
                for violation in broken_rules(judged, form, event, event_rule):
                    yield violation, None if form.single else index
    elif (refusal := checks_of(adapter)[gate.check](judged, gate)) is not None:
        yield refusal, None
