"""Starting and stopping: the loop, signals, the ready line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio import sleep
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from mockserver.errors import SettingsError
from mockserver.server import reloading, tls, turns
from mockserver.server.app import App
from mockserver.server.connection import MAX_CONNECTIONS, Server
from mockserver.server.handlers.report_handlers import OwnAddress
from mockserver.server.lines import say
from mockserver.server.live_page import PAGE
from mockserver.server.own_process import give_back_large_blocks, keep_turns_short
from mockserver.server.preloading import preload
from mockserver.server.sockets import BACKLOG, bound_sockets
from mockserver.server.tls import SelfSigned
from mockserver.settings import Settings, url_of

resource: Any
try:
    import resource
except ImportError:  # Windows has no limit of descriptors
    resource = None

_log = logging.getLogger("mockserver")

STOP_GRACE: Final = 2.0
"""Seconds that requests in progress get to finish."""

RESERVED: Final = 24
"""Descriptors that are kept free for files, logs and connections that are accepted in the same moment."""

FEWEST: Final = 16
"""Descriptors without which the server cannot start: a loop, the log, a socket and one client take 15."""

CUT_GRACE: Final = 0.2
"""Seconds that cancelled requests get to clean up."""


class SharedPort(NamedTuple):
    """A port on which other processes answer too, with one `certificate` if it is that of a new CA.

    Who has made the certificate removes its CA file.
    """

    certificate: SelfSigned | None


@contextlib.asynccontextmanager
async def serving(settings: Settings, shared: SharedPort | None = None) -> AsyncIterator[tuple[App, str]]:
    """Serve on the running loop; yield the app and its base URL, and stop on exit.

    Raises SettingsError if it cannot listen on the address, ContractError for invalid contracts.
    """
    files = reloading.state_of(settings) if settings.reload else {}
    app = App(settings)
    try:
        await app.store.open()
        async with _listening(app, settings, files, shared) as url:
            yield app, url
    finally:
        await app.store.close()


@contextlib.asynccontextmanager
async def _listening(
    app: App, settings: Settings, files: reloading.State, shared: SharedPort | None
) -> AsyncIterator[str]:
    """Listen for an app; yield its base URL, and stop on exit."""
    server = Server(
        app.handle,
        on_unreadable=app.count_unreadable,
        timeout=settings.body_timeout,
        limit=min(MAX_CONNECTIONS, descriptors_left()),
        answer_at_once=app.answer_at_once,
    )
    loop, context = asyncio.get_running_loop(), None
    if tls.is_on(settings):
        context, app.ca_file = tls.server_context(settings, app.count_unreadable, shared and shared.certificate)
    sockets = bound_sockets(settings.host, settings.port, share_port=shared is not None)
    port = sockets[0].getsockname()[1]
    listeners = [await loop.create_server(server, sock=sock, backlog=BACKLOG, ssl=context) for sock in sockets]
    tasks = [asyncio.create_task(server.end_overdue())]
    if settings.reload:
        tasks.append(asyncio.create_task(reloading.watch(settings, app.handlers.contracts, app.store, files)))
    url = url_of(settings.host, port, secure=context is not None)
    trusted = app.ca_file or settings.tls_cert
    app.handlers.own_address = OwnAddress(url=url, token=app.control.guard.token, ca_file=trusted)
    with turns.working():
        try:
            yield url
        finally:
            if app.ca_file is not None and shared is None:
                tls.remove(app.ca_file)
            for listener in listeners:
                listener.close()
            app.stop()
            await _finish(server)
            await app.upstreams.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _finish(server: Server) -> None:
    """Close idle connections, and the others after their current request or the grace period."""
    if not server.watches:
        server.pre_shutdown()
        await server.shutdown(STOP_GRACE)
        return
    busy = server.close_idle()
    if busy:
        _, late = await asyncio.wait(busy, timeout=STOP_GRACE)
        if late:
            _log.warning("requests cancelled because they did not finish within %g s: %d", STOP_GRACE, len(late))
    await server.shutdown(CUT_GRACE)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; a second signal exits at once. Raises SettingsError, ContractError."""
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, on_signal, number)
    clear(settings.ready_file)
    async with serving(settings) as (app, url):
        await until(stop, lambda: announce(url, settings.ready_file, app.ca_file, page=not settings.no_ui))


async def until(stop: asyncio.Event, tell_ready: Callable[[], None]) -> None:
    """Let the server that has begun serve until it is told to stop."""
    keep_turns_short()
    await sleep(0.001)  # the loop looks for a signal that came during start-up
    if not stop.is_set():
        tell_ready()
        await asyncio.to_thread(preload)  # the first request that needs it would hold up the others for that long
    await stop.wait()
    _log.info("stopping")


def clear(ready_file: Path | None) -> None:
    """Remove the ready file of an earlier run. Raises SettingsError for what replacing it would destroy."""
    if ready_file is None:
        return
    if ready_file.is_file():
        ready_file.unlink()
    elif ready_file.exists():
        raise SettingsError(f"--ready-file: {ready_file} is not a regular file; name one that can be replaced")


def announce(url: str, ready_file: Path | None, ca_file: Path | None = None, *, page: bool = False) -> None:
    """Write the URL to the file atomically; print the ready line, then where a new CA and the live page are."""
    if ready_file is not None:
        partial = ready_file.with_name(f".{ready_file.name}.{os.getpid()}")
        try:
            partial.write_text(url + "\n")
            partial.replace(ready_file)
        except OSError as error:
            raise SettingsError(f"cannot write the ready file {ready_file}: {error.strerror}") from None
    more = {"CA file": ca_file, "live page": f"{url}{PAGE}" if page else None}
    say(f"mockserver ready on {url}", *(f"mockserver {what} {place}" for what, place in more.items() if place))


def open_standard_descriptors() -> None:
    """Open the null device as descriptor 0, 1 or 2 where it is closed: uvloop aborts if a socket gets that number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def raise_descriptor_limit() -> None:
    """Raise the number of descriptors that this process may have to what the system allows.

    Raises SettingsError if that is too few for a server.
    """
    if resource is None:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed != resource.RLIM_INFINITY and allowed < FEWEST:
        raise SettingsError(
            f"the limit of open files is {allowed}, and the server needs at least {FEWEST}; raise it (ulimit -n)"
        )


def descriptors_left() -> int:
    """Return how many connections there are descriptors for, without those that files and other sockets need."""
    if resource is None:
        return MAX_CONNECTIONS
    limit: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    with contextlib.suppress(OSError):
        limit -= len(os.listdir("/dev/fd"))
    return max(1, limit - RESERVED - limit // 16)


def run_forever(settings: Settings) -> None:
    """Serve in this process."""
    run_server(partial(run, settings))


def run_server(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run what serves in this process, on uvloop if it is installed."""
    open_standard_descriptors()
    raise_descriptor_limit()
    give_back_large_blocks()
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve())
