"""Every golden case, in process: no sockets, the session's clock frozen where the case says."""

from __future__ import annotations

import pytest

from mockserver.lint.golden_cases import Case
from mockserver.lint.playback import PlayedExchange, play
from tests import cases


@pytest.mark.parametrize("case", cases.load_all(), ids=str)
async def test_case_is_answered_as_written(case: Case) -> None:
    played = await play(case, cases.contract_of(case))
    problems = [str(difference) for difference in played.differences]
    for exchange in played.exchanges:
        problems += [f"{exchange.step.place} {difference}" for difference in exchange.differences]
        problems += [f"{exchange.step.place} {problem}" for problem in unexplained(exchange)]
    assert not problems, "\n".join([case.dossier, *problems])
    assert played.exchanges


def unexplained(exchange: PlayedExchange) -> list[str]:
    """Return what the journal does not explain: another reply than the one sent, an event refused without a finding."""
    problems = [] if exchange.view.reply() == exchange.reply else ["the reply worked out later is not the one sent"]
    problems += [
        f"event {row['index']} was refused without a finding"
        for row in exchange.view.event_rows()
        if row["verdict"] == "rejected" and not [f for f in row["findings"] if f["severity"] == "error"]
    ]
    return problems
