"""Replay: a request like a recorded one gets the recorded reply, and is judged, journalled and faulted all the same."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mockserver import MockServer, Session
from mockserver.errors import ControlError, MockServerError
from mockserver.lint.document_schema import FormatError
from mockserver.server.replaying import MARK
from tests.recording.made import exchange as made
from tests.recording.secret_ways import WAYS
from tests.sending import post
from tests.server.recorded import Answer, ask, batch, event, recorded, verdicts, zipped

PATCH = {"protocol": {"replies": {"counted": {"status": 299, "body": {"kept": "${accepted}"}}}}}


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def sessions(server: MockServer, request: pytest.FixtureRequest) -> Callable[[], Session]:
    """A function that returns new sessions of this test."""
    names = iter(range(100))

    def new() -> Session:
        session = server.session(f"wrk_{abs(hash(request.node.nodeid))}_{next(names)}")
        request.addfinalizer(session.forget)
        return session

    return new


def test_same_program_gets_the_same_replies_and_verdicts_with_new_ids(sessions: Callable[[], Session]) -> None:
    def program(session: Session, run: str) -> list[tuple[int, Any]]:
        first = event("trial_started", f"m-{run}-1", f"ada_{run}1", properties={"mail": f"ada{run}@corp.example"})
        answers = [
            batch(session, first),
            batch(session, first),
            zipped(session, event("paid", f"m-{run}-2", f"bob_{run}2", occurred_at="2026-11-29T20:00:00.000Z")),
            batch(session, {"event_type": "Not A Name"}),
            ask(session, f"/v1/users/ada_{run}1", None, method="GET"),
        ]
        return [(answer.status, answer.headers["content-type"]) for answer in answers]

    there, here = sessions(), sessions()
    there.patch("whisperr", PATCH)
    recorded_answers = program(there, "a")
    here.replay(recorded(there))
    assert program(here, "b") == recorded_answers
    assert [status for status, _ in recorded_answers[:4]] == [299, 299, 299, 400]
    assert verdicts(here) == verdicts(there) == ["accepted", "duplicate", "accepted", "rejected"]
    assert {row.reply_from for row in here.requests()} == {"recording"}
    exchange = here.request("r1")
    assert exchange.contract_reply is not None
    assert (exchange.status, exchange.contract_reply.status) == (299, 202)
    replay = here.settings().replay
    assert replay is not None
    assert (replay.played, replay.exchanges, replay.new, replay.unmatched) == (5, 5, 0, 0)


@pytest.mark.parametrize("name", WAYS)
def test_request_is_found_however_a_secret_in_it_was_hidden(sessions: Callable[[], Session], name: str) -> None:
    request = WAYS[name].request
    there, here = sessions(), sessions()

    def send(session: Session) -> int:
        return post(f"{session.url}/_mock/s/{session.name}", request.path, request.body, dict(request.headers))

    if request.method == "POST":
        status = send(there)
        here.replay(recorded(there))
        assert (send(here), [row.reply_from for row in here.requests()]) == (status, ["recording"])


def test_what_a_rule_hid_may_be_anything(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1", properties={"n": 42, "f": 1.5, "plan": "pro", "list": [7, "x"], "yes": True}))
    here.replay(there.export(format="recording", redact=["/events/*/properties"]).encode())
    other = {"n": 43, "f": 2.25, "plan": "team", "list": [8, "y"], "yes": True}
    assert batch(here, event("paid", "k-1", properties={**other, "yes": False})).status == 404
    assert batch(here, event("paid", "k-1", properties=other)).status == 202


def test_unknown_request_is_answered_with_the_nearest_one_and_its_differences(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1", properties={"plan": "pro"}))
    batch(there, event("trial_started", "m-2", properties={"plan": "pro", "seats": 3}))
    here.replay(recorded(there))
    answer = batch(here, event("trial_started", "m-3", properties={"plan": "team", "seats": 3, "new": True}))
    assert (answer.status, answer.headers[MARK[0].lower()]) == (404, MARK[1])
    assert answer.json["recording"] == {
        "reason": "different",
        "nearest": "x2",
        "differences": [
            {"pointer": "/body/events/0/properties/plan", "expected": "pro", "got": "team"},
            {"pointer": "/body/events/0/properties/new", "expected": "<absent>", "got": True},
        ],
    }
    assert answer.json["detail"].startswith("mockserver: the recording has no such request; the nearest is x2: /body/")
    (row,) = here.requests()
    exchange = here.request(row.id)
    assert (row.status, row.reply_from, verdicts(here)) == (404, "unmatched", ["rejected"])
    assert [found.rule for found in exchange.findings] == ["/server/recording"]
    assert "nearest is x2" in exchange.findings[0].message
    assert here.settings().replay.unmatched == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("send", "reason", "nearest"),
    [
        (lambda session: ask(session, "/v1/identify", {"external_user_id": "u_1"}), "different", "x1"),
        (lambda session: ask(session, f"/_mock/s/{session.name}/api/v1/events", {}), "unknown", None),
        (lambda session: ask(session, "/v1/nothing", b""), "different", "x1"),
        (lambda session: batch(session, event("paid", "m-1"), event("paid", "m-2")), "different", "x1"),
    ],
)
def test_request_of_another_kind_is_not_in_the_recording(
    sessions: Callable[[], Session], send: Callable[[Session], Answer], reason: str, nearest: str | None
) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    answer = send(here)
    assert answer.status == 404
    assert (answer.json["recording"]["reason"], answer.json["recording"]["nearest"]) == (reason, nearest)


def test_equal_requests_get_their_replies_in_order_and_each_once(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    there.faults.add(reply={"status": 503}, times=2)
    for _ in range(3):
        batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    answers = [batch(here, event("paid", "m-9")) for _ in range(4)]
    assert [answer.status for answer in answers] == [503, 503, 202, 404]
    assert answers[3].json["recording"]["reason"] == "played"
    assert verdicts(here)[:3] == verdicts(there) == ["rejected", "rejected", "accepted"]
    here.replay(recorded(there), repeats=True)
    again = [batch(here, event("paid", "m-10")).status for _ in range(5)]
    assert again == [503, 503, 202, 202, 202]
    assert batch(here, event("paid", "m-11")).status == 202


def test_id_stands_for_the_same_one_throughout(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    for user in ("ada_1", "bob_2", "ada_1"):
        batch(there, event("paid", f"m-{user}", user))
    here.replay(recorded(there))
    assert batch(here, event("paid", "k-1", "eve_3")).status == 202
    assert batch(here, event("paid", "k-2", "kim_4")).status == 202
    other = batch(here, event("paid", "k-3", "kim_4"))
    assert (other.status, other.json["recording"]["reason"]) == (404, "ids")
    assert batch(here, event("paid", "k-1", "eve_3")).status == 202


def test_reply_has_the_ids_that_the_client_sent(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    body = {"user": "user_12", "at": "2026-11-29T20:00:00.000Z", "text": "kept m-1a2b3c4d5e for user_12", "n": 3}
    sent = event("paid", "m-1a2b3c4d5e", "user_12", occurred_at="2026-11-29T20:00:00.000Z")
    there.faults.add(reply={"status": 202, "body": body, "headers": {"X-Request-Id": "m-1a2b3c4d5e"}})
    batch(there, sent)
    here.replay(recorded(there))
    now = event("paid", "m-9z8y7x6w5v", "person_99", occurred_at="2026-11-29T21:30:00.000Z")
    answer = batch(here, now)
    assert answer.json == {
        "user": "person_99",
        "at": "2026-11-29T21:30:00.000Z",
        "text": "kept m-9z8y7x6w5v for person_99",
        "n": 3,
    }
    assert answer.headers["x-request-id"] == "m-9z8y7x6w5v"


def test_compressed_reply_is_compressed_again_if_the_client_takes_it(sessions: Callable[[], Session]) -> None:
    line = {
        "id": "x1",
        "protocol": "whisperr",
        "operation": "batch",
        "at_ms": 0,
        "request": {
            "method": "POST",
            "path": "/v1/events/batch",
            "headers": [["X-API-Key", "wrk_xxxx1"], ["Content-Type", "application/json"]],
            "body": {"json": {"events": [event("paid", "m-1", "<id:1>")]}},
        },
        "reply": {
            "status": 202,
            "headers": [["Content-Type", "application/json"], ["Content-Encoding", "gzip"], ["Content-Length", "7"]],
            "body": {"json": {"accepted": 1, "rejected": 0}},
            "from": "upstream",
        },
        "findings": [],
        "events": [],
        "differs": [],
    }
    here = sessions()
    here.replay(lines({**line, "id": "x1"}, {**line, "id": "x2"}))
    packed = batch(here, event("paid", "m-1"), headers={"Accept-Encoding": "gzip"})
    assert json.loads(gzip.decompress(packed.body)) == {"accepted": 1, "rejected": 0}
    assert (packed.headers["content-encoding"], int(packed.headers["content-length"])) == ("gzip", len(packed.body))
    assert "date" in packed.headers
    plain = batch(here, event("paid", "m-1"), headers={"Accept-Encoding": "gzip;q=0"})
    assert (plain.json, "content-encoding" in plain.headers) == ({"accepted": 1, "rejected": 0}, False)


def lines(*exchanges: Any) -> bytes:
    head = {
        "recording": 1,
        "created": "2026-06-14T12:00:00.000Z",
        "mockserver": "0",
        "contracts": {"whisperr": {"revision": "other", "hash": "x"}},
        "upstreams": {},
        "redaction": {"values": 2, "rules": 0},
    }
    return "".join(json.dumps(row) + "\n" for row in (head, *exchanges)).encode()


def test_connection_that_ended_without_a_reply_ends_again(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    there.faults.add(connection="drop", times=1)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        batch(there, event("paid", "m-1"))
    assert batch(there, event("paid", "m-1")).status == 202
    here.replay(recorded(there))
    here.faults.add(delay_ms=1, times=1)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        batch(here, event("paid", "m-2"))
    assert batch(here, event("paid", "m-2")).status == 202
    assert verdicts(here) == verdicts(there) == ["rejected", "accepted"]


@pytest.mark.parametrize("step", [{"reply": {"status": 500}}, {"connection": "drop"}, {"connection": "truncate"}])
@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
def test_fault_takes_the_place_of_a_recorded_reply_which_is_played_when_the_client_tries_again(
    sessions: Callable[[], Session], step: dict[str, Any], when: str
) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    here.faults.add(times=1, when=when, **step)  # type: ignore[arg-type]
    try:
        first: int | None = batch(here, event("paid", "m-7")).status
    except (http.client.HTTPException, ConnectionError):
        first = None
    assert first != 202
    second = batch(here, event("paid", "m-7"))
    assert (second.status, here.requests()[-1].reply_from) == (202, "recording")


def test_events_that_a_step_rejects_are_answered_by_the_contract(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    here.faults.add(reject={"message": "no"}, times=1)
    batch(here, event("paid", "m-2"))
    assert [(row.reply_from, row.fault["reject"]) for row in here.requests()] == [("contract", {"message": "no"})]
    assert verdicts(here) == ["rejected"]


def test_requests_that_come_at_once_get_one_exchange_each(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    for number in range(20):
        there.faults.add(reply={"status": 210 + number, "body": {}}, times=1)
    for _ in range(20):
        batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda number: batch(here, event("paid", "m-5")).status, range(25)))
    assert sorted(answers) == [*range(210, 230), *[404] * 5]


def test_preflight_that_was_not_recorded_is_answered_by_the_contract(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    preflight = ask(here, f"/_mock/s/{here.name}/v1/events/batch", None, headers, method="OPTIONS")
    assert preflight.status in (200, 204)
    refused = batch(here, event("other", "m-1"), headers={"Origin": "https://app.example"})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (404, "https://app.example")
    assert here.settings().replay.unmatched == 1  # type: ignore[union-attr]


def test_page_on_another_port_can_read_a_recorded_reply(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1"), headers={"Origin": "http://localhost:5173"})
    here.replay(recorded(there))
    answer = batch(here, event("paid", "m-2"), headers={"Origin": "http://localhost:40123"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, "http://localhost:40123")


def test_protocol_switches_between_replay_and_its_contract(sessions: Callable[[], Session]) -> None:
    here = sessions()
    with pytest.raises(ControlError, match="the session has no recording"):
        here.mode("whisperr", "replay")
    there = sessions()
    there.patch("whisperr", PATCH)
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    assert {state.mode for state in here.settings().protocols.values()} == {"replay"}
    here.mode("whisperr", "mock")
    assert batch(here, event("paid", "m-2")).status == 202
    assert here.settings(rate_limits="off").protocols["whisperr"].mode == "mock"
    here.mode("whisperr", "replay")
    assert batch(here, event("paid", "m-2")).status == 299
    here.replay(None)
    assert batch(here, event("paid", "m-3")).status == 202
    assert {state.mode for state in here.settings().protocols.values()} == {"mock"}


def test_new_requests_are_answered_by_the_contract_and_recorded_beside_the_old_ones(
    sessions: Callable[[], Session],
) -> None:
    there, here, third = sessions(), sessions(), sessions()
    batch(there, event("paid", "m-1", "ada_1"))
    batch(there, event("paid", "m-2", "bob_2"))
    old = recorded(there)
    here.replay(old, record="new_episodes")
    assert batch(here, event("paid", "k-1", "eve_3")).status == 202
    assert batch(here, event("trial_started", "k-7", "eve_3", properties={"by": "zoe@corp.example"})).status == 202
    replay = here.settings().replay
    assert replay is not None
    assert (replay.played, replay.new, replay.unmatched) == (1, 1, 0)
    text = here.recording()
    assert text.splitlines()[1:3] == old.decode().splitlines()[1:]
    added = json.loads(text.splitlines()[3])
    assert (added["id"], added["request"]["body"]["json"]["events"][0]["external_user_id"]) == ("x3", "<id:1>")
    assert "eve_3" not in text
    assert "zoe@corp" not in text
    third.replay(text.encode())
    for kind, user in (("paid", "u_1"), ("paid", "u_2"), ("trial_started", "u_1")):
        mail = {"properties": {"by": "new@corp.example"}} if kind == "trial_started" else {}
        assert batch(third, event(kind, f"n-{kind}-{user}", user, **mail)).status == 202


def test_recording_with_normalised_times_is_played_and_continued_as_one(sessions: Callable[[], Session]) -> None:
    there, here, third = sessions(), sessions(), sessions()
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    there.faults.add(reply={"status": 202, "body": {"at": at}}, times=1)
    batch(there, event("paid", "m-1", occurred_at=at))
    text = there.export(format="recording", normalise=True)
    assert f'"occurred_at":"{at}"' not in text
    here.replay(text.encode(), record="new_episodes")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    assert batch(here, event("paid", "k-1", occurred_at=now)).json == {"at": now}
    assert batch(here, event("other", "k-2", occurred_at=now)).status == 202
    longer = here.recording()
    assert longer.splitlines()[1] == text.splitlines()[1]
    assert now not in longer
    third.replay(longer.encode())
    assert [batch(third, event(kind, f"n-{kind}", occurred_at=now)).status for kind in ("paid", "other")] == [202, 202]


def test_mode_all_plays_nothing_and_records_everything(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    there.patch("whisperr", PATCH)
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there), record="all")
    assert [batch(here, event(kind, kind)).status for kind in ("paid", "other")] == [202, 202]
    rows = [json.loads(line) for line in here.recording().splitlines()]
    assert [row["events"][0]["type"] for row in rows[1:]] == ["paid", "other"]
    assert [row["reply"]["status"] for row in rows[1:]] == [202, 202]


def test_mode_once_records_if_there_is_no_recording_and_plays_it_afterwards(sessions: Callable[[], Session]) -> None:
    first, second = sessions(), sessions()
    first.replay(b"", record="once")
    assert batch(first, event("paid", "m-1")).status == 202
    text = first.recording()
    assert [json.loads(line)["id"] for line in text.splitlines()[1:]] == ["x1"]
    second.replay(text.encode(), record="once")
    assert batch(second, event("paid", "m-2")).status == 202
    assert batch(second, event("other", "m-2")).status == 404


def test_new_requests_go_on_to_an_upstream(tmp_path: Path) -> None:
    with MockServer(session="wrk_there") as upstream:
        upstream.patch("whisperr", PATCH)
        file = tmp_path / "r.ndjson"
        with MockServer(upstreams={"whisperr": upstream.url}, replay=file, record_mode="new_episodes") as server:
            session = server.session("wrk_there")
            assert batch(session, event("paid", "m-1")).status == 299
            file.write_text(session.recording())
    assert json.loads(file.read_text().splitlines()[1])["reply"]["from"] == "upstream"
    with MockServer(replay=[file]) as server:
        for name in ("wrk_a", "wrk_b"):  # each session plays it from the beginning
            session = server.session(name)
            assert [batch(session, event("paid", "m-5")).status for _ in range(2)] == [299, 404]
        server.session("wrk_a").forget()
        assert batch(server.session("wrk_a"), event("paid", "m-6")).status == 299


def test_what_goes_on_to_an_upstream_counts_as_new(tmp_path: Path) -> None:
    with MockServer(session="wrk_there") as upstream, MockServer(upstreams={"whisperr": upstream.url}) as server:
        session = server.session("wrk_there")
        session.replay(b"", record="once")
        assert session.settings().protocols["whisperr"].mode == "replay"
        batch(session, event("paid", "m-1"))
        replay = session.settings().replay
        assert replay is not None
        assert replay.new == 1
        session.replay(session.recording().encode(), record="none")
        batch(session, event("paid", "m-1"))
        assert [row.reply_from for row in session.requests()] == ["upstream", "recording"]
        assert len(upstream.requests()) == 1


def test_reply_for_want_of_another_is_played_as_one_or_not_at_all(sessions: Callable[[], Session]) -> None:
    here = sessions()
    first, second = made(id="x1", status=502), made(id="x2", status=404)
    first["reply"]["from"], second["reply"]["from"] = "proxy", "unmatched"
    here.replay(lines(first, second))
    answers = [batch(here, event("paid", "m-1")) for _ in range(2)]
    assert [answer.status for answer in answers] == [502, 404]
    assert answers[1].json["recording"]["reason"] == "played"
    assert verdicts(here) == ["rejected", "rejected"]


def test_several_recordings_are_played_one_after_the_other(tmp_path: Path, sessions: Callable[[], Session]) -> None:
    files = []
    for number, user in enumerate(("ada_1", "bob_2")):
        there = sessions()
        there.faults.add(reply={"status": 210 + number, "body": {"user": user}})
        batch(there, event("paid", "m-1", user))
        files.append(tmp_path / f"{number}.ndjson")
        files[-1].write_bytes(recorded(there))
    with MockServer(replay=files) as server:
        session = server.session("wrk_here")
        answers = [batch(session, event("paid", f"k-{user}", user)) for user in ("eve_1", "kim_2")]
        assert [(answer.status, answer.json) for answer in answers] == [
            (210, {"user": "eve_1"}),
            (211, {"user": "kim_2"}),
        ]
        with pytest.raises(ControlError, match="plays several recordings"):
            session.recording()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"{}", "line 1"),
        (b"\xff\xfe", "line 1"),
        (lines({"id": "x1"}), "line 2"),
        (lines().replace(b'"recording": 1', b'"recording": 2'), "line 1 /recording"),
    ],
)
def test_recording_that_cannot_be_used_is_named_at_the_start(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "r.ndjson"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises((FormatError, MockServerError), match=problem) as caught, MockServer(replay=file):
        pass
    assert str(file) in str(caught.value)


def test_reply_that_was_left_out_is_not_made_up(sessions: Callable[[], Session]) -> None:
    here, there = sessions(), sessions()
    there.faults.add(reply={"status": 200, "body": {"base64": "//79"}})
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    answer = batch(here, event("paid", "m-2"))
    assert (answer.status, answer.json["detail"].startswith("mockserver: the recorded reply cannot be sent")) == (
        404,
        True,
    )


def test_reply_is_one_whatever_the_recording_says_of_its_framing(sessions: Callable[[], Session]) -> None:
    here = sessions()
    row = json.loads(recorded_row(sessions()))
    row["reply"]["headers"] += [["Transfer-Encoding", "chunked"], ["X-Two", "a\r\nX-Three: b"], ["Connection", "close"]]
    here.replay(lines(row))
    answer = batch(here, event("paid", "m-2"))
    assert (answer.status, "x-three" in answer.headers, answer.headers["x-two"]) == (202, False, "a??X-Three: b")
    assert "transfer-encoding" not in answer.headers


def recorded_row(session: Session) -> str:
    batch(session, event("paid", "m-1"))
    return recorded(session).decode().splitlines()[1]


def test_session_that_is_deleted_plays_nothing_any_more(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    there.patch("whisperr", PATCH)
    batch(there, event("paid", "m-1"))
    here.replay(recorded(there))
    parts = urlsplit(here.url)
    body = json.dumps({"events": [event("paid", "m-2")]}).encode()
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as client:
        head = (
            f"POST /v1/events/batch HTTP/1.1\r\nHost: a\r\nX-API-Key: {here.key}\r\nContent-Type: application/json\r\n"
        )
        client.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body[:5])
        here.wait_until_quiet(0)
        here.forget()
        client.sendall(body[5:])
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 ")
    assert batch(here, event("paid", "m-3")).status == 202


def test_other_revision_judges_and_the_recorded_reply_stays(sessions: Callable[[], Session]) -> None:
    there, here = sessions(), sessions()
    batch(there, event("paid", "m-1", properties={"n": 1}))
    here.replay(recorded(there))
    here.revision("whisperr", "classic-2026-06")
    here.patch("whisperr", {"events": {"event": {"properties": {"event_type": {"maxLength": 1}}}}})
    assert batch(here, event("paid", "m-2", properties={"n": 1})).status == 202
    assert (verdicts(here), here.requests()[0].reply_from) == (["rejected"], "recording")
