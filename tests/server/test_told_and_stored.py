"""What a client was told and what was stored: both are on record, for every kind of scripted answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.test_remote_connections import exchange
from tests.server.vendor_client import VendorClient, clicks_body, track_body

STATUSES: Final = (200, 202, 204, 207, 304, 307, 400, 429, 503)
NO_BODY: Final = (204, 304)
ABSENT: Final = object()
BODIES: Final = {
    "absent": ABSENT,
    "empty": "",
    "page": "<html>",
    "acknowledgement": {"success": True, "processed": 1},
    "first event failed": {"success": False, "processed": 0, "errors": [{"index": 0, "message": "no"}]},
}
NAMES_EVENTS: Final = "outlit"
"""The protocol whose replies list the events that failed in the form of these bodies."""


def request_of(protocol: str, key: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Return path, body and headers of a request with one event."""
    match protocol:
        case "whisperr":
            return "/v1/events/batch", track_body("m1"), {"X-API-Key": key}
        case "outlit":
            return f"/api/i/v1/{key}/events", clicks_body("a"), {}
        case _:
            return "/api/events", {"projectKey": key, "events": [{"type": "click", "url": "/"}]}, {}


@pytest.mark.parametrize("when", [None, "before_commit", "after_commit"])
@pytest.mark.parametrize("protocol", ["whisperr", "outlit", "apex"])
@pytest.mark.parametrize("status", STATUSES)
async def test_scripted_reply_is_on_record_beside_what_was_stored(
    control: ControlClient, vendor: VendorClient, session: str, protocol: str, when: str | None, status: int
) -> None:
    path, body, headers = request_of(protocol, vendor.key)
    for number, (name, scripted) in enumerate(BODIES.items(), 1):
        if status in NO_BODY and scripted not in (ABSENT, ""):
            continue
        reply = {"status": status, **({} if scripted is ABSENT else {"body": scripted})}
        step = {"reply": reply, **({} if when is None else {"when": when})}
        assert (await control.put(f"{session}/faults", [step]))[0] == 200
        told = await vendor.post(path, body, headers)
        stored = when == "after_commit" or (when is None and 200 <= status < 300)
        (row,) = (await control.get(f"{session}/requests"))[1]["requests"]
        _, detail = await control.get(f"{session}/requests/{row['id']}")
        (event,) = (await control.get(f"{session}/events"))[1]["events"]
        (delivery,) = (await control.get(f"{session}/deliveries?final=true"))[1]["deliveries"]
        assert (row["status"], detail["reply"]["body"]) == (told.status, {"text": told.body.decode()}), name
        assert (event["verdict"] != "rejected") is stored, name
        assert [attempt["status"] for attempt in delivery["attempts"]] == [status]
        assert (delivery["fate"] == "accepted") is stored, (number, name)
        success = 200 <= status < 300 and (protocol != NAMES_EVENTS or _is_json(told.body))
        refused = protocol == NAMES_EVENTS and name == "first event failed"
        flags = [] if not success or stored != refused else ["told_refused" if stored else "told_accepted"]
        if name != "absent":
            assert delivery["flags"] == flags, name
        await control.delete(session)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("when", [None, "before_commit", "after_commit"])
@pytest.mark.parametrize("connection", ["truncate", "dribble"])
@pytest.mark.parametrize("protocol", ["whisperr", "outlit", "apex"])
async def test_status_line_that_left_is_on_record_beside_what_was_stored(
    app_server: AppServer,
    control: ControlClient,
    vendor: VendorClient,
    session: str,
    protocol: str,
    connection: str,
    when: str | None,
) -> None:
    step: dict[str, Any] = {"connection": connection, **({} if when is None else {"when": when})}
    step |= {"delay_ms": 10} if connection == "dribble" else {}
    assert (await control.put(f"{session}/faults", [step]))[0] == 200
    path, body, headers = request_of(protocol, vendor.key)
    head, _, sent = (await exchange(app_server, wire(path, body, headers))).partition(b"\r\n\r\n")
    status, stored = int(head.split()[1]), when != "before_commit"
    assert 200 <= status < 300
    (row,) = (await control.get(f"{session}/requests"))[1]["requests"]
    _, detail = await control.get(f"{session}/requests/r1")
    (event,) = (await control.get(f"{session}/events"))[1]["events"]
    (delivery,) = (await control.get(f"{session}/deliveries?final=true"))[1]["deliveries"]
    assert (row["status"], detail["reply"]["body"]) == (status, {"text": sent.decode()})
    assert event["verdict"] == ("accepted" if stored else "rejected")
    assert delivery["attempts"][0]["status"] == status
    unstored = "lost" if connection == "truncate" else "rejected"
    assert delivery["fate"] == ("accepted" if stored else unstored)
    assert delivery["flags"] == (["told_accepted"] if connection == "dribble" and not stored else [])


def wire(path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    """Return a request as bytes."""
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "Connection: close", "", ""]).encode() + content


@pytest.mark.parametrize("status", NO_BODY)
@pytest.mark.parametrize("body", ["x", {}, None, 0])
async def test_body_that_http_would_not_send_is_refused(
    control: ControlClient, session: str, status: int, body: object
) -> None:
    code, problem = await control.put(f"{session}/faults", [{"reply": {"status": status, "body": body}}])
    assert (code, problem["pointer"]) == (400, "/0/reply/body")
    assert f"a reply with the status {status} has no body" in problem["detail"]


async def test_event_is_stored_twice_when_a_client_resends_after_it_was_told_of_a_failure(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    body = BODIES["first event failed"]
    await control.put(f"{session}/faults", [{"reply": {"status": 207, "body": body}, "times": 1}])
    await vendor.clicks("a")
    await vendor.clicks("a")
    (delivery,) = (await control.get(f"{session}/deliveries"))[1]["deliveries"]
    assert (delivery["fate"], delivery["flags"]) == ("rejected_then_resent", ["told_refused", "stored_twice"])
