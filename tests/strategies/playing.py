"""Samples against the core, in process: no sockets, no journal, the clock of the sample."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS
from hypothesis.strategies import SearchStrategy

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.operation import Operation
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply
from mockserver.sessions.session import Session, SessionSettings
from mockserver.strategies import Sample
from tests.revisions import is_prompt
from tests.strategies.naive_diagnosis import NaiveDiagnosis
from tests.strategies.naive_reading import NaiveReading, repeated_by

MANY = 4000
SOME = 200
SOME_OF_A_KIND = 75
"""As many good requests for each kind of event, and no fewer than `SOME`, show each optional member and leave it out;
fewer do in nearly every run, and not in all."""
FEW = 40
BESIDE_THE_BODY = (
    "/protocol/operations",
    "/protocol/paths",
    "/protocol/credentials",
    "/protocol/content_types",
    "/protocol/cors",
    "/protocol/gates",
    "/protocol/limits/body",
    "/protocol/projects",
    "/protocol/refusals",
)
"""Where the rules stand that are broken beside the value of a body."""
TOO_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
UNMIXED = "unmixed"
"""A backend that draws every example anew. Hypothesis' own makes five of six from parts of the one before: of 2,000
draws some 350 show anything new, and members that 150 new draws show take it 600."""
AVAILABLE_PROVIDERS[UNMIXED] = AVAILABLE_PROVIDERS["hypothesis"]


def play(contract: Contract, sample: Sample) -> tuple[WireReply, Judged]:
    """Send a sample's requests to a session of its own; return the last reply and how it was judged."""
    session = Session("sample", SessionSettings())
    for request in (*sample.before, sample.request):
        judged = judge(route(RequestBody(request.wire()), contract), Terms(now_ms=sample.now_ms))
        reply = answer(judged, session.settle(judged))
    return reply, judged


@lru_cache(maxsize=1)
def _reading(contract: Contract) -> NaiveReading:
    return NaiveReading(contract)


@lru_cache(maxsize=1)
def _diagnosis(contract: Contract, now_ms: int) -> NaiveDiagnosis:
    return NaiveDiagnosis(contract, now_ms)


def _certify(contract: Contract, sample: Sample) -> None:
    """Hold a body to what the sample says is broken in it: that and nothing else, found by another engine."""
    spec = contract.documents["protocol"]["operations"].get(sample.operation, {})
    broken = [(breach.rule, breach.pointer, breach.index) for breach in sample.bad]
    if "forms" in spec and not any(rule.startswith(BESIDE_THE_BODY) for rule, _, _ in broken):
        body = repeated_by(spec, sample.request).body
        assert _diagnosis(contract, sample.now_ms).of(spec, body) == broken, sample


def hold(contract: Contract, sample: Sample) -> None:
    """Hold what a sample predicts to a second reading of the contract, and the reply of the core to what is predicted.

    The prediction and the certificate are the core's own, so the second reading and the second diagnosis, which share
    no code with it, are the witnesses.
    """
    assert _reading(contract).expected(sample) == sample.expect, sample
    _certify(contract, sample)
    reply, judged = play(contract, sample)
    assert not sample.expect.differences(reply.status, reply.body)
    broken = bool(judged.refusal or judged.event_errors)
    settled_later = {"unknown_entity"} & {breach.reason for breach in sample.bad}
    assert broken != (sample.valid or bool(settled_later)), judged.refusal or judged.event_errors


def every(strategy: SearchStrategy[Any], examples: int, check: Callable[[Any], None]) -> int:
    """Run a check on so many examples; return how many there were, fewer where a strategy has no more.

    Up to `FEW` are Hypothesis' own choice, the smallest first, and all there are where there are no more. The others
    are each drawn anew.
    """
    seen = _run(strategy, min(examples, FEW), check, "hypothesis")
    return seen if seen < FEW or examples <= FEW else seen + _run(strategy, examples - FEW, check, UNMIXED)


def _run(strategy: SearchStrategy[Any], examples: int, check: Callable[[Any], None], backend: str) -> int:
    seen = 0

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=TOO_SLOW,
        derandomize=True,
        backend=backend,
    )
    @given(strategy)
    def run(value: Any) -> None:
        nonlocal seen
        seen += 1
        check(value)

    run()
    return seen


def collect(strategy: SearchStrategy[Any], examples: int) -> list[Any]:
    """Return generated values, without shrinking."""
    values: list[Any] = []

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=TOO_SLOW,
        derandomize=True,
    )
    @given(strategy)
    def run(value: Any) -> None:
        values.append(value)

    run()
    return values


def contracts() -> list[Contract]:
    """Return every contract there is: each protocol's base and revisions."""
    return [
        protocol.contract(revision)
        for protocol in library().protocols.values()
        for revision in protocol.revision_names()
    ]


def cases(chosen: Callable[[Operation], bool]) -> list[Any]:
    """Return (contract, operation, examples): some for the bases and one revision, and with -m full many for all."""
    params = []
    for contract in contracts():
        for name, operation in contract.operations.items():
            if chosen(operation):
                label = f"{contract.name}-{contract.revision}-{name}"
                prompt = is_prompt(contract.name, contract.revision)
                some = max(SOME, SOME_OF_A_KIND * len(contract.event_schemas))
                params.append(pytest.param(contract, name, some if prompt else FEW, id=label))
                params.append(pytest.param(contract, name, MANY, id=f"{label}-full", marks=pytest.mark.full))
    return params


def contracts_in_turn() -> list[Any]:
    """Return the contracts, those but the bases and one revision only with -m full."""
    return [
        pytest.param(
            contract,
            id=f"{contract.name}-{contract.revision}",
            marks=() if is_prompt(contract.name, contract.revision) else pytest.mark.full,
        )
        for contract in contracts()
    ]
