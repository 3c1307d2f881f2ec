"""Many sessions at once over HTTP, each with its own faults and its own clock: nothing crosses, is lost or invented."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest

from mockserver.jsonkit.formats import epoch_ms
from tests.delivery.stress import Script, Sending, script
from tests.server.control_client import ControlClient

SESSIONS = 64
SEED = 20261121
HELD_UP_MS = 60_000
"""How long a fault step may hold up a commit; no two clocks are as near as that."""

SHORT, LONG = 60, 200
"""Requests of each session. Some steps of either run out, and others do not."""
WAYS = ("credential", "header", "prefix")


@pytest.mark.parametrize(
    "requests", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.full)]
)
async def test_sessions_stay_apart_and_lose_nothing_when_64_of_them_are_under_fire(
    server: str, control: ControlClient, requests: int
) -> None:
    run = f"pk_{uuid4().hex}"
    now_ms = time.time_ns() // 1_000_000
    scripts = [script(number, f"{run}_{number}", now_ms, SEED, requests) for number in range(SESSIONS)]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        await asyncio.gather(*(prepare(control, one) for one in scripts))
        told = await asyncio.gather(*(play(http, server, number, one) for number, one in enumerate(scripts)))
    assert told == [one.told for one in scripts]
    for one in scripts:
        await assert_as_foretold(control, one)
    await assert_no_other_session(control, run, scripts)


async def prepare(control: ControlClient, one: Script) -> None:
    place = f"/_mock/sessions/{one.session}"
    assert (await control.put(f"{place}/clock", {"offset_ms": one.offset_ms}))[0] == 200
    assert (await control.put(f"{place}/faults", one.steps))[0] == 200


async def play(http: aiohttp.ClientSession, url: str, number: int, one: Script) -> list[int]:
    """Send what the script says; returns what the client was told of each request."""
    told = [0] * len(one.sendings)

    async def lane(first: int) -> None:
        for place in range(first, len(one.sendings), one.lanes):
            told[place] = await send(http, url, WAYS[number // 3 % len(WAYS)], one, one.sendings[place])

    await asyncio.gather(*map(lane, range(one.lanes)))
    return told


async def send(http: aiohttp.ClientSession, url: str, way: str, one: Script, sending: Sending) -> int:
    """Send one request of a session that is named in that way; returns the status, 0 when no status line came."""
    key = one.session if way == "credential" else f"pk_of_{one.session}"
    prefix = f"/_mock/s/{one.session}" if way == "prefix" else ""
    headers = {"X-API-Key": key, **({"X-Mock-Session": one.session} if way == "header" else {})}
    path = one.dialect.path.format(key=quote(key))
    try:
        async with http.post(url + prefix + path, json=one.dialect.body(key, sending.events), headers=headers) as reply:
            with suppress(aiohttp.ClientPayloadError):
                await reply.read()
            return reply.status
    except aiohttp.ClientError:
        return 0


async def assert_as_foretold(control: ControlClient, one: Script) -> None:
    place = f"/_mock/sessions/{one.session}"
    requests = (await control.get(f"{place}/requests?limit=10000"))[1]["requests"]
    assert in_order(one, [row["status"] or 0 for row in requests]) == in_order(one, one.told)
    assert all(abs(offset_of(row) - one.offset_ms) < HELD_UP_MS for row in requests)

    events = (await control.get(f"{place}/events?verdict=any&limit=10000"))[1]["events"]
    came = [(one.mark(row["event"]), row["verdict"]) for row in events]
    assert in_order(one, came) == in_order(one, one.verdicts)
    sent = {one.mark(event): event for sending in one.sendings for event in sending.events}
    assert all(row["event"] == sent[one.mark(row["event"])] for row in events)

    if one.dialect.dedup:
        ledger = (await control.get(f"{place}/deliveries?final=true&limit=10000"))[1]["deliveries"]
        assert {row["id"] for row in ledger} == {one.dialect.id_of(event) for event in sent.values()}
        assert sum(row["fate"].startswith("accepted") for row in ledger) == counts(one)["accepted"]

    left = (await control.get(f"{place}/faults"))[1]["steps"]
    assert [step["remaining"] for step in left] == list(one.left.values())


def in_order(one: Script, found: list[Any]) -> Any:
    """Return what can be compared: with one lane the order counts, with more only what is there and how often."""
    return found if one.lanes == 1 else Counter(found)


def offset_of(row: Any) -> int:
    return (epoch_ms(row["session_time"]) or 0) - (epoch_ms(row["received_at"]) or 0)


async def assert_no_other_session(control: ControlClient, run: str, scripts: list[Script]) -> None:
    """The server knows of these sessions and of no other that this test could have brought about."""
    sessions = (await control.get("/_mock/sessions"))[1]["sessions"]
    found = {row.pop("session"): row for row in sessions if run in row["session"]}
    assert found == {one.session: counts(one) for one in scripts}


def counts(one: Script) -> dict[str, int]:
    verdicts = Counter(verdict for _, verdict in one.verdicts)
    return {"requests": len(one.sendings), **{name: verdicts[name] for name in ("accepted", "duplicate", "rejected")}}
