"""Log lines are written by a thread of their own, so that a slow reader of stderr never stops the server."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from typing import Final

from mockserver.realtime import monotonic

MAX_WAITING_BYTES: Final = 1 << 20
"""Bytes of lines that may wait to be written; later lines are dropped and counted. A pipe itself holds 64 KiB."""

MAX_TEXT: Final = 8192
"""Characters of a message, of a field or of a traceback; of a longer one, the middle is left out."""

FLUSH_S: Final = 1.0
"""Seconds that the end of the program waits for the lines that are not yet written."""


def cut(text: str) -> str:
    """Return a text, without its middle if it is longer than `MAX_TEXT`."""
    half = MAX_TEXT // 2
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:half]} … {len(text) - 2 * half} more characters … {text[-half:]}"


class LogWriter(logging.Handler):
    """Formats log records at once, and has a thread write the lines to a file descriptor.

    A line never waits for its reader: if `MAX_WAITING_BYTES` wait already it is dropped, and the next line that is
    taken comes after one that says how many were dropped. When the reader is gone, lines are discarded.
    """

    def __init__(self, descriptor: int, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._write_all, name="mockserver log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and hand its line to the thread."""
        try:
            line = self._line(record)
        except Exception:
            self.handleError(record)
            return
        with self._changed:
            if self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
                self._dropped += 1
                return
            self._tell_dropped()
            self._add(line)

    def flush(self) -> None:
        """Wait for the lines that are not yet written, at most `FLUSH_S` seconds."""
        deadline = monotonic() + FLUSH_S
        with self._changed:
            self._tell_dropped()
            while self._waiting and (left := deadline - monotonic()) > 0:
                self._changed.wait(left)

    def _line(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode("utf-8", "backslashreplace") + b"\n"

    def _add(self, line: bytes) -> None:
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self._changed.notify_all()

    def _tell_dropped(self) -> None:
        if self._dropped:
            message, count = "log lines dropped because stderr was not read in time: %d", self._dropped
            self._dropped = 0
            record = logging.LogRecord("mockserver", logging.WARNING, __file__, 0, message, (count,), None)
            self._add(self._line(record))

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                line = self._waiting[0]
            self._write(line)
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= len(line)
                self._changed.notify_all()

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # other programs that share the pipe may have made it non-blocking
                select.select([], [self._descriptor], [])
            except OSError:
                return
