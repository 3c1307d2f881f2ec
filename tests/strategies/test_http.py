"""A slice of the samples over real HTTP: the corpus, and generated ones, each in a session of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.settings import Settings
from mockserver.strategies import NOW_MS, Sample
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import plan_of
from tests.live import Live, live
from tests.strategies.playing import collect, contracts_in_turn

SLICE = 9
"""Every ninth line of the corpus goes over HTTP."""
GENERATED = 24


@pytest.fixture
async def server() -> AsyncIterator[Live]:
    async with live(Settings(port=0)) as running:
        yield running


async def _play(server: Live, contract: Contract, number: int, sample: Sample) -> list[str]:
    session = f"s{number}"
    here = f"/_mock/sessions/{session}"
    change = {"protocols": {contract.name: {"revision": contract.revision}}}
    assert (await server.control.patch(here, change))[0] == 200
    clock = {"now": rfc3339_ms(sample.now_ms), "frozen": True}
    assert (await server.control.put(f"{here}/clock", clock))[0] == 200
    for request in (*sample.before, sample.request):
        path = f"/_mock/s/{session}{request.path}"
        reply = await server.send(request.method, path, dict(request.headers), request.body)
    assert (await server.control.delete(here))[0] in (200, 204)
    return sample.expect.differences(reply.status, reply.body)


async def _all(server: Live, contract: Contract, chosen: Iterable[Sample]) -> int:
    played = 0
    for number, sample in enumerate(chosen):
        assert not await _play(server, contract, number, sample), sample
        played += 1
    return played


@pytest.mark.parametrize("contract", contracts_in_turn())
async def test_corpus_is_answered_as_written_when_sent(server: Live, contract: Contract) -> None:
    chosen = list(samples(plan_of(contract, NOW_MS, 0, ())))[::SLICE]
    assert await _all(server, contract, chosen) > 50


@pytest.mark.parametrize("contract", contracts_in_turn())
async def test_generated_requests_are_answered_as_predicted_when_sent(server: Live, contract: Contract) -> None:
    good = collect(strategies.requests(contract.name, contract=contract), GENERATED)
    bad = collect(strategies.invalid(contract.name, contract=contract), GENERATED)
    mixed = collect(strategies.batches(contract.name, contract=contract), GENERATED)
    assert await _all(server, contract, [*good, *bad, *mixed]) >= 2 * GENERATED
