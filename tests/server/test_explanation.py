"""What the answer of a wait says in words, member by member."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.core.wording import LONGEST_ABRIDGED, NOTHING_CAME
from mockserver.recording.redaction.redact import Redactor
from mockserver.server import waiting
from mockserver.server.explanation import (
    NO_KEY,
    NOT_READ,
    OTHER_KEY,
    UNDECIDED,
    WITHOUT_EVENTS,
    conditions,
    distinct,
)
from mockserver.sessions import matcher
from mockserver.sessions.matcher import MOST_VALUES
from mockserver.sessions.session_name import shorten
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.raw import sent
from tests.server.vendor_client import VendorClient, clicks_body


async def explained(control: ControlClient, session: str, query: str = "", /, **body: Any) -> list[str]:
    status, answer = await control.post(f"{session}/wait{query}", {"timeout_ms": 20, **body})
    assert status == 200, answer
    lines: list[str] = answer["explanation"].splitlines()
    return lines


async def test_satisfied_wait_is_one_line(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await vendor.track("m1", "m2")
    assert await explained(control, session, match={"type": "paid"}) == [
        "waited for 1 accepted event of type paid: 2 arrived"
    ]


async def test_hint_is_to_look_at_the_url_when_nothing_came_anywhere(
    control: ControlClient, session: str, key: str
) -> None:
    assert await explained(control, session) == [
        "waited for 1 accepted event: 0 arrived within 0.02 s",
        f"session {shorten(key)}: 0 requests; events: 0 accepted, 0 duplicate, 0 rejected",
        NOTHING_CAME,
    ]


async def test_hint_is_to_look_at_the_key_when_another_session_got_requests(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    other = VendorClient(http=vendor.http, url=vendor.url, key=f"{vendor.key}x")
    await other.track("m1")
    lines = await explained(control, session)
    latest = "the latest POST /v1/events/batch -> 202"
    assert lines[2:] == ["requests to other sessions:", f"  {shorten(other.key)}: 1 request, {latest}", OTHER_KEY]


@pytest.mark.parametrize("headers", ["content-type", "content-type,traceparent"])
async def test_key_is_not_blamed_for_a_preflight_which_has_none(
    control: ControlClient, vendor: VendorClient, session: str, headers: str
) -> None:
    asked = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": headers,
    }
    async with vendor.http.options(f"{vendor.url}/v1/events/batch", headers=asked) as reply:
        assert reply.status == 204
    lines = await explained(control, session)
    assert lines[3] == "  default: 1 request, the latest OPTIONS /v1/events/batch -> 204"
    assert lines[4].startswith("in no session: 1 request, the last at ")
    assert lines[5:] == [NOT_READ]


async def test_hint_is_that_there_was_no_key_when_only_the_default_session_got_requests(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    assert (await vendor.post("/v1/events/batch", {"events": []})).status == 401
    lines = await explained(control, session)
    assert lines[2:] == [
        "requests to other sessions:",
        "  default: 1 request, the latest POST /v1/events/batch -> 401",
        NO_KEY,
    ]


async def test_requests_without_events_are_shown_when_nothing_else_came(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    path = f"/api/i/v1/{vendor.key}/events"
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    async with vendor.http.options(f"{vendor.url}{path}", headers=asked) as reply:
        assert reply.status == 204
    lines = await explained(control, session)
    assert lines[2:4] == ["requests without events:", "  r1 OPTIONS /api/i/v1/<credential>/events -> 204"]
    assert lines[4:] == [WITHOUT_EVENTS]
    await vendor.track("m1")
    assert WITHOUT_EVENTS not in await explained(control, session, match={"type": "other"})


@pytest.mark.parametrize(
    ("method", "tail", "status", "reason"),
    [("PUT", "events", 405, "PUT is not allowed for this path"), ("POST", "event", 404, "unknown path")],
)
async def test_key_in_the_path_counts_though_the_path_leads_nowhere(
    control: ControlClient, vendor: VendorClient, session: str, method: str, tail: str, status: int, reason: str
) -> None:
    async with vendor.http.request(method, f"{vendor.url}/api/i/v1/{vendor.key}/{tail}", json={}) as reply:
        assert reply.status == status
    lines = await explained(control, session)
    assert lines[2:4] == ["refused requests:", f"  r1 {method} /api/i/v1/<credential>/{tail} -> {status}"]
    assert reason in lines[4]


async def test_pattern_that_stayed_undecided_is_named(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1", properties={"a": "zx" * 50_000})
    match = {"where": {"/properties/a": {"regex": "(?!.*(z|x|zx)*y)q.*y"}, "/event_type": {"regex": "^q"}}}
    about_a, about_type = [line for line in await explained(control, session, match=match) if "expected" in line]
    assert about_a.endswith(f": {UNDECIDED}")
    assert UNDECIDED not in about_type


async def test_no_more_of_large_steps_and_matchers_is_searched_than_shown(
    control: ControlClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = ["%41" * 1000] * 400
    step = {"match": {"where": {"/a": large}}, "reply": {"status": 500}}
    assert (await control.put(f"{session}/faults", [step]))[0] == 200
    searched, text_of = 0, Redactor.text

    def counted(redactor: Redactor, text: str) -> str:
        nonlocal searched
        searched += len(text)
        return text_of(redactor, text)

    monkeypatch.setattr(Redactor, "text", counted)
    lines = await explained(control, session, match={"where": {"/a": large}})
    assert "pending fault steps:" in lines
    assert 0 < searched < 10 * LONGEST_ABRIDGED


async def test_refused_events_are_shown_up_to_a_number_of_bytes(
    control: ControlClient, vendor: VendorClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "REFUSED_BYTES", 1500)
    for number in range(5):
        await vendor.track(f"m{number}", external_user_id=number)
    _, answer = await control.post(f"{session}/wait", {"timeout_ms": 0})
    assert [row["event"]["external_user_id"] for row in answer["refused"]] in ([4], [3, 4])
    monkeypatch.setattr(waiting, "REFUSED_BYTES", 0)
    _, answer = await control.post(f"{session}/wait", {"timeout_ms": 0})
    assert [row["event"]["external_user_id"] for row in answer["refused"]] == [4]


async def test_near_miss_has_the_beginning_of_a_long_value(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1", properties={"a": "x" * 9000})
    _, answer = await control.post(
        f"{session}/wait", {"timeout_ms": 0, "match": {"where": {"/properties/a": "y" * 9000}}}
    )
    [difference] = answer["near_misses"][0]["differences"]
    assert (difference["got"], difference["expected"]) == ("x" * LONGEST_ABRIDGED, "y" * LONGEST_ABRIDGED)


async def test_keys_of_earlier_tests_are_not_blamed(control: ControlClient, vendor: VendorClient, session: str) -> None:
    other = VendorClient(http=vendor.http, url=vendor.url, key=f"{vendor.key}x")
    await other.track("m1")
    assert OTHER_KEY not in await explained(control, session, since_ms=4_000_000_000_000)
    await control.put(f"{session}y/faults", [])
    assert OTHER_KEY not in await explained(control, f"{session}y")


async def test_session_of_an_earlier_test_that_asked_about_it_is_not_blamed(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    other = VendorClient(http=vendor.http, url=vendor.url, key=f"{vendor.key}x")
    await other.track("m1")
    assert (await control.post(f"{session}x/wait", {}))[1]["satisfied"]
    assert (await explained(control, session))[2:] == [NOTHING_CAME]


async def test_refused_request_is_shown_when_it_has_no_events(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    assert (await vendor.post(f"/api/i/v1/{vendor.key}/events", b"{")).status == 400
    lines = await explained(control, session)
    assert lines[2:4] == ["refused requests:", "  r1 POST /api/i/v1/<credential>/events -> 400"]
    assert "JSON" in lines[4]
    assert lines[-1] == "Requests arrived but were refused as a whole; see the reasons above."


async def test_near_miss_says_that_not_all_values_were_compared(
    control: ControlClient, vendor: VendorClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vendor.track("m1")
    assert not any("compared" in line for line in await explained(control, session, match={"where": {"/*": 5}}))
    monkeypatch.setattr(matcher, "MOST_VALUES", 1)
    lines = await explained(control, session, match={"where": {"/*": 5}})
    assert any(line.endswith(f", but only {MOST_VALUES} values were compared") for line in lines), lines


async def test_request_that_no_session_has_is_shown(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.post("/v2/nowhere/pk_secret_secret_secret", {})
    lines = await explained(control, session)
    assert lines[2].startswith("in no session: 1 request, the last at ")
    assert lines[2].endswith(": no protocol serves POST /v2/nowhere/…")
    assert lines[3] == NOT_READ
    await sent(app_server.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    (seen,) = [line for line in await explained(control, session) if "in no session: " in line]
    assert "2 requests" in seen
    assert "TLS on a plain port" in seen
    status, answer = await control.post(f"{session}/wait", {"timeout_ms": 0, "since_ms": 4_000_000_000_000})
    assert (status, answer["unseen"]["count"]) == (200, 0)


async def test_equal_rows_are_told_apart(control: ControlClient, vendor: VendorClient, session: str) -> None:
    body = clicks_body("plan_chosen", "seat_added", timestamp=1)
    await vendor.post(f"/api/i/v1/{vendor.key}/events", body)
    lines = await explained(control, session, match={"type": "pageview"})
    assert [line for line in lines if "plan_chosen" in line] != []
    assert [line for line in lines if "seat_added" in line] != []
    assert not any("server://u1" in line for line in lines)
    many = await explained(control, session, match={"verdict": "any"}, exactly=1)
    assert sum("seat_added" in line or "plan_chosen" in line for line in many) == 1


async def test_rows_that_nothing_tells_apart_share_a_line(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    for _ in range(3):
        await vendor.clicks(*["seat_added"] * 7)
    lines = await explained(control, session, "?rows=all", exactly=1)
    assert lines[2:] == [
        "arrived:",
        '  e1 to e20 (20 alike) outlit events: custom accepted {"type": "custom", "userId": "u1", '
        '"url": "server://u1", "path": "/", "eventName": "seat_added"}',
    ]
    lines = await explained(control, session, match={"type": "pageview", "operation": "events", "verdict": "rejected"})
    assert lines[2:] == [
        "closest events:",
        '  e21 to e17 (5 alike): /type expected "pageview", got "custom"',
        '    /verdict expected "rejected", got "accepted"',
    ]
    lines = await explained(control, session, "?rows=all", exactly=1, **{"for": "requests"})
    assert lines[2:] == ["arrived:", "  r1 to r3 (3 alike) POST /api/i/v1/<credential>/events -> 200"]
    for _ in range(3):
        await vendor.clicks("seat_added", type="nope")
    (refused,) = [
        line for line in await explained(control, session, "?rows=all", exactly=25) if "nope rejected" in line
    ]
    assert refused.startswith("  e22 to e24 (3 alike) outlit events: nope rejected {")


async def test_closest_request_is_shown(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await vendor.track("m1")
    lines = await explained(control, session, **{"for": "requests", "match": {"request": {"status": 500}}})
    assert lines[0] == "waited for 1 request, status 500: 0 arrived within 0.02 s"
    assert "  r1: /request/status expected 500, got 202" in lines


@pytest.mark.parametrize(
    ("asked", "match", "text"),
    [
        ({}, {"verdict": "accepted"}, "1 accepted event"),
        ({"count": 2}, {"verdict": "any", "protocol": "apex"}, "2 apex events"),
        (
            {"exactly": 2},
            {"protocol": "apex", "operation": "events", "type": "page", "where": {"/a": {"exists": True}}},
            'exactly 2 apex events events of type page, /a {"exists": true}',
        ),
        (
            {"for": "requests"},
            {"request": {"method": "GET", "headers": {"X-A": "b"}}},
            '1 request, method "GET", header X-A "b"',
        ),
    ],
)
def test_conditions_are_in_words(asked: Any, match: Any, text: str) -> None:
    assert conditions(asked, match, Redactor(())) == text


def test_distinct_members_are_the_shortest_first() -> None:
    events = [{"id": "0123456789", "name": name, "same": 1} for name in ("a", "b")]
    events[1]["id"] = "9876543210"
    assert [list(leaves) for leaves in distinct(events)] == [["/name", "/id"]] * 2
    assert distinct(events[:1]) == events[:1]
    assert distinct([]) == []
    assert distinct([None, {"a": 1}]) == [{"": None}, {"/a": 1}]
