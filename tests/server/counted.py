"""The `mockserver` command, which on SIGUSR1 prints what it has open as a line of JSON: tasks by kind, descriptors."""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import signal
from collections import Counter


def _report(number: int, frame: object) -> None:
    tasks = Counter(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    print(json.dumps({"tasks": tasks, "descriptors": len(os.listdir("/dev/fd"))}), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _report)
    runpy.run_module("mockserver", run_name="__main__")
