"""Replaying recordings against servers that answer alike, otherwise, or not at all."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

import pytest

from mockserver import MockServer
from mockserver.client.replay_requests import Replay, Replayed, Target
from mockserver.contract.library import library
from mockserver.errors import UnreachableError
from mockserver.recording.recordings import Recording, recording_of
from tests.recording.drifting import program
from tests.sending import post, send_whisperr, whisperr_event
from tests.threaded import listening

CONTRACTS = {name: protocol.contract() for name, protocol in library().protocols.items()}


def recorded(send: Callable[[MockServer], object], **options: Any) -> Recording:
    """Return the recording of what a function sends."""
    with MockServer() as server:
        send(server)
        return recording_of(server.export(format="recording", **options).encode(), "f")


def replayed(recording: Recording, url: str, **options: Any) -> list[Replayed]:
    target = Target(url=url, session=options.pop("session", None), clock=options.pop("clock", None))
    keys = options.pop("keys", {})
    return list(Replay(recording=recording, target=target, contracts=CONTRACTS, keys=keys, **options).run())


def told(results: Sequence[Replayed]) -> list[str]:
    return [f"{result.exchange.id} {found}" for result in results for found in result.differences]


@pytest.mark.parametrize("normalise", [False, True])
def test_server_that_answers_alike_has_no_differences(normalise: bool) -> None:
    recording = recorded(lambda server: program(server, "ada"), normalise=normalise)
    with MockServer() as target:
        results = replayed(recording, target.target.url, session="replayed")
        sent = target.session("replayed").requests()
    assert told(results) == []
    assert [result.status for result in results] == [202, 200, 202, 202, 400, 200]
    assert [result.uncompared for result in results if result.uncompared] == ["the recorded reply is of a fault step"]
    assert [request.path for request in sent] == [result.exchange.request.target for result in results]


def test_other_contract_is_told_by_its_replies() -> None:
    recording = recorded(lambda server: program(server, "ada"))
    with MockServer() as target:
        session = target.session("replayed")
        replies = {"identified": {"status": 201}, "counted": {"body": {"accepted": None, "taken": "${processed}"}}}
        session.patch("whisperr", {"protocol": {"replies": replies}})
        session.patch("outlit", {"protocol": {"limits": {"rate_ingest": {"requests": 7}}}})
        results = replayed(recording, target.target.url, session="replayed")
    assert [text.partition(",")[0] for text in told(results)] == [
        "x1 /json/accepted: missing",
        "x1 /json/taken: unexpected",
        "x2 /status: expected 200",
        "x4 /json/accepted: missing",
        "x4 /json/taken: unexpected",
        'x6 /headers/x-ratelimit-limit: expected "100"',
    ]


def everywhere(url: str) -> None:
    """Send keys in each place that a contract has for them."""
    page = {"type": "pageview", "url": "https://a.test/", "path": "/"}
    visit = {"source": "client", "visitorId": str(uuid4()), "events": [page]}
    assert post(url, "/api/i/v1/pk_mine/events", visit) == 200
    event = whisperr_event("paid")
    assert post(url, "/v1/events/batch", {"events": [event]}, {"X-API-Key": "wrk_mine"}) == 202
    assert post(url, "/v1/events/track", event, {"Authorization": "bearer wrk_mine"}) == 202
    snippet = {"type": "x", "visitorId": "v", "projectKey": "pk_mine", "url": "https://a.test/"}
    packed = gzip.compress(json.dumps(snippet).encode())
    assert post(url, "/api/events", packed, {"Content-Encoding": "gzip"}) == 200
    assert post(url, "/api/v1/events", {"events": [{"type": "x"}]}, {"x-api-key": "apex_sk_mine"}) == 200


def test_keys_go_where_the_contract_has_them() -> None:
    with MockServer(session="all") as server:
        everywhere(f"{server.target.url}/_mock/s/all")
        recording = recording_of(server.export(format="recording").encode(), "f")
    keys = {"outlit": ["pk_new"], "whisperr": ["wrk_new"], "apex": ["apex_sk_new", "pk_live_new"]}
    with MockServer() as target:
        assert told(replayed(recording, target.target.url, keys=keys)) == []
        paths = {name: paths_of(target, name) for name in ("pk_new", "wrk_new", "pk_live_new", "apex_sk_new")}
    assert paths == {
        "pk_new": ["/api/i/v1/pk_new/events"],
        "wrk_new": ["/v1/events/batch", "/v1/events/track"],
        "pk_live_new": ["/api/events"],
        "apex_sk_new": ["/api/v1/events"],
    }


def paths_of(target: MockServer, session: str) -> list[str]:
    return [request.path for request in target.session(session).requests()]


def test_key_that_was_refused_is_sent_as_it_is() -> None:
    with MockServer(session="one") as server:
        url = f"{server.target.url}/_mock/s/one"
        server.settings(keys=["wrk_right"])
        assert send(url, "wrk_right") == 202
        assert send(url, "wrk_wrong") == 401
        recording = recording_of(server.export(format="recording").encode(), "f")
    with MockServer(session="two") as target:
        target.settings(keys=["wrk_new"])
        results = replayed(recording, target.target.url, keys={"whisperr": ["wrk_new"]}, session="two")
    assert told(results) == []
    assert [result.status for result in results] == [202, 401]


def send(url: str, key: str) -> int:
    return post(url, "/v1/events/batch", {"events": [whisperr_event("paid")]}, {"X-API-Key": key})


def test_times_are_moved_to_now() -> None:
    with MockServer() as server:
        server.clock.freeze("2020-01-01T00:00:00.000Z")
        event = {**whisperr_event("paid"), "occurred_at": "2019-12-31T23:59:58.000+00:00"}
        assert send_whisperr(server, event) == 202
        recording = recording_of(server.export(format="recording").encode(), "f")
    with MockServer() as target:
        (old,) = told(replayed(recording, target.target.url, session="a"))
        assert old.startswith("x1 /status: expected 202, got 400 with the body")
        assert told(replayed(recording, target.target.url, session="c", rebase=True)) == []
        (moved,) = target.session("c").events()
        clock = target.session("d")
        assert told(replayed(recording, target.target.url, session="d", clock=clock)) == []
        (kept,) = target.session("d").events()
    age = datetime.now(UTC) - datetime.fromisoformat(moved.event["occurred_at"])
    assert timedelta(seconds=1) < age < timedelta(seconds=60)
    assert moved.event["occurred_at"].endswith("+00:00")
    assert kept.event["occurred_at"] == event["occurred_at"]


class _Answering(BaseHTTPRequestHandler):
    answered: threading.Semaphore
    replies: Iterator[tuple[int, Mapping[str, str], bytes] | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        reply = next(type(self).replies)
        if reply is None:
            self.close_connection = True
            return
        status, headers, body = reply
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        type(self).answered.release()


@contextmanager
def answering(
    *replies: tuple[int, Mapping[str, str], bytes] | None, answered: threading.Semaphore | None = None
) -> Iterator[str]:
    """Serve some replies; None closes the connection. `answered` is released when a reply was written."""
    members = {"replies": iter(replies), "answered": answered or threading.Semaphore(), "protocol_version": "HTTP/1.1"}
    handler = type("Handler", (_Answering,), members)
    with listening(handler) as url:
        yield url


JSON = {"Content-Type": "application/json"}
COUNTED = b'{"accepted": 1, "rejected": 0}'


def tracked(id: str, user: str = "ada") -> tuple[int, Mapping[str, str], bytes]:
    event, user_row = {"id": id, "mapping_status": "unmapped"}, {"id": f"usr_{user}", "external_id": "ada"}
    body = {"event": event, "user": user_row, "job": {"type": "evaluate_user"}, "processing": "durably_accepted"}
    body["delivery"] = {"delivery_id": f"delivery_{id}", "disposition": "completed", "duplicate": False}
    return 202, JSON, json.dumps(body).encode()


def tracks(server: MockServer) -> None:
    event = whisperr_event("paid", "ada")
    for sent in (event, event, whisperr_event("paid", "ada")):
        assert post(server.url, "/v1/events/track", sent, {"X-API-Key": server.key}) == 202


def test_ids_of_replies_are_compared_as_ids() -> None:
    recording = recorded(tracks)
    duplicate = json.loads(tracked("a")[2])
    duplicate["delivery"]["duplicate"] = True
    again = (202, JSON, json.dumps(duplicate).encode())
    with answering(tracked("a"), again, tracked("b")) as url:
        assert [found for found in told(replayed(recording, url)) if "_id" in found or "/id" in found] == []
    other = (202, JSON, again[2].replace(b'"a"', b'"c"'))
    with answering(tracked("a"), other, tracked("a")) as url:
        found = [text for text in told(replayed(recording, url)) if "/event/id" in text]
    assert found == [
        "x2 /json/event/id: expected the id of x1 again, 'a', got another one: 'c'",
        "x3 /json/event/id: got the id of x1 again, 'a', expected another one",
    ]


@pytest.mark.parametrize(
    ("reply", "difference"),
    [
        ((202, {"Content-Type": "application/json; charset=utf-8"}, b'{"rejected": 0, "accepted": 1}'), None),
        ((202, {**JSON, "Content-Encoding": "gzip"}, gzip.compress(COUNTED)), None),
        ((202, {**JSON, "X-Other": "1", "Server": "nginx"}, COUNTED), None),
        ((200, JSON, b"{}"), "x1 /status: expected 202, got 200 with the body {}"),
        ((202, {"Content-Type": "text/plain"}, COUNTED), 'x1 /headers/content-type: expected "application/json", got'),
        ((202, JSON, b'{"accepted": "1", "rejected": 0}'), 'x1 /json/accepted: expected 1, got "1"'),
        ((202, JSON, b"accepted"), "x1 /json: expected JSON, got accepted, which is not valid JSON"),
        ((202, JSON, b""), "x1 /json: expected JSON, got , which is not valid JSON"),
        ((202, {**JSON, "Content-Encoding": "br"}, b"x"), "x1 /json: expected JSON, got x, which is not valid JSON"),
        (None, "x1 /status: expected 202, got no reply: Remote end closed connection without response"),
    ],
)  # fmt: skip
def test_reply_is_compared(reply: tuple[int, Mapping[str, str], bytes] | None, difference: str | None) -> None:
    recording = recorded(lambda server: send_whisperr(server, whisperr_event("paid")))
    with answering(reply, reply) as url:
        found = told(replayed(recording, url))
    assert len(found) == (difference is not None)
    assert all(text.startswith(str(difference)) for text in found)


def test_target_that_is_not_there_or_goes_away_is_unreachable() -> None:
    recording = recorded(tracks)
    with answering() as url:
        pass
    with pytest.raises(UnreachableError, match=f"no answer from {url}: Connection refused. Check --target"):
        replayed(recording, url)


def test_requests_without_a_body_in_the_recording_are_not_sent() -> None:
    def send(server: MockServer) -> None:
        post(server.url, "/v1/events/batch", b"{", {"X-API-Key": server.key})
        send_whisperr(server, whisperr_event("paid"))

    recording = recorded(send)
    with MockServer() as target:
        results = replayed(recording, target.target.url, session="s")
        assert len(target.session("s").requests()) == 1
    assert [result.skipped for result in results] == ["its body is not in the recording: not valid JSON", None]


def test_pace_is_that_of_the_recording() -> None:
    recording = recorded(lambda server: [send_whisperr(server, whisperr_event("paid")) for _ in range(3)])
    for number, exchange in enumerate(recording.exchanges):
        exchange.row["at_ms"] = number * 1500  # type: ignore[index]
    pauses: list[float] = []
    with MockServer() as target:
        replayed(recording, target.target.url, session="s", pace=True, now=lambda: 1_700_000_000.0, sleep=pauses.append)
        assert pauses == [0.0, 1.5, 3.0]
        replayed(recording, target.target.url, session="s", sleep=pauses.append)
    assert pauses == [0.0, 1.5, 3.0]
