"""`mockserver record` with a real client of a vendor, against servers that it does not know."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from mockserver import MockServer
from mockserver.recording.recordings import SCHEMA_FILE
from tests.processes import ROOT, SEARCH, command_line, environment
from tests.threaded import listening

LINE = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA_FILE.read_bytes()))
APP = """
import os, sys, urllib.error, urllib.request
from whisperr import Whisperr

url, key = os.environ["MOCKSERVER_URL"], os.environ["MOCKSERVER_KEY"]
client = Whisperr(api_key=key, base_url=url, max_retries=0)
client.track("ada@corp.example", "trial_started")
client.flush()
client.shutdown()
headers = {"X-API-Key": key, "Content-Type": "application/json"}
request = urllib.request.Request(url + "/v1/events/batch", b"{}", headers)
try:
    reply = urllib.request.urlopen(request)
except urllib.error.HTTPError as error:
    reply = error
sys.stdout.write(f"{reply.status} {reply.read().decode()}")
sys.exit(7)
"""


def record(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "app.py").write_text(APP)
    return subprocess.run(
        command_line("record", *arguments),
        cwd=folder,
        env=environment({"PYTHONPATH": str(ROOT), **variables}),
        capture_output=True,
        text=True,
        timeout=2 * SEARCH,
        check=False,
    )


def recorded(file: Path) -> list[Any]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        LINE.validate(line)
    return lines[1:]


PYTHON = ("--", sys.executable, "app.py")


def test_client_gets_the_replies_of_one_of_ours_under_another_patch(tmp_path: Path) -> None:
    with MockServer() as there:
        patched = there.session("wrk_mine")
        patched.patch("whisperr", {"protocol": {"replies": {"counted": {"status": 299}}}})
        upstream = f"whisperr={there.target.url}"
        done = record(tmp_path, "--upstream", upstream, "--out", "r.ndjson", *PYTHON, MOCKSERVER_KEY="wrk_mine")
        sent = [event.type for event in patched.events()]
        refused = patched.request(patched.requests()[-1].id)
    assert (done.returncode, done.stdout) == (7, f"{refused.status} {refused.reply.body.decode()}")
    assert sent == ["trial_started"]
    first, second = recorded(tmp_path / "r.ndjson")
    assert (first["reply"]["status"], first["reply"]["from"], first["events"][0]["verdict"]) == (
        299,
        "upstream",
        "accepted",
    )
    assert [difference["pointer"] for difference in first["differs"]] == ["/reply/status"]
    assert (second["reply"]["status"], second["differs"]) == (400, [])
    text = (tmp_path / "r.ndjson").read_text()
    assert "ada@corp.example" not in text
    assert "wrk_mine" not in text
    assert "r.ndjson: 2 requests, 1 event (1 accepted)" in done.stderr
    assert done.stderr.splitlines() == [
        "POST /v1/events/batch 299: 1 accepted",
        "POST /v1/events/batch 400: refused",
        "r.ndjson: 2 requests, 1 event (1 accepted)",
        "refused by the contract:",
        "  whisperr: events is required [/requests/batch/required/events] (1 time: x2)",
        "the upstream and the contract differ:",
        "  whisperr/batch: status: expected 202, got 299 (1 reply: x1)",
        "hidden: 1 credential, 1 e-mail address",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", "r.ndjson"]


class _Plain(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"accepted":1, "rejected":0, "who":"plain"}')


def test_client_gets_the_bytes_of_a_server_of_the_standard_library(tmp_path: Path) -> None:
    with listening(_Plain) as url:
        done = record(tmp_path, "--upstream", f"whisperr={url}", *PYTHON)
    assert (done.returncode, done.stdout) == (7, '200 {"accepted":1, "rejected":0, "who":"plain"}')
    first, second = recorded(tmp_path / "recording.ndjson")
    assert first["reply"]["body"] == second["reply"]["body"] == {"json": {"accepted": 1, "rejected": 0, "who": "plain"}}
    assert (first["events"][0]["verdict"], second["findings"][0]["severity"]) == ("accepted", "error")


def test_key_fits_most_protocols_without_an_upstream(tmp_path: Path) -> None:
    done = record(tmp_path, "--", sys.executable, "-c", "import os; print(os.environ['MOCKSERVER_KEY'])")
    assert done.stdout == "pk_recording\n"


def test_contract_answers_without_an_upstream(tmp_path: Path) -> None:
    done = record(tmp_path, *PYTHON)
    assert done.returncode == 7
    assert [line["reply"]["from"] for line in recorded(tmp_path / "recording.ndjson")] == ["contract", "contract"]


def test_normalised_recording_has_offsets_for_times(tmp_path: Path) -> None:
    done = record(tmp_path, "--normalise", *PYTHON)
    assert done.returncode == 7
    first, _ = recorded(tmp_path / "recording.ndjson")
    (event,) = first["request"]["body"]["json"]["events"]
    assert event["occurred_at"].startswith("<time")
    assert event["context"]["$message_id"] == "<id:1>"


@contextmanager
def recording(folder: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """Record a program that says when it is ready, and then waits for a signal."""
    process = subprocess.Popen(
        command_line("record", "--", sys.executable, "-c", code),
        cwd=folder,
        env=environment({"PYTHONPATH": str(ROOT)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=SEARCH)


WAITING = """
import os, signal, urllib.request
urllib.request.urlopen(os.environ["MOCKSERVER_URL"] + "/api/i/v1/pk_1/bootstrap").read()
print("ready", flush=True)
signal.pause()
"""


def test_file_is_absent_when_the_recording_is_killed(tmp_path: Path) -> None:
    code = WAITING.replace("signal.pause()", "input()")
    process = subprocess.Popen(
        command_line("record", "--", sys.executable, "-c", code),
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(ROOT)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    process.kill()
    process.communicate(timeout=SEARCH)  # the program ends with its stdin
    assert list(tmp_path.iterdir()) == []


def test_signal_ends_the_program_and_then_the_file_is_written(tmp_path: Path) -> None:
    with recording(tmp_path, WAITING) as process:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=SEARCH) == 128 + signal.SIGTERM
    assert len(recorded(tmp_path / "recording.ndjson")) == 1


def test_without_a_program_it_records_until_it_is_interrupted(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command_line("record"),
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(ROOT)}),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    told = process.stderr.readline()
    url = told.removeprefix("recording at ").removesuffix(" until Ctrl-C\n")
    with urllib.request.urlopen(f"{url}/api/i/v1/pk_1/bootstrap") as reply:
        assert reply.status == 200
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=SEARCH)
    assert (process.returncode, log.splitlines()) == (
        0,
        [
            "GET /api/i/v1/{publicKey}/bootstrap 200",
            "recording.ndjson: 1 request, 0 events",
            "hidden: 1 credential",
        ],
    )
    assert len(recorded(tmp_path / "recording.ndjson")) == 1


def test_nothing_is_told_with_quiet_but_errors(tmp_path: Path) -> None:
    assert record(tmp_path, "--quiet", *PYTHON).stderr == ""
    assert "no request came" in record(tmp_path, "--quiet", "--", sys.executable, "-c", "pass").stderr


SENDING = """
import os, sys, urllib.request
headers = {"X-API-Key": "wrk_S3cr3tKey77", "Content-Type": "application/json"}
body = b'{"events": [{"external_user_id": "u", "event_type": "paid", "context": {"$message_id": "%d"}}]}'
for number in range(int(sys.argv[1])):
    request = urllib.request.Request(os.environ["MOCKSERVER_URL"] + "/v1/events/batch", body % number, headers)
    urllib.request.urlopen(request).read()
