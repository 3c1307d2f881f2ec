"""The longest turn of an event loop, measured inside the process: how long, on the processor or not, and where.

A callback puts itself at the end of the loop's queue again and again, so it runs exactly once in each pass of the loop
over its sockets, timers and callbacks. The time between two of its runs is the time in which nothing else could run.
This uses public calls only, so that it measures uvloop, the loop that the server has in production, as well as others.

Other processes on the machine do not count: Linux says how long each thread was ready to run and had no processor.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

SAMPLE_S: Final = 0.004
"""How often a thread looks where a turn is; more often would slow down what is measured."""
SUSPECT_S: Final = 0.015
"""From when on the thread looks: shorter turns need no explanation."""
OURS: Final = "mockserver."


@dataclass
class Turns:
    """What was measured while a block ran; times in seconds. `where` is the code that the longest turn was in."""

    longest: float = 0.0
    processor: float = 0.0
    """Time on a processor during the longest turn: what it lacks was taken by other threads of the process."""
    count: int = 0
    collecting: float = 0.0
    """The longest pause for the garbage collector."""
    where: str = ""


class Heartbeat:
    """Measures the turns of the running loop as long as the block runs."""

    def __init__(self) -> None:
        self.turns = Turns()
        self._places: Counter[str] = Counter()
        self._done = threading.Event()
        self._began_collecting = 0.0

    def __enter__(self) -> Turns:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._delays = Delays()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._last = self._now()
        self._began = time.perf_counter()
        self._next = self._loop.call_soon(self._beat)
        gc.callbacks.append(self._note_collection)
        self._sampler.start()
        return self.turns

    def __exit__(self, *error: object) -> None:
        self._next.cancel()
        gc.callbacks.remove(self._note_collection)
        self._done.set()
        self._sampler.join()
        self._delays.close()

    def _now(self) -> tuple[float, float]:
        """Return the time without that in which threads waited for a processor, and the processor time of the loop."""
        return time.perf_counter() - self._delays.seconds(), time.thread_time()

    def _beat(self) -> None:
        now, turns = self._now(), self.turns
        turns.count += 1
        longest = max(now[0] - self._last[0], now[1] - self._last[1])
        if longest > turns.longest:
            turns.longest, turns.processor = longest, now[1] - self._last[1]
            self._note_places()  # where a thread is that let nobody else run until now
            turns.where = ", ".join(place for place, _ in self._places.most_common(2))
        if self._places:
            self._places = Counter()
        self._last, self._began = now, time.perf_counter()
        self._next = self._loop.call_soon(self._beat)

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self._note_places()

    def _note_places(self) -> None:
        """Note where a long turn is in the loop's thread, and each other thread that is in the server's code."""
        if time.perf_counter() - self._began < SUSPECT_S:
            return
        for thread, frame in sys._current_frames().items():
            place = _place(frame)
            if thread == self._thread:
                self._places[place] += 1
            elif place.startswith(OURS):
                self._places[f"another thread in {place}"] += 1

    def _note_collection(self, phase: str, info: Mapping[str, Any]) -> None:
        if phase == "start":
            self._began_collecting = time.thread_time()
        else:
            took = time.thread_time() - self._began_collecting
            self.turns.collecting = max(self.turns.collecting, took)


class Delays:
    """How long the threads of this process were ready to run and had no processor, as Linux counts it."""

    def __init__(self) -> None:
        self._files: dict[int, int] = {}
        self._waited: dict[int, int] = {}
        self._threads = 0

    def seconds(self) -> float:
        """Return the sum over the threads; 0 on other systems. One that waits may keep the loop from running, too."""
        if self._threads != threading.active_count():
            self._threads = threading.active_count()
            self._open()
        for number, file in self._files.items():
            with contextlib.suppress(OSError):  # the thread has ended: what it waited stays as it is
                self._waited[number] = int(os.pread(file, 100, 0).split()[1])
        return sum(self._waited.values()) / 1e9

    def _open(self) -> None:
        for thread in threading.enumerate():
            number = thread.native_id or 0
            if number not in self._files:
                with contextlib.suppress(OSError):
                    self._files[number] = os.open(f"/proc/self/task/{number}/schedstat", os.O_RDONLY)

    def close(self) -> None:
        """Close the counts."""
        for file in self._files.values():
            os.close(file)


def _place(frame: FrameType | None) -> str:
    """Return the innermost function of the server in a stack, or the innermost one where none is the server's."""
    innermost = frame
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(OURS):
            return f"{module}.{frame.f_code.co_name}:{frame.f_lineno}"
        frame = frame.f_back
    return "" if innermost is None else f"{innermost.f_globals.get('__name__')}.{innermost.f_code.co_name}"
