"""Every format that the command line names is there, and `report` prints it or writes it to a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver import MockServer
from mockserver.cli.report import FORMATS as NAMED
from mockserver.client.report_formats import FORMATS
from tests.command import run_command
from tests.sending import send_whisperr, whisperr_event

STARTS = {
    "text": "session pk_r",
    "json": '{\n  "url":',
    "junit": "<?xml",
    "markdown": "### ✅ mockserver session",
    "html": "<!doctype html>",
    "github": "::warning title=",
}


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(session="pk_report_formats") as server:
        send_whisperr(server, whisperr_event("paid"))
        yield server


def test_command_line_has_the_formats_there_are() -> None:
    assert tuple(FORMATS) == NAMED


@pytest.mark.parametrize("format", FORMATS)
def test_format_goes_to_stdout_or_to_a_file(server: MockServer, format: str, tmp_path: Path) -> None:
    arguments = ("report", server.target.url, "--session", server.key, "--format", format)
    printed = run_command(*arguments)
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert printed.stdout.startswith(STARTS[format])
    written = run_command(*arguments, "--out", str(tmp_path / "report"))
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "report").read_text(encoding="utf-8") == printed.stdout


def test_junit_can_be_written_beside_another_format(server: MockServer, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    arguments = ("report", server.target.url, "--session", server.key)
    done = run_command(*arguments, "--format", "json", "--junit", str(file))
    assert json.loads(done.stdout)["passed"] is True
    assert file.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--json", "--format", "html"), "--json and --format html exclude each other"),
        (("--format", "html", "--junit", "-"), "--format html and --junit - both write to stdout"),
        (("--json", "--junit", "-"), "--json and --junit - both write to stdout"),
        (("--out", "/nowhere/x"), "--out: cannot write /nowhere/x: No such file or directory"),
    ],
)
def test_wrong_use_is_told(server: MockServer, flags: tuple[str, ...], problem: str) -> None:
    done = run_command("report", server.target.url, "--session", server.key, *flags)
    assert done.exit_code == 2
    assert problem in done.stderr
