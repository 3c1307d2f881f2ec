"""What a command uses of the machine, measured by a small process of its own.

The peak memory that the kernel reports of a child begins at that of its parent, so a parent that holds a file of
50 MB must not start the child itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Usage(NamedTuple):
    """The exit code of a command, its wall and processor time in seconds, and the most memory it had, in bytes."""

    code: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def usage_of(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: os.PathLike[str] | None = None
) -> Usage:
    """Run a command to its end, without its output."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([sys.executable, __file__, file.name, *command], env=env, cwd=cwd, check=True)
        return Usage(**json.load(file))


def _measure(path: str, command: Sequence[str]) -> None:
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu_seconds = used.ru_utime + used.ru_stime
    usage = Usage(process.returncode, time.monotonic() - began, cpu_seconds, used.ru_maxrss * 1024)
    with open(path, "w") as file:
        json.dump(usage._asdict(), file)


if __name__ == "__main__":
    _measure(sys.argv[1], sys.argv[2:])
