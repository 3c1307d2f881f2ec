"""`mockserver convert`, as a user runs it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_in
from tests.processes import ROOT, run
from tests.recording.formats.traffic import recordings

PACKAGE = {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r.ndjson").write_bytes(recordings()["contract"])
    return tmp_path


def convert(folder: Path, *arguments: str) -> tuple[int, str]:
    done = run_in(folder, "convert", *arguments)
    assert done.stdout == ""
    return done.exit_code, done.stderr


def test_format_is_told_by_name_and_content_and_what_is_lost_is_said(folder: Path) -> None:
    assert convert(folder, "r.ndjson", "r.har") == (0, "")
    assert convert(folder, "r.har", "back.ndjson") == (0, "")
    assert (folder / "back.ndjson").read_bytes() == (folder / "r.ndjson").read_bytes()
    code, log = convert(folder, "r.ndjson", "r.yaml", "--to", "vcr")
    assert (code, "r.ndjson: exchanges without a reply, left out: 1" in log.splitlines()) == (0, True)
    (folder / "archive.json").write_bytes((folder / "r.har").read_bytes())
    (folder / "r.har.gz").write_bytes(gzip.compress((folder / "r.har").read_bytes()))
    for source in ("r.yaml", "archive.json", "r.har.gz"):
        assert convert(folder, source, "again.ndjson")[0] == 0
        assert json.loads((folder / "again.ndjson").read_text().splitlines()[1])["reply"]["status"] == 202


def test_golden_case_of_a_recording_holds(folder: Path) -> None:
    code, log = convert(folder, "r.ndjson", "whisperr.yaml", "--to", "case")
    assert (code, "choose one with --protocol" in log, (folder / "whisperr.yaml").exists()) == (2, True, False)
    for name in ("whisperr", "outlit"):
        (folder / name / "cases").mkdir(parents=True)
        assert convert(folder, "r.ndjson", f"{name}/cases/signup.yaml", "--to", "case", "--protocol", name)[0] == 0
        checked = run_in(folder, "check", f"{name}/cases/signup.yaml")
        assert checked.exit_code == 0, checked.stdout


@pytest.mark.parametrize("name", ["all-failed", "bootstrap-then-batch", "dedup-across-requests"])
def test_golden_case_of_the_fixtures_becomes_a_recording(name: str, tmp_path: Path) -> None:
    assert convert(tmp_path, str(ROOT / f"fixtures/outlit/cases/{name}.yaml"), "r.ndjson") == (0, "")
    checked = run_in(tmp_path, "check", "--json", "r.ndjson")
    assert "/reply" not in checked.stdout


def test_cases_in_lines_are_played_each_for_itself(tmp_path: Path) -> None:
    with (ROOT / "fixtures" / "cases.ndjson").open() as lines:
        chosen = [line for line in lines if json.loads(line)["case"] == "dedup-across-requests"]
    (tmp_path / "cases.ndjson").write_text("".join([*chosen, *chosen]))
    code, log = convert(tmp_path, "cases.ndjson", "r.ndjson", "--from", "case", "--protocol", "outlit")
    assert (code, log.splitlines()[-1]) == (0, "cases.ndjson: cases, each played in a session of its own: 2"), log
    verdicts = [event["verdict"] for row in rows(tmp_path / "r.ndjson") for event in row["events"]]
    assert verdicts[: len(verdicts) // 2] == verdicts[len(verdicts) // 2 :]
    assert set(verdicts) == {"accepted", "duplicate"}


def rows(file: Path) -> list[Any]:
    """Return the exchanges of a recording."""
    return [json.loads(line) for line in file.read_text().splitlines()[1:]]


def test_line_of_a_corpus_becomes_a_recording(tmp_path: Path) -> None:
    corpus = next(iter(sorted((ROOT / "fixtures" / "corpus").glob("*.ndjson"))))
    with corpus.open() as lines:
        (tmp_path / "one.ndjson").write_text(next(lines))
    assert convert(tmp_path, "one.ndjson", "r.ndjson", "--to", "recording") == (0, "")
    head, exchange = map(json.loads, (tmp_path / "r.ndjson").read_text().splitlines())
    assert (head["recording"], exchange["reply"]["from"]) == (1, "contract")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["r.ndjson", "r.yaml"], "r.yaml can be of several formats; name one with --to: recording, har, vcr, case"),
        (["odd.txt", "r.ndjson"], "cannot tell the format of odd.txt; name it with --from"),
        (["nowhere.har", "r.ndjson"], "cannot read nowhere.har: No such file or directory"),
        (["r.ndjson", "/nowhere/r.har"], "OUT: cannot write /nowhere/r.har: No such file or directory"),
        (["r.ndjson", "r.har", "--redact", "header:x"], "--redact: the values in a recording are hidden already"),
        (["r.ndjson", "r.har", "--from", "har"], "r.ndjson: is not valid JSON"),
        (["odd.txt", "r.har", "--from", "vcr"], "odd.txt"),
        (["r.ndjson", "r.har", "--protocol", "nobody"], "nobody"),
    ],
    ids=["to", "from", "missing", "unwritable", "redact", "wrong", "text", "protocol"],
)
def test_wrong_use_is_an_error_and_writes_nothing(folder: Path, arguments: list[str], problem: str) -> None:
    (folder / "odd.txt").write_text("odd")
    before = sorted(path.name for path in folder.iterdir())
    code, log = convert(folder, *arguments)
    assert code == 2
    assert problem in log
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_was_there_stays_when_a_file_cannot_be_converted(folder: Path) -> None:
    (folder / "out.ndjson").write_text("before")
    (folder / "evil.yaml").write_text("interactions: !!python/object/apply:os.system [id]\n")
    code, log = convert(folder, "evil.yaml", "out.ndjson")
    assert (code, (folder / "out.ndjson").read_text()) == (2, "before")
    assert "evil.yaml line 1: objects of a programming language are not read" in log


def test_stdin_and_stdout_are_files_too(folder: Path) -> None:
    done = run(
        "convert", "-", "-", "--to", "har", cwd=folder, variables=PACKAGE, input=(folder / "r.ndjson").read_text()
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["log"]["version"] == "1.2"
