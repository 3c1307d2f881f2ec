"""What a sample says is broken is what the journal says: the same rule at the same place, and nothing else."""

from __future__ import annotations

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from mockserver.strategies import NOW_MS, Sample
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import plan_of
from tests.strategies.playing import collect, contracts_in_turn

Places = list[tuple[str, str]]
"""Rules with the places where they are broken."""


async def _journalled(contract: Contract, sample: Sample) -> View:
    store = MemoryStore(SessionSettings(), max_bytes=1 << 30, max_sessions=2)
    session = store.session("sample")
    for request in (*sample.before, sample.request):
        judged = judge(route(RequestBody(request.wire()), contract), Terms(now_ms=sample.now_ms))
        exchange, _ = await store.commit(session, judged, received_ms=sample.now_ms)
    return View(exchange)


def _of_events(view: View) -> dict[int, Places]:
    """Return the errors of each rejected event, but for those that only went down with the others."""
    rows = {row["index"]: row for row in view.event_rows(warnings=False) if row["verdict"] == "rejected"}
    return {
        index: [
            (finding["rule"], finding["pointer"])
            for finding in row["findings"]
            if "whole request" not in finding["message"]
        ]
        for index, row in rows.items()
    }


def _of_request(view: View) -> Places:
    return [(finding.rule, finding.pointer) for finding in view.findings() if finding.severity == "error"]


async def _hold(contract: Contract, sample: Sample) -> None:
    view = await _journalled(contract, sample)
    expected = {breach.index: [(breach.rule, breach.pointer)] for breach in sample.bad}
    if None in expected:
        assert _of_request(view) == expected[None], sample
        return
    assert {index: places for index, places in _of_events(view).items() if places} == expected, sample


@pytest.mark.parametrize("contract", contracts_in_turn())
async def test_journal_names_the_rule_and_the_place_when_one_is_broken(contract: Contract) -> None:
    played = 0
    for sample in samples(plan_of(contract, NOW_MS, 0, ())):
        if len(sample.bad) == 1:
            await _hold(contract, sample)
            played += 1
    assert played > 50


@pytest.mark.parametrize("contract", contracts_in_turn())
async def test_journal_names_each_rule_when_several_events_are_broken(contract: Contract) -> None:
    drawn = collect(strategies.batches(contract.name, contract=contract), 60)
    for sample in drawn:
        await _hold(contract, sample)
    assert any(len(sample.bad) > 1 for sample in drawn)