"""


def test_line_on_a_terminal_counts(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        command_line("record", "--", sys.executable, "-c", SENDING, "3"),
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(ROOT)}),
        stderr=theirs,
        timeout=2 * SEARCH,
        check=False,
    )
    os.close(theirs)
    told = b""
    with suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 65_536):
            told += piece
    os.close(ours)
    assert done.returncode == 0
    assert told.startswith(b"\r\x1b[Krecording: 1 request, 1 event, 0 refused\r")
    assert b"\x1b[Krecording.ndjson: 3 requests, 3 events (3 accepted)\r\n" in told
    assert b"wrk_" not in told


def test_program_is_ended_when_the_memory_limit_is_reached_and_nothing_is_lost(tmp_path: Path) -> None:
    done = record(tmp_path, "--memory-limit", "64KiB", "--quiet", "--", sys.executable, "-c", SENDING, "100000")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "Error: the memory limit was reached, and the recording ends there; --memory-limit sets it",
    )
    sent = [line["request"]["body"]["json"]["events"][0]["context"] for line in recorded(tmp_path / "recording.ndjson")]
    assert len(sent) > 10
    assert sent == [{"$message_id": str(number)} for number in range(len(sent))]


def test_program_that_a_signal_ended_is_recorded(tmp_path: Path) -> None:
    code = f"{SENDING}\nimport signal\nos.kill(os.getpid(), signal.SIGKILL)"
    done = record(tmp_path, "--", sys.executable, "-c", code, "1")
    assert (done.returncode, len(recorded(tmp_path / "recording.ndjson"))) == (128 + signal.SIGKILL, 1)


def test_program_behind_a_proxy_reaches_the_server(tmp_path: Path) -> None:
    done = record(
        tmp_path, "--", sys.executable, "-c", SENDING, "1", http_proxy="http://127.0.0.1:9", no_proxy="a.example"
    )
    assert (done.returncode, len(recorded(tmp_path / "recording.ndjson"))) == (0, 1)
    code = "import os; print(os.environ['NO_PROXY'], os.environ['no_proxy'])"
    done = record(tmp_path, "--", sys.executable, "-c", code, http_proxy="http://127.0.0.1:9", no_proxy="a.example")
    assert done.stdout == "a.example,127.0.0.1 a.example,127.0.0.1\n"


def test_program_that_leaves_one_behind_is_recorded_to_its_own_end(tmp_path: Path) -> None:
    code = f"{SENDING}\nimport subprocess\nsubprocess.Popen(['sleep', '5'], stdout=-3, stderr=-3)"
    done = record(tmp_path, "--", sys.executable, "-c", code, "1")
    assert (done.returncode, len(recorded(tmp_path / "recording.ndjson"))) == (0, 1)


def test_line_of_a_request_has_no_key_also_where_no_operation_has_its_path(tmp_path: Path) -> None:
    code = """
