"""Strategies of what is good: events, and requests with the replies they must get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Unpack

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mockserver.errors import ContractError
from mockserver.strategies.drawing import Draw, Strategy, composed
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.options import Options, bodies_of, forms_of, operations_of, plan
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.request_variations import transports
from mockserver.strategies.samples import Sample

IDENTIFYING: Final = "identi"
"""Operations and types of events whose names begin so say who somebody is."""


def events(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> Strategy:
    """Return good events as plain JSON: of every type, or of one; for every operation that takes events, or one."""
    made = forms_of(plan(protocol, **options), operation, type)
    return st.one_of([bodies_of(form).event([kind.name for kind in kinds]) for _, form, kinds in made])


def requests(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> SearchStrategy[Sample]:
    """Return good requests of every operation, or of one, each with the reply it must get."""
    found = plan(protocol, **options)
    if type is None:
        return st.one_of([_good(one) for one in operations_of(found, operation)])
    return st.one_of([_good_of(one, form, kinds) for one, form, kinds in forms_of(found, operation, type)])


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


def identities(protocol: str, **options: Unpack[Options]) -> SearchStrategy[Sample]:
    """Return good requests that say who somebody is: identify events, and operations made for it."""
    found = plan(protocol, **options)
    made = []
    for one in found.operations.values():
        for form in one.forms.values():
            kinds = [kind for kind in form.kinds.values() if kind.name.startswith(IDENTIFYING)]
            if kinds or one.operation.name.startswith(IDENTIFYING):
                made.append(_good_of(one, form, kinds or list(form.kinds.values())))
    if not made:
        raise ContractError(found.contract.name, "/protocol/operations", "nothing says who somebody is")
    return st.one_of(made)
