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
        (["--redact", "header:x", "--format", "ndjson"], "--redact needs another --format than ndjson"),
        (["--normalise", "--format", "har"], "--normalise needs --format recording"),
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


def test_export_has_the_format_that_is_asked_for_and_says_what_that_cannot_hold(
    server: MockServer, tmp_path: Path
) -> None:
    archive = tmp_path / "recorded.har"
    assert export(server, "--format", "har", "--out", str(archive)) == (0, "", "")
    assert json.loads(archive.read_text())["log"]["entries"][0]["response"]["status"] == 202
    code, text, log = export(server, "--format", "vcr")
    assert (code, text.startswith("interactions:\n")) == (0, True)
    assert "not in vcr: exchanges whose verdicts and findings are left out: 1" in log.splitlines()
    case = tmp_path / "whisperr" / "cases" / "signup.yaml"
    case.parent.mkdir(parents=True)
    assert export(server, "--format", "case", "--out", str(case))[0] == 0
    checked = run("check", str(case))
    assert (checked.returncode, "1 request" in checked.stdout) == (0, True), checked.stdout
    for written in (archive.read_text(), text, case.read_text()):
        assert "ada@corp.example" not in written
        assert server.key not in written


def test_all_sessions_are_files_in_a_folder_and_no_name_has_a_key(tmp_path: Path) -> None:
    folder, key = tmp_path / "recordings", "wrk_live_9fKq27ZtYw81LmPx"
    with MockServer() as server:
        for name in ("wrk_demo", "wrk demo", key, "wrk_unused"):
            session = server.session(name)
            if name != "wrk_unused":
                send_whisperr(session, whisperr_event("paid"))
            else:
                session.settings(rate_limits="off")
        done = run("export", server.target.url, "--all", "--out", str(folder))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        names = sorted(path.name for path in folder.iterdir())
        assert run("check", "--no-warnings", str(folder)).returncode == 0
        assert len(names) == 3
        assert {"wrk_demo.ndjson", "wrk-demo.ndjson"} < set(names)
        assert "9fKq27ZtYw81LmPx" not in "".join(names) + done.stderr
        assert all(f"wrote {folder / name}" in done.stderr for name in names)
        run("export", server.target.url, "--all", "--format", "har", "--out", str(folder))
        assert len(list(folder.iterdir())) == 6


def test_no_session_is_written_when_one_of_them_cannot_be(tmp_path: Path) -> None:
    with MockServer() as server:
        for name in ("wrk_one", "wrk_two"):
            event = whisperr_event("paid") if name == "wrk_two" else {"event_type": "paid"}
            send_whisperr(server.session(name), event)
        done = run(
            "export", server.target.url, "--all", "--out", str(tmp_path / "x"), "--redact", "/events/*/occurred_at"
        )
        assert (done.returncode, (tmp_path / "x").exists()) == (2, False)
        assert "cannot be recorded" in done.stderr


def test_export_of_all_sessions_without_any_is_a_finding(tmp_path: Path) -> None:
    with MockServer() as server:
        done = run("export", server.target.url, "--all", "--out", str(tmp_path / "x"))
    assert (done.returncode, done.stderr) == (1, "no session has requests; nothing is written\n")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--all"], "--all writes a file for each session; name a folder for them with --out"),
        (["--all", "--session", "wrk_x"], "one of --session and --all is required"),
        ([], "one of --session and --all is required"),
        (["--session", "wrk_x", "--out", "."], "--out: . is a folder"),
    ],
    ids=["stdout", "both", "neither", "folder"],
)
def test_export_needs_to_know_what_and_where(server: MockServer, arguments: list[str], problem: str) -> None:
    done = run("export", server.target.url, *arguments)
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr
