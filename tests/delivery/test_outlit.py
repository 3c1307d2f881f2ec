"""Outlit: one event of a batch fails, and every generation of SDKs takes the 207 for a success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import pytest

from mockserver.lint.golden_cases import Case
from tests.cases import load_all
from tests.sdks.harness import Host, Session
from tests.server.control_client import ControlClient

CLIENTS = ("browser-", "node-", "rust-")
MESSAGE = "not today"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What one generation of an SDK sends: an envelope with all the events that its golden exchanges show."""

    generation: str
    envelope: dict[str, Any]

    @property
    def events(self) -> list[Any]:
        events: list[Any] = self.envelope["events"]
        return events

    def where(self, index: int) -> dict[str, Any]:
        """Return what tells one event of the batch from the others, as a matcher wants it."""
        members = {f"/{name}": value for name, value in self.events[index].items() if not isinstance(value, dict)}
        others = {name for event in self.events for name in event} - self.events[index].keys()
        return members | {f"/{name}": {"exists": False} for name in others}


def payload_of(case: Case) -> Payload:
    """Put the events of a case's accepted requests into the first one's envelope, equal ones once."""
    sent = [step.json for step in case.exchanges if step.expect is not None and step.expect.status == 200]
    events = [event for body in sent for event in body["events"]]
    unequal = [event for number, event in enumerate(events) if event not in events[:number]]
    return Payload(generation=case.name, envelope={**sent[0], "events": unequal})


PAYLOADS = [payload_of(case) for case in load_all() if case.protocol == "outlit" and case.name.startswith(CLIENTS)]
GENERATIONS = [payload for payload in PAYLOADS if payload.generation.split("-")[1].isdigit()]


async def send(http: aiohttp.ClientSession, url: str, key: str, body: object) -> tuple[int, Any]:
    async with http.post(f"{url}/api/i/v1/{quote(key)}/events", json=body) as reply:
        return reply.status, await reply.json()


async def fail_one(control: ControlClient, key: str, where: dict[str, Any]) -> None:
    """Have the next batch with such an event fail in just that event."""
    step = {"match": {"where": where}, "reject": {"message": MESSAGE}, "times": 1}
    status, answer = await control.put(f"/_mock/sessions/{key}/faults", [step])
    assert status == 200, answer


async def deliveries(control: ControlClient, key: str) -> list[Any]:
    status, answer = await control.get(f"/_mock/sessions/{key}/deliveries?final=true")
    assert status == 200
    rows: list[Any] = answer["deliveries"]
    return rows


@pytest.mark.parametrize("payload", [pytest.param(payload, id=payload.generation) for payload in GENERATIONS])
async def test_each_event_in_turn_is_the_one_rejected_row_when_it_is_made_to_fail(
    payload: Payload, server: str, http: aiohttp.ClientSession, control: ControlClient
) -> None:
    for index in range(len(payload.events)):
        key = f"pk_{uuid4().hex}"
        await fail_one(control, key, payload.where(index))
        assert await send(http, server, key, payload.envelope) == (
            207,
            {
                "success": False,
                "processed": len(payload.events) - 1,
                "errors": [{"index": index, "message": MESSAGE}],
            },
        )
        rows = await deliveries(control, key)
        expected = ["accepted"] * len(payload.events)
        expected[index] = "rejected"
        assert [row["fate"] for row in rows] == expected
        assert [row["type"] for row in rows] == [event["type"] for event in payload.events]
        assert [[attempt["status"] for attempt in row["attempts"]] for row in rows] == [[207]] * len(rows)
        assert not any(row["flags"] for row in rows)


async def test_rejected_event_is_told_from_a_resent_one_when_a_client_sends_the_batch_again(
    server: str, http: aiohttp.ClientSession, control: ControlClient
) -> None:
    (payload,) = (payload for payload in GENERATIONS if payload.generation == "node-1-5-2")
    key = f"pk_{uuid4().hex}"
    await fail_one(control, key, payload.where(0))
    assert (await send(http, server, key, payload.envelope))[0] == 207
    assert (await send(http, server, key, payload.envelope))[0] == 200
    rejected, *others = await deliveries(control, key)
    assert (rejected["fate"], rejected["flags"]) == ("rejected_then_resent", ["reordered"])
    assert {(row["fate"], *row["flags"]) for row in others} == {("accepted", "duplicate_delivery")}


def test_payloads_are_there_of_every_generation_that_the_golden_exchanges_show() -> None:
    assert len(GENERATIONS) >= 11
    assert all(len(payload.events) > 1 for payload in GENERATIONS)


@pytest.mark.sdk
async def test_rejected_event_does_not_come_again_when_outlit_core_built_it(
    node: Host, outlit: Session, control: ControlClient
) -> None:
    await fail_one(control, outlit.key, {"/eventName": "refused"})
    report = node.drive("outlit-core-refused", outlit)
    assert report.notes == {
        "status": 207,
        "body": {"success": False, "processed": 2, "errors": [{"index": 1, "message": MESSAGE}]},
    }
    outlit.events(3)
    assert [row["fate"] for row in await deliveries(control, outlit.key)] == ["accepted", "rejected", "accepted"]


@pytest.mark.sdk
async def test_rejected_event_does_not_come_again_when_outlit_browser_sent_it(
    chromium: Host, outlit: Session, control: ControlClient
) -> None:
    await fail_one(control, outlit.key, {"/eventName": "refused"})
    report = chromium.drive("outlit-refused", outlit)
    assert not report.problems
    assert "Ping" in report.traffic
    events = outlit.events(4)
    assert [row["event"].get("eventName") for row in events] == [None, "refused", "kept", "later"]
    rows = await deliveries(control, outlit.key)
    assert [row["fate"] for row in rows] == ["accepted", "rejected", "accepted", "accepted"]
    assert [[attempt["status"] for attempt in row["attempts"]] for row in rows] == [[207], [207], [207], [200]]
