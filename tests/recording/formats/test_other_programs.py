"""Other programs read what is written, and what they write is read: the HAR schema, Chromium, vcrpy."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException

from mockserver import MockServer
from tests.npm import node_modules
from tests.recording.formats.converting import converted, rows_of
from tests.recording.formats.traffic import recordings
from tests.sdks.harness import program

HERE = Path(__file__).parent / "har_tools"
KEY = "S3cretKey4711"
MAIL = "ada@corp.example"


def node(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    node_modules(HERE, "HAR tools")
    command = [program("node"), str(HERE / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("kind", ["contract", "upstream", "gone"])
def test_har_archive_follows_the_schema_of_har(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "x.har"
    file.write_bytes(converted(recordings()[kind], "recording", "har").content)
    done = node("validate.mjs", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    archive = json.loads(file.read_bytes())
    del archive["log"]["entries"][0]["request"]["cookies"]
    file.write_text(json.dumps(archive))
    assert "cookies" in node("validate.mjs", str(file)).stderr


def test_har_archive_of_chromium_becomes_a_recording(tmp_path: Path) -> None:
    file = tmp_path / "browser.har"
    with MockServer() as server:
        done = node("browse.mjs", program("chromium"), server.target.url, KEY, str(file))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [207, 202, 202, 400]
        url = server.target.url
    recording = converted(file.read_bytes(), "har", "recording")
    head, *rows = rows_of(recording.content)
    verdicts = [[event["verdict"] for event in row["events"]] for row in rows]
    assert [row["reply"]["status"] for row in rows] == [207, 202, 400]
    assert verdicts == [["accepted", "rejected"], ["accepted"], []]
    assert [row["differs"] for row in rows] == [[]] * 3
    assert head["upstreams"] == {"outlit": url, "whisperr": url}
    assert recording.notes == [
        f"requests to other hosts: 1 ({url})",
        "requests whose bodies the file does not have: 1 (entry 3)",  # Chromium writes gzip as if it were text
    ]
    assert KEY.encode() not in recording.content
    assert MAIL.encode() not in recording.content


@pytest.fixture
def played(tmp_path: Path) -> tuple[Path, list[Any]]:
    """A cassette, and the exchanges of the recording that it was written from."""
    file = tmp_path / "cassette.yaml"
    file.write_bytes(converted(recordings()["upstream"], "recording", "vcr").content)
    return file, rows_of(recordings()["upstream"])


def test_vcrpy_plays_a_cassette_back_to_requests(played: tuple[Path, list[Any]]) -> None:
    file, (head, *rows) = played
    url = head["upstreams"]["whisperr"]
    with vcr.use_cassette(str(file), record_mode="none") as cassette:
        for row in rows:
            sent, reply = row["request"], row["reply"]
            got = requests.request(sent["method"], url + sent["path"], json=sent["body"].get("json"), timeout=5)
            assert got.status_code == reply["status"]
            body = reply["body"]
            assert got.text == body["text"] if "text" in body else got.json() == body["json"]
        assert cassette.all_played
        with pytest.raises(CannotOverwriteExistingCassetteException):
            requests.get(f"{url}/never", timeout=5)


def test_large_body_of_a_cassette_is_the_same_to_vcrpy_and_when_it_comes_back(tmp_path: Path) -> None:
    head, row, *_ = rows_of(recordings()["upstream"])
    odd = "\u2028\ufeff\x85\x7f\x00\t😀é\"\\\n ' : # "
    row["request"]["body"]["json"]["events"][0]["properties"] = {f"k{number:05}": odd for number in range(10_000)}
    file = tmp_path / "cassette.yaml"
    file.write_bytes(converted(f"{json.dumps(head)}\n{json.dumps(row)}\n".encode(), "recording", "vcr").content)
    with vcr.use_cassette(str(file), record_mode="none") as cassette:
        assert json.loads(cassette.requests[0].body) == row["request"]["body"]["json"]
        assert not cassette.requests[0].body.startswith(b" ")
    (back,) = rows_of(converted(file.read_bytes(), "vcr", "recording").content)[1:]
    assert back["request"] == row["request"]


def test_cassette_of_a_mock_of_many_protocols_has_the_urls_of_the_vendors(tmp_path: Path) -> None:
    file = tmp_path / "cassette.yaml"
    file.write_bytes(converted(recordings()["contract"], "recording", "vcr").content)
    with vcr.use_cassette(str(file), record_mode="none") as cassette:
        assert {sent.host for sent in cassette.requests} == {"app.outlit.ai", "api.whisperr.net"}
        got = requests.post("https://api.whisperr.net/v1/events/batch", timeout=5)
        assert (got.status_code, got.json()) == (202, {"accepted": 1, "rejected": 0})


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_cassette_that_vcrpy_recorded_becomes_a_recording(tmp_path: Path, serializer: str, decoded: bool) -> None:
    file = tmp_path / f"cassette.{serializer}"
    event = {"external_user_id": MAIL, "event_type": "paid", "context": {"$message_id": "m-1"}}
    headers = {"X-API-Key": f"wrk_{KEY}"}
    recorder = vcr.VCR(serializer=serializer, record_mode="once", decode_compressed_response=decoded)
    with MockServer() as server:
        url = f"{server.target.url}/v1/events/batch"
        with recorder.use_cassette(str(file)):
            bodies: list[Any] = [{"events": [event]}, {"events": [event]}, {"events": [{}]}]
            for body in bodies:
                requests.post(url, json=body, headers=headers, timeout=5)
            requests.get(f"{server.target.url}/livez", timeout=5)
    assert KEY in file.read_text()
    recording = converted(file.read_bytes(), "vcr", "recording")
    head, *rows = rows_of(recording.content)
    assert [row["reply"]["status"] for row in rows] == [202, 202, 400]
    assert [row["events"][0]["verdict"] for row in rows] == ["accepted", "duplicate", "rejected"]
    assert [row["differs"] for row in rows] == [[]] * 3
    assert head["upstreams"] == {"whisperr": url.removesuffix("/v1/events/batch")}
    assert recording.notes == [f"requests to other hosts: 1 ({head['upstreams']['whisperr']})"]
    assert KEY.encode() not in recording.content
    assert MAIL.encode() not in recording.content
