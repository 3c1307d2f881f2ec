"""`mockserver replay`, as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mockserver import MockServer
from tests.client.test_replay_requests import JSON, answering
from tests.processes import ROOT, SEARCH, command_line, environment, run
from tests.sending import send_whisperr, whisperr_event


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two requests, days ago."""
    path = tmp_path_factory.mktemp("recorded") / "r.ndjson"
    with MockServer() as server:
        server.clock.freeze("2020-01-01T00:00:00Z")
        for _ in range(2):
            send_whisperr(server, {**whisperr_event("paid"), "occurred_at": "2020-01-01T00:00:00.000Z"})
        path.write_text(server.export(format="recording"))
    return path


def replay(file: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    done = run("replay", str(file), *arguments, variables=variables)
    return done.returncode, done.stdout, done.stderr


def test_session_with_the_recorded_clock_answers_alike(file: Path) -> None:
    with MockServer() as server:
        url = server.target.url
        code, text, _ = replay(file, "--target", url, "--session", "again", "--recorded-clock", "--key", "wrk_a")
        assert (code, text) == (0, "2 requests sent, 2 replies as recorded, 0 differ\n")
        assert [str(one.received_at)[:4] for one in server.session("again").requests()]
        code, text, _ = replay(file, "--target", url, "--key", "whisperr=wrk_b", "--rebase-time", "--json")
        result = json.loads(text)
        assert (code, result["clean"], result["sent"], result["compared"]) == (0, True, 2, 2)
        assert len(server.session("wrk_b").requests()) == 2


def test_key_comes_from_the_environment(file: Path) -> None:
    with MockServer() as server:
        command = ("--target", server.target.url, "--rebase-time")
        assert replay(file, *command, MOCKSERVER_KEY="wrk_env")[0] == 0
        assert len(server.session("wrk_env").requests()) == 2
        code, text, _ = replay(file, *command)
    assert code == 0
    assert "note: pseudonyms were sent for whisperr/api_key: no --key fits" in text


def test_differences_are_lines_and_test_cases(file: Path, tmp_path: Path) -> None:
    junit = tmp_path / "r.xml"
    with MockServer() as server:
        code, text, _ = replay(file, "--target", server.target.url, "--key", "wrk_c", "--junit", str(junit))
    assert code == 1
    assert text.startswith("x1 POST /v1/events/batch: /status: expected 202, got 400 with the body")
    assert text.splitlines()[-1] == "2 requests sent, 0 replies as recorded, 2 differ"
    cases = ET.parse(junit).getroot().findall(".//testcase")
    assert [case.get("name") for case in cases] == ["x1 POST /v1/events/batch", "x2 POST /v1/events/batch"]
    assert all(case.find("failure") is not None for case in cases)


def test_unreachable_target_is_told(file: Path) -> None:
    with answering() as url:
        pass
    code, text, log = replay(file, "--target", url, "--key", "wrk_a")
    assert (code, text) == (3, "0 requests sent, 0 replies as recorded, 0 differ, 2 left\n")
    assert f"no answer from {url}: Connection refused" in log


def test_interrupt_keeps_what_was_found(file: Path) -> None:
    """The target answers once, and leaves the second reply unfinished."""
    unfinished = (200, {**JSON, "Content-Length": "9"}, b"{}")
    answered = threading.Semaphore(0)
    with answering((200, JSON, b"{}"), unfinished, answered=answered) as url:
        process = subprocess.Popen(
            command_line("replay", str(file), "--target", url, "--key", "wrk_a"),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert answered.acquire(timeout=SEARCH)
        assert answered.acquire(timeout=SEARCH)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=SEARCH)
    assert process.returncode == 130
    assert text.splitlines()[-1] == "1 request sent, 0 replies as recorded, 1 differs, 1 left"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--target", "ftp://a.test"], "the scheme must be http or https"),
        (["--target", "http://a.test", "--recorded-clock"], "--recorded-clock needs --session"),
        (["--target", "http://a.test", "--session", "s", "--recorded-clock", "--rebase-time"], "exclude each other"),
        ([], "Missing option '--target'"),
    ],
)
def test_wrong_use_is_told(file: Path, arguments: list[str], problem: str) -> None:
    code, _, log = replay(file, *arguments)
    assert code == 2
    assert problem in log


def test_file_that_is_no_recording_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    code, _, log = replay(other, "--target", "http://127.0.0.1:9")
    assert code == 2
    assert f"{other} line 1: is not a recording" in log
