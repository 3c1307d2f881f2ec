"""Strategies of what is good: events, and requests with the replies they must get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.strategies.drawing import Draw, Strategy, composed
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.options import Options, bodies_of, compiled, forms_of, operations_of
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.request_variations import transports
from mockserver.strategies.samples import Sample


def events(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> Strategy:
    """Return good events as plain JSON: of every type, or of one; for every operation that takes events, or one."""
    forms = forms_of(compiled(protocol, **options), operation, type)
    return st.one_of([bodies_of(form).event([kind.name for kind in kinds]) for _, form, kinds in forms])


def requests(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> SearchStrategy[Sample]:
    """Return good requests of every operation, or of one, each with the reply it must get."""
    plan = compiled(protocol, **options)
    if type is None:
        return st.one_of([_good(owner) for owner in operations_of(plan, operation)])
    return st.one_of([_good_of(owner, form, kinds) for owner, form, kinds in forms_of(plan, operation, type)])


def _good(owner: OperationPlan) -> SearchStrategy[Sample]:
    if owner.forms:
        return st.one_of([_good_of(owner, form, list(form.kinds.values())) for form in owner.forms.values()])
    changes = st.sampled_from(transports(owner))
    return changes.map(lambda change: owner.good(change(owner.parts())))


def _good_of(owner: OperationPlan, form: FormPlan, kinds: Sequence[Kind]) -> SearchStrategy[Sample]:
    bodies, names = bodies_of(form), [kind.name for kind in kinds]
    changes = st.sampled_from(transports(owner))

    def build(draw: Draw) -> Sample:
        body = bodies.draw_good(draw, names)
        return owner.good(draw(changes)(owner.parts(body)), form.events_in(body))

    return composed(build)
