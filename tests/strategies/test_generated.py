"""What the strategies say of a request holds: good ones are taken, bad ones refused, each with the predicted reply.

Where more than a few are drawn, the members of good requests are counted: each optional one is there, and is not. For
ten good requests there are three with a bad event and two that are bad as a whole. Draws do not have to find the edges:
each way to break a rule is also tried once, in the smallest request, and each good edge when the corpus is played.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import NOW_MS, Sample
from mockserver.strategies.forms import BadEvent, FormPlan
from mockserver.strategies.naming import IDENTITY, SENDER
from mockserver.strategies.places import apply, put
from mockserver.strategies.plans import OperationPlan, plan_of
from tests.strategies.census import kinds_fixed, never_seen
from tests.strategies.playing import MANY, SOME, cases, contracts_in_turn, every, hold

HELD = 160
"""Good requests that are held to what they predict, where many are drawn only to count members."""


def _any(operation: Operation) -> bool:
    return True


def _with_events(operation: Operation) -> bool:
    return any(form.events is not None for form in operation.forms.values())


def _batched(operation: Operation) -> bool:
    return any(form.events is not None and not form.single for form in operation.forms.values())


@pytest.mark.parametrize(("contract", "operation", "examples"), cases(_any))
def test_good_requests_are_taken_when_generated(contract: Contract, operation: str, examples: int) -> None:
    good = strategies.requests(contract.name, operation=operation, contract=contract)
    drawn: list[Sample] = []

    def check(sample: Sample) -> None:
        drawn.append(sample)
        if len(drawn) <= HELD or examples == MANY:
            hold(contract, sample)

    assert every(good, examples, check)
    if examples >= SOME:
        for form in plan_of(contract, NOW_MS, 0, ()).operations[operation].forms.values():
            assert _never_seen(form, drawn) == []


def _never_seen(form: FormPlan, drawn: list[Sample]) -> list[str]:
    """Return the members that good requests of a form should have shown, or left out, and did not."""
    events: dict[str, list[Json]] = {name: [] for name in form.kinds}
    bodies: list[Json] = []
    for sample in drawn:
        if "content-encoding" not in dict(sample.request.headers):
            body = json.loads(sample.request.body)
            if sample.form is form.form:
                bodies.append(body)
                for event in form.events_in(body):
                    events[_kind(form, event)].append(event)
    members = [] if form.envelope is None else list(never_seen(form.envelope.root, bodies, frozenset(form.fixed)))
    for name, kind in form.kinds.items():
        members += never_seen(kind.values.root, events[name], kinds_fixed(form))
    return members


def _kind(form: FormPlan, event: Json) -> str:
    return next(iter(form.kinds)) if form.form.schema is not None else str(event[form.form.discriminator[0]])


@pytest.mark.parametrize(("contract", "operation", "examples"), cases(_any))
def test_bad_requests_are_refused_when_generated(contract: Contract, operation: str, examples: int) -> None:
    bad = strategies.invalid_requests(contract.name, operation=operation, contract=contract)
    with_events = _with_events(contract.operations[operation])
    assert every(bad, examples // 5 if with_events else examples // 2, lambda sample: hold(contract, sample))


@pytest.mark.parametrize(("contract", "operation", "examples"), cases(_with_events))
def test_bad_events_are_refused_when_generated(contract: Contract, operation: str, examples: int) -> None:
    bad = strategies.invalid_events(contract.name, operation=operation, contract=contract)
    share = examples * 3 // 10
    assert every(bad, share, lambda sample: hold(contract, sample)) >= share


@pytest.mark.parametrize(("contract", "operation", "examples"), cases(_batched))
def test_mixed_batches_are_answered_as_predicted_when_generated(
    contract: Contract, operation: str, examples: int
) -> None:
    mixed = strategies.batches(contract.name, operation=operation, contract=contract)
    assert every(mixed, examples // 8, lambda sample: hold(contract, sample)) >= examples // 8


def _smallest_bad(owner: OperationPlan) -> Iterator[Sample]:
    """Yield the smallest request of each form broken in every way there is to break it."""
    for form in owner.forms.values():
        for kind in form.kinds.values():
            for mutation in kind.mutations:
                for tokens, edit in mutation.ways:
                    body = form.body([apply(kind.values.host(tokens), edit)])
                    if mutation.rule == IDENTITY:
                        body = put(body, (SENDER,), form.naming.per_event.senders[0])
                    bad = BadEvent(index=0, mutation=mutation, tokens=tokens)
                    yield owner.mixed(owner.parts(body), form.events_in(body), [bad])
        for mutation in form.envelope_mutations:
            for tokens, edit in mutation.ways:
                yield owner.refused(owner.parts(apply(form.envelope_host(tokens), edit)), mutation, tokens)
    body = next((form.smallest() for form in owner.forms.values()), MISSING)
    for gate in owner.gate_mutations:
        yield from (owner.gated(change(owner.parts(body)), gate) for change in gate.changes)


@pytest.mark.parametrize("contract", contracts_in_turn())
def test_smallest_requests_are_refused_when_broken_in_every_way(contract: Contract) -> None:
    asked = 0
    for owner in plan_of(contract, NOW_MS, 0, ()).operations.values():
        for sample in _smallest_bad(owner):
            assert not sample.valid
            hold(contract, sample)
            asked += 1
    assert asked > 150
