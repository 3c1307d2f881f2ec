"""Golden cases over real HTTP: settings, patches and clocks go through the control surface.

One per operation by itself, so that a failure names the operation; then all at once on one server, each in its session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.route import route
from mockserver.core.wire import WireReply
from mockserver.jsonkit.formats import epoch_ms
from mockserver.lint.case_reader import DEFAULT_CLOCK
from mockserver.lint.comparison import differences, reply_differences, row_differences
from mockserver.lint.golden_cases import AdvanceStep, Case, CaseSettings, ExchangeStep
from mockserver.settings import Settings
from tests import cases
from tests.live import Live, live

CASES = {str(case): case for case in cases.load_all()}


def features_of(case: Case) -> set[str]:
    """Return the optional parts that a case has, of those that need a call of the control surface."""
    given = {
        "revision": case.revision is not None,
        "patch": case.patch is not None,
        "settings": case.settings != CaseSettings(),
        "clock": case.clock_ms != epoch_ms(DEFAULT_CLOCK),
        "stored": case.stored is not None,
    }
    return {name for name, is_given in given.items() if is_given}


def operations_of(case: Case) -> Iterator[str]:
    """Yield the operations that a case's requests reach, preflights included."""
    contract = library().protocol(case.protocol).contract(case.revision)
    for step in case.exchanges:
        yield f"{case.protocol}/{route(RequestBody(step.request), contract).operation_name}"


def one_per_operation() -> dict[str, str]:
    """Return for each operation the case that shows most of what a case can ask for, the first of equals."""
    chosen: dict[str, str] = {}
    for case in sorted(CASES.values(), key=lambda case: (-len(features_of(case) - {"stored"}), str(case))):
        if len(case.steps) < 20:
            for name in operations_of(case):
                chosen.setdefault(name, str(case))
    return chosen


CHOSEN = one_per_operation()


@pytest.fixture
async def server() -> AsyncIterator[Live]:
    async with live(Settings(port=0)) as running:
        yield running


async def control(server: Live, method: str, path: str, body: Any) -> Any:
    status, answer = await server.control.call(method, path, body)
    assert status == 200, answer
    return answer


async def prepare(server: Live, case: Case, session: str) -> None:
    """Give a session the settings, the contract and the clock of a case."""
    settings = case.settings
    change: dict[str, Any] = {"rate_limits": settings.rate_limits, "credentials": list(settings.credentials)}
    change["keys"] = None if settings.keys is None else sorted(settings.keys)
    if case.revision is not None or case.patch is not None:
        change["protocols"] = {case.protocol: {"revision": case.revision, "patch": case.patch}}
    await control(server, "PATCH", session, change)
    await control(server, "PUT", f"{session}/clock", {"now": case.clock_ms, "frozen": True})


async def send(server: Live, case: Case, step: ExchangeStep) -> WireReply:
    request = step.request
    headers = {name.decode(): value.decode() for name, value in request.headers}
    path = f"/_mock/s/{quote(case.name)}{request.target}"
    reply = await server.send(request.method, path, headers, request.body or None)
    return WireReply(status=reply.status, headers=tuple(reply.headers.items()), body=reply.body)


async def run(server: Live, case: Case) -> list[str]:
    """Play a case in a session named after it; return where the server's answers differ from what is written."""
    session = f"/_mock/sessions/{quote(case.name)}"
    await prepare(server, case, session)
    problems: list[str] = []
    seen = 0
    for step in case.steps:
        if isinstance(step, AdvanceStep):
            await control(server, "POST", f"{session}/clock/advance", {"ms": step.ms})
            continue
        assert step.expect is not None
        reply = await send(server, case, step)
        rows = await server.events(case.name, f"&after={seen}")
        seen = rows[-1]["seq"] if rows else seen
        problems += [f"{step.place} {difference}" for difference in reply_differences(step.expect, reply)]
        if step.expect.events is not None:
            problems += [f"{step.place} {difference}" for difference in row_differences(step.expect.events, rows)]
    if case.stored is not None:
        _, answer = await server.control.get(session)
        problems += map(str, differences(case.stored, answer["counts"]["accepted"], "/stored"))
    return problems


def test_an_exchange_is_chosen_for_every_operation() -> None:
    served = {
        f"{protocol.name}/{operation}"
        for protocol in library().protocols.values()
        for operation in protocol.contract().operations
    }
    assert served <= set(CHOSEN), f"no golden case for {served - set(CHOSEN)}"


def test_what_a_case_can_ask_for_is_among_the_chosen() -> None:
    asked = {feature for name in CHOSEN.values() for feature in features_of(CASES[name])}
    assert asked == {"revision", "patch", "settings", "clock", "stored"}


@pytest.mark.parametrize("operation", CHOSEN)
async def test_exchange_of_an_operation_is_answered_as_written(server: Live, operation: str) -> None:
    case = CASES[CHOSEN[operation]]
    assert await run(server, case) == [], case.dossier


@pytest.mark.parametrize("protocol", library().protocols)
async def test_all_exchanges_are_answered_as_written_when_they_run_at_once(server: Live, protocol: str) -> None:
    played = [case for case in CASES.values() if case.protocol == protocol]
    results = await asyncio.gather(*(run(server, case) for case in played))
    wrong = {str(case): problems for case, problems in zip(played, results, strict=True) if problems}
    assert not wrong
