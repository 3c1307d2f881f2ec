"""What `record` tells while requests come: a line for each, or on a terminal one line that counts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Literal

from mockserver.core.wording import counted
from mockserver.jsonkit.printable import printable
from mockserver.realtime import monotonic
from mockserver.server.unseen import plain_path
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.views import View

CLEARED: Final = "\r\x1b[K"
"""What goes back to the beginning of a line of a terminal, and empties it."""
EVERY_S: Final = 0.1
"""Seconds between two states of the line that counts."""
FIRST_S: Final = 1.0
"""Seconds of writing without a word."""
AGAIN_S: Final = 5.0
"""Seconds between two lines about writing, where lines stay."""

Mode = Literal["lines", "counter", "quiet"]


def mode_of(*, quiet: bool) -> Mode:
    """Return how progress is told on this stderr."""
    if quiet or sys.stderr is None:
        return "quiet"
    return "counter" if sys.stderr.isatty() else "lines"


class RecordingProgress:
    """Tells about exchanges in a thread of its own, so that requests do not wait for whoever reads stderr.

    It is a `Waiter` of a session. `on_exchange` is called on the loop of the server, with each exchange.
    """

    def __init__(self, mode: Mode, on_exchange: Callable[[], None] = lambda: None) -> None:
        self._mode: Mode = mode
        self._on_exchange = on_exchange
        self._queue: SimpleQueue[Exchange | None] = SimpleQueue()
        self._requests = self._events = self._refused = 0
        self._next = 0.0
        self._thread = threading.Thread(target=self._tell_all, name="mockserver progress", daemon=True)
        self._thread.start()

    def offer(self, exchange: Exchange, view: View) -> None:
        """Take note of an exchange."""
        if self._mode != "quiet":
            self._queue.put(exchange)
        self._on_exchange()

    def rest(self) -> None:
        """Learn that a request that was held up is answered: that makes no difference here."""

    def end(self, reason: Literal["deleted", "evicted"]) -> None:
        """Learn that the session is gone: that makes no difference here."""

    def close(self) -> None:
        """Tell what is left to tell; the next line of stderr is an empty one then."""
        self._queue.put(None)
        self._thread.join()

    def writing(self, done: int, total: int) -> None:
        """Tell now and then how many exchanges are ready to be written."""
        now = monotonic()
        if not done:
            self._next = now + FIRST_S
        elif self._mode != "quiet" and now >= self._next:
            self._next = now + (EVERY_S if self._mode == "counter" else AGAIN_S)
            self._say(f"hiding secrets: {done:,} of {counted(total, 'request')}")
        if self._mode == "counter" and done == total:
            _write(CLEARED)

    def _tell_all(self) -> None:
        pending = False
        while True:
            try:
                exchange = self._queue.get(timeout=EVERY_S if pending else None)
            except Empty:
                self._say(self._counter())
                pending = False
                continue
            if exchange is None:
                break
            self._count(exchange)
            if self._mode == "lines":
                self._say(request_line(exchange))
            elif monotonic() >= self._next:
                self._next = monotonic() + EVERY_S
                self._say(self._counter())
                pending = False
            else:
                pending = True
        if self._mode == "counter":
            _write(CLEARED)

    def _count(self, exchange: Exchange) -> None:
        self._requests += 1
        self._events += len(exchange.verdicts)
        self._refused += _refused(exchange)

    def _counter(self) -> str:
        seen = f"{counted(self._requests, 'request')}, {counted(self._events, 'event')}"
        return f"recording: {seen}, {self._refused} refused"

    def _say(self, text: str) -> None:
        _write(f"{CLEARED}{text}\r" if self._mode == "counter" else f"{text}\n")


def request_line(exchange: Exchange) -> str:
    """Return one printable line about an exchange, without its keys: the path is that of the operation."""
    operation = exchange.contract.operations.get(exchange.operation or "")
    request = exchange.request
    path = plain_path(request.target) if operation is None else operation.path
    verdicts = ", ".join(
        f"{count} {verdict}"
        for count, verdict in zip(exchange.receipt.tally(), ("accepted", "duplicate", "rejected"), strict=True)
        if count and not exchange.refused
    )
    notes = list(filter(None, [verdicts or ("refused" if exchange.refused else ""), _failure(exchange)]))
    told = f": {'; '.join(notes)}" if notes else ""
    return printable(f"{request.method} {path} {exchange.client_status or 'no reply'}{told}")


def _failure(exchange: Exchange) -> str:
    return "the upstream gave no reply" if exchange.override.origin == "proxy" else ""


def _refused(exchange: Exchange) -> int:
    """Return how many events were refused; 1 for a request without events that was."""
    if exchange.refused:
        return max(1, len(exchange.verdicts))
    return exchange.receipt.tally()[2]


def _write(text: str) -> None:
    """Write to stderr, if anybody reads it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):  # it is closed
        return
