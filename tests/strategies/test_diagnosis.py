"""What the core says that a body breaks, held to a second diagnosis that shares no code with it.

The bodies are all drafts of mutations, not only those that break one rule: also what a keyword shadows has to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.jsonkit import Json, pointer
from mockserver.strategies import NOW_MS
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.naming import BATCH, PER_EVENT, SENDER, identity
from mockserver.strategies.non_schema_mutations import measures, not_an_object, types, windows
from mockserver.strategies.places import apply, put
from mockserver.strategies.plans import OperationPlan, plan_of
from mockserver.strategies.schema_mutations import Mutation, drafts, spots
from tests.strategies.naive_diagnosis import Broken, NaiveDiagnosis
from tests.strategies.playing import contracts, contracts_in_turn

PAGEVIEW = {"type": "pageview", "url": "https://example.com/", "path": "/"}
ASKING = [contract for contract in contracts() if {BATCH, PER_EVENT} & set(contract.identity)]
NAMES: tuple[Json, ...] = (" ", "", None, {}, {"a": " "}, {"a": {"b": "ada"}}, 0, False, [], "ada")


def _event_drafts(form: FormPlan, kind: Kind) -> Iterator[Mutation]:
    yield from drafts(kind.values)
    yield from windows(kind.values)
    yield from measures(form.measures)
    yield from identity(form.naming, kind.values)
    if form.form.schema is None:
        yield from types(kind.name, form.form.discriminator)
    if not form.form.single:
        yield not_an_object()


def _bodies(form: FormPlan) -> Iterator[Json]:
    """Yield the smallest bodies of a form with every draft of a mutation, from every sender where that matters.

    And those with a value at the inner edge of a member.
    """
    senders = {sender for rule in form.contract.identity.values() for sender in rule.senders}
    for kind in form.kinds.values():
        for spot in spots(kind.values.root):
            for value in kind.values.edges(spot.schema, spot.tokens) if spot.tokens else ():
                yield form.body([apply(kind.values.host(spot.tokens), ((spot.tokens, value),))])
        for mutation in _event_drafts(form, kind):
            for tokens, edit in mutation.ways:
                body = form.body([apply(kind.values.host(tokens), edit)])
                yield body
                yield from (put(body, (SENDER,), sender) for sender in senders if form.naming.asks)
    if form.envelope is not None:
        for mutation in drafts(form.envelope):
            yield from (apply(form.envelope_host(tokens), edit) for tokens, edit in mutation.ways)


def _by_core(form: FormPlan, body: Json) -> set[Broken]:
    """Return what the core finds; that the key is missing is said by a gate, and is not the second diagnosis's."""
    single = form.form.single
    return {
        (broken.rule, pointer.build(broken.tokens), 0 if single and _of_event(broken.rule) else broken.index)
        for broken in form.diagnosis.of(body)
        if not broken.rule.startswith("/protocol/credentials/")
    }


def _of_event(rule: str) -> bool:
    return rule.startswith(("/events", "/protocol/windows/"))


def _compared(plan: OperationPlan, naive: NaiveDiagnosis) -> Iterator[tuple[Json, set[Broken], set[Broken]]]:
    """Yield each body of an operation with what either diagnosis finds; bodies of its other forms are left out."""
    spec = plan.contract.documents["protocol"]["operations"][plan.operation.name]
    for form in plan.forms.values():
        for body in _bodies(form):
            by_core = _by_core(form, body)
            if "/protocol/operations" not in {rule for rule, _, _ in by_core}:
                yield body, by_core, set(naive.of(spec, body))


@pytest.mark.parametrize("contract", contracts_in_turn())
def test_core_finds_what_a_second_diagnosis_does_when_bodies_are_broken(contract: Contract) -> None:
    naive, counts = NaiveDiagnosis(contract, NOW_MS), {0: 0, 1: 0, 2: 0}
    for plan in plan_of(contract, NOW_MS, 0, ()).operations.values():
        for body, by_core, by_naive in _compared(plan, naive):
            assert by_core == by_naive, body
            counts[min(2, len(by_core))] += 1
    assert counts[0] > 50
    assert counts[1] > 100
    assert counts[2] > 0 or contract.name == "apex"


@pytest.mark.parametrize(
    "contract", [each for each in contracts() if {BATCH, PER_EVENT} & set(each.identity)], ids=repr
)
@pytest.mark.parametrize("sender", ["server", "integration", "client"])
def test_core_sees_names_where_a_second_diagnosis_does_when_batches_are_sent(contract: Contract, sender: str) -> None:
    form = plan_of(contract, NOW_MS, 0, ()).operations["events"].forms["batch"]
    spec, naive = contract.documents["protocol"]["operations"]["events"], NaiveDiagnosis(contract, NOW_MS)
    places = {place for rule in contract.identity.values() for place in rule.pointers if place.count("/") == 1}
    for name in NAMES:
        for place in sorted(places):
            named: dict[str, Any] = {place[1:]: name}
            for body in (
                {SENDER: sender, "events": [PAGEVIEW], **named},
                {SENDER: sender, "events": [PAGEVIEW, {**PAGEVIEW, **named}]},
            ):
                assert _by_core(form, body) == set(naive.of(spec, body)), body


def test_second_diagnosis_sees_both_sides_of_a_window_by_a_millisecond() -> None:
    contract = library().protocol("whisperr").contract()
    spec = contract.documents["protocol"]["operations"]["batch"]
    (window,) = contract.windows
    event = {"external_user_id": "u", "event_type": "a", "context": {"$message_id": "m"}}
    body = {"events": [{**event, "occurred_at": "2026-06-14T12:00:02.000Z"}]}
    rule = "/protocol/windows/occurred_at"
    moment = NOW_MS
    for shift, broken in (
        (window.past_ms, []),
        (window.past_ms + 1, [(f"{rule}/past_ms", "/occurred_at", 0)]),
        (-window.future_ms, []),
        (-window.future_ms - 1, [(f"{rule}/future_ms", "/occurred_at", 0)]),
    ):
        assert NaiveDiagnosis(contract, moment + shift).of(spec, body) == broken
