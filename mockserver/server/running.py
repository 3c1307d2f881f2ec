"""Starting and stopping: sockets, signals, the ready line."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from mockserver.errors import SettingsError
from mockserver.server.app import App, Server
from mockserver.server.sockets import bound_sockets
from mockserver.settings import Settings, url_of

_log = logging.getLogger("mockserver")

STOP_GRACE: Final = 2.0
"""Seconds that requests in flight get to finish."""

CUT_GRACE: Final = 0.2
"""Seconds that those get which did not finish, to notice that they are cancelled."""


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[App, str]]:
    """Serve on the running loop; yields the app and its base URL, stops on the way out.

    Raises SettingsError when it cannot listen there, ContractError when its contracts cannot be used.
    """
    app = App(settings)
    server = app.server()
    loop = asyncio.get_running_loop()
    sockets = bound_sockets(settings.host, settings.port)
    port = sockets[0].getsockname()[1]
    listeners = [await loop.create_server(server, sock=sock, backlog=1024) for sock in sockets]
    try:
        yield app, url_of(settings.host, port)
    finally:
        for listener in listeners:
            listener.close()
        app.stop()
        await _finish(server)


async def _finish(server: Server) -> None:
    """Close idle connections, give the others time for the request they are at, then close them too."""
    if not server.watches:
        server.pre_shutdown()
        await server.shutdown(STOP_GRACE)
        return
    busy = [connection.task for connection in server.busy_connections() if connection.task is not None]
    if busy:
        _, late = await asyncio.wait(busy, timeout=STOP_GRACE)
        if late:
            _log.warning("requests cut off because they did not finish within %g s: %d", STOP_GRACE, len(late))
    await server.shutdown(CUT_GRACE)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; a second signal exits at once. Raises SettingsError, ContractError."""
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    if settings.ready_file is not None and settings.ready_file.is_file():
        settings.ready_file.unlink()
    loop = asyncio.get_running_loop()
    async with serving(settings) as (_, url):
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, on_signal, number)
        gc.freeze()
        gc.enable()
        announce(url, settings.ready_file)
        await stop.wait()
        _log.info("stopping")


def announce(url: str, ready_file: Path | None) -> None:
    """Print the ready line, and write the URL to the file in one step so that nobody reads half of it."""
    if ready_file is not None:
        partial = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
        try:
            partial.write_text(url + "\n")
            partial.replace(ready_file)
        except OSError as error:
            raise SettingsError(f"cannot write the ready file {ready_file}: {error.strerror}") from None
    print(f"mockserver ready on {url}", flush=True)


def leave_when_told() -> None:
    """End this process cleanly on SIGTERM while the server is not there yet; as process 1 it would not notice."""

    def leave(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)


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
