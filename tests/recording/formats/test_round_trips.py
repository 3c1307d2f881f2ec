"""A recording in another format and back: all that the documentation does not list as lost is the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.recording.formats import case_writer, cassette_writer
from tests.recording.formats.converting import converted, rows_of
from tests.recording.formats.traffic import SECRETS, recordings
from tests.sending import post

FORMATS: tuple[Any, ...] = ("har", "vcr", "case")
KINDS = ("contract", "upstream", "gone")
JUDGED = ("events", "findings", "differs")


@pytest.fixture(scope="module")
def recorded() -> Mapping[str, bytes]:
    return recordings()


def test_recordings_have_an_exchange_of_each_kind(recorded: Mapping[str, bytes]) -> None:
    _, *rows = rows_of(recorded["contract"])
    assert [row["reply"] and row["reply"]["status"] for row in rows] == [
        202, 202, 202, 400, 400, 400, 400, 204, 207, 503, None,
    ]  # fmt: skip
    assert [event["verdict"] for row in rows for event in row["events"]].count("duplicate") == 1
    assert {name for row in rows for name in row["request"]["body"]} == {"json", "text", "left_out", "bytes"}
    assert {row["reply"]["from"] for row in rows_of(recorded["upstream"])[1:]} == {"upstream"}
    assert {row["reply"]["from"] for row in rows_of(recorded["gone"])[1:]} == {"proxy"}
    assert [row["at_ms"] for row in rows] == [0] * 7 + [1500] * 4
    assert not [secret for secret in SECRETS for text in recorded.values() if secret.encode() in text]


@pytest.mark.parametrize("kind", KINDS)
def test_har_archive_loses_nothing(recorded: Mapping[str, bytes], kind: str) -> None:
    archive = converted(recorded[kind], "recording", "har")
    assert archive.notes == []
    back = converted(archive.content, "har", "recording")
    assert back.content == recorded[kind]
    assert back.notes == []


def test_har_archive_keeps_replies_of_a_recording(recorded: Mapping[str, bytes]) -> None:
    head, *rows = recorded["upstream"].splitlines(keepends=True)
    url = rows_of(head)[0]["upstreams"]["whisperr"]
    head = head.replace(f'{{"whisperr":"{url}"}}'.encode(), b"{}")
    replayed = b"".join([head, *(row.replace(b'"from":"upstream"', b'"from":"recording"') for row in rows)])
    archive = converted(replayed, "recording", "har")
    assert b"https://api.whisperr.net/v1/events/batch" in archive.content
    assert converted(archive.content, "har", "recording").content == replayed


def of_an_upstream(row: dict[str, Any]) -> dict[str, Any]:
    """Return an exchange as it comes back from a cassette: any reply in it is one of an upstream."""
    headers = [pair for pair in row["reply"]["headers"] if pair[0].lower() != "content-encoding"]
    body = row["request"]["body"]
    request = row["request"] | {"body": {"text": ""} if "left_out" in body else body}
    reply = row["reply"] | {"headers": headers, "from": "upstream"}
    return {name: row[name] for name in row.keys() - {"fault"}} | {"request": request, "reply": reply}


@pytest.mark.parametrize("kind", KINDS)
def test_cassette_loses_what_is_listed(recorded: Mapping[str, bytes], kind: str) -> None:
    head, *rows = rows_of(recorded[kind])
    cassette = converted(recorded[kind], "recording", "vcr")
    back_head, *back = rows_of(converted(cassette.content, "vcr", "recording").content)
    replied = [row for row in rows if row["reply"] is not None]
    expected = [{**of_an_upstream(row), "id": f"x{number}"} for number, row in enumerate(replied, 1)]
    judged_alike = [
        row["reply"]["from"] != "proxy" and "fault" not in row and "left_out" not in row["request"]["body"]
        for row in replied
    ]
    for one, other, alike in zip(expected, back, judged_alike, strict=True):
        left_out = {"differs"} if alike else set(JUDGED)
        assert without(other, left_out) == without(one, left_out)
    assert {name: back_head[name] for name in ("created", "contracts", "mockserver")} == {
        name: head[name] for name in ("created", "contracts", "mockserver")
    }
    counts = dict(note.rsplit(": ", 1) for note in cassette.notes)
    origins = [row["reply"]["from"] for row in replied]
    assert {name: int(count) for name, count in counts.items()} == {
        name: count
        for name, count in {
            cassette_writer.VERDICTS: len(rows),
            cassette_writer.NO_REPLY: len(rows) - len(replied),
            cassette_writer.ORIGINS: len(origins) - origins.count("upstream"),
            cassette_writer.FAULTS: sum("fault" in row for row in replied),
            cassette_writer.UNKNOWN_BODIES: 1,
            cassette_writer.COMPRESSED: 7 * (kind == "upstream"),
        }.items()
        if count
    }


def without(row: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: member for name, member in row.items() if name not in names}


def test_golden_case_loses_what_is_listed(recorded: Mapping[str, bytes]) -> None:
    head, *rows = rows_of(recorded["contract"])
    own = [row for row in rows if row["protocol"] == "whisperr"]
    case = converted(recorded["contract"], "recording", "case", protocol="whisperr")
    back_head, *back = rows_of(converted(case.content, "case", "recording").content)
    *kept, injected, lost = own
    assert (injected["reply"]["status"], lost["reply"]) == (503, None)
    answered = without(lost, {"fault"}) | {"reply": back[-1]["reply"]}
    assert back == [{**row, "id": f"x{number}"} for number, row in enumerate([*kept, answered], 1)]
    assert back[-1]["reply"]["status"] == 202
    assert (back_head["created"], back_head["contracts"]["whisperr"]) == (
        head["created"],
        head["contracts"]["whisperr"],
    )
    assert set(case.notes) == {
        "exchanges of outlit: 2",
        f"{case_writer.REPLY_HEADERS}: 8",
        f"{case_writer.STAND_INS}: 1",
        f"{case_writer.NOT_THE_CONTRACTS}: 1",
        f"{case_writer.CONTRACTS_INSTEAD}: 1",
    }


def test_golden_case_of_the_other_protocol_has_the_events_of_a_207(recorded: Mapping[str, bytes]) -> None:
    case = converted(recorded["contract"], "recording", "case", protocol="outlit")
    _, preflight, mixed = rows_of(converted(case.content, "case", "recording").content)
    assert (preflight["operation"], mixed["reply"]["status"]) == ("preflight", 207)
    assert [event["verdict"] for event in mixed["events"]] == ["accepted", "rejected"]
    assert b"status: 207" in case.content


def test_golden_case_of_an_upstream_shows_how_its_replies_differ(recorded: Mapping[str, bytes]) -> None:
    case = converted(recorded["upstream"], "recording", "case")
    assert f"{case_writer.DIFFERING}: 7" in case.notes
    back = converted(case.content, "case", "recording")
    assert back.notes == ["replies of the contract that are not what the case expects: 7"]
    for row, original in zip(rows_of(back.content)[1:], rows_of(recorded["upstream"])[1:], strict=True):
        assert (row["request"], row["reply"]["from"]) == (original["request"], "contract")


@pytest.mark.parametrize("first", ["har", "vcr"])
def test_second_trip_loses_nothing_more(recorded: Mapping[str, bytes], first: Any) -> None:
    once = converted(converted(recorded["contract"], "recording", first).content, first, "recording").content
    assert converted(converted(once, "recording", first).content, first, "recording").content == once


ODD = [
    rb'{"events":[{"anonymous_id":"u","event_type":"paid","context":{"$message_id":"m"},"properties":{"\ud800":1}}]}',
    rb'{"events":[{"event_type":"\ud800","properties":{"$repeat":1,"\ud801":123456789012345678901234567890}}]}',
    b'{"events":[{"a":"\xc2\x85 \xef\xbb\xbf \\u0000 \\u2028","event_type":"\xe2\x80\xa8","$repeat":[1e300,1E5]}]}',
]


def test_odd_characters_and_numbers_come_back_from_each_format() -> None:
    with MockServer(session="wrk_odd") as server:
        statuses = [post(server.url, "/v1/events/batch", body, {"X-API-Key": server.key}) for body in ODD]
        recording = server.export(format="recording").encode()
    assert statuses == [202, 400, 400]
    _, *rows = rows_of(recording)
    back = {
        kind: rows_of(converted(converted(recording, "recording", kind).content, kind, "recording").content)[1:]
        for kind in FORMATS
    }
    assert back["har"] == rows
    for kind in ("vcr", "case"):
        assert [row["request"] for row in back[kind]] == [row["request"] for row in rows]
        assert [row["events"] for row in back[kind]] == [row["events"] for row in rows]
    assert f"{case_writer.SURROGATES}: 1" in converted(recording, "recording", "case").notes


def test_recording_has_only_the_protocol_that_is_chosen(recorded: Mapping[str, bytes]) -> None:
    done = converted(recorded["contract"], "recording", "recording", protocol="outlit")
    head, *rows = rows_of(done.content)
    assert (list(head["contracts"]), [row["protocol"] for row in rows]) == (["outlit"], ["outlit", "outlit"])
    assert done.notes == ["exchanges of whisperr: 9"]
