"""Real time for waits, delays and timeouts, also while a test has frozen time with a library such as freezegun.

freezegun replaces the functions of `time` in every module, but not the attributes of classes. It also replaces the
clock of event loops, whose timers then never fire, so loops in threads of our own have their own clock. For tests that
replace `asyncio.sleep`, modules import `sleep` by name.
"""

from __future__ import annotations

import asyncio
import time


class _Clock:
    # Some versions of time-machine stop `time.monotonic` itself, but none stops this one.
    monotonic = staticmethod(time.perf_counter)


def monotonic() -> float:
    """Return the monotonic time in seconds."""
    return _Clock.monotonic()


class RealTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers follow real time.

    A selector loop on every platform: it writes with the send method of the client's sockets.
    """

    def time(self) -> float:
        """Return the real monotonic time in seconds."""
        return _Clock.monotonic()
