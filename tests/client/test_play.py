"""Playing a sample of the strategies: a session answers as the sample expects, or the difference is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mockserver import MockServer, Session, strategies
from mockserver.strategies import Sample
from tests.strategies.playing import collect

SAMPLES = [
    sample
    for protocol in ("apex", "outlit", "whisperr")
    for strategy in (strategies.requests, strategies.invalid_requests)
    for sample in collect(strategy(protocol), 8)
]
REVISED = collect(strategies.requests("outlit", revision="r4-2026-08"), 1)[0]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def session(server: MockServer) -> Iterator[Session]:
    session = server.session("pk_played")
    yield session
    session.forget()


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_sample_is_answered_as_it_expects(session: Session, number: int) -> None:
    sample = SAMPLES[number]
    assert session.play(sample).differences == ()
    assert len(session.requests()) == 1 + len(sample.before)


async def test_sample_is_answered_as_it_expects_when_it_is_awaited(session: Session) -> None:
    played = await session.aio.play(SAMPLES[0])
    assert (played.status, played.differences) == (SAMPLES[0].expect.status, ())


def test_session_has_the_clock_and_the_revision_of_the_sample_and_takes_its_key(session: Session) -> None:
    session.settings(keys=[])
    assert session.play(REVISED).differences == ()
    state = session.settings()
    assert (state.protocols["outlit"].revision, state.keys) == ("r4-2026-08", None)
    assert session.clock.read().now.timestamp() * 1000 == REVISED.now_ms


def test_difference_is_told_when_the_server_answers_otherwise(session: Session) -> None:
    sample: Sample = next(each for each in SAMPLES if each.valid and each.protocol == "whisperr")
    session.faults.add(match={"protocol": "whisperr"}, reply={"status": 503})
    played = session.play(sample)
    assert played.status == 503
    assert played.differences
