"""Normalised recordings: the same from run to run, and read back as what was exchanged."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest

from mockserver import ControlError, MockServer
from mockserver.recording.recordings import SCHEMA_FILE, Recording, recording_of
from tests.sending import post, send_whisperr, whisperr_event

LINE = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA_FILE.read_bytes()))


def export(server: MockServer, **options: Any) -> tuple[str, Recording]:
    text = server.export(format="recording", **options)
    for line in text.splitlines():
        LINE.validate(json.loads(line))
    return text, recording_of(text.encode(), "f")


def judged(recording: Recording) -> list[Any]:
    """Return the verdict and the broken rules of each event."""
    return [
        [(event["verdict"], [finding["rule"] for finding in event["findings"]]) for event in exchange.row["events"]]
        for exchange in recording.exchanges
    ]


def program(server: MockServer) -> None:
    """Send what a program sends: other users, ids and times in each run."""
    user = f"user_{uuid4()}"
    event = whisperr_event("paid", user, properties={"order_id": f"A-{uuid4().hex[:4]}9", "plan": "pro"})
    assert send_whisperr(server, event, whisperr_event("paid", user)) == 202
    assert send_whisperr(server, event) == 202
    assert send_whisperr(server, whisperr_event("Not A Name", user)) == 400
    page = {
        "type": "pageview",
        "timestamp": int(time.time() * 1000),
        "url": "https://a.test/",
        "path": "/",
        "uuid": str(uuid4()),
    }
    body = {"source": "client", "visitorId": str(uuid4()), "events": [page]}
    assert post(server.url, f"/api/i/v1/{server.key}/events", body) == 200
    assert post(server.url, "/v1/identify", {"external_user_id": user}, {"X-API-Key": server.key}) == 200


def test_two_runs_of_a_program_are_written_alike() -> None:
    texts = []
    for _ in range(2):
        with MockServer() as server:
            server.clock.freeze("2026-06-14T12:00:00Z")
            server.patch("whisperr", {"protocol": {"windows": None}})
            program(server)
            texts.append(export(server, normalise=True)[0].splitlines())
    assert texts[0][0] == texts[1][0]
    assert '"normalised":{"step_ms":100}' in texts[0][0]


def test_ids_are_numbered_and_times_are_offsets() -> None:
    with MockServer() as server:
        program(server)
        text, normal = export(server, normalise=True)
        plain = export(server)[1]
    rows = [json.loads(line) for line in text.splitlines()[1:]]
    first, again = (row["request"]["body"]["json"]["events"][0] for row in rows[:2])
    assert first["external_user_id"] == again["external_user_id"] == "<id:1>"
    assert first["context"] == again["context"] == {"$message_id": "<id:2>"}
    assert first["occurred_at"].startswith("<time")
    assert first["properties"] == {"order_id": "<id:3>", "plan": "pro"}
    page = rows[3]["request"]["body"]["json"]
    assert page["events"][0]["timestamp"].startswith("<epoch_ms")
    assert page["events"][0]["uuid"].startswith("00000000-0000-4000-8000-0000")
    assert [row["at_ms"] % 100 for row in rows] == [0] * 5
    assert judged(normal) == judged(plain)
    for exchange, exact in zip(normal.exchanges, plain.exchanges, strict=True):
        assert abs(exchange.now_ms - exact.now_ms) <= 50
        assert (exchange.reply is None) == (exact.reply is None)
    sent = json.loads(normal.exchanges[0].request.body)["events"][0]["occurred_at"]
    exact_time = json.loads(plain.exchanges[0].request.body)["events"][0]["occurred_at"]
    assert sent[:16] == exact_time[:16] or sent[17:19] in ("59", "00")
    assert sent.endswith(exact_time[-6:])


def test_plain_words_stay_where_they_are_no_ids() -> None:
    with MockServer() as server:
        who = {"external_user_id": "ada", "traits": {"plan": "pro"}}
        assert post(server.url, "/v1/identify", who, {"X-API-Key": server.key}) == 200
        send_whisperr(server, whisperr_event("paid", "ada", properties={"plan": "pro"}))
        text, _ = export(server, normalise=True)
    assert '"properties":{"plan":"pro"}' in text
    assert '"traits":{"plan":"<text:' in text


def test_ids_of_an_upstream_keep_what_the_contract_says_they_begin_with() -> None:
    with MockServer() as there, MockServer(upstreams={"whisperr": there.target.url}) as server:
        assert post(server.url, "/v1/identify", {"external_user_id": "ada"}, {"X-API-Key": server.key}) == 200
        text, _ = export(server, normalise=True)
    (row,) = map(json.loads, text.splitlines()[1:])
    user = row["reply"]["body"]["json"]["user"]
    assert user["id"].startswith("usr_<id:")
    assert user["external_id"] == row["request"]["body"]["json"]["external_user_id"] == "<id:2>"
    assert row["differs"] == []


def test_time_that_decides_a_verdict_stays_exact() -> None:
    """A window ends between the time and what it would be rounded to."""
    with MockServer() as server:
        server.clock.freeze("2026-06-14T12:00:00.000Z")
        late, inside = "2026-06-14T12:05:00.001Z", "2026-06-14T12:05:00.000Z"
        for moment in (inside, late):
            send_whisperr(server, {**whisperr_event("paid"), "occurred_at": moment})
        text, read = export(server, normalise=True)
    assert '"occurred_at":"<time+300.000s>"' in text
    assert '"occurred_at":"<time+300.001s>"' in text
    sent = [json.loads(exchange.request.body)["events"][0]["occurred_at"] for exchange in read.exchanges]
    assert sent == [inside, late]


def test_text_that_reads_like_a_time_is_refused() -> None:
    with MockServer() as server:
        send_whisperr(server, whisperr_event("paid", properties={"note": "<time+0.300s>"}))
        with pytest.raises(ControlError, match="r1 cannot be recorded: it has a text that reads like a time of a"):
            server.export(format="recording", normalise=True)
        assert "<time+0.300s>" in server.export(format="recording")
        with pytest.raises(ControlError, match="normalise needs format=recording"):
            server.export(normalise=True)
