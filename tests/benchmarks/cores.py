"""The server on one core, the load on another, where the machine lets us choose."""

from __future__ import annotations

import os
import shutil
from typing import Final

SERVER: Final = 0
LOAD: Final = 1


def pinned(core: int) -> list[str]:
    """Return the words that start a command on one core; none where there is one core only, or no `taskset`."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2 or shutil.which("taskset") is None:
        return []
    return ["taskset", "-c", str(allowed[core])]
