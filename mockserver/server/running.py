"""Starting and stopping: sockets, signals, the ready line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from mockserver.server.app import App
from mockserver.settings import Settings

_log = logging.getLogger("mockserver")

STOP_GRACE = 2.0
"""Seconds that requests in flight get to finish."""


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[App, str]]:
    """Serve on the running loop; yields the app and its base URL, stops on the way out. Raises OSError."""
    app = App(settings)
    server = app.server()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server, settings.host, settings.port, backlog=1024, reuse_address=True)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield app, f"http://{_host_in_url(settings.host)}:{port}"
    finally:
        app.handlers.stopping = True
        listener.close()
        await server.shutdown(STOP_GRACE)


def _host_in_url(host: str) -> str:
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; a second signal exits at once. Raises OSError, ContractError."""
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, on_signal)
    async with serving(settings) as (_, url):
        announce(url, settings.ready_file)
        await stop.wait()
        _log.info("stopping")


def announce(url: str, ready_file: Path | None) -> None:
    """Print the ready line, and write the URL to the file in one step so that nobody reads half of it."""
    if ready_file is not None:
        partial = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
        partial.write_text(url + "\n")
        partial.replace(ready_file)
    print(f"mockserver ready on {url}", flush=True)


def run_forever(settings: Settings) -> None:
    """Serve in this process, on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(run(settings))
    else:
        if sys.version_info >= (3, 12):
            asyncio.run(run(settings), loop_factory=uvloop.new_event_loop)
        else:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run(settings))
