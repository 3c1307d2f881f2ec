"""Running a program of the user's against a server of this package: its environment, its signals."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from mockserver.settings import DEFAULT_HOST

BY_SIGNAL: Final = 128
"""The exit code of a program that a signal ended, less the number of that signal; so shells have it."""
SIGNALS: Final = (signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""Signals that a program gets from us; a terminal sends SIGINT to it itself."""


def environment_for(url: str, key: str) -> dict[str, str]:
    """Return the environment in which a program finds the server and a key."""
    return {**os.environ, **_without_proxy(os.environ), "MOCKSERVER_KEY": key, "MOCKSERVER_URL": url}


def _without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps a program from sending requests to this server through a proxy that it uses for others."""
    if not any(name.lower() in ("http_proxy", "all_proxy") for name in environment):
        return {}
    before = environment.get("no_proxy") or environment.get("NO_PROXY")
    hosts = ",".join(filter(None, [before, DEFAULT_HOST]))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


@contextmanager
def handling(numbers: Sequence[signal.Signals], handler: Callable[[int], object]) -> Iterator[None]:
    """Handle signals in the block."""
    before = [(number, signal.signal(number, lambda got, frame: handler(got))) for number in numbers]
    try:
        yield
    finally:
        for number, former in before:
            signal.signal(number, former)


@contextmanager
def signals_for(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let a program decide what signals mean."""
    with handling([signal.SIGINT], lambda number: None), handling(SIGNALS, process.send_signal):
        yield


def shell_code(code: int) -> int:
    """Return the exit code of a program as shells have it."""
    return BY_SIGNAL - code if code < 0 else code
