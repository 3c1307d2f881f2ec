"""The `mockserver` command, which on SIGUSR1 prints what it has open as a line of JSON: tasks by kind, descriptors."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import signal
from collections import Counter
from typing import Final

PASSES: Final = 100
"""Passes of the loop before it is counted, in which what clients have just closed ends."""


def _report(loop: asyncio.AbstractEventLoop, passes: int) -> None:
    if passes:
        loop.call_soon(_report, loop, passes - 1)
        return
    tasks = Counter(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks(loop))
    print(json.dumps({"tasks": tasks, "descriptors": len(os.listdir("/dev/fd"))}), flush=True)


def _on_signal(number: int, frame: object) -> None:
    _report(asyncio.get_running_loop(), PASSES)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _on_signal)
    runpy.run_module("mockserver", run_name="__main__")
