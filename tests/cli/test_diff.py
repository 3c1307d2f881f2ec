"""`mockserver diff`, as a user runs it, on recordings of a vendor's own client."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_record import record
from tests.command import run_command
from tests.recording.test_recordings import EXCHANGE, HEAD, lines

PROGRAM = """
import os, sys, uuid
from whisperr import Whisperr

client = Whisperr(api_key=os.environ["MOCKSERVER_KEY"], base_url=os.environ["MOCKSERVER_URL"], app_version="1.0")
user = f"user_{uuid.uuid4()}"
for number in range(3):
    client.track(user, "row_imported", {"number": number, "run": str(uuid.uuid4())})
client.identify(user, traits={"plan": "pro"}, email=f"{user}@corp.example", preferred_channel="email")
client.flush()
for number in range(45):
    client.track(user, "page_seen", {"page": number})
client.shutdown()
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two recordings of one program with the client of PyPI, with other users, ids and times; one is normalised."""
    files = []
    for name, options in (("old", ()), ("new", ("--normalise",))):
        folder = tmp_path_factory.mktemp(name)
        done = record(folder, *options, "--", sys.executable, "-c", PROGRAM)
        assert done.returncode == 0, done.stderr
        files.append(folder / "recording.ndjson")
    return files[0], files[1]


def diff(*arguments: object) -> tuple[int, str, str]:
    done = run_command("diff", *map(str, arguments))
    return done.exit_code, done.stdout, done.stderr


def test_nothing_is_told_between_two_runs_of_a_real_client(recordings: tuple[Path, Path]) -> None:
    code, text, _ = diff(*recordings)
    assert code == 0, text
    assert text.startswith("0 differences; ")
    assert text.endswith(" and 49 events compared\n")
    assert diff(recordings[0], recordings[0])[0] == 0


def test_new_version_of_the_client_is_told_once(recordings: tuple[Path, Path], tmp_path: Path) -> None:
    new = tmp_path / "new.ndjson"
    new.write_text(recordings[0].read_text().replace("0.2.1", "0.3.0"))
    code, text, _ = diff(recordings[0], new)
    assert (code, len(text.splitlines())) == (1, 2)
    assert text.startswith("sdk-version: whisperr/")
    assert "/context/sdk_version" in text
    assert "0.2.1 → 0.3.0 [x1 / x1]" in text


def test_json_and_kinds_that_do_not_count(recordings: tuple[Path, Path], tmp_path: Path) -> None:
    new = tmp_path / "new.ndjson"
    new.write_text(recordings[0].read_text().replace('"preferred_channel":"email"', '"preferred_channel":"sms"'))
    code, text, _ = diff(recordings[0], new, "--json")
    (difference,) = json.loads(text)["differences"]
    assert (code, difference["kind"], difference["places"]) == (1, "member-value", ["/preferred_channel"])
    assert diff(recordings[0], new, "--ignore", "member-value")[0] == 0


def written(folder: Path, name: str, content: bytes) -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "new: is empty; expected a recording, which begins with a head"),
        (lines(HEAD, HEAD), "new line 2: a second recording begins here"),
        (b'{"events": []}', "new line 1: is not a recording, whose first line is a head"),
        (b"\x00\x01", "new line 1: "),
        (lines(HEAD) + lines(EXCHANGE)[:-20], "new line 2: "),
        (b'{"log": {"entries": []}}', "new line 1: is not a recording, whose first line is a head"),
    ],
)
def test_file_that_is_no_recording_is_named_with_its_line(tmp_path: Path, content: bytes, problem: str) -> None:
    old = written(tmp_path, "old", lines(HEAD, EXCHANGE))
    code, text, log = diff(old, written(tmp_path, "new", content))
    assert (code, text) == (2, "")
    assert problem in log


def test_recordings_without_requests_are_no_success(tmp_path: Path) -> None:
    empty: dict[str, Any] = {**HEAD, "contracts": {}}
    old, new = written(tmp_path, "old", lines(empty)), written(tmp_path, "new", lines(empty))
    assert diff(old, new)[:2] == (1, "0 differences; 0 requests and 0 events compared\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere.ndjson", "nowhere.ndjson"], "'nowhere.ndjson' does not exist"),
        ([".", "."], "is a directory"),
        (["README.md"], "Missing argument 'NEW'"),
        (["README.md", "README.md", "--ignore", "header"], 'unknown kind "header", did you mean "header-new"?'),
    ],
)
def test_wrong_use_is_told(arguments: list[str], problem: str) -> None:
    code, _, log = diff(*arguments)
    assert code == 2
    assert problem in log
