"""Log lines never wait for whoever reads them: a full pipe, a closed one, a slow one; what is dropped is counted."""

from __future__ import annotations

import http.client
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from mockserver.server import log_writer
from mockserver.server.log_writer import MAX_TEXT, MAX_WAITING_BYTES, LogWriter, cut
from mockserver.server.logs import JsonLines, TextLines
from tests.processes import ROOT, SEARCH, command_line, environment, served

DROPPED = re.compile(r"log lines dropped because stderr was not read in time: (\d+)")


class Pipe(NamedTuple):
    """A pipe whose writing end a log has."""

    reading: int
    writing: int


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = Pipe(*os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def logger_on(pipe: Pipe) -> logging.Logger:
    log = logging.Logger("mockserver.requests")
    log.addHandler(LogWriter(pipe.writing, TextLines(colour=False)))
    return log


def read_until(pipe: Pipe, text: str) -> list[str]:
    received = b""
    while text.encode() not in received:
        received += os.read(pipe.reading, 65536)
    return received.decode().splitlines()


def test_lines_that_nobody_reads_are_dropped_and_counted(pipe: Pipe) -> None:
    log, total = logger_on(pipe), 5000
    for number in range(total):
        log.warning("line %d %s", number, "x" * 1000)
    lines = read_until(pipe, f"line {MAX_WAITING_BYTES // 2000} ")
    log.warning("last")
    lines += read_until(pipe, "last")
    dropped = sum(int(count[1]) for count in map(DROPPED.search, lines) if count)
    assert dropped > total / 2
    assert len([line for line in lines if " line " in line]) == total - dropped


def test_lines_that_are_read_in_time_arrive_in_order(pipe: Pipe) -> None:
    log = logger_on(pipe)
    for number in range(50):
        log.warning("line %d", number)
    lines = read_until(pipe, "line 49")
    assert [line.split()[-1] for line in lines] == [str(number) for number in range(50)]


def test_lines_arrive_whole_when_the_pipe_does_not_block(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    log = logger_on(pipe)
    for number in range(200):
        log.warning("line %d %s", number, "x" * 2000)
    lines = read_until(pipe, "line 199 ")
    lines += read_until(pipe, "x" * 10) if not lines[-1].endswith("x" * 2000) else []
    assert [line.split()[3] for line in lines if " line " in line] == [str(number) for number in range(200)]


def test_nothing_fails_when_the_reader_is_gone(pipe: Pipe, capfd: pytest.CaptureFixture[str]) -> None:
    writing = os.dup(pipe.writing)
    with os.fdopen(writing, "wb"):
        log = logger_on(Pipe(-1, writing))
        os.dup2(os.open(os.devnull, os.O_RDONLY), pipe.reading)
        for number in range(1000):
            log.warning("line %d %s", number, "x" * 1000)
        log.handlers[0].flush()
    assert capfd.readouterr().err == ""


def test_end_of_the_program_waits_only_briefly_for_a_pipe_that_nobody_reads(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "FLUSH_S", 0.01)
    log = logger_on(pipe)
    for _ in range(100):
        log.warning("x" * 5000)
    log.handlers[0].flush()
    read_until(pipe, "x" * 10)


@pytest.mark.parametrize("length", [0, MAX_TEXT, MAX_TEXT + 1, 7_000_000])
def test_the_middle_of_a_long_text_is_left_out(length: int) -> None:
    text = "a" * (length // 2) + "z" * (length - length // 2)
    shown = cut(text)
    if length <= MAX_TEXT:
        assert shown == text
    else:
        assert len(shown) < MAX_TEXT + 50
        assert shown.startswith("a" * 100)
        assert shown.endswith("z" * 100)
        assert f"{length - MAX_TEXT} more characters" in shown


@pytest.mark.parametrize("lines", [TextLines(colour=False), JsonLines()], ids=["text", "json"])
def test_length_of_a_line_is_bounded(lines: logging.Formatter) -> None:
    try:
        raise ValueError("y" * 7_000_000)
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 0, "x" * 7_000_000, (), sys.exc_info())
    record.fields = {"got": "z" * 7_000_000, "index": 1}
    assert len(lines.format(record)) < 4 * MAX_TEXT


def test_server_answers_and_ends_when_nobody_reads_its_log() -> None:
    with served("--log-level", "debug") as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SEARCH)
        for _ in range(2000):
            client.request("POST", "/v1/events/batch", b"{}", {"X-API-Key": "wrk_nobody_reads"})
            assert client.getresponse().read()
        client.close()
        server.tell(signal.SIGTERM)
        assert server.process.wait(SEARCH) == 0


def test_server_serves_without_stderr() -> None:
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command_line("serve", "--port", "0", "--log-level", "debug")],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        port = int(process.stdout.readline().rpartition(":")[2])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=SEARCH)
        client.request("POST", "/v1/events/batch", b"{}")
        assert client.getresponse().status == 401
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SEARCH) == 0
