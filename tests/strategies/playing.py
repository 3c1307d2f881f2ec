"""Samples against the core, in process: no sockets, no journal, the clock of the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from mockserver.core.answer import answer
from mockserver.core.contract import Contract
from mockserver.core.intake import Intake
from mockserver.core.judge import approach, judge
from mockserver.core.model import Judged, Terms, WireReply
from mockserver.loader import library
from mockserver.stores.session import Session, SessionSettings
from mockserver.strategies import Sample

TOO_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def play(contract: Contract, sample: Sample) -> tuple[WireReply, Judged]:
    """Send a sample's requests to a session of its own; return the last reply and how it was judged."""
    session = Session("sample", SessionSettings())
    for request in (*sample.before, sample.request):
        judged = judge(approach(Intake(request.wire()), contract), Terms(now_ms=sample.now_ms))
        reply = answer(judged, session.settle(judged))
    return reply, judged


def hold(contract: Contract, sample: Sample) -> None:
    """Hold the core to what a sample predicts."""
    reply, judged = play(contract, sample)
    assert not sample.expect.differences(reply.status, reply.body)
    broken = bool(judged.refusal or judged.faults)
    settled_later = {"unknown_entity"} & {breach.reason for breach in sample.bad}
    assert broken != (sample.valid or bool(settled_later)), judged.refusal or judged.faults


def every(strategy: SearchStrategy[Any], examples: int, check: Callable[[Any], None]) -> int:
    """Run a check on so many examples; return how many there were, fewer where a strategy has no more."""
    seen = 0

    @settings(max_examples=examples, database=None, deadline=None, suppress_health_check=TOO_SLOW)
    @given(strategy)
    def run(value: Any) -> None:
        nonlocal seen
        seen += 1
        check(value)

    run()
    return seen


def collect(strategy: SearchStrategy[Any], examples: int) -> list[Any]:
    """Return generated values, without shrinking."""
    found: list[Any] = []

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
        found.append(value)

    run()
    return found


def contracts() -> Iterator[Contract]:
    """Yield every contract there is: each protocol's base and revisions."""
    for protocol in library().protocols.values():
        for revision in protocol.revision_names():
            yield protocol.contract(revision)


def operations() -> list[tuple[str, str, str]]:
    """Return every operation of every contract as (protocol, revision, operation)."""
    return [(one.name, one.revision, name) for one in contracts() for name in one.operations]
