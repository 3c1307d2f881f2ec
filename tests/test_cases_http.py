"""Golden exchanges over real HTTP: settings, patches and clocks go through the control surface.

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
from mockserver.settings import Settings
from tests import cases
from tests.live import Live, live

CASES = {str(case): case for case in cases.load_all()}


def operations_of(case: cases.Case) -> Iterator[str]:
    """Yield the operations that a case's requests reach, preflights included."""
    contract = library().protocol(case.protocol).contract(case.document.get("revision"))
    for step in case.document["steps"]:
        if "request" in step:
            name = route(RequestBody(cases.wire_request(step["request"])), contract).operation_name
            yield f"{case.protocol}/{name}"


def one_per_operation() -> dict[str, str]:
    """Return for each operation the case that shows most of what a case can ask for, the first of equals."""
    chosen: dict[str, str] = {}
    asked = sorted(CASES.values(), key=lambda case: (-len(set(case.document) - {"why", "stored"}), str(case)))
    for case in asked:
        if len(case.document["steps"]) < 20:
            for name in operations_of(case):
                chosen.setdefault(name, str(case))
    return chosen


CHOSEN = one_per_operation()


@pytest.fixture
async def server() -> AsyncIterator[Live]:
    async with live(Settings(port=0)) as running:
        yield running


async def control(server: Live, method: str, path: str, body: Any) -> None:
    status, answer = await server.control.call(method, path, body)
    assert status == 200, answer


async def run(server: Live, case: cases.Case) -> list[str]:
    """Play a case in a session named after it; return where the server's answers differ from what is written."""
    document, here = case.document, f"/_mock/sessions/{quote(case.name)}"
    change = dict(document.get("settings", {}))
    if "revision" in document or "patch" in document:
        change["protocols"] = {case.protocol: {name: document.get(name) for name in ("revision", "patch")}}
    if change:
        await control(server, "PATCH", here, change)
    await control(server, "PUT", f"{here}/clock", {"now": case.clock, "frozen": True})
    found: list[str] = []
    seen = 0
    for number, step in enumerate(document["steps"]):
        if "advance_ms" in step:
            await control(server, "POST", f"{here}/clock/advance", {"ms": step["advance_ms"]})
            continue
        request, expect = step["request"], step["expect"]
        reply = await server.send(
            request.get("method", "POST"),
            f"/_mock/s/{quote(case.name)}{request['path']}",
            cases.headers_of(request),
            cases.body_of(request) or None,
        )
        rows = await server.events(case.name, f"&after={seen}")
        seen = rows[-1]["seq"] if rows else seen
        differences = list(cases.reply_differences(expect, reply.status, dict(reply.headers), reply.body))
        if "events" in expect:
            differences += cases.row_differences(expect["events"], rows)
        found += [f"step {number}: {difference}" for difference in differences]
    _, session = await server.control.get(here)
    if "stored" in document and session["counts"]["accepted"] != document["stored"]:
        found.append(f"stored: expected {document['stored']}, got {session['counts']['accepted']}")
    return found


def test_an_exchange_is_chosen_for_every_operation() -> None:
    served = {
        f"{protocol.name}/{operation}"
        for protocol in library().protocols.values()
        for operation in protocol.contract().operations
    }
    assert served <= set(CHOSEN), f"no golden exchange for {served - set(CHOSEN)}"


def test_what_a_case_can_ask_for_is_among_the_chosen() -> None:
    asked = {member for name in CHOSEN.values() for member in CASES[name].document}
    assert asked >= {"revision", "patch", "settings", "clock", "steps", "stored"}


@pytest.mark.parametrize("operation", CHOSEN)
async def test_exchange_of_an_operation_is_answered_as_written(server: Live, operation: str) -> None:
    case = CASES[CHOSEN[operation]]
    assert await run(server, case) == [], case.document["dossier"]


@pytest.mark.parametrize("protocol", library().protocols)
async def test_all_exchanges_are_answered_as_written_when_they_run_at_once(server: Live, protocol: str) -> None:
    played = [case for case in CASES.values() if case.protocol == protocol]
    found = await asyncio.gather(*(run(server, case) for case in played))
    wrong = {str(case): differences for case, differences in zip(played, found, strict=True) if differences}
    assert not wrong
