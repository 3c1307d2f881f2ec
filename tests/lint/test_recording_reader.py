"""Reading recordings: what they say is checked in both directions, and what is no recording is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mockserver import MockServer
from mockserver.contract.library import library
from mockserver.jsonkit.pointer import merge_patch
from mockserver.lint.checker import CheckOptions, check
from mockserver.lint.document_schema import FormatError
from mockserver.lint.items import HeadItem, RequestItem
from mockserver.lint.recording_reader import RecordingReader
from mockserver.recording.recordings import SCHEMA_FILE
from tests.sending import post

HEAD: dict[str, Any] = {
    "recording": 1,
    "created": "2026-06-14T12:00:00.000Z",
    "mockserver": "0",
    "contracts": {"whisperr": {"revision": "base", "hash": "x"}},
    "upstreams": {},
    "redaction": {"values": 1, "rules": 0},
}
EVENT = {"external_user_id": "<id:1>", "event_type": "paid", "context": {"$message_id": "m1"}}


def exchange(**members: Any) -> dict[str, Any]:
    return {
        "id": "x1",
        "protocol": "whisperr",
        "operation": "batch",
        "at_ms": 250,
        "request": {
            "method": "POST",
            "path": "/v1/events/batch",
            "headers": [["Content-Type", "application/json"], ["X-API-Key", "wrk_xx1"]],
            "body": {"json": {"events": [EVENT]}},
        },
        "reply": {
            "status": 202,
            "headers": [["Content-Type", "application/json"]],
            "body": {"json": {"accepted": 1, "rejected": 0}},
            "from": "contract",
        },
        "findings": [],
        "events": [{"type": "paid", "verdict": "accepted", "findings": []}],
        "differs": [],
        **members,
    }


def with_(row: dict[str, Any], place: str, **members: Any) -> dict[str, Any]:
    return {**row, place: {**row[place], **members}}


def checked(folder: Path, *lines: Any) -> list[str]:
    file = folder / "r.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = check([file], library(), CheckOptions())
    return [f"{problem.place} {problem.finding.pointer}: {problem.finding.message}" for problem in result.problems]


def test_schema_is_one_and_takes_both_kinds_of_lines() -> None:
    schema = json.loads(SCHEMA_FILE.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(HEAD)
    assert validator.is_valid(exchange())
    assert not validator.is_valid({**exchange(), "port": 1})


def test_exchange_is_read_with_its_time_and_revision() -> None:
    reader = RecordingReader("f")
    assert isinstance(reader.item(HEAD, "line 1"), HeadItem)
    item = reader.item(exchange(), "line 2")
    assert isinstance(item, RequestItem)
    assert (item.now_ms, item.revision, item.protocol) == (1_781_438_400_250, "base", "whisperr")
    assert json.loads(item.request.body) == {"events": [EVENT]}
    assert item.reply is not None
    assert (item.reply.status, json.loads(item.reply.body)) == (202, {"accepted": 1, "rejected": 0})


@pytest.mark.parametrize(
    "row",
    [
        exchange(reply=None),
        exchange(fault={"connection": "truncate"}),
        with_(exchange(), "reply", **{"from": "proxy"}),
        with_(exchange(), "reply", body={"left_out": "not UTF-8", "bytes": 9}),
    ],
)
def test_reply_that_nobody_can_check_is_none(row: dict[str, Any]) -> None:
    reader = RecordingReader("f")
    reader.item(HEAD, "line 1")
    item = reader.item(row, "line 2")
    assert isinstance(item, RequestItem)
    assert item.reply is None


def test_request_that_was_late_is_read_so() -> None:
    reader = RecordingReader("f")
    reader.item(HEAD, "line 1")
    item = reader.item(with_(exchange(), "request", incomplete="late"), "line 2")
    assert isinstance(item, RequestItem)
    assert (item.request.late, item.request.truncated) == (True, False)


def test_both_directions_are_checked(tmp_path: Path) -> None:
    assert checked(tmp_path, HEAD, exchange()) == []
    bad = {"events": [{**EVENT, "event_type": "Not a name"}]}
    request, reply = (
        checked(tmp_path, HEAD, with_(exchange(), "request", body={"json": bad})),
        checked(tmp_path, HEAD, with_(exchange(), "reply", status=299, **{"from": "upstream"})),
    )
    assert any(text.startswith("line 2 /event_type: event_type must match") for text in request), request
    told = "the contract does not give this reply: expected 202, got 299; also possible: 401, 408, 413"
    assert reply == [f"line 2 /reply/status: {told}"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([exchange()], "an exchange without the head of a recording before it; its first line is missing"),
        ([{**HEAD, "recording": 2}], "line 1 /recording: 1 was expected"),
        ([{**HEAD, "creatd": "x"}], 'line 1 /creatd: unknown key "creatd", did you mean "created"?'),
        ([HEAD, {**exchange(), "port": 1}], 'line 2 /port: unknown key "port"'),
        (
            [HEAD, with_(exchange(), "request", body={"base64": "A"})],
            "line 2 /request/body/base64: is not valid base64",
        ),
        ([HEAD, {**exchange(), "at_ms": "1"}], 'line 2 /at_ms: "1" is not of type "integer"'),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, lines: list[Any], problem: str) -> None:
    assert any(problem in text for text in checked(tmp_path, *lines)), checked(tmp_path, *lines)


def test_reader_names_the_file() -> None:
    with pytest.raises(FormatError, match=r"^f line 1 /created: "):
        RecordingReader("f").item({**HEAD, "created": "yesterday"}, "line 1")


VISITOR = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
VIEW = {"type": "pageview", "url": "https://a.example/", "path": "/"}


@pytest.fixture(scope="module")
def recorded() -> list[Any]:
    """A recording of repeats, refusals and replays."""
    bad = {**EVENT, "event_type": "Bad Name"}
    key = {"x-api-key": "apex_sk_1234567890abcdef", "Idempotency-Key": "k-1"}
    with MockServer(session="wrk_1") as server:
        url = f"{server.target.url}/_mock/s/{server.name}"
        post(url, "/v1/events/batch", {"events": [EVENT]}, {"X-API-Key": "wrk_1"})
        post(url, "/v1/events/track", EVENT, {"X-API-Key": "wrk_1"})
        post(url, "/v1/events/batch", {"events": [bad]}, {"X-API-Key": "wrk_1"})
        post(url, "/api/i/v1/pk_1/events", {"visitorId": VISITOR, "events": [VIEW, {"type": "nope"}, VIEW]}, {})
        for _ in range(2):
            post(url, "/api/v1/events", {"events": [{"type": "signup", "userId": "u1"}]}, key)
        lines = server.export(format="recording").splitlines()
    return list(map(json.loads, lines))


def reply_errors(folder: Path, lines: Any) -> list[str]:
    return [told for told in checked(folder, *lines) if " /reply" in told]


def test_replies_of_a_recording_are_right_as_they_were_written(recorded: list[Any], tmp_path: Path) -> None:
    assert [line["events"][-1]["verdict"] for line in recorded[1:]] == [
        "accepted",
        "duplicate",
        "rejected",
        "accepted",
        "accepted",
        "duplicate",
    ]
    assert reply_errors(tmp_path, recorded) == []


PLANTED: dict[str, tuple[int, dict[str, Any], str]] = {
    "status": (1, {"status": 200}, "/reply/status"),
    "status of a failure": (1, {"status": 503}, "/reply/status"),
    "count": (1, {"body": {"json": {"accepted": 2, "rejected": 0}}}, "/reply/json/accepted"),
    "new member": (1, {"body": {"json": {"accepted": 1, "rejected": 0, "more": 1}}}, "/reply/json/more"),
    "text": (1, {"body": {"text": "OK"}}, "/reply/json"),
    "type": (1, {"headers": [["Content-Type", "text/html"]]}, "/reply/headers/content-type"),
    "no header at all": (1, {"headers": []}, "/reply/headers/content-type"),
    "duplicate that is new": (2, {"json": {"delivery": {"duplicate": False}}}, "/reply/json/delivery/duplicate"),
    "no id of the request": (3, {"json": {"error": {"request_id": None}}}, "/reply/json/error/request_id"),
    "code": (3, {"json": {"error": {"code": "x"}}}, "/reply/json/error/code"),
    "refused batch that is taken": (3, {"status": 202}, "/reply/status"),
    "index": (4, {"json": {"errors": [{"index": 2, "message": "Invalid event type"}]}}, "/reply/json/errors/0/index"),
    "message": (4, {"json": {"errors": [{"index": 1, "message": "No"}]}}, "/reply/json/errors/0/message"),
    "replay that is new": (6, {"json": {"data": {"deduped": None}}}, "/reply/json/data/deduped"),
}
"""Which line, what of its reply is otherwise (below `json`, a merge patch of the body), and what is found."""


@pytest.mark.parametrize("name", PLANTED)
def test_reply_that_the_contract_would_not_give_is_found(name: str, recorded: list[Any], tmp_path: Path) -> None:
    number, change, pointer = PLANTED[name]
    row = recorded[number]
    body = {"json": merge_patch(row["reply"]["body"]["json"], change["json"])} if "json" in change else {}
    reply = {**row["reply"], **{key: value for key, value in change.items() if key != "json"}}
    if body:
        reply["body"] = body
    lines = [*recorded[:number], {**row, "reply": reply}, *recorded[number + 1 :]]
    found = reply_errors(tmp_path, lines)
    assert found
    assert found[0].startswith(f"line {number + 1} {pointer}: ")
    assert all(told.startswith(f"line {number + 1} ") for told in found)
