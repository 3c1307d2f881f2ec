"""Memory of large bodies is given back when they are gone."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.processes import ROOT, environment

LIBRARY: Final = """
import ctypes
names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names]
info = ctypes.CDLL(None).mallinfo2
info.restype = Info
"""
SCRIPT: Final = """
from mockserver.server.allocation import give_back_large_blocks
give_back_large_blocks()
body = bytes(4_000_000)
del body
before = info().hblkhd
body = bytes(2_000_000)
print(info().hblkhd - before >= len(body))
"""


def printed(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc what it has")
def test_large_body_is_no_part_of_the_heap_after_a_larger_one_is_gone() -> None:
    assert printed(LIBRARY + SCRIPT) == "True\n"
