"""`mockserver export`, as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver import MockServer
from tests.processes import run
from tests.sending import send_whisperr, whisperr_event


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        send_whisperr(server, whisperr_event("paid", user="ada@corp.example"))
        yield server


def export(server: MockServer, *arguments: str) -> tuple[int, str, str]:
    done = run("export", server.target.url, "--session", server.key, *arguments)
    return done.returncode, done.stdout, done.stderr


def test_recording_goes_to_a_file_or_to_stdout(server: MockServer, tmp_path: Path) -> None:
    file = tmp_path / "recorded.ndjson"
    assert export(server, "--out", str(file)) == (0, "", "")
    head, exchange = map(json.loads, file.read_text().splitlines())
    assert (head["recording"], exchange["reply"]["status"]) == (1, 202)
    assert "ada@corp.example" not in file.read_text()
    assert export(server)[:2] == (0, file.read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["recorded.ndjson"]
    assert run("check", "--no-warnings", str(file)).returncode == 0


def test_normalised_recording_is_checked_as_any_other(server: MockServer, tmp_path: Path) -> None:
    file = tmp_path / "recorded.ndjson"
    assert export(server, "--normalise", "--out", str(file)) == (0, "", "")
    assert '"occurred_at":"<time' in file.read_text()
    done = run("check", "--no-warnings", str(file))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "1 request, 1 event: 0 errors, 0 warnings; 1 reply checked",
    )


def test_exchanges_as_the_control_surface_shows_them_have_personal_data(server: MockServer) -> None:
    code, text, _ = export(server, "--format", "ndjson")
    (line,) = map(json.loads, text.splitlines())
    assert (code, line["events_detail"][0]["event"]["external_user_id"]) == (0, "ada@corp.example")
    assert server.key not in text


def test_nothing_is_written_when_an_exchange_would_be_judged_otherwise(server: MockServer, tmp_path: Path) -> None:
    file = tmp_path / "recorded.ndjson"
    file.write_text("before")
    code, text, log = export(server, "--redact", "/events/*/occurred_at", "--out", str(file))
    assert (code, text, file.read_text()) == (2, "", "before")
    assert "request r1 cannot be recorded: it would be judged otherwise" in log


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--redact", "cookie:x"], "'cookie:x' is not a valid rule: expected header:NAME"),
        (["--redact", "header:x", "--format", "ndjson"], "--redact needs --format recording"),
        (["--normalise", "--format", "ndjson"], "--normalise needs --format recording"),
        (
            ["--out", "/nowhere/recorded.ndjson"],
            "--out: cannot write /nowhere/recorded.ndjson: No such file or directory",
        ),
    ],
)
def test_wrong_use_is_told(server: MockServer, arguments: list[str], problem: str) -> None:
    code, _, log = export(server, *arguments)
    assert code == 2
    assert problem in log
