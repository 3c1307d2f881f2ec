"""Fault steps: which request takes one, what it does to reply and storage, what the rows say of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import whisperr
from tests.server.raw import Connection, Plain, sent
from tests.server.vendor_client import VendorClient, clicks_body, track_body
from tests.server.watching import Gate


async def put(control: ControlClient, session: str, *steps: dict[str, Any]) -> None:
    """Replace the session's steps."""
    status, answer = await control.put(f"{session}/faults", list(steps))
    assert status == 200, answer
    assert [step["remaining"] for step in answer["steps"]] == [step.get("times") for step in steps]


async def rows(control: ControlClient, session: str, what: str) -> list[Any]:
    """Return one of the session's lists."""
    status, page = await control.get(f"{session}/{what}")
    assert status == 200
    found: list[Any] = page[what]
    return found


async def verdicts(control: ControlClient, session: str) -> list[str]:
    return [row["verdict"] for row in await rows(control, session, "events")]


async def test_steps_are_listed_replaced_appended_and_removed(control: ControlClient, session: str) -> None:
    first = {"match": {"type": "paid"}, "reply": {"status": 503, "headers": {"Retry-After": "1"}}, "times": 2}
    second = {"connection": "reset", "probability": 0.5, "seed": 7}
    third = {"delay_ms": {"min": 1, "max": 2, "seed": 3}, "when": "after_commit"}
    await put(control, session, second)
    await put(control, session, first)
    assert await control.post(f"{session}/faults", second) == (
        200,
        {"steps": [{**first, "remaining": 2}, {**second, "remaining": None}]},
    )
    await control.post(f"{session}/faults", third)
    _, listed = await control.get(f"{session}/faults")
    assert listed["steps"][2] == {**third, "remaining": None}
    assert await control.delete(f"{session}/faults") == (200, {"steps": []})
    assert await control.get(f"{session}/faults") == (200, {"steps": []})


async def test_first_step_that_matches_and_is_not_used_up_is_taken(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(
        control,
        session,
        {"match": {"type": "opened"}, "reply": {"status": 500}},
        {"reply": {"status": 501}, "times": 1},
        {"reply": {"status": 502}, "times": 1},
        {"match": {"operation": "batch"}, "reply": {"status": 503}},
    )
    statuses = [(await vendor.track(f"m{number}")).status for number in range(4)]
    statuses.append((await vendor.track("m9", event_type="opened")).status)
    assert statuses == [501, 502, 503, 503, 500]
    _, left = await control.get(f"{session}/faults")
    assert [step["remaining"] for step in left["steps"]] == [None, 0, 0, None]


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({}, True),
        ({"protocol": "whisperr"}, True),
        ({"protocol": "outlit"}, False),
        ({"operation": "batch"}, True),
        ({"operation": "track"}, False),
        ({"operation": "preflight"}, False),
        ({"type": "paid"}, True),
        ({"type": "opened"}, False),
        ({"verdict": "accepted"}, True),
        ({"verdict": "any"}, True),
        ({"verdict": "rejected"}, False),
        ({"where": {"/context/$message_id": "m2"}}, True),
        ({"where": {"/context/$message_id": "m3"}}, False),
        ({"where": {"/context/$message_id": "m1", "/properties/n": 2}}, False),
        ({"where": {"/properties/n": {"in": [2, 3]}}}, True),
        ({"where": {"/context/$message_id": {"regex": "^m$"}}}, False),
    ],
)
async def test_step_matches_a_request_when_one_of_its_events_fits(
    control: ControlClient, vendor: VendorClient, session: str, match: dict[str, Any], hit: bool
) -> None:
    await put(control, session, {"match": match, "reply": {"status": 503}})
    body = track_body("m1", "m2")
    for number, event in enumerate(body["events"], 1):
        event["properties"] = {"n": number}
    reply = await vendor.post("/v1/events/batch", body, {"X-API-Key": vendor.key})
    assert (reply.status == 503) is hit


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "invalid_request"),
        (401, "missing_api_key"),
        (403, "forbidden"),
        (413, "payload_too_large"),
        (429, "rate_limited"),
        (503, "temporarily_unavailable"),
    ],
)
async def test_reply_without_body_is_the_contracts_own_refusal(
    control: ControlClient, vendor: VendorClient, session: str, status: int, reason: str
) -> None:
    await put(control, session, {"reply": {"status": status}})
    reply = await vendor.track("m1")
    assert reply.status == status
    assert set(reply.json["error"]) == {"code", "message", "request_id"}
    assert reply.json["error"]["code"] == reason
    assert ("Retry-After" in reply.headers) is (status in (429, 503))