import os, urllib.error, urllib.request
for path in ("/api/i/v1/pk_S3cr3t99/bootstrap", "/api/i/v1/pk_S3cr3t99/unknown", "/v1/users/ada"):
    try:
        urllib.request.urlopen(os.environ["MOCKSERVER_URL"] + path)
    except urllib.error.HTTPError:
        pass
"""
    done = record(tmp_path, "--", sys.executable, "-c", code)
    lines = [line for line in done.stderr.splitlines() if line.startswith("GET ")]
    assert lines == [
        "GET /api/i/v1/{publicKey}/bootstrap 200",
        "GET /api/i/v1/…/unknown 404: refused",
        "GET /v1/users/{external_id} 401: refused",
    ]
    assert "S3cr3t99" not in done.stderr


def test_upstream_that_is_away_is_told_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    done = record(tmp_path, "--upstream", f"whisperr={url}", *PYTHON)
    assert done.returncode == 7
    assert done.stdout.startswith('502 {"type":"about:blank","title":"Bad Gateway"')
    lines = done.stderr.splitlines()
    assert lines[:2] == ["POST /v1/events/batch 502: refused; the upstream gave no reply"] * 2
    assert "the upstream gave no reply:" in lines
    told = f"  whisperr: 502, the upstream whisperr ({url}) cannot be reached: "
    assert [line.rpartition(" (")[2] for line in lines if line.startswith(told)] == ["3 requests: x1, x2, x3)"]


def test_words_after_the_dashes_belong_to_the_program(tmp_path: Path) -> None:
    done = record(tmp_path, "--", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--out", "x", "--", "-h")
    assert done.stdout == "['--out', 'x', '--', '-h']\n"


@pytest.mark.parametrize("out", ["nowhere/r.ndjson", "app.py/r.ndjson", "folder"])
def test_file_that_cannot_be_written_is_told_before_the_program_runs(tmp_path: Path, out: str) -> None:
    (tmp_path / "folder").mkdir()
    done = record(tmp_path, "--out", out, "--", sys.executable, "-c", "print('ran')")
    assert (done.returncode, done.stdout) == (2, "")
    assert out in done.stderr


def test_existing_file_stays_when_nothing_comes(tmp_path: Path) -> None:
    (tmp_path / "recording.ndjson").write_text("before")
    assert record(tmp_path, "--", sys.executable, "-c", "pass").returncode == 1
    assert (tmp_path / "recording.ndjson").read_text() == "before"


def test_recording_is_elsewhere_when_its_folder_has_gone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    code = f"{SENDING}\nos.rmdir({str(folder)!r})"
    done = record(tmp_path, "--out", "folder/r.ndjson", "--", sys.executable, "-c", code, "1", TMPDIR=str(tmp_path))
    (kept,) = tmp_path.glob("recording-*.ndjson")
    assert done.returncode == 2
    assert f"cannot write folder/r.ndjson: No such file or directory; the recording is in {kept}" in done.stderr
    assert len(recorded(kept)) == 1


def test_program_that_sends_nothing_is_told(tmp_path: Path) -> None:
    done = record(tmp_path, "--", sys.executable, "-c", "pass")
    assert done.returncode == 1
    assert "no request came to http://127.0.0.1:" in done.stderr
    assert not (tmp_path / "recording.ndjson").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--", "no-such-program"], "cannot run no-such-program: No such file or directory"),
        (["--redact", "cookie:x", "--", "true"], "--redact: 'cookie:x' is not a valid rule"),
        (["--upstream", "whispr=http://a.test", "--", "true"], 'unknown protocol "whispr", did you mean "whisperr"?'),
        (["--upstream", "whisperr", "--", "true"], "expected PROTOCOL=URL"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, arguments: list[str], problem: str) -> None:
    done = record(tmp_path, *arguments)
    assert done.returncode == 2
    assert problem in done.stderr
