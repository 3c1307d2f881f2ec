"""`mockserver exercise` and `conformance`: a program run once for each stimulus, a recording, known failures."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import library
from tests.processes import ROOT, SEARCH, command_line, environment

RULES = library().protocol("whisperr").client_rules
CLIENT = '''
import json, os, sys, urllib.error, urllib.request, uuid

url, key = os.environ["MOCKSERVER_URL"], os.environ["MOCKSERVER_KEY"]
headers = {"Content-Type": "application/json", "X-API-Key": key, "User-Agent": "script/1"}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def send(*names, again=False):
    """Send events; a client that is lost for good sends them again under other ids."""
    events = [
        {"external_user_id": "u", "event_type": name, "properties": {}, "context": {"$message_id": str(uuid.uuid4())}}
        for name in names
    ]
    body = json.dumps({"events": events}).encode()
    try:
        return opener.open(urllib.request.Request(f"{url}/v1/events/batch", body, headers)).status
    except (urllib.error.URLError, ConnectionError) as error:
        return getattr(error, "code", 0)


for name in ("trial_started", "plan_chosen"):
    send(name)
'''


def mockserver(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "client.py").write_text(CLIENT)
    return subprocess.run(
        command_line(*arguments),
        cwd=folder,
        env=environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        timeout=2 * SEARCH,
        check=False,
    )


def exercise(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return mockserver(folder, "exercise", "--protocol", "whisperr", "--quick", *flags, "--", "python3", "client.py")


@pytest.fixture(scope="module")
def exercised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The script client, exercised once: quick runs, one known failure that is none, JSON and JUnit."""
    folder = tmp_path_factory.mktemp("exercise")
    (folder / "known.txt").write_text("# ours\ntime_of_the_event  # has no clock\nmessage_id\n")
    flags = ("--known-failures", "known.txt", "--fail-on", "should", "--events", "2")
    return folder, exercise(folder, *flags, "--json", "--junit", "score.xml")


def answer(done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    whole: Mapping[str, Any] = json.loads(done.stdout)
    return whole


Done = tuple[Path, subprocess.CompletedProcess[str]]


def test_program_runs_once_for_each_stimulus_that_lets_nobody_wait(exercised: Done) -> None:
    quick = [name for name, stimulus in RULES.stimuli.items() if not stimulus.takes_ms]
    runs = answer(exercised[1])["runs"]
    assert [run["stimulus"] for run in runs] == ["ordinary", *(run["stimulus"] for run in runs[1:])]
    assert sorted(run["stimulus"] for run in runs[1:]) == sorted(quick)
    assert {run["exit_code"] for run in runs} == {0}
    assert {run["requests"] for run in runs} == {2}


def test_rule_is_judged_on_all_runs_and_names_the_requests_of_the_run(exercised: Done) -> None:
    rows = {row["rule"]: row for row in answer(exercised[1])["rules"]}
    assert rows.keys() == RULES.rules.keys()
    assert rows["everything_arrives"]["verdict"] == "pass"
    assert rows["drops_what_is_refused"]["verdict"] == "pass"
    assert rows["retries_transient_failures"]["verdict"] == "not_exercised"
    barred = rows["stops_without_authorization"]
    assert (barred["verdict"], barred["requests"]) == ("fail", ["unauthorized/r1", "unauthorized/r2"])
    assert rows["time_of_the_event"]["requests"][:2] == ["ordinary/r1", "ordinary/r2"]


def test_known_failure_does_not_count_and_a_broken_rule_does(exercised: Done) -> None:
    folder, done = exercised
    assert done.returncode == 1
    assert answer(done)["known_failures"] == {"time_of_the_event": "has no clock", "message_id": ""}
    suite = ET.parse(folder / "score.xml").getroot()
    failed = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    skipped = {case.get("name") for case in suite.iter("testcase") if case.find("skipped") is not None}
    assert len(list(suite.iter("testcase"))) == len(RULES.rules)
    assert "stops_without_authorization" in failed
    assert {"time_of_the_event", "retries_transient_failures"} <= skipped


def test_run_passes_with_its_failures_known_and_tells_of_one_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text(
        "stops_without_authorization\nkeeps_without_authorization\ntime_of_the_event\nmessage_id\n"
    )
    done = exercise(tmp_path, "--known-failures", "known.txt")
    assert done.returncode == 0, done.stdout
    assert "known as broken, but kept: message_id" in done.stdout
    assert done.stdout.splitlines()[-1] == "passed"


def test_nothing_sent_is_no_pass(tmp_path: Path) -> None:
    done = mockserver(tmp_path, "exercise", "--protocol", "whisperr", "--quick", "--", "true")
    assert done.returncode == 1
    assert "ordinary: no request came" in done.stdout


@pytest.mark.parametrize(
    ("flags", "program", "message"),
    [
        (["--protocol", "whisper"], "true", "whisperr"),
        (["--protocol", "whisperr"], "./not-there", "cannot run ./not-there"),
        (["--protocol", "whisperr", "--known-failures", "none.txt"], "true", "cannot read none.txt"),
        (["--protocol", "whisperr", "--known-failures", "wrong.txt"], "true", "did you mean"),
    ],
    ids=["protocol", "program", "no file", "unknown rule"],
)
def test_usage_error_says_what_is_wrong(tmp_path: Path, flags: list[str], program: str, message: str) -> None:
    (tmp_path / "wrong.txt").write_text("message_ids\n")
    done = mockserver(tmp_path, "exercise", *flags, "--", program)
    assert done.returncode == 2
    assert message in done.stderr


def test_program_that_does_not_end_is_ended_and_fails_the_run(tmp_path: Path) -> None:
    endless = ("python3", "-c", "import threading; threading.Event().wait()")
    done = mockserver(tmp_path, "exercise", "--protocol", "whisperr", "--quick", "--timeout", "1", "--", *endless)
    assert done.returncode == 1
    assert "ordinary: did not end in time" in done.stdout


def test_recording_of_the_client_gets_a_score(tmp_path: Path) -> None:
    assert mockserver(tmp_path, "record", "--quiet", "--", "python3", "client.py").returncode == 0
    done = mockserver(tmp_path, "conformance", "recording.ndjson", "--final", "--events", "2", "--json")
    rows = {row["rule"]: row["verdict"] for row in answer(done)["rules"]}
    assert (rows["everything_arrives"], rows["time_of_the_event"]) == ("pass", "fail")
    assert done.returncode == 0
    done = mockserver(tmp_path, "conformance", "recording.ndjson", "--fail-on", "should")
    assert done.returncode == 1
    assert "fail (should) time_of_the_event" in done.stdout
    done = mockserver(tmp_path, "conformance", "recording.ndjson", "--protocol", "outlit")
    assert (done.returncode, "no requests of outlit" in done.stderr) == (2, True)


def test_rules_of_all_protocols_are_listed_with_level_and_source(tmp_path: Path) -> None:
    rules = [rule for protocol in library().protocols.values() for rule in protocol.client_rules.rules.values()]
    listed = json.loads(mockserver(tmp_path, "contracts", "list", "--rules", "--json").stdout)["rules"]
    assert [(row["rule"], row["level"], row["source"]) for row in listed] == [
        (rule.name, rule.level, rule.source) for rule in rules
    ]
    lines = mockserver(tmp_path, "contracts", "list", "--rules").stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [[rule.protocol, rule.name, rule.level] for rule in rules]
