"""The replies that samples predict, held to a second reading of the contract that shares no code with the core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.strategies import NOW_MS, Sample
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import plan_of
from tests.strategies.naive_reading import NaiveReading
from tests.strategies.playing import collect, contracts

DRAWN = 60
"""How many samples of each sort are drawn for each operation of each contract."""


def _has_events(operation: Operation, *, batched: bool = False) -> bool:
    return any(form.events is not None and not (batched and form.single) for form in operation.forms.values())


def _drawn(contract: Contract) -> Iterator[Sample]:
    name = contract.name
    for operation in contract.operations.values():
        yield from collect(strategies.requests(name, operation=operation.name, contract=contract), DRAWN)
        yield from collect(strategies.invalid_requests(name, operation=operation.name, contract=contract), DRAWN)
        if _has_events(operation):
            yield from collect(strategies.invalid_events(name, operation=operation.name, contract=contract), DRAWN)
        if _has_events(operation, batched=True):
            yield from collect(strategies.batches(name, operation=operation.name, contract=contract), DRAWN)


def _differing(contract: Contract, chosen: Iterator[Sample]) -> tuple[int, list[str]]:
    """Return how many samples there are, and those whose reply the second reading sees in another way."""
    reading, count, differing = NaiveReading(contract), 0, []
    for sample in chosen:
        count += 1
        expected = reading.expected(sample)
        if expected != sample.expect:
            differing.append(f"{sample}: {expected}")
    return count, differing


@pytest.mark.parametrize("contract", contracts(), ids=repr)
def test_predicted_replies_are_those_of_a_second_reading_when_samples_are_of_the_corpus(contract: Contract) -> None:
    count, differing = _differing(contract, samples(plan_of(contract, NOW_MS, 0, ())))
    assert differing == []
    assert count > 150


@pytest.mark.parametrize("contract", contracts(), ids=repr)
def test_predicted_replies_are_those_of_a_second_reading_when_samples_are_drawn(contract: Contract) -> None:
    count, differing = _differing(contract, _drawn(contract))
    assert differing == []
    assert count >= DRAWN
