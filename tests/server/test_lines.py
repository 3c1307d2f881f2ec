"""The transport of the log: nothing waits for its reader, and what was dropped is counted."""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mockserver.server.lines import MAX_BYTES, MAX_LINES, MAX_TEXT, PIPE_BUF, LineHandler, Lines, shortened
from mockserver.server.logs import JsonLines, TextLines, fields
from tests.processes import ROOT, SEARCH, command_line, environment, served
from tests.server.mutators import outlit

ENOUGH = 2_000
"""Requests whose log lines at level debug fill a pipe several times."""


@contextmanager
def piped() -> Iterator[tuple[int, int, Lines]]:
    """Yield the end of a pipe to read, its other end, and lines that are written to that."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        lines = Lines(stream, lambda count: f"{count} dropped")
        try:
            yield reading, writing, lines
        finally:
            os.close(reading)
            lines.put("ends the thread")
            if lines._thread is not None:
                lines._thread.join(SEARCH)


def read_until(descriptor: int, end: bytes) -> bytes:
    read = b""
    while not read.endswith(end):
        read += os.read(descriptor, 1 << 20)
    return read


def post_many(port: int, count: int) -> set[int]:
    """Send vendor requests on one connection; return the statuses."""
    good = outlit("pk_unread_log", "click")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SEARCH)
    statuses = set()
    for _ in range(count):
        connection.request(good.method, good.path, good.body, dict(good.headers))
        reply = connection.getresponse()
        reply.read()
        statuses.add(reply.status)
    connection.close()
    return statuses


def test_requests_are_answered_and_sigterm_ends_the_server_when_nobody_reads_its_log() -> None:
    with served("--log-level", "debug") as server:
        assert post_many(server.port, ENOUGH) == {200}
        server.tell(signal.SIGTERM)
        assert server.process.wait(timeout=SEARCH) == 0


def test_requests_are_answered_when_the_reader_of_the_log_has_gone() -> None:
    with served("--log-level", "debug") as server:
        assert server.process.stderr is not None
        server.process.stderr.close()
        assert post_many(server.port, 10) == {200}
        server.tell(signal.SIGTERM)
        assert server.process.wait(timeout=SEARCH) == 0
        server.process.stderr = None


def test_server_runs_when_stdin_and_stderr_are_closed() -> None:
    command = command_line("serve", "--port", "0", "--log-level", "debug")
    with subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@" <&- 2>&-', "sh", *command],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert post_many(int(process.stdout.readline().rpartition(":")[2]), 3) == {200}
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=SEARCH) == 0
        finally:
            process.kill()


def test_lines_are_bounded_and_dropped_ones_are_counted_in_a_later_line() -> None:
    with piped() as (reading, _, lines):
        text = "x" * 1023
        for _ in range(2 * MAX_BYTES // 1024):
            lines.put(text)
        assert lines._size <= MAX_BYTES
        for _ in range(MAX_BYTES // 1024 - 1):  # the pipe and the thread hold some more
            got = b""
            while len(got) < 1024:
                got += os.read(reading, 1024 - len(got))
            assert got == text.encode() + b"\n"
        lines.put("last")
        rest = read_until(reading, b"last\n").decode().splitlines()
        assert rest[-1] == "last"
        assert rest[-2].endswith(" dropped")
        whole = MAX_BYTES // 1024 - 1 + sum(line == text for line in rest)
        dropped = sum(int(line.split()[0]) for line in rest if line.endswith(" dropped"))  # the thread may make room
        assert whole + dropped == 2 * MAX_BYTES // 1024


def test_number_of_waiting_lines_is_bounded() -> None:
    with piped() as (_, _, lines):
        lines.put("x" * (1 << 20))
        for _ in range(2 * MAX_LINES):
            lines.put("")
        assert len(lines._queue) <= MAX_LINES


def test_flush_gives_up_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.server.lines.FLUSH_S", 0.05)
    with piped() as (_, _, lines):
        lines.put("x" * 200_000)
        lines.flush()
        assert lines._size > 0


def test_descriptor_that_does_not_block_is_written_in_pieces() -> None:
    with piped() as (reading, writing, lines):
        os.set_blocking(writing, False)
        text = "y" * 300_000 + "."
        lines.put(text)
        assert read_until(reading, b".\n").decode() == text + "\n"


def test_lone_surrogates_are_escaped() -> None:
    with piped() as (reading, _, lines):
        lines.put("a\ud800")
        assert read_until(reading, b"\n") == b"a\\ud800\n"


def test_stream_without_descriptor_is_written_at_once() -> None:
    stream = io.StringIO()
    Lines(stream, str).put("a line")
    Lines(None, str).put("nowhere")
    assert stream.getvalue() == "a line\n"


def long_record(error: bool) -> logging.LogRecord:
    text = "\x01é" * 1_000_000
    info = None
    if error:
        try:
            raise ValueError(text)
        except ValueError:
            info = sys.exc_info()
    return logging.getLogger("mockserver").makeRecord(
        "mockserver", logging.ERROR, "", 0, "refused %s", (text,), info, extra=fields(path=text, status=200)
    )


@pytest.mark.parametrize("error", [False, True])
def test_line_is_short_whatever_a_client_sent(error: bool) -> None:
    short = shortened(long_record(error))
    assert len(TextLines(colour=False).format(short)) < 10 * MAX_TEXT
    line = JsonLines().format(short)
    assert len(line) < 20 * MAX_TEXT
    assert json.loads(line)["status"] == 200
    assert json.loads(line)["message"].startswith("refused ")


def test_dropped_lines_are_told_in_the_format_of_the_log() -> None:
    handler = LineHandler(None)
    handler.setFormatter(JsonLines())
    assert json.loads(handler._dropped(3)) | {"time": ""} == {
        "time": "",
        "level": "warning",
        "logger": "mockserver",
        "message": "3 lines of the log were dropped: they are written faster than stderr is read",
        "dropped": 3,
    }


def test_lines_beside_those_of_other_processes_are_written_in_pieces_that_a_pipe_keeps_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, begin, pieces = os.write, threading.Event(), list[bytes]()

    def observed(descriptor: int, data: bytes) -> int:
        begin.wait(SEARCH)
        pieces.append(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", observed)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "w") as stream:
        lines = Lines(stream, str, PIPE_BUF)
        for number in range(500):
            lines.put(f"{number} {'x' * 90}")
        begin.set()
        lines.flush()
    assert sum(piece.count(b"\n") for piece in pieces) == 500
    assert all(piece.endswith(b"\n") and len(piece) <= PIPE_BUF for piece in pieces)
    assert len(pieces) < 50
