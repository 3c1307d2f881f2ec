"""Lines on stderr and stdout that never make the event loop wait, also where nobody reads them."""

from __future__ import annotations

import atexit
import copy
import logging
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

from mockserver.realtime import monotonic

MAX_LINES: Final = 10_000
MAX_BYTES: Final = 1024 * 1024
"""How much may wait to be written; lines beyond that are dropped and counted."""

AT_ONCE: Final = 64 * 1024
"""Bytes that are handed to the system in one call, as many as a pipe usually holds."""

PIPE_BUF: Final = getattr(select, "PIPE_BUF", 512)
"""Bytes that a pipe takes in one piece while other processes write to it too; POSIX promises 512."""

MAX_TEXT: Final = 4096
"""Characters of a message, of a field and of a traceback in a log line; a client decides how long they are."""

FIELDS: Final = "fields"
"""The attribute of a record with the values in its message, which are members of a JSON line."""

FLUSH_S: Final = 1.0
"""How long the end of the process waits for the last lines to be read."""


class Lines:
    """Lines for a stream, written by a thread of their own.

    A stream without a file descriptor, such as one that a test captures, is written to at once. A stream that is
    missing or closed takes nothing. `dropped` returns the line that says how many lines were dropped. Lines are written
    together up to `at_once` bytes.
    """

    def __init__(self, stream: TextIO | None, dropped: Callable[[int], str], at_once: int = AT_ONCE) -> None:
        self._stream = stream
        self._at_once = at_once
        self._dropped_line = dropped
        self._fd = _descriptor(stream)
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._broken = stream is None

    def put(self, line: str) -> None:
        """Write a line, without waiting for a reader."""
        if self._broken:
            return
        if self._fd is None:
            print(line, file=self._stream, flush=True)
            return
        data = _encoded(line)
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="mockserver lines", daemon=True)
                self._thread.start()
            if len(self._queue) >= MAX_LINES or self._size + len(data) > MAX_BYTES:
                self._dropped += 1
                return
            self._tell_dropped()
            self._add(data)

    def flush(self) -> None:
        """Wait until the lines are written, at most for `FLUSH_S`."""
        end = monotonic() + FLUSH_S
        with self._changed:
            self._tell_dropped()
            while self._size and not self._broken and (left := end - monotonic()) > 0:
                self._changed.wait(left)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._add(_encoded(self._dropped_line(self._dropped)))
            self._dropped = 0

    def _add(self, data: bytes) -> None:
        self._queue.append(data)
        self._size += len(data)
        self._changed.notify_all()

    def _write(self) -> None:
        while not self._broken:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                batch = self._queue.popleft()
                while self._queue and len(batch) + len(self._queue[0]) <= self._at_once:
                    batch += self._queue.popleft()
            self._broken = not self._written(batch)
            with self._changed:
                self._size -= len(batch)
                self._changed.notify_all()

    def _written(self, data: bytes) -> bool:
        """Write to the descriptor; return whether it still takes data."""
        assert self._fd is not None
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                select.select([], [self._fd], [])
            except OSError:  # its reader is gone, or it was closed
                return False
        return True


class LineHandler(logging.Handler):
    """Log handler that never makes the caller wait for the reader of the log."""

    def __init__(self, stream: TextIO | None, at_once: int = AT_ONCE) -> None:
        super().__init__()
        self._lines = Lines(stream, self._dropped, at_once)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with its texts cut to `MAX_TEXT`."""
        self._lines.put(self.format(shortened(record)))

    def flush(self) -> None:
        """Wait a short time until the lines are written."""
        self._lines.flush()

    def _dropped(self, count: int) -> str:
        message = "%d lines of the log were dropped: they are written faster than stderr is read"
        extra = {FIELDS: {"dropped": count}}
        return self.format(
            logging.getLogger("mockserver").makeRecord(
                "mockserver", logging.WARNING, "", 0, message, (count,), None, extra=extra
            )
        )


def shortened(record: logging.LogRecord) -> logging.LogRecord:
    """Return a record whose message, fields and traceback have at most about `MAX_TEXT` characters each."""
    message, values = record.getMessage(), getattr(record, FIELDS, {})
    long_values = [name for name, value in values.items() if isinstance(value, str) and len(value) > MAX_TEXT]
    if len(message) <= MAX_TEXT and not long_values and record.exc_info is None:
        return record
    short = copy.copy(record)
    short.msg, short.args = _cut(message), None
    short.__dict__[FIELDS] = values | {name: _cut(values[name]) for name in long_values}
    if record.exc_info:
        short.exc_text = _cut(logging.Formatter().formatException(record.exc_info))
    return short


def _cut(text: str) -> str:
    """Return a text, or its beginning and end: that of a traceback names the error."""
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}"


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def say(*lines: str) -> None:
    """Write lines to stdout, without waiting for a reader."""
    stdout = Lines(sys.stdout, str)
    atexit.register(stdout.flush)
    stdout.put("\n".join(lines))
