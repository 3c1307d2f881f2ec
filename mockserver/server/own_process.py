"""What is changed for a whole process, so only where it is the server's own: how memory is kept, and short turns."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""The parameter of glibc's mallopt for the size from which on a block is not part of the heap."""

_M_TRIM_THRESHOLD: Final = -1
"""The parameter for the size of the free end of the heap from which on it is given back."""

LARGE_BYTES: Final = 384 * 1024
"""Blocks of this size and above are given back as soon as they are free.

glibc begins with 128 KiB, but raises it to the size of any larger block that is freed. After some bodies of a few
megabytes, all of them are parts of the heap, where the small blocks between them keep the free ones: with a memory
limit of 64 MiB, the process took 170 MB more than at its start instead of 75 MB, and 90 MB with 1 MiB here. A lower
value costs time: orjson takes 12 bytes for each byte of a body while it parses it, and the system clears memory that
was given back, page by page. A body of 27 KB, a batch of 100 events, was parsed in 187 instead of 136 µs with 128 KiB.
"""

SWITCH_S: Final = 0.001
"""Seconds after which a thread that works on something large lets the event loop go on; Python's own value is 0.005."""

COLLECT_AFTER: Final = (700, 10, 1000)
"""How many objects more, and how many collections of younger objects, lead to a collection; Python's last value is 10.

A collection of all objects looks at every stored request, which stops the loop for some 10 ms. What it would find is
little: stored requests, sessions and their contracts are no parts of cycles, so they are freed without it.
"""


def keep_turns_short() -> None:
    """Keep the garbage collector, and threads, from stopping the event loop for long."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()
    sys.setswitchinterval(SWITCH_S)


def give_back_large_blocks() -> None:
    """Have the C library give back the memory of large blocks; without effect where it is not glibc."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # another C library
            library = ctypes.CDLL(None)
            library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
            library.mallopt(_M_TRIM_THRESHOLD, 2 * LARGE_BYTES)
