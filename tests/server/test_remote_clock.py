"""The session's clock: how it is set, and every rule that reads it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import pytest

from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import GOOD, headed
from tests.server.raw import once, whole
from tests.server.vendor_client import VendorClient, clicks_body

EXAMPLE_DAY = "2026-06-14T12:00:00.000Z"


async def put(control: ControlClient, session: str, change: dict[str, Any]) -> Any:
    status, clock = await control.put(f"{session}/clock", change)
    assert status == 200, clock
    return clock


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_clock_is_real_time_until_it_is_set(control: ControlClient, session: str) -> None:
    _, clock = await control.get(f"{session}/clock")
    assert (clock["offset_ms"], clock["frozen"]) == (0, False)
    assert clock["now"] == clock["real_now"]
    assert abs(ms(clock["real_now"]) - time.time() * 1000) < 5000


@pytest.mark.parametrize("now", [EXAMPLE_DAY, "2026-06-14T14:00:00+02:00", ms(EXAMPLE_DAY)])
async def test_clock_runs_on_from_where_it_is_set(control: ControlClient, session: str, now: object) -> None:
    clock = await put(control, session, {"now": now})
    assert (clock["now"], clock["frozen"]) == (EXAMPLE_DAY, False)
    assert clock["offset_ms"] == ms(EXAMPLE_DAY) - ms(clock["real_now"])
    _, later = await control.get(f"{session}/clock")
    assert later["offset_ms"] == clock["offset_ms"]
    assert ms(later["now"]) - ms(clock["now"]) == ms(later["real_now"]) - ms(clock["real_now"])


async def test_clock_is_set_by_its_distance_from_real_time(control: ControlClient, session: str) -> None:
    clock = await put(control, session, {"offset_ms": -86_400_000})
    assert clock["offset_ms"] == -86_400_000
    assert ms(clock["real_now"]) - ms(clock["now"]) == 86_400_000


async def test_frozen_clock_stands_still_until_it_is_moved(control: ControlClient, session: str) -> None:
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    await control.post(f"{session}/clock/advance", {"ms": 1500})
    _, clock = await control.get(f"{session}/clock")
    assert (clock["now"], clock["frozen"]) == ("2026-06-14T12:00:01.500Z", True)
    _, clock = await control.post(f"{session}/clock/advance", {"ms": -3000})
    assert (clock["now"], clock["frozen"]) == ("2026-06-14T11:59:58.500Z", True)


async def test_advance_of_a_running_clock_lets_it_run(control: ControlClient, session: str) -> None:
    _, clock = await control.post(f"{session}/clock/advance", {"ms": 60_000})
    assert (clock["offset_ms"], clock["frozen"]) == (60_000, False)
    _, clock = await control.post(f"{session}/clock/advance", {"ms": 60_000})
    assert clock["offset_ms"] == 120_000


async def test_delete_goes_back_to_real_time(control: ControlClient, session: str) -> None:
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    status, clock = await control.delete(f"{session}/clock")
    assert (status, clock["offset_ms"], clock["frozen"]) == (200, 0, False)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({}, "/now"),
        ({"frozen": True}, "/now"),
        ({"now": EXAMPLE_DAY, "offset_ms": 0}, "/now"),
        ({"now": "yesterday"}, "/now"),
        ({"now": "2026-02-30T00:00:00Z"}, "/now"),
        ({"now": 1.5}, "/now"),
        ({"now": -1}, "/now"),
        ({"now": 253_402_300_800_000}, "/now"),
        ({"offset_ms": 10**17}, "/offset_ms"),
        ({"offset_ms": "1"}, "/offset_ms"),
        ({"now": EXAMPLE_DAY, "freeze": True}, "/freeze"),
    ],
)
async def test_unusable_time_is_refused_and_changes_nothing(
    control: ControlClient, session: str, change: dict[str, Any], place: str
) -> None:
    before = await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    status, problem = await control.put(f"{session}/clock", change)
    assert (status, problem["pointer"]) == (400, place)
    _, after = await control.get(f"{session}/clock")
    assert after["now"] == before["now"]


@pytest.mark.parametrize("body", [{}, {"ms": "1"}, {"ms": 10**18}, {"seconds": 1}])
async def test_unusable_advance_is_refused(control: ControlClient, session: str, body: dict[str, Any]) -> None:
    status, problem = await control.post(f"{session}/clock/advance", body)
    assert (status, "pointer" in problem) == (400, True)


async def test_example_of_the_page_is_taken_on_its_day(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"now": "2027-06-14T12:00:00Z"})
    assert (await vendor.track("m1", occurred_at="2026-06-14T12:00:00.000Z")).status == 400
    await put(control, session, {"now": EXAMPLE_DAY})
    assert (await vendor.track("m2", occurred_at="2026-06-14T12:00:00.000Z")).status == 202


@pytest.mark.parametrize(
    ("offset", "status"),
    [
        (timedelta(minutes=5), 202),
        (timedelta(minutes=5, milliseconds=1), 400),
        (timedelta(days=-30), 202),
        (timedelta(days=-30, milliseconds=-1), 400),
    ],
)
async def test_window_of_event_times_moves_with_the_clock(
    control: ControlClient, vendor: VendorClient, session: str, offset: timedelta, status: int
) -> None:
    now = datetime(2031, 3, 1, tzinfo=UTC)
    await put(control, session, {"now": now.isoformat(), "frozen": True})
    at = (now + offset).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert (await vendor.track("m1", occurred_at=at)).status == status


async def test_rows_carry_both_times(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await put(control, session, {"now": "2031-03-01T00:00:00Z", "frozen": True})
    await vendor.track("m1")
    for what in ("requests", "events"):
        _, page = await control.get(f"{session}/{what}")
        (row,) = page[what]
        assert row["session_time"] == "2031-03-01T00:00:00.000Z"
        assert abs(ms(row["received_at"]) - time.time() * 1000) < 10_000


async def test_filled_in_timestamps_are_session_time(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"now": "2031-03-01T00:00:00Z", "frozen": True})
    await vendor.track("m1")
    await vendor.clicks("a")
    _, page = await control.get(f"{session}/events")
    whisperr, outlit = (row["stored"] for row in page["events"])
    assert whisperr["occurred_at"] == "2031-03-01T00:00:00.000Z"
    assert outlit["timestamp"] == ms("2031-03-01T00:00:00Z")


async def test_date_header_is_session_time_when_the_clock_is_moved(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"now": "2031-03-01T00:00:00Z", "frozen": True})
    assert (await vendor.track("m1")).headers["Date"] == "Sat, 01 Mar 2031 00:00:00 GMT"
    await control.put(f"{session}/faults", [{"reply": {"status": 503}}])
    assert (await vendor.track("m1")).headers["Date"] == "Sat, 01 Mar 2031 00:00:00 GMT"
    await control.delete(f"{session}/clock")
    date = parsedate_to_datetime((await vendor.track("m1")).headers["Date"])
    assert abs(date.timestamp() - time.time()) < 10


class Outlit:
    """One request at a time, its rate headers read."""

    def __init__(self, vendor: VendorClient) -> None:
        self._vendor = vendor
        self.reset = 0
        self.retry_after: str | None = None

    async def remaining(self) -> int | None:
        """Send a request; returns what is left of the window, or None when it was refused for the rate."""
        path = f"/api/i/v1/{self._vendor.key}/events"
        reply = await self._vendor.post(path, clicks_body("a"))
        self.reset = int(reply.headers["X-RateLimit-Reset"])
        self.retry_after = reply.headers.get("Retry-After")
        return None if reply.status == 429 else int(reply.headers["X-RateLimit-Remaining"])


async def limit_to(control: ControlClient, session: str, requests: int) -> None:
    """Enforce a small rate limit on Outlit."""
    _, facts = await control.get("/_mock/fidelity?protocol=outlit")
    (name,) = {
        fact["pointer"].split("/")[3]
        for fact in facts["facts"]
        if fact["pointer"].startswith("/protocol/limits/") and fact["pointer"].endswith("/window_ms")
    }
    patch = {"protocol": {"limits": {name: {"requests": requests, "window_ms": 60_000}}}}
    status, answer = await control.patch(session, {"rate_limits": "enforce", "protocols": {"outlit": {"patch": patch}}})
    assert status == 200, answer


async def test_rate_window_ends_when_the_clock_is_moved_past_it(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await limit_to(control, session, 2)
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    outlit = Outlit(vendor)
    assert [await outlit.remaining() for _ in range(3)] == [1, 0, None]
    assert outlit.reset == ms(EXAMPLE_DAY) // 1000 + 60
    await control.post(f"{session}/clock/advance", {"ms": 59_999})
    assert await outlit.remaining() is None
    await control.post(f"{session}/clock/advance", {"ms": 1})
    assert await outlit.remaining() == 1
    assert outlit.reset == ms(EXAMPLE_DAY) // 1000 + 120


async def test_rate_window_starts_anew_when_the_clock_is_set_back(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await limit_to(control, session, 1)
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    outlit = Outlit(vendor)
    assert [await outlit.remaining() for _ in range(2)] == [0, None]
    await control.post(f"{session}/clock/advance", {"ms": -86_400_000})
    assert [await outlit.remaining() for _ in range(2)] == [0, None]
    assert outlit.reset == ms(EXAMPLE_DAY) // 1000 - 86_400 + 60
    await control.post(f"{session}/clock/advance", {"ms": 86_400_000})
    assert await outlit.remaining() == 0


async def test_retry_after_counts_session_time(control: ControlClient, vendor: VendorClient, session: str) -> None:
    patch = {"protocol": {"limits": {"rate_events": {"requests": 1}}}}
    await control.patch(session, {"rate_limits": "enforce", "protocols": {"apex": {"patch": patch}}})
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    body = {"projectKey": vendor.key, "events": [{"type": "a", "url": "/"}]}
    assert (await vendor.post("/api/events", body)).status == 200
    await control.post(f"{session}/clock/advance", {"ms": 20_000})
    reply = await vendor.post("/api/events", body)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "40")


async def test_idempotency_key_is_held_in_session_time(control: ControlClient, vendor: VendorClient) -> None:
    key = "apex_sk_" + vendor.key
    session = f"/_mock/sessions/{key}"
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})

    async def deduped() -> bool:
        headers = {"x-api-key": key, "idempotency-key": "k1"}
        reply = await vendor.post("/api/v1/events", {"events": [{"type": "a"}]}, headers)
        assert reply.status == 200, reply.body
        return "deduped" in reply.body.decode()

    assert [await deduped(), await deduped()] == [False, True]
    await control.post(f"{session}/clock/advance", {"ms": 899_999})
    assert await deduped()
    await control.post(f"{session}/clock/advance", {"ms": 1})
    assert not await deduped()
    await control.post(f"{session}/clock/advance", {"ms": -3_600_000})
    assert [await deduped(), await deduped()] == [False, True]


async def test_waits_and_delays_use_real_time(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await put(control, session, {"now": EXAMPLE_DAY, "frozen": True})
    await control.put(f"{session}/faults", [{"delay_ms": 60}])
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await vendor.track("m1")).status == 202
    assert loop.time() - began >= 0.059
    began = loop.time()
    _, answer = await control.post(f"{session}/wait", {"count": 2, "timeout_ms": 60})
    assert answer["reason"] == "timeout"
    assert loop.time() - began >= 0.059


async def test_clock_of_one_session_is_not_anothers(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await put(control, session, {"now": "1999-01-01T00:00:00Z", "frozen": True})
    _, clock = await control.get(f"{session}x/clock")
    assert clock["offset_ms"] == 0
    at = "1999-01-01T00:00:00.000Z"
    other = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    assert ((await vendor.track("m1", occurred_at=at)).status, (await other.track("m1", occurred_at=at)).status) == (
        202,
        400,
    )


END_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


async def test_running_clock_answers_when_it_reaches_the_end_of_the_year_9999(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"now": END_MS})
    replies = [await vendor.track(str(number)) for number in range(3)]
    assert [(reply.status, reply.headers["Date"]) for reply in replies] == [(202, "Fri, 31 Dec 9999 23:59:59 GMT")] * 3
    _, clock = await control.get(f"{session}/clock")
    assert clock["now"] == "9999-12-31T23:59:59.999Z"
    status, problem = await control.post(f"{session}/clock/advance", {"ms": 1})
    assert (status, problem["pointer"]) == (400, "/ms")
    assert "between the years 1970 and 9999" in problem["detail"]
    status, clock = await control.post(f"{session}/clock/advance", {"ms": -1000})
    assert (status, clock["now"]) == (200, "9999-12-31T23:59:58.999Z")


async def test_step_keeps_its_date_when_the_clock_is_set(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, {"now": EXAMPLE_DAY})
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    await control.put(f"{session}/faults", [{"reply": {"status": 503, "headers": {"Date": date}}}])
    assert (await vendor.track("1")).headers["Date"] == date


async def test_no_clock_makes_a_request_fail(app_server: AppServer, control: ControlClient) -> None:
    rng = Random("9999")
    moments = (0, 1, 999, END_MS, END_MS - 1, END_MS - 60_000, -1, END_MS + 1, 2**63, -(2**63))
    for number in range(60):
        key = f"pk_{number}"
        moment = rng.choice([*moments, rng.randrange(END_MS)])
        change: dict[str, Any] = rng.choice([{"now": moment}, {"now": moment, "frozen": True}, {"offset_ms": moment}])
        status, _ = await control.put(f"/_mock/sessions/{key}/clock", change)
        assert status in (200, 400)
        await control.post(f"/_mock/sessions/{key}/clock/advance", {"ms": rng.choice([*moments, -moment])})
        fault: dict[str, Any] = rng.choice(
            [{"reply": {"status": 429}}, {"connection": "close_idle"}, {"reject": {}}, {"delay_ms": 1}]
        )
        await control.put(f"/_mock/sessions/{key}/faults", [{**fault, "probability": 0.5, "seed": number}])
        await control.patch(f"/_mock/sessions/{key}", {"rate_limits": "enforce"})
        for make in GOOD.values():
            answers = [await once(app_server.port, headed(make(key, "click"), ("X-Mock-Session", key))) for _ in "ab"]
            assert whole(answers) == []
        for read in ("events", "requests", "clock", "deliveries"):
            status, _ = await control.get(f"/_mock/sessions/{key}/{read}")
            assert status == 200
