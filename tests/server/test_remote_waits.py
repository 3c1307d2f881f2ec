"""Waiting: what satisfies a wait, when it is answered, and what it says when nothing came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from mockserver.server import turns, waiting
from mockserver.server.waiting import Waiter
from mockserver.sessions.views import View
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient, clicks_body
from tests.server.watching import Gate, Watched, watch

ANSWER = {
    "satisfied",
    "reason",
    "matched",
    "events",
    "requests",
    "next",
    "near_misses",
    "refused",
    "refused_requests",
    "faults_pending",
    "unseen",
    "other_sessions",
    "explanation",
}


async def wait(control: ControlClient, session: str, **spec: object) -> Any:
    """Wait, and answer what the server said."""
    status, answer = await control.post(f"{session}/wait", spec)
    assert status == 200, answer
    assert set(answer) == ANSWER
    return answer


@pytest.fixture
def waits(app_server: AppServer, key: str) -> Watched:
    """The open waits of this test's session."""
    return watch(app_server.app.store.session(key))


async def test_wait_is_answered_at_once_when_the_events_are_there(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1", "m2")
    answer = await wait(control, session, count=2, timeout_ms=0)
    assert (answer["satisfied"], answer["reason"], answer["matched"]) == (True, "ok", 2)
    assert [row["event"]["context"]["$message_id"] for row in answer["events"]] == ["m1", "m2"]
    assert answer["next"] == answer["events"][-1]["seq"]
    assert (answer["near_misses"], answer["refused"], answer["other_sessions"]) == ([], [], [])


async def test_wait_takes_no_body_for_the_first_accepted_event(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    status, answer = await control.post(f"{session}/wait")
    assert (status, answer["matched"]) == (200, 1)


async def test_wait_is_woken_by_the_commit(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    waiting = asyncio.create_task(wait(control, session, match={"type": "paid"}, timeout_ms=30_000))
    await waits.reach(1)
    await vendor.track("m1")
    answer = await waiting
    assert (answer["satisfied"], answer["events"][0]["type"]) == (True, "paid")


async def test_all_of_500_waits_are_woken_by_one_commit(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    opened = [asyncio.create_task(wait(control, session, timeout_ms=60_000)) for _ in range(500)]
    await waits.reach(500)
    await vendor.track("m1")
    answers = await asyncio.gather(*opened)
    assert {(answer["reason"], answer["matched"]) for answer in answers} == {("ok", 1)}
    assert not waits


async def test_wait_leaves_nothing_behind_when_its_client_vanishes(
    app_server: AppServer, waits: Watched, vendor: VendorClient, session: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", app_server.port)
    writer.write(f"POST {session}/wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}".encode())
    await waits.reach(1)
    writer.transport.abort()
    await waits.reach(0)
    assert reader.at_eof() or reader.exception() is not None


@pytest.mark.parametrize(("count", "reason"), [(0, "ok"), (2, "ok"), (3, "ok"), (4, "timeout")])
async def test_count_is_a_minimum(
    control: ControlClient, vendor: VendorClient, session: str, count: int, reason: str
) -> None:
    await vendor.track("m1", "m2", "m3")
    answer = await wait(control, session, count=count, timeout_ms=30)
    assert (answer["satisfied"], answer["reason"], answer["matched"]) == (reason == "ok", reason, 3)


async def test_exactly_says_too_many_at_once_when_more_are_there(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1", "m2", "m3")
    answer = await wait(control, session, exactly=2, timeout_ms=30_000)
    assert (answer["satisfied"], answer["reason"], answer["matched"]) == (False, "too_many", 3)


async def test_exactly_is_broken_by_one_more_while_it_is_quiet(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    waiting = asyncio.create_task(wait(control, session, exactly=1, quiet_ms=20_000, timeout_ms=30_000))
    await waits.reach(1)
    await vendor.track("m2")
    assert (await waiting)["reason"] == "too_many"


async def test_nothing_arrives_is_true_when_nothing_does(control: ControlClient, session: str) -> None:
    before = asyncio.get_running_loop().time()
    answer = await wait(control, session, exactly=0, quiet_ms=120, timeout_ms=5_000)
    assert (answer["satisfied"], answer["reason"], answer["events"], answer["next"]) == (True, "ok", [], 0)
    assert asyncio.get_running_loop().time() - before >= 0.12


@pytest.mark.parametrize("kind", ["events", "requests"])
async def test_none_within_a_time_is_false_when_one_comes_in_that_time(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str, kind: str
) -> None:
    match = {"type": "seen"}
    waiting = asyncio.create_task(wait(control, session, exactly=0, match=match, timeout_ms=30_000, **{"for": kind}))
    await waits.reach(1)
    await vendor.track("m1", event_type="other")
    await vendor.track("m2", event_type="seen")
    answer = await waiting
    assert (answer["satisfied"], answer["reason"], len(answer[kind])) == (False, "too_many", 1)


async def test_none_within_a_time_is_true_at_the_end_of_that_time(control: ControlClient, session: str) -> None:
    before = asyncio.get_running_loop().time()
    answer = await wait(control, session, exactly=0, timeout_ms=120)
    assert asyncio.get_running_loop().time() - before >= 0.12
    assert (answer["satisfied"], answer["reason"]) == (True, "ok")
    assert answer["explanation"] == "waited for exactly 0 accepted events: 0 arrived within 0.12 s"


@pytest.mark.parametrize("times", [{}, {"timeout_ms": 60_000, "quiet_ms": 0}])
async def test_none_so_far_is_true_at_once_without_a_time_to_wait(
    control: ControlClient, session: str, times: dict[str, int]
) -> None:
    answer = await asyncio.wait_for(wait(control, session, exactly=0, **times), 4)
    assert answer["explanation"] == "waited for exactly 0 accepted events: 0 arrived"


async def test_nothing_arrives_is_false_when_an_event_does(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    waiting = asyncio.create_task(wait(control, session, exactly=0, quiet_ms=20_000, timeout_ms=30_000))
    await waits.reach(1)
    await vendor.track("m1")
    answer = await waiting
    assert (answer["reason"], len(answer["events"])) == ("too_many", 1)


async def test_quiet_starts_again_with_each_request_even_of_another_kind(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    waiting = asyncio.create_task(wait(control, session, quiet_ms=150, timeout_ms=30_000))
    await waits.reach(1)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await vendor.post("/v1/nowhere", {}, {"X-API-Key": vendor.key})
    last = loop.time()
    assert (await waiting)["reason"] == "ok"
    assert loop.time() - last >= 0.14


async def test_wait_is_not_quiet_when_its_time_is_shorter(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    answer = await wait(control, session, quiet_ms=5_000, timeout_ms=40)
    assert (answer["satisfied"], answer["reason"], answer["matched"]) == (False, "not_quiet", 1)


async def test_quiet_waits_for_a_request_that_a_fault_holds_up(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    await control.put(f"{session}/faults", [{"delay_ms": 1, "when": "after_commit"}])
    slow = asyncio.create_task(vendor.track("m1"))
    await gate.arrived.wait()
    waiting = asyncio.create_task(wait(control, session, quiet_ms=1, timeout_ms=10_000))
    await waits.reach(1)
    for _ in range(5):
        await control.get(session)
    assert not waiting.done()
    gate.opened.set()
    assert (await waiting)["satisfied"]
    assert (await slow).status == 202


async def test_after_leaves_out_what_came_before(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await vendor.track("m1", "m2")
    first = await wait(control, session, count=2)
    await vendor.track("m3")
    second = await wait(control, session, count=1, after=first["next"])
    assert [row["event"]["context"]["$message_id"] for row in second["events"]] == ["m3"]
    empty = await wait(control, session, after=second["next"], timeout_ms=20)
    assert (empty["satisfied"], empty["next"]) == (False, second["next"])


@pytest.mark.parametrize(
    ("match", "ids"),
    [
        ({"protocol": "whisperr"}, ["m1", "m2"]),
        ({"operation": "batch"}, ["m1", "m2"]),
        ({"type": "paid"}, ["m1", "m2"]),
        ({"where": {"/properties/n": 2}}, ["m2"]),
        ({"where": {"/properties/n": 2.0}}, ["m2"]),
        ({"where": {"/properties/n": True}}, []),
        ({"where": {"/properties/n": {"in": [1, 3]}}}, ["m1"]),
        ({"where": {"/properties/n": {"exists": False}}}, []),
        ({"where": {"/properties/x~1y": {"exists": True}}}, ["m1", "m2"]),
        ({"where": {"/context/$message_id": {"regex": "^m[2-9]$"}}}, ["m2"]),
        ({"where": {"/properties": {"n": 1, "x/y": None}}}, ["m1"]),
        ({"protocol": "outlit"}, []),
        ({"type": "unpaid"}, []),
        ({"verdict": "rejected"}, []),
        ({"verdict": "any"}, ["m1", "m2"]),
    ],
)
async def test_matcher_picks_events(
    control: ControlClient, vendor: VendorClient, session: str, match: dict[str, Any], ids: list[str]
) -> None:
    await vendor.track("m1", properties={"n": 1, "x/y": None})
    await vendor.track("m2", properties={"n": 2, "x/y": None})
    answer = await wait(control, session, match=match, count=len(ids) or 1, timeout_ms=20)
    assert [row["event"]["context"]["$message_id"] for row in answer["events"]] == ids


async def test_duplicates_are_waited_for_by_their_verdict(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    await vendor.track("m1")
    answer = await wait(control, session, match={"verdict": "duplicate"})
    assert [(row["request_id"], row["verdict"]) for row in answer["events"]] == [("r2", "duplicate")]


async def test_timeout_tells_the_nearest_misses_first(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("far", event_type="opened", properties={"n": 9})
    await vendor.track("near", properties={"n": 1})
    answer = await wait(
        control, session, match={"type": "paid", "where": {"/properties/n": 2, "/gone": "x"}}, timeout_ms=20
    )
    assert answer["near_misses"] == [
        {
            "event_id": "e2",
            "differences": [
                {"pointer": "/properties/n", "expected": 2, "got": 1},
                {"pointer": "/gone", "expected": "x", "got": None},
            ],
        },
        {
            "event_id": "e1",
            "differences": [
                {"pointer": "/type", "expected": "paid", "got": "opened"},
                {"pointer": "/properties/n", "expected": 2, "got": 9},
                {"pointer": "/gone", "expected": "x", "got": None},
            ],
        },
    ]


async def test_timeout_tells_which_events_were_refused_and_why(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    reply = await vendor.track("m1", occurred_at="yesterday")
    assert reply.status == 400
    answer = await wait(control, session, match={"type": "paid"}, timeout_ms=20)
    assert (answer["near_misses"], len(answer["refused"])) == ([], 1)
    (finding,) = answer["refused"][0]["findings"]
    assert (finding["severity"], finding["pointer"], finding["got"]) == ("error", "/occurred_at", "yesterday")
    assert finding["rule"].startswith("/events/")


async def test_timeout_tells_the_steps_that_are_not_used_up(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    steps = [{"reply": {"status": 503}, "times": 1}, {"connection": "reset", "times": 2}]
    await control.put(f"{session}/faults", steps)
    await vendor.track("m1")
    answer = await wait(control, session, timeout_ms=20)
    assert answer["faults_pending"] == [{"connection": "reset", "times": 2, "remaining": 2}]


async def test_elsewhere_names_the_session_of_a_mistyped_key(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    wrong = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    await wrong.track("m0")
    waiting = asyncio.create_task(wait(control, session, timeout_ms=300))
    await waits.reach(1)
    await wrong.track("m1")
    await wrong.track("m2")
    assert (await waiting)["other_sessions"][0]["session"] == wrong.key


async def test_elsewhere_looks_back_when_the_client_was_done_before_the_wait(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    wrong = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    await wrong.track("m1")
    await wrong.track("m2")
    answer = await wait(control, session, timeout_ms=20)
    assert [(row["session"], row["requests"]) for row in answer["other_sessions"]] == [(wrong.key, 2)]


async def test_elsewhere_leaves_out_what_came_before_this_session_got_something(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    other = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    await other.track("m1")
    await wait(control, session, exactly=0, quiet_ms=10)
    await vendor.track("m1")
    answer = await wait(control, session, count=2, timeout_ms=20)
    assert answer["other_sessions"] == []


async def test_open_wait_ends_when_its_session_is_deleted(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    waiting = asyncio.create_task(wait(control, session, count=2, timeout_ms=30_000))
    await waits.reach(1)
    assert await control.delete(session) == (204, None)
    answer = await waiting
    assert (answer["satisfied"], answer["reason"], answer["matched"]) == (False, "deleted", 1)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"mtach": {}}, "/mtach"),
        ({"match": {"typ": "x"}}, "/match/typ"),
        ({"count": -1}, "/count"),
        ({"count": "2"}, "/count"),
        ({"timeout_ms": 600_001}, "/timeout_ms"),
        ({"after": -1}, "/after"),
        ({"match": {"verdict": "good"}}, "/match/verdict"),
        ({"match": {"where": {"/a": {"regex": "("}}}}, "/match/where/~1a/regex"),
        ({"match": {"where": {"/a": {"regex": 5}}}}, "/match/where/~1a/regex"),
        ({"match": {"where": {"/a": {"exists": "yes"}}}}, "/match/where/~1a/exists"),
        ({"match": {"where": {"/a": {"in": "abc"}}}}, "/match/where/~1a/in"),
        ({"match": {"where": {"a": 1}}}, "/match/where/a"),
        ({"match": {"request": {"mehod": "GET"}}}, "/match/request/mehod"),
        ({"match": {"request": {"status": "200"}}}, "/match/request/status"),
        ({"match": {"request": {"attempt": 0}}}, "/match/request/attempt"),
        ({"match": {"request": {"headers": {"a b": "c"}}}}, "/match/request/headers"),
        ({"match": {"request": {"headers": {"a": 5}}}}, "/match/request/headers/a"),
        ({"for": "request"}, "/for"),
        ({"since_ms": "now"}, "/since_ms"),
        ({"exactly": 2, "count": 3}, "/count"),
        ({"match": {"where": {"/properties": {"plan": {"regex": "x"}}}}}, "/match/where/~1properties/plan"),
        ({"match": {"request": {"method": "post"}}}, "/match/request/method"),
        ([], ""),
    ],
)
async def test_wait_is_refused_with_the_place_of_what_is_wrong(
    control: ControlClient, session: str, body: object, place: str
) -> None:
    status, problem = await control.post(f"{session}/wait", body)
    assert (status, problem["pointer"]) == (400, place)


async def test_event_can_be_read_as_soon_as_its_answer_is_there(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    for number in range(20):
        await vendor.track(f"m{number}")
        answer = await wait(control, session, count=number + 1, timeout_ms=0)
        assert answer["matched"] == number + 1


async def test_wait_gives_up_no_row_when_many_events_match(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    for _ in range(30):
        reply = await vendor.post(f"/api/i/v1/{vendor.key}/events", clicks_body(*["click"] * 100))
        assert reply.status == 200
    answer = await wait(control, session, exactly=3000)
    assert (len(answer["events"]), answer["next"]) == (3000, 3000)


@pytest.mark.parametrize(
    ("match", "member", "message"),
    [
        ({"protocol": "outlet"}, "protocol", 'unknown protocol "outlet", did you mean "outlit"?'),
        ({"operation": "batc"}, "operation", 'unknown operation "batc", did you mean "batch"?'),
        ({"protocol": "outlit", "type": "pageviw"}, "type", 'did you mean "pageview"?'),
        ({"operation": "bootstrap"}, "operation", "match the request instead"),
        ({"verdict": "acepted"}, "verdict", 'rejected, any; got "acepted", did you mean "accepted"?'),
    ],
)
async def test_unknown_name_is_refused_with_the_nearest(
    control: ControlClient, session: str, match: dict[str, Any], member: str, message: str
) -> None:
    status, problem = await control.post(f"{session}/wait", {"match": match})
    assert (status, problem["pointer"]) == (400, f"/match/{member}")
    assert message in problem["detail"]
    status, problem = await control.get(
        f"{session}/events?{'&'.join(f'{name}={text}' for name, text in match.items())}"
    )
    assert (status, problem["parameter"]) == (400, member)
    assert message in problem["detail"]
    assert (await control.get("/_mock/sessions"))[1]["sessions"] == []


async def test_type_is_checked_against_the_revision_of_the_session(control: ControlClient, session: str) -> None:
    body = {"match": {"protocol": "outlit", "type": "survey"}, "timeout_ms": 0}
    assert (await control.post(f"{session}/wait", body))[0] == 400
    patch = {"events": {"survey": {"type": "object", "source": "assumed: test"}}}
    await control.patch(session, {"protocols": {"outlit": {"patch": patch}}})
    assert (await control.post(f"{session}/wait", body))[0] == 200


async def test_event_of_an_unknown_type_is_found_where_it_was_refused(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    path = f"{session}/events?protocol=outlit&type=surprise"
    assert (await control.get(path))[0] == 400
    assert (await control.get(f"{path}&verdict=any"))[0] == 400
    await vendor.clicks("a", type="surprise")
    status, answer = await control.get(path)
    assert (status, [row["verdict"] for row in answer["events"]]) == (200, ["rejected"])
    answer = await wait(control, session, match={"type": "surprise", "verdict": "rejected"})
    assert answer["satisfied"]


async def test_answer_has_as_many_rows_as_were_waited_for(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1", "m2", "m3")
    answer = await wait(control, session, count=2)
    assert (answer["matched"], len(answer["events"]), answer["next"]) == (3, 2, 2)
    status, answer = await control.post(f"{session}/wait?rows=all", {"count": 2})
    assert (status, len(answer["events"]), answer["next"]) == (200, 3, 3)
    answer = await wait(control, session, exactly=2)
    assert (answer["reason"], len(answer["events"])) == ("too_many", 2)
    assert (await control.post(f"{session}/wait?rows=al"))[1]["parameter"] == "rows"


async def test_second_attempt_is_waited_for(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.put(f"{session}/faults", [{"reply": {"status": 503}, "times": 1}])
    match = {"verdict": "any", "request": {"attempt": 2}}
    waiting = asyncio.create_task(wait(control, session, match=match, timeout_ms=30_000))
    await waits.reach(1)
    await vendor.track("m1")
    await vendor.track("m1", "m2")
    answer = await waiting
    assert [(row["request_id"], row["index"]) for row in answer["events"]] == [("r2", 0)]
    again = await wait(control, session, match=match)
    assert again["events"] == answer["events"]


async def test_status_is_that_which_the_client_was_told(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.put(f"{session}/faults", [{"delay_ms": 20, "when": "after_commit"}])
    spec = {"for": "requests", "match": {"request": {"status": 202}}}
    waiting = asyncio.create_task(wait(control, session, timeout_ms=30_000, **spec))
    await waits.reach(1)
    await vendor.track("m1")
    assert (await waiting)["matched"] == 1


@pytest.mark.parametrize(
    ("match", "ids"),
    [
        ({}, ["r1", "r2", "r3", "r4"]),
        ({"operation": "bootstrap"}, ["r1"]),
        ({"operation": "preflight"}, ["r2"]),
        ({"request": {"status": {"gte": 400}}}, ["r3"]),
        ({"request": {"method": "POST", "path": {"regex": "/events$"}}}, ["r3", "r4"]),
        ({"request": {"headers": {"content-TYPE": {"contains": "json"}}}}, ["r3", "r4"]),
        ({"type": "custom", "where": {"/eventName": "a"}}, ["r4"]),
        ({"verdict": "accepted"}, ["r4"]),
    ],
)
async def test_requests_are_waited_for_with_or_without_events(
    control: ControlClient, vendor: VendorClient, session: str, match: dict[str, Any], ids: list[str]
) -> None:
    path = f"/api/i/v1/{vendor.key}"
    async with vendor.http.get(f"{vendor.url}{path}/bootstrap") as reply:
        assert reply.status == 200
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    async with vendor.http.options(f"{vendor.url}{path}/events", headers=headers) as reply:
        assert reply.status < 300
    await vendor.post(f"{path}/events", b"{")
    await vendor.clicks("a")
    answer = await wait(control, session, **{"for": "requests", "match": match, "count": len(ids)})
    assert [row["id"] for row in answer["requests"]] == ids
    assert (answer["events"], answer["next"]) == ([], int(ids[-1][1:]))
    later = await wait(
        control, session, **{"for": "requests", "match": match, "after": answer["next"], "timeout_ms": 0}
    )
    assert later["matched"] == 0


async def test_request_is_waited_for_until_it_comes(
    waits: Watched, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    spec = {"for": "requests", "match": {"request": {"status": 400}}}
    waiting = asyncio.create_task(wait(control, session, timeout_ms=30_000, **spec))
    await waits.reach(1)
    await vendor.track("m1")
    await vendor.post(f"/api/i/v1/{vendor.key}/events", b"{")
    assert [row["id"] for row in (await waiting)["requests"]] == ["r2"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"where": {"/properties/n": {"gte": 2}}}, ["e2"]),
        ({"where": {"/properties/*": 1}}, ["e1"]),
        ({"request": {"headers": {"x-api-key": {"exists": True}}}}, ["e1", "e2", "e3"]),
        ({"request": {"attempt": 2}}, ["e3"]),
    ],
)
async def test_events_are_searched_with_the_matcher(
    control: ControlClient, vendor: VendorClient, session: str, query: dict[str, Any], ids: list[str]
) -> None:
    await vendor.track("m1", properties={"n": 1})
    await vendor.track("m2", properties={"n": 2})
    await vendor.track("m1", properties={"n": 0})
    text = "&".join(f"{name}={quote(json.dumps(member))}" for name, member in query.items())
    status, answer = await control.get(f"{session}/events?{text}")
    assert (status, [row["id"] for row in answer["events"]]) == (200, ids)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("where=x", "where"),
        ("where=[]", "where"),
        ("where=%22%5Cud800%22", "where"),
        ('where={"/a":1,"/a":2}', "where"),
        ('where={"a":1}', "where"),
        ('where={"/a":{"regx":"x"}}', "where"),
        ('request={"mehod":"GET"}', "request"),
        ('request={"status":"200"}', "request"),
        ("wher={}", "wher"),
    ],
)
async def test_search_is_refused_with_the_parameter(
    control: ControlClient, session: str, query: str, parameter: str
) -> None:
    status, problem = await control.get(f"{session}/events?{quote(query, safe='=&%')}")
    assert (status, problem["parameter"]) == (400, parameter)


@pytest.mark.parametrize(
    "what", ["", "/requests", "/events", "/faults", "/clock", "/deliveries", "/export", "/secrets"]
)
async def test_read_makes_no_session(control: ControlClient, session: str, what: str) -> None:
    assert (await control.get(session + what))[0] == 200
    assert (await control.get("/_mock/sessions"))[1]["sessions"] == []


async def test_events_that_come_while_the_journal_is_read_count_once(
    control: ControlClient, vendor: VendorClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 1)
    monkeypatch.setattr(turns, "TURN_S", -1)
    for number in range(20):
        await vendor.track(f"a{number}")
    waiting = asyncio.create_task(wait(control, session, exactly=30, quiet_ms=50, timeout_ms=30_000))
    for number in range(10):
        await vendor.track(f"b{number}")
    assert (await waiting)["matched"] == 30


async def test_wait_ends_when_its_session_is_deleted_while_the_journal_is_read(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 1)
    monkeypatch.setattr(turns, "TURN_S", -1)
    await vendor.track("m1")
    collecting = Waiter._collecting

    def deleting(waiter: Waiter, view: View) -> Iterator[None]:
        app_server.app.store.forget(vendor.key)
        return collecting(waiter, view)

    monkeypatch.setattr(Waiter, "_collecting", deleting)
    assert (await wait(control, session, count=2, timeout_ms=30_000))["reason"] == "deleted"


async def test_wait_beyond_the_maximum_of_open_ones_is_refused_and_told_why(
    control: ControlClient, session: str, waits: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_OPEN", 2)
    opened = [asyncio.create_task(wait(control, session, timeout_ms=60_000)) for _ in range(2)]
    await waits.reach(2)
    status, answer = await control.post(session + "/wait", {"timeout_ms": 0})
    assert status == 503
    assert "2 waits are open on this server, the maximum" in answer["detail"]
    await control.delete(session)
    assert [(await task)["reason"] for task in opened] == ["deleted", "deleted"]
    assert (await wait(control, session, timeout_ms=0))["reason"] == "timeout"


BAD_BODIES = {
    "zeros": b'{"events":[' + b"0," * 490_000 + b"0]}",
    "brackets": b'{"events":[' + b"[]," * 300_000 + b"[]]}",
    "members": b'{"events":[{' + b",".join(b'"m%d":0' % number for number in range(80_000)) + b"}]}",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_wait_after_a_large_body_of_broken_events_answers_soon_and_briefly(
    control: ControlClient, vendor: VendorClient, session: str, body: bytes
) -> None:
    await vendor.post("/v1/events/batch", body, {"X-API-Key": vendor.key})
    async with asyncio.timeout(30):  # it took minutes before what is explained was bounded
        answer = await wait(control, session, timeout_ms=0)
    assert answer["reason"] == "timeout"
    assert len(json.dumps(answer)) < 3 * len(body)
