"""`mockserver tail`, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mockserver import MockServer
from mockserver.cli import tail
from tests.processes import ROOT, SEARCH, command_line, environment, run, served
from tests.sending import post, send_whisperr, whisperr_event


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(session="pk_demo") as server:
        send_whisperr(server, whisperr_event("paid"))
        send_whisperr(server, whisperr_event("No"))
        post(server.url, f"/api/i/v1/{server.key}/events", {"source": "server", "events": []})
        send_whisperr(server.session("pk_other"), whisperr_event("left"))
        yield server


def printed(server: MockServer, *arguments: str) -> list[str]:
    done = run("tail", server.target.url, "--after", "0", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_requests_are_lines(server: MockServer) -> None:
    lines = printed(server, "--count", "4")
    assert [line.split()[0] == "--" for line in lines] == [True, False, False, False, True, False]
    assert "r1 POST /v1/events/batch -> 202 (1 event: paid) 1 accepted" in lines[1]
    assert "1 rejected; event_type must match" in lines[2]
    assert server.key not in "\n".join(lines)
    assert "\x1b" not in "\n".join(lines)


def test_json_has_an_event_in_each_line(server: MockServer) -> None:
    events = [json.loads(line) for line in printed(server, "--count", "2", "--json")]
    assert [event["event"] for event in events] == ["session", "request", "request"]
    assert [event["request"]["status"] for event in events[1:]] == [202, 400]
    more = run("tail", server.target.url, "--after", events[1]["cursor"], "--count", "1", "--json")
    assert json.loads(more.stdout) == events[2]


@pytest.mark.parametrize(
    ("arguments", "requests"),
    [
        (["--session", "pk_demo", "--count", "3"], ["r1", "r2", "r3"]),
        (["--session", "pk_other", "--count", "1"], ["r1"]),
        (["--verdict", "rejected", "--count", "1"], ["r2"]),
        (["--type", "left", "--count", "1"], ["r1"]),
        (["--type", "No", "--verdict", "rejected", "--count", "1"], ["r2"]),
        (["--protocol", "outlit", "--count", "1"], ["r3"]),
        (["--protocol", "whisperr", "--operation", "batch", "--count", "3"], ["r1", "r2", "r1"]),
    ],
)
def test_filters_select_requests(server: MockServer, arguments: list[str], requests: list[str]) -> None:
    events = [json.loads(line) for line in printed(server, "--json", *arguments)]
    assert [event["request"]["id"] for event in events if event["event"] == "request"] == requests


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--protocol", "outlet"], 2, 'unknown protocol "outlet", did you mean "outlit"?'),
        (["--session", "\x07"], 2, "the name of a session must not contain a control character"),
        (["--after", "x"], 2, "after: expected 0 or the id of an event"),
        (["--verdict", "any"], 2, "'any' is not one of"),
        (["--count", "0"], 2, "0 is not in the range"),
    ],
)
def test_wrong_use_is_told(server: MockServer, arguments: list[str], code: int, problem: str) -> None:
    done = run("tail", server.target.url, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert problem in done.stderr


def test_server_that_does_not_answer_is_told() -> None:
    done = run("tail", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert "no answer from http://127.0.0.1:9 to GET /_mock/stream" in done.stderr


@contextmanager
def tailing(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command_line("tail", *arguments),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=SEARCH)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def test_restart_of_the_server_is_survived_and_told() -> None:
    with served() as first:
        port = str(first.port)
        with tailing(first.url, "--after", "0", "--json") as process:
            post(first.url, "/v1/events/batch", {}, {"X-API-Key": "wrk_1"})
            assert [json.loads(line(process))["event"] for _ in range(2)] == ["session", "request"]
            first.end()
            with served(variables={"PORT": port}) as second:
                post(second.url, "/v1/events/batch", {}, {"X-API-Key": "wrk_2"})
                events = [json.loads(line(process)) for _ in range(3)]
                process.send_signal(signal.SIGINT)
                _, log = process.communicate(timeout=SEARCH)
    assert [event["event"] for event in events] == ["evicted", "session", "request"]
    assert events[0]["reason"] == "restart"
    assert log.splitlines() == [f"the server at {first.url} has ended the stream; connecting again", "connected again"]
    assert process.returncode == 130


def test_lost_connection_is_the_end_with_once() -> None:
    with served() as first, tailing(first.url, "--after", "0", "--once") as process:
        post(first.url, "/v1/events/batch", {}, {"X-API-Key": "wrk_1"})
        assert line(process).startswith("-- new session ")
        first.end()
        _, log = process.communicate(timeout=SEARCH)
    assert (process.returncode, log) == (3, f"Error: the server at {first.url} has ended the stream\n")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_that_want_it(
    server: MockServer, no_color: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pty = pytest.importorskip("pty")  # not on Windows
    ours, theirs = pty.openpty()
    arguments = command_line("tail", server.target.url, "--after", "0", "--count", "2")
    variables = {"TERM": "xterm", **({"NO_COLOR": no_color} if no_color else {})}
    with subprocess.Popen(arguments, cwd=ROOT, env=environment(variables), stdout=theirs) as process:
        os.close(theirs)
        assert process.wait(timeout=SEARCH) == 0
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert ("\x1b[31m" in shown) is coloured


def test_looks_have_colours() -> None:
    assert set(tail.COLOURS) == {"bad", "odd", "note"}
