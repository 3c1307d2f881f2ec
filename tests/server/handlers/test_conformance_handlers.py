"""The control call for the score of a client, over what a session received on the wire."""

from __future__ import annotations

from typing import Any

from mockserver.contract.library import library
from mockserver.server import control as surface
from tests.recording.made import event
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient


async def track(vendor: VendorClient, *messages: str) -> int:
    body = {"events": [event("paid", message) for message in messages]}
    reply = await vendor.post("/v1/events/batch", body, {"X-API-Key": vendor.key})
    return int(reply.status)


async def scored(control: ControlClient, session: str, query: str = "") -> dict[str, Any]:
    status, card = await control.get(f"{session}/conformance{query}")
    assert status == 200, card
    assert surface.validator("/components/schemas/Conformance").is_valid(card)
    return {row["rule"]: row for row in card["rules"]} | {"counts": card["counts"]}


async def test_nothing_passes_when_nothing_was_received(control: ControlClient, session: str) -> None:
    rules = [rule for protocol in library().protocols.values() for rule in protocol.client_rules.rules.values()]
    card = await scored(control, session)
    assert card["counts"] == {"pass": 0, "fail": 0, "not_exercised": len(rules)}


async def test_rule_fails_with_its_requests_when_the_client_sends_an_event_twice(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await track(vendor, "m-1")
    assert (await scored(control, session, "?protocol=whisperr&final=true"))["nothing_twice"]["verdict"] == "pass"
    await track(vendor, "m-1")
    row = (await scored(control, session, "?protocol=whisperr"))["nothing_twice"]
    assert (row["verdict"], row["requests"], row["failures"]) == ("fail", ["r1", "r2"], 1)
    assert row["message"] == "an event is sent again after the answer 202"


async def test_event_that_never_came_back_is_missing_only_when_no_more_will_come(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.put(f"{session}/faults", [{"times": 1, "reply": {"status": 500}}])
    assert await track(vendor, "m-1") == 500
    row = (await scored(control, session))["retries_transient_failures"]
    assert row["verdict"] == "not_exercised"
    assert row["stimulus"]["name"] == "failing_once"
    row = (await scored(control, session, "?final=true"))["retries_transient_failures"]
    assert (row["verdict"], row["requests"]) == ("fail", ["r1"])


async def test_events_that_were_made_and_did_not_come_are_missing(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await track(vendor, "m-1", "m-2")
    for made, verdict in ((2, "pass"), (3, "fail")):
        card = await scored(control, session, f"?final=true&made={made}")
        assert card["everything_arrives"]["verdict"] == verdict


async def test_unknown_protocol_is_refused(control: ControlClient, session: str) -> None:
    status, problem = await control.get(f"{session}/conformance?protocol=whisper")
    assert (status, problem["parameter"]) == (400, "protocol")
    assert "whisperr" in problem["detail"]
