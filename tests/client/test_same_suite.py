"""The same tests against a server in this process and against one that runs elsewhere.

`SAME_SUITE_URL` in the environment adds a third: a server that is up already, such as a container.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from whisperr import Whisperr

from mockserver import Client, ControlError, MockServer, Session, WaitError
from tests.sending import post, send_whisperr, whisperr_event

PLACES = ["in process", "over HTTP"]
GIVEN_URL = os.environ.get("SAME_SUITE_URL")
NOON = datetime(2026, 6, 14, 12, tzinfo=UTC)


@pytest.fixture(scope="module", params=[*PLACES, *(["given"] if GIVEN_URL else [])])
def server(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "in process":
        with MockServer() as server:
            yield server
    elif request.param == "given":
        with MockServer.connect(GIVEN_URL or "") as server:
            yield server
    else:
        yield from serving()


def serving() -> Iterator[Client]:
    """A client of `mockserver serve` in a process of its own."""
    command = [sys.executable, "-m", "mockserver", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            with MockServer.connect(process.stdout.readline().rpartition(" ")[2].strip()) as server:
                yield server
        finally:
            process.terminate()


@pytest.fixture
def session(server: Client, request: pytest.FixtureRequest) -> Iterator[Session]:
    session = server.session(f"pk_{request.node.name.partition('[')[0]}")
    yield session
    session.forget()


def test_sdk_events_are_found_when_it_is_given_key_and_url(session: Session) -> None:
    client = Whisperr(api_key=session.key, base_url=session.url)
    client.track("user_1", "trial_started")
    client.flush()
    event = session.wait_for(protocol="whisperr", type="trial_started")
    client.shutdown()
    assert event.verdict == "accepted"
    assert event.event["external_user_id"] == "user_1"
    assert event.received_at.tzinfo is not None


def test_events_of_one_session_are_not_seen_when_another_asks(server: Client, session: Session) -> None:
    send_whisperr(session, whisperr_event("mine"))
    assert server.session("pk_somebody_else").events() == []
    assert [event.type for event in session.events()] == ["mine"]


def test_events_are_filtered_when_members_are_named(session: Session) -> None:
    good, bad = whisperr_event("good"), whisperr_event("Not Good")
    assert send_whisperr(session, good) == 202
    assert send_whisperr(session, good) == 202
    assert send_whisperr(session, bad) == 400
    assert [event.verdict for event in session.events()] == ["accepted", "duplicate", "rejected"]
    assert [event.type for event in session.events(verdict="rejected")] == ["Not Good"]
    assert [event.seq for event in session.events(after=1)] == [2, 3]
    assert session.events(protocol="outlit") == []
    (refused,) = session.events(type="Not Good")
    assert refused.errors[0].pointer == "/event_type"
    assert refused.stored is None


def test_requests_are_told_when_bodies_are_asked_for(session: Session) -> None:
    send_whisperr(session, whisperr_event("seen"))
    post(session.url, "/v1/events/batch", b"{", {"X-API-Key": session.key})
    first, second = session.requests()
    assert (first.operation, first.status, first.events) == ("batch", 202, 1)
    assert (second.status, second.events) == (400, 0)
    assert [row.id for row in session.requests(status=400)] == [second.id]
    detail = session.request(first.id)
    assert detail.request.json()["events"][0]["event_type"] == "seen"
    assert detail.request.header("x-api-key") == session.key
    assert detail.reply.json()
    assert [finding.severity for finding in session.request(second.id).findings] == ["error"]


def test_wait_returns_one_event_or_a_list_when_count_says_so(session: Session) -> None:
    send_whisperr(session, *(whisperr_event("step", user=f"user_{number}") for number in range(3)))
    assert session.wait_for(type="step").event["external_user_id"] == "user_0"
    assert len(session.wait_for(type="step", count=2)) == 3
    assert len(session.wait_for(exactly=3, quiet=0.05)) == 3
    assert session.wait_for(type="step", where={"/external_user_id": {"regex": "2$"}}).seq == 3
    assert session.wait_for(type="never", exactly=0) == []
    session.wait_until_quiet(0.05)


def test_wait_explains_itself_when_nothing_fits(server: Client, session: Session) -> None:
    send_whisperr(session, whisperr_event("trial_started", user="ada"))
    send_whisperr(session, whisperr_event("trial_ended", occurred_at="yesterday"))
    session.faults.add(match={"type": "trial_ended"}, reply={"status": 503})
    with pytest.raises(WaitError) as near:
        session.wait_for(type="trial_started", where={"/external_user_id": "bob"}, timeout=0.05)
    assert 'e1: /external_user_id expected "bob", got "ada"' in str(near.value)
    assert '"status": 503' in str(near.value)
    with pytest.raises(WaitError) as refused:
        session.wait_for(type="trial_ended", timeout=0.05)
    assert "/occurred_at" in str(refused.value)
    assert refused.value.waited.refused[0].errors[0].rule in str(refused.value)
    with pytest.raises(WaitError, match="waited for exactly 0 accepted events: 1 arrived"):
        session.wait_for(exactly=0, timeout=0.05)


def test_faults_strike_when_added_and_not_after_clear(session: Session) -> None:
    session.faults.add(reply={"status": 503}, times=1)
    session.faults.add(match={"type": "later"}, reply={"status": 500})
    assert len(session.faults) == 2
    assert send_whisperr(session, whisperr_event("once")) == 503
    assert [step.remaining for step in session.faults] == [0, None]
    assert session.faults[1].step["match"] == {"type": "later"}
    session.faults.replace([{"reply": {"status": 429}}])
    assert send_whisperr(session, whisperr_event("twice")) == 429
    session.faults.clear()
    assert list(session.faults) == []
    assert send_whisperr(session, whisperr_event("thrice")) == 202


def test_clock_moves_when_told_and_goes_back_to_real_time(session: Session) -> None:
    assert session.clock.set(NOON, frozen=True).now == NOON
    assert session.clock.now() == NOON
    assert session.clock.advance(timedelta(hours=1)).now == NOON + timedelta(hours=1)
    send_whisperr(session, whisperr_event("timed", occurred_at=f"{NOON:%Y-%m-%dT%H:%M:%SZ}"))
    assert session.wait_for().session_time == NOON + timedelta(hours=1)
    assert not session.clock.set("2026-06-14T12:00:00Z").frozen
    assert session.clock.freeze().frozen
    assert session.clock.offset(-60).offset == timedelta(minutes=-1)
    assert session.clock.reset().offset == timedelta(0)
    assert not session.clock.read().frozen


def test_conformance_tells_the_rules_that_a_client_breaks(session: Session) -> None:
    score = session.conformance("whisperr")
    assert score.failed == []
    assert {row.verdict for row in score.rules} == {"not_exercised"}


def test_deliveries_tell_the_retry_when_the_first_attempt_was_refused(session: Session) -> None:
    session.faults.add(reply={"status": 503}, times=1)
    event = whisperr_event("again")
    assert [send_whisperr(session, event), send_whisperr(session, event)] == [503, 202]
    (row,) = session.deliveries()
    assert (row.fate, [attempt.status for attempt in row.attempts]) == ("accepted_after_retry", [503, 202])


def test_contract_changes_for_one_session_when_it_is_patched(server: Client, session: Session) -> None:
    before = session.settings().protocols["whisperr"]
    session.revision("outlit", "r1-2026-01")
    patched = session.patch("whisperr", {"protocol": {"replies": {"counted": {"status": 299}}}})
    assert patched.protocols["outlit"].revision == "r1-2026-01"
    assert patched.protocols["whisperr"].contract_hash != before.contract_hash
    assert send_whisperr(session, whisperr_event("patched")) == 299
    other = server.session("pk_unpatched")
    assert send_whisperr(other, whisperr_event("unpatched")) == 202
    back = session.patch("whisperr", None)
    assert back.protocols["whisperr"] == before
    assert back.protocols["outlit"].revision == "r1-2026-01"
    with pytest.raises(ControlError, match="r1-2026-0x") as refused:
        session.revision("outlit", "r1-2026-0x")
    assert refused.value.member == "/protocols/outlit/revision"


def test_settings_change_when_named_and_none_goes_back(session: Session) -> None:
    changed = session.settings(rate_limits="enforce", keys=["pk_other"])
    assert (changed.rate_limits, changed.keys) == ("enforce", ("pk_other",))
    assert send_whisperr(session, whisperr_event("revoked")) == 401
    assert session.settings(keys=None).keys is None
    assert send_whisperr(session, whisperr_event("valid")) == 202
    assert session.settings().counts.requests == 2


def test_keys_of_all_families_belong_to_the_session_when_asked_for(session: Session) -> None:
    assert session.key_for("outlit") == session.key_for("whisperr") == session.key_for("apex") == session.key
    server_key = session.key_for("apex", "server_events")
    assert server_key.startswith("apex_sk_")
    assert session.key_for("apex", "server_events") == server_key
    assert session.settings().credentials == (server_key,)
    post(session.url, "/api/v1/events", {}, {"x-api-key": server_key})
    assert [(row.protocol, row.operation) for row in session.requests()] == [("apex", "server_events")]
    with pytest.raises(ControlError, match="unknown protocol"):
        session.key_for("apx")
    with pytest.raises(ValueError, match="server_events"):
        session.key_for("apex", "server_event")


def test_requests_without_events_are_waited_for(session: Session) -> None:
    post(session.url, f"/api/i/v1/{session.key}/events", b"{")
    send_whisperr(session, whisperr_event("seen"))
    refused = session.wait_for_request(protocol="outlit", status=400)
    assert (refused.operation, refused.events, refused.request.body) == ("events", 0, b"{")
    assert [row.id for row in session.wait_for_request(count=2)] == ["r1", "r2"]
    assert session.wait_for_request(where={"/event_type": "seen"}).protocol == "whisperr"
    assert session.wait_for_request(method="GET", exactly=0) == []
    with pytest.raises(WaitError, match='waited for 1 request, method "GET": 0 arrived') as missing:
        session.wait_for_request(method="GET", timeout=0.05)
    assert missing.value.waited.near_misses[0].request_id == "r2"
    assert missing.value.waited.refused_requests[0].findings[0].severity == "error"


def test_events_are_searched_with_the_matcher(session: Session) -> None:
    send_whisperr(session, whisperr_event("first", properties={"items": [{"n": 1}]}))
    send_whisperr(session, whisperr_event("second", properties={"items": [{"n": 2}, {"n": 3}]}))
    assert [row.type for row in session.events(where={"/properties/items/*/n": {"gte": 3}})] == ["second"]
    assert session.events(request={"headers": {"x-api-key": {"exists": False}}}) == []
    assert session.wait_for(where={"/properties/items": {"contains": {"n": 1}}}).type == "first"


def test_names_are_refused_when_no_contract_has_them(session: Session) -> None:
    for call in (session.events, session.requests, session.wait_for):
        with pytest.raises(ControlError, match='unknown protocol "outlet", did you mean "outlit"'):
            call(protocol="outlet")
    with pytest.raises(ControlError, match='did you mean "pageview"'):
        session.wait_for(protocol="outlit", type="pageviw")
    with pytest.raises(ControlError, match='unknown operator "regx", did you mean "regex"'):
        session.wait_for(where={"/event_type": {"regx": "x"}})
    with pytest.raises(ControlError, match="match the request instead"):
        session.wait_for(operation="bootstrap", exactly=0)


def test_traffic_before_the_session_was_opened_is_not_blamed(server: Client, session: Session) -> None:
    send_whisperr(server.session("pk_earlier"), whisperr_event("x"))
    post(server.url, "/nobody/serves/this", {})
    send_whisperr(server.session("pk_earlier"), whisperr_event("y"))  # the first may be of the millisecond of `session`
    with pytest.raises(WaitError) as later:
        server.session("pk_later").wait_for(timeout=0.01)
    assert "other sessions" not in str(later.value)
    assert "in no session" not in str(later.value)
    with pytest.raises(WaitError, match="pk_e…r: ") as same_test:
        session.wait_for(timeout=0.01)
    assert "no protocol serves POST /nobody/serves/this" in str(same_test.value)
    server.session("pk_earlier").forget()
    server.session("pk_later").forget()


def test_wait_is_refused_when_an_option_is_misspelled(session: Any) -> None:
    with pytest.raises(TypeError, match='unknown option "typ", did you mean "type"'):
        session.wait_for(typ="pageview")


def test_session_is_told_by_the_path_when_the_base_url_is_used(session: Session) -> None:
    assert post(session.base_url, "/v1/events/batch", {"events": [whisperr_event("x")]}, {"X-API-Key": "other"}) == 202
    assert session.wait_for(type="x").verdict == "accepted"


def test_export_holds_no_key_when_requests_had_one(session: Session) -> None:
    send_whisperr(session, whisperr_event("kept"))
    lines = session.export()
    assert "kept" in lines
    assert session.key not in lines


def test_session_is_empty_when_it_was_forgotten(session: Session) -> None:
    send_whisperr(session, whisperr_event("gone"))
    session.forget()
    assert session.events() == []


async def test_session_can_be_awaited_when_a_coroutine_uses_it(session: Session) -> None:
    send_whisperr(session, whisperr_event("async"))
    event = await session.aio.wait_for(type="async")
    assert event == (await session.aio.events())[0]
    await session.aio.faults.add(reply={"status": 503})
    assert [step.step for step in await session.aio.faults.list()] == [{"reply": {"status": 503}}]
    assert (await session.aio.clock.set(NOON, frozen=True)).now == NOON
    assert await session.aio.key_for("outlit") == session.aio.key == session.key
    assert session.aio.base_url == session.base_url
    with pytest.raises(WaitError, match="2 accepted events"):
        await session.aio.wait_for(count=2, timeout=0.05)
    assert (await session.aio.wait_for_request(method="POST")).status == 202
