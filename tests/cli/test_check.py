"""`mockserver check` names what it cannot check, checks the rest, and has the right exit code."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mockserver.cli import check
from mockserver.cli.main import main
from mockserver.lint import progress, source
from tests.cases import FIXTURES
from tests.processes import ROOT, command_line, environment

PAGE = {"type": "pageview", "url": "https://a.example/", "path": "/", "timestamp": 1_781_438_400_000}
GOOD = json.dumps(PAGE)
BAD = json.dumps({**PAGE, "type": "pageviw"})


def run(*words: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)], input=given)


MOST_INTERRUPTS = 5
AGAIN_S = 10
"""After so many seconds without an end, a process is interrupted again."""


def started(*words: object) -> subprocess.Popen[str]:
    command = command_line("check", *map(str, words))
    return subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_folder_is_checked_when_it_holds_files_of_all_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text(f"{GOOD}\n\n{BAD}\r\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.jsonl.gz").write_bytes(gzip.compress(f"{GOOD}\n{GOOD}".encode()))
    (tmp_path / "below" / "notes.txt").write_text("not looked at")
    (tmp_path / "below" / "round").symlink_to(tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.output.endswith(
        f"{tmp_path}/a.ndjson: 2 requests as outlit/events (inferred from the content)\n"
        f"{tmp_path}/below/b.jsonl.gz: 2 requests as outlit/events (inferred from the content)\n"
        "4 requests, 4 events: 1 error, 0 warnings; skipped 1 link to a folder; skipped 1 file with another name\n"
    )
    assert f"{tmp_path}/a.ndjson line 3 /type: error: " in result.output
    assert "    as outlit/events: /events [" in result.output


def test_thousands_of_files_are_told_together(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number}.json").write_text(GOOD)
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.output == (
        "2000 files: 2000 requests as outlit/events (inferred from the content)\n"
        "2000 requests, 2000 events: 0 errors, 0 warnings\n"
    )


def test_fixtures_are_clean_when_the_folder_is_checked() -> None:
    result = run(FIXTURES / "outlit", FIXTURES / "cases.ndjson")
    assert result.exit_code == 0, result.output[-3000:]


def test_what_is_checked_as_what_is_told_as_json(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(f"{GOOD}\n{BAD}\n" + json.dumps({"path": "/v1/identify", "json": {"external_user_id": "u"}}))
    document = json.loads(run("--json", path).output)
    assert document["read_as"] == [
        {"file": str(path), "protocol": "outlit", "operation": "events", "inferred": True, "requests": 2},
        {"file": str(path), "protocol": "whisperr", "operation": "identify", "inferred": False, "requests": 1},
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty", b"", "nothing to check: the file is empty and is not valid JSON; expected a request body, "),
        ("empty.ndjson.gz", gzip.compress(b"", mtime=0), "nothing to check: the file is empty; expected one request"),
        ("binary", bytes(range(256)), "is not valid JSON: "),
        ("picture.json", b"\x89PNG\r\n\x1a\n" + bytes(100), "is not valid JSON: not UTF-8: "),
        ("a.ndjson", b"PK\x03\x04", "is not valid JSON: the file is compressed (zip); unpack it first"),
        ("a.json", b"\xff\xfe" + GOOD.encode("utf-16-le"), "is not valid JSON: the file is UTF-16; save it as UTF-8"),
        ("a.ndjson", GOOD.encode("utf-16-be") * 2, "is not valid JSON: the file looks like UTF-16 without a"),
        ("a.json", b"[" * 300 + b"]" * 300, "is not valid JSON: nested deeper than 254 levels"),
        ("a.ndjson.gz", gzip.compress(b"x", mtime=0) + b"tail", "cannot be read: the gzip data is damaged"),
        ("a.har", b'{"log":{"version":"1.2","creator":{"name":"x"}}}', '/log: error: "entries" is a required property'),
        ("a.har", b'{"log":{"entries":[{"request":{"method":"GET","url":"https://other.example/v1/events/batch"}}]}}',
         "nothing to check: expected a request to apex, outlit or whisperr; skipped 1 request to other hosts"),
    ],
)  # fmt: skip
def test_file_is_named_and_others_are_checked_when_it_cannot_be(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    broken, good = tmp_path / name, tmp_path / "good.json"
    broken.write_bytes(content)
    good.write_text(GOOD)
    result = run(broken, good)
    assert result.exit_code == 1, result.output
    (told,) = [line for line in result.output.splitlines() if ": error: " in line]
    assert told.startswith(str(broken))
    assert message in told
    assert "1 request, 1 event: 1 error, " in result.output


def test_complete_lines_are_checked_when_a_compressed_file_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    lines = "".join(json.dumps({**PAGE, "url": f"https://{os.urandom(200).hex()}"}) + "\n" for _ in range(2000))
    packed = gzip.compress(lines.encode())
    path.write_bytes(packed[: len(packed) // 2])
    result = run(path)
    assert result.exit_code == 1
    document = json.loads(run("--json", path).output)
    assert document["requests"] > 500
    assert [finding["message"] for finding in document["findings"]] == [
        "cannot be read: the gzip data is cut off: the file is incomplete; "
        f"the complete lines, {document['requests']}, were checked"
    ]


def test_file_is_a_finding_when_it_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, good = tmp_path / "loop.json", tmp_path / "good.json"
    loop.symlink_to(loop)
    good.write_text(GOOD)
    result = run(loop, good)
    assert result.exit_code == 1
    assert f"{loop}: error: cannot be read: Too many levels of symbolic links\n" in result.output
    assert "1 request, 1 event: 1 error, " in result.output

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert f"{good}: error: cannot be read: Permission denied\n" in run(good).output


def test_file_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    result = run(tmp_path / "none.json")
    assert (result.exit_code, "none.json' does not exist" in result.output) == (2, True)
    assert run("").exit_code == 2


def test_long_line_is_named_and_others_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHUNK", 1000)
    monkeypatch.setattr("mockserver.lint.source.lines_of.__defaults__", (5000,))
    path = tmp_path / "a.ndjson"
    path.write_text("\n".join([GOOD, json.dumps("a" * 6000), BAD]))
    result = run(path)
    assert result.exit_code == 1
    assert f"{path} line 2: error: longer than 64 MiB, which no request is\n" in result.output
    assert f"{path} line 3 /type: error: " in result.output
    assert "2 requests, 2 events: 2 errors, " in result.output


@pytest.mark.parametrize("packed", [False, True])
def test_stdin_is_checked_when_it_is_lines(packed: bool) -> None:
    text = f"{GOOD}\n{BAD}\n".encode()
    result = run("-", given=gzip.compress(text) if packed else text)
    assert (result.exit_code, "- line 2 /type: error: " in result.output) == (1, True)


def test_pipe_is_checked_when_it_is_named(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(f"{GOOD}\n{BAD}\n",))
    writer.start()
    result = run(pipe)
    writer.join()
    assert (result.exit_code, "2 requests, 2 events: 1 error, " in result.output) == (1, True)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{GOOD}\n{BAD}", "line 2"),
        (f"[{GOOD},\n{BAD}]", "item 1"),
        (f"[{GOOD},{BAD}]\n{GOOD}", "line 1 item 1"),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a"])
def test_lines_and_lists_are_told_apart_by_what_is_in_a_file(tmp_path: Path, name: str, text: str, place: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    document = json.loads(run("--json", path).output)
    found = [finding["place"].removeprefix("line 1 ") for finding in document["findings"]]
    assert found == [place.removeprefix("line 1 ")]


def test_payload_over_several_lines_is_one_when_the_name_says_ndjson(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(json.dumps(PAGE, indent=2))
    assert run(path).output.endswith("1 request, 1 event: 0 errors, 0 warnings\n")


def test_equal_warnings_are_told_once_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps({**PAGE, "url": "/", "timestamp": n}) + "\n" for n in range(2000)))
    result = run(path)
    assert result.exit_code == 0
    (told,) = [line for line in result.output.splitlines() if ": warning: " in line and "/url" in line]
    assert told.startswith(f"{path} line 1 /url: warning: ")
    assert told.endswith(" (and 1,999 more like it)")
    document = json.loads(run("--json", path).output)
    (finding,) = [finding for finding in document["findings"] if finding["pointer"] == "/url"]
    assert (finding["place"], finding["count"]) == ("line 1", 2000)
    assert document["warnings"] == sum(finding["count"] for finding in document["findings"])


def test_findings_of_a_rule_are_counted_when_there_are_more_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps({**PAGE, "type": f"pageview{n}"}) + "\n" for n in range(25)))
    result = run("--limit", 10, path)
    assert result.exit_code == 1
    assert len([line for line in result.output.splitlines() if ": error: " in line]) == 10
    assert "15 more errors of /events not listed (--limit)\n" in result.output
    assert "25 requests, 25 events: 25 errors, " in result.output
    document = json.loads(run("--limit", 10, "--json", path).output)
    assert (document["errors"], len(document["findings"])) == (25, 10)
    assert document["findings_not_listed"] == [{"severity": "error", "rule": "/events", "count": 15}]
    assert json.loads(run("--limit", 0, "--json", path).output)["findings_not_listed"] == []


def test_progress_is_told_on_stderr_only_when_asked_for_or_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(f"{GOOD}\n" * 2 * progress.EVERY)
    times = iter(range(1000))
    monkeypatch.setattr(progress, "monotonic", lambda: 10 * next(times))
    assert run(path).stderr == ""
    told = run("--progress", path).stderr
    assert told.startswith(f"{progress.EVERY - 1} requests checked; {path}: 0 of 0 MB\n")
    monkeypatch.setattr(check, "on_terminal", lambda: True)
    told = run(path).stderr
    assert told.startswith(f"\r\x1b[K{progress.EVERY - 1} requests checked; ")
    assert told.endswith("\r\x1b[K")
    assert run("--no-progress", path).stderr == ""


def test_pipe_may_be_closed_early(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps({**PAGE, "type": f"x{n}"}) + "\n" for n in range(3000)))
    with started("--limit", 0, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(path))
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 1


def interrupted(process: subprocess.Popen[str]) -> str:
    """Interrupt a process until it ends, as a person would; return its output.

    Python ignores what is raised while an object is finalised, and an interrupt that comes at that moment is lost.
    """
    for _ in range(MOST_INTERRUPTS):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=AGAIN_S)[0]
        except subprocess.TimeoutExpired:
            continue
    pytest.fail("the process cannot be interrupted")


def test_findings_so_far_are_printed_when_it_is_interrupted(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started("--progress", pipe) as process, pipe.open("w", buffering=1) as writer:
        writer.write(f"{BAD}\n" * 300)
        output = interrupted(process)
    assert process.returncode == 130
    assert output.endswith("; interrupted: the rest was not checked\n"), output[-500:]


def test_exit_codes_are_in_the_help() -> None:
    words = " ".join(run("--help").output.split())
    codes: Mapping[int, str] = {0: "no errors", 1: "errors, files that cannot be read", 2: "usage error"}
    assert all(f"{code}: {meaning}" in words for code, meaning in codes.items())


def test_redirected_output_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(f"{GOOD}\n{BAD}\n")
    with started(path) as process:
        output, errors = process.communicate()
    assert (output, errors) == (run(path).output, "")


ODD: list[Any] = ["\ud800", {"type": "\ud800"}, {**PAGE, "url": "\udfff"}, 10**400, 1e308, "é" * 5, [[]], {"": None}]


@pytest.mark.parametrize("value", ODD, ids=str)
def test_odd_values_are_told_and_nothing_is_raised(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(f"{json.dumps(value)}\n{BAD}\n")
    result = run(path)
    assert result.exit_code == 1, result.output
    assert f"{path} line 2 /type: error: " in result.output
    result.stdout_bytes.decode("utf-8")
