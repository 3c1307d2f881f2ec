"""What the strategies say of a request holds: good ones are taken, bad ones refused, each with the predicted reply."""

from __future__ import annotations

from functools import partial

import pytest

from mockserver import strategies
from mockserver.core.contract import Contract
from mockserver.loader import library
from tests.strategies.playing import contracts, every, hold, operations

EXAMPLES = 150
FULL = 2000
WITH_EVENTS = [
    (one.name, one.revision, name)
    for one in contracts()
    for name, operation in one.operations.items()
    if any(form.events is not None for form in operation.forms.values())
]
BATCHED = [
    (one.name, one.revision, name)
    for one in contracts()
    for name, operation in one.operations.items()
    if any(form.events is not None and not form.single for form in operation.forms.values())
]


def _contract(protocol: str, revision: str) -> Contract:
    return library().protocol(protocol).contract(revision)


@pytest.mark.parametrize(("protocol", "revision", "operation"), operations())
def test_good_requests_are_taken_when_generated(protocol: str, revision: str, operation: str) -> None:
    contract = _contract(protocol, revision)
    good = strategies.requests(protocol, operation=operation, revision=revision)
    assert every(good, EXAMPLES, partial(hold, contract))


@pytest.mark.parametrize(("protocol", "revision", "operation"), operations())
def test_bad_requests_are_refused_when_generated(protocol: str, revision: str, operation: str) -> None:
    contract = _contract(protocol, revision)
    bad = strategies.invalid_requests(protocol, operation=operation, revision=revision)
    assert every(bad, EXAMPLES, partial(hold, contract))


@pytest.mark.parametrize(("protocol", "revision", "operation"), WITH_EVENTS)
def test_bad_events_are_refused_when_generated(protocol: str, revision: str, operation: str) -> None:
    contract = _contract(protocol, revision)
    bad = strategies.invalid_events(protocol, operation=operation, revision=revision)
    assert every(bad, EXAMPLES, partial(hold, contract)) >= EXAMPLES


@pytest.mark.parametrize(("protocol", "revision", "operation"), BATCHED)
def test_mixed_batches_are_answered_as_predicted_when_generated(protocol: str, revision: str, operation: str) -> None:
    contract = _contract(protocol, revision)
    mixed = strategies.batches(protocol, operation=operation, revision=revision)
    assert every(mixed, EXAMPLES, partial(hold, contract)) >= EXAMPLES