@pytest.mark.parametrize(("status", "code"), [(402, "payment_required"), (504, "gateway_timeout"), (599, "status_599")])
async def test_reply_without_body_is_the_default_refusal_when_no_reason_has_the_status(
    control: ControlClient, vendor: VendorClient, session: str, status: int, code: str
) -> None:
    await put(control, session, {"reply": {"status": status}})
    reply = await vendor.track("m1")
    assert (reply.status, reply.json["error"]["code"]) == (status, code)


async def test_reply_keeps_the_vendors_shape_and_headers_for_each_protocol(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"reply": {"status": 500}})
    outlit = await vendor.post(f"/api/i/v1/{vendor.key}/events", clicks_body("a"), {"Origin": "https://a.example"})
    assert (outlit.status, outlit.json["success"], outlit.json["processed"]) == (500, False, 0)
    assert outlit.json["errors"][0]["index"] == -1
    assert outlit.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "X-RateLimit-Remaining" in outlit.headers
    body = {"projectKey": vendor.key, "events": [{"type": "a", "url": "/"}]}
    apex = await vendor.post("/api/events", body)
    assert (apex.status, apex.json["status"], set(apex.json)) == (500, 500, {"error", "code", "status"})


async def test_reply_of_a_step_wins_over_the_contracts(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    headers = {"Retry-After": "7", "content-type": "application/vnd.test+json", "X-Extra": "1"}
    await put(control, session, {"reply": {"status": 429, "headers": headers, "body": {"a": [1, None]}}})
    reply = await vendor.track("m1")
    assert (reply.status, reply.json) == (429, {"a": [1, None]})
    assert reply.headers.getall("Retry-After") == ["7"]  # type: ignore[attr-defined]
    assert reply.headers.getall("Content-Type") == ["application/vnd.test+json"]  # type: ignore[attr-defined]
    assert reply.headers["X-Extra"] == "1"


@pytest.mark.parametrize(
    ("body", "kind", "sent"),
    [
        ("<html>", "text/plain; charset=utf-8", b"<html>"),
        ("", "text/plain; charset=utf-8", b""),
        (None, "application/json", b"null"),
        (0, "application/json", b"0"),
    ],
)
async def test_body_of_a_step_is_sent_as_text_or_json(
    control: ControlClient, vendor: VendorClient, session: str, body: object, kind: str, sent: bytes
) -> None:
    await put(control, session, {"reply": {"status": 502, "body": body}})
    reply = await vendor.track("m1")
    assert (reply.headers["Content-Type"], reply.body) == (kind, sent)


@pytest.mark.parametrize(
    ("step", "stored"),
    [
        ({"reply": {"status": 503}}, False),
        ({"reply": {"status": 503}, "when": "before_commit"}, False),
        ({"reply": {"status": 503}, "when": "after_commit"}, True),
        ({"reply": {"status": 400}}, False),
        ({"reply": {"status": 302, "headers": {"Location": "/other_sessions"}}}, False),
        ({"reply": {"status": 204}}, True),
        ({"reply": {"status": 200, "body": {"odd": True}}}, True),
        ({"reply": {"status": 202}, "when": "before_commit"}, False),
        ({"delay_ms": 1}, True),
        ({"delay_ms": 1, "when": "after_commit"}, True),
        ({"delay_ms": 1, "reply": {"status": 500}}, False),
    ],
)
async def test_step_says_whether_the_event_is_stored(
    control: ControlClient, vendor: VendorClient, session: str, step: dict[str, Any], stored: bool
) -> None:
    await put(control, session, {**step, "times": 1})
    await vendor.track("m1")
    await vendor.track("m1")
    assert await verdicts(control, session) == (["accepted", "duplicate"] if stored else ["rejected", "accepted"])
    _, described = await control.get(session)
    assert described["counts"]["accepted"] == 1


async def test_what_was_injected_is_on_the_request_row_and_explains_the_event(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    step = {"match": {"type": "paid"}, "reply": {"status": 503}, "times": 3}
    await put(control, session, step)
    await vendor.track("m1")
    await vendor.track("m2", event_type="opened")
    first, second = await rows(control, session, "requests")
    assert (first["status"], first["fault"]) == (503, {**step, "remaining": 2})
    assert (second["status"], second["fault"]) == (202, None)
    (row, _) = await rows(control, session, "events")
    assert [finding["rule"] for finding in row["findings"]] == ["/fault"]
    _, detail = await control.get(f"{session}/requests/{first['id']}")
    assert "temporarily_unavailable" in detail["reply"]["body"]["text"]


@pytest.mark.parametrize(("picked", "statuses"), [({"in": ["b", "d"]}, 207), ("a", 207), ({"regex": ""}, 400)])
async def test_reject_fails_exactly_the_matching_events(
    control: ControlClient, vendor: VendorClient, session: str, picked: Any, statuses: int
) -> None:
    step = {"match": {"where": {"/eventName": picked}}, "reject": {"message": "quota used up"}, "times": 1}
    await put(control, session, step)
    reply = await vendor.clicks("a", "b", "c", "d")
    hit = (
        [n for n, name in enumerate("abcd") if name in (picked["in"] if isinstance(picked, dict) else picked)]
        if statuses == 207
        else [0, 1, 2, 3]
    )
    assert reply.json["processed"] == 4 - len(hit)
    assert reply.json["errors"] == [{"index": index, "message": "quota used up"} for index in hit]
    assert reply.status == statuses
    expected = ["rejected" if index in hit else "accepted" for index in range(4)]
    assert await verdicts(control, session) == expected
    for row in await rows(control, session, "events"):
        assert [finding["message"] for finding in row["findings"] if finding["severity"] == "error"] == (
            ["quota used up"] if row["index"] in hit else []
        )


async def test_rejected_event_does_not_claim_its_id(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await put(control, session, {"match": {"where": {"/context/$message_id": "m2"}}, "reject": {}, "times": 1})
    first = await vendor.track("m1", "m2", "m3")
    assert (first.status, first.json) == (202, {"accepted": 2, "rejected": 1})
    await vendor.track("m1", "m2", "m3")
    assert await verdicts(control, session) == [
        "accepted",
        "rejected",
        "accepted",
        "duplicate",
        "accepted",
        "duplicate",
    ]


async def test_reject_keeps_what_the_contract_refuses_as_well(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"match": {"where": {"/eventName": "b"}}, "reject": {"message": "no"}})
    body = clicks_body("a", "b", "c")
    del body["events"][0]["eventName"]
    reply = await vendor.post(f"/api/i/v1/{vendor.key}/events", body)
    assert (reply.status, reply.json["processed"]) == (207, 1)
    assert [error["index"] for error in reply.json["errors"]] == [0, 1]
    assert reply.json["errors"][1]["message"] == "no"


async def test_reject_of_a_request_with_one_event_refuses_the_request(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"reject": {"message": "no such event"}})
    event = track_body("m1")["events"][0]
    reply = await vendor.post("/v1/events/track", event, {"X-API-Key": vendor.key})
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_request")
    assert reply.json["error"]["message"] == "no such event"
    assert await verdicts(control, session) == ["rejected"]


async def test_times_is_kept_when_many_requests_come_at_once(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"reply": {"status": 503}, "times": 10})
    replies = await asyncio.gather(*(vendor.track(f"m{number}") for number in range(50)))
    assert Counter(reply.status for reply in replies) == {503: 10, 202: 40}
    assert Counter(await verdicts(control, session)) == {"rejected": 10, "accepted": 40}


