"""How the C library keeps memory for the bodies of requests: only where the process is the server's own."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""The parameter of glibc's mallopt for the size from which on a block is not part of the heap."""

LARGE_BYTES: Final = 128 * 1024
"""Blocks of this size and above are given back as soon as they are free.

It is glibc's own value at first, but glibc raises it to the size of any larger block that is freed. After some bodies
of a few megabytes, all of them are parts of the heap, where the small blocks between them keep the free ones: with a
memory limit of 64 MiB, the process took 170 MB more than at its start instead of 75 MB.
"""


def give_back_large_blocks() -> None:
    """Have the C library give back the memory of large blocks; without effect where it is not glibc."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