async def test_times_is_kept_when_taken_requests_are_held_up(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"delay_ms": 30, "reply": {"status": 503}, "times": 10})
    replies = await asyncio.gather(*(vendor.track(f"m{number}") for number in range(50)))
    assert Counter(reply.status for reply in replies) == {503: 10, 202: 40}


async def test_probability_is_the_same_dice_for_the_same_seed(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    async def run(seed: int) -> list[int]:
        await put(control, session, {"reply": {"status": 503}, "probability": 0.5, "seed": seed})
        return [(await vendor.track(f"s{seed}-{number}")).status for number in range(24)]

    first, again, other = await run(1), await run(1), await run(2)
    assert first == again
    assert first != other
    assert {202, 503} == set(first) | set(other)


async def test_next_step_has_its_turn_when_the_dice_of_one_say_no(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    steps = [{"reply": {"status": 503}, "probability": 0.5, "seed": 1}, {"reply": {"status": 429}, "probability": 0.5}]
    await put(control, session, *steps)
    statuses = [(await vendor.track(f"m{number}")).status for number in range(40)]
    assert set(statuses) == {202, 429, 503}


@pytest.mark.parametrize(("probability", "status"), [(0, 202), (1, 503)])
async def test_probability_has_its_ends(
    control: ControlClient, vendor: VendorClient, session: str, probability: int, status: int
) -> None:
    await put(control, session, {"reply": {"status": 503}, "probability": probability, "times": 5})
    replies = [(await vendor.track(f"m{number}")).status for number in range(5)]
    assert replies == [status] * 5
    _, left = await control.get(f"{session}/faults")
    assert left["steps"][0]["remaining"] == (5 if probability == 0 else 0)


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
async def test_delay_is_real_time_and_lets_others_pass(
    control: ControlClient, vendor: VendorClient, session: str, when: str
) -> None:
    await put(control, session, {"delay_ms": 150, "when": when, "times": 1})
    loop = asyncio.get_running_loop()
    began = loop.time()
    slow = asyncio.create_task(vendor.track("m1"))
    if when == "after_commit":
        assert (await control.post(f"{session}/wait", {"timeout_ms": 5000}))[1]["satisfied"]
        assert not slow.done()
    assert (await slow).status == 202
    assert loop.time() - began >= 0.149
    (row,) = await rows(control, session, "requests")
    assert row["fault"]["delay_ms"] == 150


async def test_drawn_delay_is_not_below_its_lower_bound(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"delay_ms": {"min": 40, "max": 60, "seed": 1}})
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await vendor.track("m1")).status == 202
    assert loop.time() - began >= 0.039


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Stands for the delay of a step: the request waits until the test lets it through."""
    return Gate(monkeypatch)


async def test_delayed_request_is_judged_when_it_is_committed(
    control: ControlClient, vendor: VendorClient, session: str, gate: Gate
) -> None:
    await put(control, session, {"delay_ms": 1, "times": 1})
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    await control.patch(session, {"keys": []})
    await control.put(f"{session}/clock", {"now": "2030-01-01T00:00:00Z", "frozen": True})
    gate.opened.set()
    assert (await slow).status == 401
    (row,) = await rows(control, session, "requests")
    assert row["session_time"] == "2030-01-01T00:00:00.000Z"


async def test_delayed_request_arrived_when_it_came_not_when_it_was_committed(
    control: ControlClient, vendor: VendorClient, session: str, gate: Gate
) -> None:
    await put(control, session, {"match": {"where": {"/context/$message_id": "m1"}}, "delay_ms": 1})
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    await vendor.track("m2")
    gate.opened.set()
    await slow
    first, second = await rows(control, session, "requests")
    assert (first["fault"], second["fault"] is None) == (None, False)
    assert first["received_at"] >= second["received_at"]


async def test_resend_while_the_first_is_held_up_is_no_duplicate_delivery(
    control: ControlClient, vendor: VendorClient, session: str, gate: Gate
) -> None:
    await put(control, session, {"delay_ms": 1, "when": "after_commit", "times": 1})
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    (delivery,) = await rows(control, session, "deliveries")
    assert (delivery["fate"], delivery["attempts"][0]["status"]) == ("pending", None)
    await vendor.track("m1")
    gate.opened.set()
    assert (await slow).status == 202
    (delivery,) = await rows(control, session, "deliveries")
    assert (delivery["fate"], delivery["flags"]) == ("accepted", [])
    assert [attempt["status"] for attempt in delivery["attempts"]] == [202, 202]


async def test_delayed_request_does_not_bring_a_forgotten_session_back(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str, gate: Gate
) -> None:
    await put(control, session, {"delay_ms": 1, "times": 1})
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    await control.delete(session)
    gate.opened.set()
    assert (await slow).status == 202
    _, listed = await control.get("/_mock/sessions")
    assert listed["sessions"] == []
    assert app_server.app.store.bytes == 0


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
async def test_client_that_leaves_during_a_delay_leaves_a_row_that_says_so(
    control: ControlClient, vendor: VendorClient, session: str, gate: Gate, when: str
) -> None:
    await put(control, session, {"delay_ms": 1, "times": 1, "when": when})
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    slow.cancel()
    await gate.client_left.wait()
    gate.opened.set()
    _, answer = await control.post(f"{session}/wait", {"quiet_ms": 1})
    assert answer["satisfied"]
    (row,) = await rows(control, session, "requests")
    assert row["status"] is None
    assert (await vendor.track("m1")).status == 202
    (delivery,) = await rows(control, session, "deliveries")
    assert (delivery["fate"], delivery["flags"], len(delivery["attempts"])) == ("accepted_after_retry", [], 2)


async def test_preflight_takes_only_a_step_that_names_it(
    app_server: AppServer, control: ControlClient, http: aiohttp.ClientSession, vendor: VendorClient, session: str
) -> None:
    await put(
        control,
        session,
        {"reply": {"status": 503}, "times": 1},
        {"match": {"operation": "preflight"}, "reply": {"status": 403}},
    )
    path = f"{app_server.url}/_mock/s/{vendor.key}/v1/events/batch"
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    async with http.options(path, headers=headers) as reply:
        assert reply.status == 403
    _, left = await control.get(f"{session}/faults")
    assert [step["remaining"] for step in left["steps"]] == [1, None]
    assert (await vendor.track("m1")).status == 503


async def test_step_of_one_session_does_not_touch_another(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"reply": {"status": 503}})
    other = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    assert ((await vendor.track("m1")).status, (await other.track("m1")).status) == (503, 202)


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({}, "/0"),
        ({"times": 1}, "/0"),
        ({"reply": {"status": 503}, "connection": "reset"}, "/0/connection"),
        ({"reply": {"status": 503}, "reject": {}}, "/0/reject"),
        ({"reply": {"status": 99}}, "/0/reply/status"),
        ({"reply": {"status": 503, "headers": {"A": "b\r\nC: d"}}}, "/0/reply/headers/A"),
        ({"reply": {"status": 503, "header": {}}}, "/0/reply/header"),
        ({"reply": {}}, "/0/reply"),
        ({"connection": "explode"}, "/0/connection"),
        ({"reject": {}, "when": "after_commit"}, "/0/when"),
        ({"delay_ms": -1}, "/0/delay_ms"),
        ({"delay_ms": {"min": 5, "max": 1, "seed": 1}}, "/0/delay_ms/min"),
        ({"delay_ms": 1, "times": 0}, "/0/times"),
        ({"delay_ms": 1, "probability": 1.5}, "/0/probability"),
        ({"delay_ms": 1, "when": "later"}, "/0/when"),
        ({"delay_ms": 1, "matches": {}}, "/0/matches"),
        ({"delay_ms": 1, "match": {"where": {"/a": {"regex": "("}}, "verdict": "any"}}, "/0/match/where/~1a/regex"),
    ],
)
async def test_unusable_step_is_refused_with_its_place_and_changes_nothing(
    control: ControlClient, session: str, step: dict[str, Any], place: str
) -> None:
    await put(control, session, {"connection": "drop"})
    status, problem = await control.put(f"{session}/faults", [step])
    assert (status, problem["pointer"]) == (400, place)
    status, problem = await control.post(f"{session}/faults", step)
    assert (status, problem["pointer"]) == (400, place.removeprefix("/0"))
    _, left = await control.get(f"{session}/faults")
    assert left == {"steps": [{"connection": "drop", "remaining": None}]}


@pytest.mark.parametrize(
    ("reply", "headers", "body"),
    [
        (
            {"headers": {"Set-Cookie": ["a=1", "b=2"]}, "body": {}},
            [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
            b"{}",
        ),
        ({"headers": {"Retry-After": 120}, "body": "x"}, [("Retry-After", "120")], b"x"),
        ({"headers": {"Retry-After": [1]}, "body": "x"}, [("Retry-After", "1")], b"x"),
        ({"body": {"base64": "AAEC"}}, [("Content-Type", "application/octet-stream")], b"\0\1\2"),
        ({"body": {"base64": ""}}, [("Content-Type", "application/octet-stream")], b""),
        (
            {"body": {"base64": "e30="}, "headers": {"content-type": "application/json"}},
            [("Content-Type", "application/json")],
            b"{}",
        ),
        ({"body": {"base64": "AA", "more": 1}}, [], b'{"base64":"AA","more":1}'),
        ({"body": [{"base64": "AAEC"}]}, [], b'[{"base64":"AAEC"}]'),
    ],
)
async def test_reply_of_a_step_has_its_headers_and_bytes(
    control: ControlClient, vendor: VendorClient, session: str, reply: Any, headers: list[Any], body: bytes
) -> None:
    await put(control, session, {"reply": {"status": 200, **reply}})
    connection = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(connector=connection, auto_decompress=False) as http,
        http.post(f"{vendor.url}/v1/events/batch", json=track_body("m1"), headers={"X-API-Key": vendor.key}) as answer,
    ):
        received = [(name.title(), value) for name, value in answer.headers.items()]
        assert await answer.read() == body
    names = {name for name, _ in headers}
    assert [pair for pair in received if pair[0] in names] == headers


@pytest.mark.parametrize(
    ("reply", "pointer", "text"),
    [
        ({"headers": {"Content-Length": "5"}}, "/headers/Content-Length", "the connection fault truncate"),
        ({"headers": {"transfer-ENCODING": ["chunked"]}}, "/headers/transfer-ENCODING", "the server sets this header"),
        ({"headers": {"Trailer": "X"}}, "/headers/Trailer", "the server sets this header"),
        ({"headers": {"upgrade": "h2c"}}, "/headers/upgrade", "the server sets this header"),
        ({"headers": {"Connection": "upgrade"}}, "/headers/Connection", "must be close or keep-alive, got 'upgrade'"),
        ({"headers": {"connection": ["close", "X"]}}, "/headers/connection", "must be close or keep-alive, got 'X'"),
        ({"headers": {"X\r\nY": "a"}}, "/headers", "the name "),
        ({"headers": {"X:": "a"}}, "/headers", "the name "),
        ({"headers": {"": "a"}}, "/headers", "the name "),
        ({"headers": {"X": "a\x00"}}, "/headers/X", "is printable ASCII"),
        ({"headers": {"X": "a" * 65_537}}, "/headers/X", "65537 characters, but at most 65536 are allowed"),
        ({"headers": {"X": ["a"] * 101}}, "/headers/X", "101 elements, but at most 100 are allowed"),
        ({"headers": {f"X-{number}": 1 for number in range(101)}}, "/headers", "101 members, but at most 100 are"),
        ({"status": 101}, "/status", "101 is less than the minimum of 200"),
        ({"headers": {"X": []}}, "/headers/X", "[]"),
        ({"headers": {"X": 1.5}}, "/headers/X", "1.5"),
        ({"headers": {"X": ["a", "b\r\nY: c"]}}, "/headers/X", "is printable ASCII"),
        ({"headers": {"X": "\x01"}}, "/headers/X", "is printable ASCII"),
        ({"headers": {"X": "é"}}, "/headers/X", "is printable ASCII, spaces and tabs, got 'é'"),
        ({"headers": {"X": "\ud800"}}, "/headers/X", "is printable ASCII"),
        ({"headers": [["X", "a"]]}, "/headers", 'not of type "object"'),
        ({"body": {"base64": "A"}}, "/body/base64", "not valid base64"),
        ({"body": {"base64": "é"}}, "/body/base64", "not valid base64"),
        ({"body": {"base64": 7}}, "/body/base64", "not valid base64"),
        ({"status": 204, "body": {}}, "/body", "a reply with the status 204 has no body"),
        ({"status": 304, "body": {"base64": "AAEC"}}, "/body", "a reply with the status 304 has no body"),
    ],
)
async def test_reply_that_cannot_be_sent_is_refused(
    control: ControlClient, session: str, reply: Any, pointer: str, text: str
) -> None:
    status, problem = await control.put(f"{session}/faults", [{"reply": {"status": 200, **reply}}])
    assert (status, problem["pointer"]) == (400, f"/0/reply{pointer}")
    assert text in problem["detail"]


async def test_unknown_connection_fault_is_refused_with_all_that_there_are(
    control: ControlClient, session: str
) -> None:
    _, near = await control.put(f"{session}/faults", [{"connection": "close-idle"}])
    assert near["detail"].endswith('; got "close-idle", did you mean "close_idle"?')
    _, far = await control.put(f"{session}/faults", [{"connection": "hang"}])
    known = "reset, drop, truncate, dribble, malformed, close_idle"
    assert far["detail"] == f'/0/connection: must be one of {known}; got "hang"'


async def test_idle_connection_is_closed_after_its_complete_answer(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"connection": "close_idle", "times": 1})
    request = whisperr(key, "m1")
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(request.wire())
    assert answer.status == 202
    assert "connection" not in answer.headers
    assert await connection.answers() == []
    await connection.close()
    again = await Connection.open(app_server.port)
    assert [(await again.ask(request.wire())).status for _ in range(2)] == [202, 202]
    await again.close()
    assert (await verdicts(control, session))[0] == "accepted"
    [first, *others] = await rows(control, session, "requests")
    assert (first["status"], first["fault"]["connection"]) == (202, "close_idle")
    assert [row["fault"] for row in others] == [None, None]


async def test_requests_pipelined_behind_the_close_get_no_answer(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"connection": "close_idle", "times": 1})
    request = whisperr(key, "m1")
    assert [answer.status for answer in await sent(app_server.port, request.wire() * 3)] == [202]


@pytest.mark.parametrize("status", [200, 204, 304, 503])
@pytest.mark.parametrize("value", ["close", " Close", ["close"]])
async def test_connection_is_closed_when_the_reply_of_a_step_announces_it(
    control: ControlClient, vendor: VendorClient, session: str, value: Any, status: int
) -> None:
    await put(control, session, {"reply": {"status": status, "headers": {"Connection": value}}})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(vendor.url.rpartition(":")[2]))
    body = json.dumps(track_body("m1")).encode()
    request = Plain(path="/v1/events/batch", headers=(("X-API-Key", vendor.key),), body=body)
    writer.write(request.wire() * 2)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.lower().count(b"connection: ") == 1


async def test_connection_is_closed_when_a_step_says_so(
    app_server: AppServer, control: ControlClient, session: str, key: str
) -> None:
    await put(control, session, {"reply": {"status": 200, "headers": {"Connection": "close"}, "body": {}}, "times": 1})
    [answer] = await sent(app_server.port, whisperr(key, "m1").wire())
    assert answer.headers["connection"] == "close"


async def test_step_hits_only_the_second_attempt(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await control.put(f"{session}/faults", [{"match": {"request": {"attempt": 2}}, "reply": {"status": 503}}])
    replies = [(await vendor.track(*ids)).status for ids in (["m1"], ["m1"], ["m2"], ["m1"], ["m2", "m3"])]
    assert replies == [202, 503, 202, 202, 503]


async def test_step_counts_attempts_from_the_requests_before_it(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.put(f"{session}/faults", [{"reply": {"status": 503}, "times": 1}])
    assert (await vendor.clicks("a")).status == 503
    await control.post(f"{session}/faults", {"match": {"request": {"attempt": {"gte": 2}}}, "reply": {"status": 500}})
    assert [(await vendor.clicks("a")).status, (await vendor.clicks("b")).status] == [500, 200]


async def test_step_rejects_only_events_that_come_again(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    step = {"match": {"request": {"attempt": 2}}, "reject": {}}
    await control.put(
        f"{session}/faults", [{"match": {"request": {"attempt": 1}}, "reply": {"status": 503}, "times": 1}, step]
    )
    assert (await vendor.clicks("a", "b")).status == 503
    reply = await vendor.clicks("a", "c")
    assert (reply.status, [error["index"] for error in reply.json["errors"]]) == (207, [0])


async def test_step_looks_at_method_path_and_headers(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    match = {"request": {"path": {"regex": "/batch$"}, "headers": {"X-TRY": "2"}, "method": "POST"}}
    await control.put(f"{session}/faults", [{"match": match, "reply": {"status": 503}}])
    body = {"events": [{"external_user_id": "u", "event_type": "paid", "context": {"$message_id": "1"}}]}
    headers = {"X-API-Key": vendor.key}
    assert (await vendor.post("/v1/events/batch", body, headers)).status == 202
    assert (await vendor.post("/v1/events/batch", body, {**headers, "x-try": "2"})).status == 503


@pytest.mark.parametrize(
    ("match", "place"),
    [
        ({"request": {"status": 500}}, "/match/request/status"),
        ({"verdict": "duplicate"}, "/match/verdict"),
        ({"where": {"/a": {"regx": "x"}}}, "/match/where/~1a/regx"),
        ({"protocol": "outlit", "type": "pageviw"}, "/match/type"),
        ({"operation": "preflght"}, "/match/operation"),
    ],
)
async def test_step_that_can_never_be_taken_is_refused(
    control: ControlClient, session: str, match: dict[str, Any], place: str
) -> None:
    status, problem = await control.post(f"{session}/faults", {"match": match, "reply": {"status": 500}})
    assert (status, problem["pointer"]) == (400, place)
    status, problem = await control.put(f"{session}/faults", [{"delay_ms": 1}, {"match": match, "delay_ms": 1}])
    assert (status, problem["pointer"]) == (400, f"/1{place}")
    assert (await control.get("/_mock/sessions"))[1]["sessions"] == []


PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


async def test_preflight_fault_reaches_the_preflights_of_its_key(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    step = {"match": {"operation": "preflight"}, "reply": {"status": 403, "body": ""}}
    await control.put(f"{session}/faults", [step])
    for key, status in ((vendor.key, 403), (f"{vendor.key}x", 204)):
        async with vendor.http.options(f"{vendor.url}/api/i/v1/{key}/events", headers=PREFLIGHT) as reply:
            assert reply.status == status
    _, answer = await control.get(f"{session}/requests?operation=preflight")
    assert [row["status"] for row in answer["requests"]] == [403]


async def test_patched_cors_reaches_the_preflights_of_its_key(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    patch = {"protocol": {"cors": {"ingest": {"headers": "Content-Type, X-Extra"}}}}
    status, problem = await control.patch(session, {"protocols": {"outlit": {"patch": patch}}})
    assert status == 200, problem
    for key, allowed in ((vendor.key, "Content-Type, X-Extra"), (f"{vendor.key}x", "Content-Type")):
        async with vendor.http.options(f"{vendor.url}/api/i/v1/{key}/events", headers=PREFLIGHT) as reply:
            assert reply.headers["Access-Control-Allow-Headers"] == allowed


async def test_preflight_without_key_is_counted_as_unseen(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    async with vendor.http.options(f"{vendor.url}/v1/events/batch", headers=PREFLIGHT):
        pass
    _, answer = await control.post(f"{session}/wait", {"timeout_ms": 0})
    assert answer["unseen"]["count"] == 1
    assert "preflight of /v1/events/batch" in answer["unseen"]["reason"]
    async with vendor.http.options(
        f"{vendor.url}{session.replace('sessions', 's')}/v1/events/batch", headers=PREFLIGHT
    ):
        pass
    _, answer = await control.post(f"{session}/wait", {"timeout_ms": 0})
    assert answer["unseen"]["count"] == 1
