"""Starting and stopping: sockets, signals, the ready line."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
from asyncio import sleep
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar, Final

from mockserver.errors import SettingsError
from mockserver.server import reloading, tls, turns
from mockserver.server.app import App
from mockserver.server.connection import MAX_CONNECTIONS, Server
from mockserver.server.handlers.report_handlers import OwnAddress
from mockserver.server.lines import say
from mockserver.server.live_page import PAGE
from mockserver.server.own_process import give_back_large_blocks, keep_turns_short
from mockserver.server.preloading import preload
from mockserver.settings import Settings, url_of

resource: Any
try:
    import resource
except ImportError:  # Windows has no limit of descriptors
    resource = None

_log = logging.getLogger("mockserver")

BACKLOG: Final = 1024
_NOT_OURS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

STOP_GRACE: Final = 2.0
"""Seconds that requests in progress get to finish."""

RESERVED: Final = 24
"""Descriptors that are kept free for files, logs and connections that are accepted in the same moment."""

FEWEST: Final = 16
"""Descriptors without which the server cannot start: a loop, the log, a socket and one client take 15."""

CUT_GRACE: Final = 0.2
"""Seconds that cancelled requests get to clean up."""


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[App, str]]:
    """Serve on the running loop; yield the app and its base URL, and stop on exit.

    Raises SettingsError if it cannot listen on the address, ContractError for invalid contracts.
    """
    files = reloading.state_of(settings) if settings.reload else {}
    app = App(settings)
    try:
        await app.store.open()
        async with _listening(app, settings, files) as url:
            yield app, url
    finally:
        await app.store.close()


@contextlib.asynccontextmanager
async def _listening(app: App, settings: Settings, files: reloading.State) -> AsyncIterator[str]:
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
        context, app.ca_file = tls.server_context(settings, app.count_unreadable)
    sockets = bound_sockets(settings.host, settings.port)
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
            if app.ca_file is not None:
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
    if settings.ready_file is not None:
        _clear(settings.ready_file)
    async with serving(settings) as (app, url):
        keep_turns_short()
        await sleep(0.001)  # the loop looks for a signal that came during start-up
        if not stop.is_set():
            announce(url, settings.ready_file, app.ca_file, page=not settings.no_ui)
            await asyncio.to_thread(preload)  # the first request that needs it would hold up the others for that long
        await stop.wait()
        _log.info("stopping")


def _clear(ready_file: Path) -> None:
    """Remove the ready file of an earlier run. Raises SettingsError for what replacing it would destroy."""
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
    """Serve in this process, on uvloop if it is installed."""
    open_standard_descriptors()
    raise_descriptor_limit()
    give_back_large_blocks()
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run(settings))


class _Listener(socket.socket):
    """A listening socket that also accepts connections while a test has replaced `socket.socket`.

    The method of the standard library makes the new socket with that name.
    """

    _kind: ClassVar = socket.socket

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        accept = getattr(super(), "_accept", None)
        if accept is None:
            return super().accept()
        number, address = accept()
        return self._kind(self.family, self.type, self.proto, fileno=number), address


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of `host`; port 0 selects one free port for all of them.

    `::` means every address of this machine, IPv4 included. Raises SettingsError.
    """
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise SettingsError(
            f"cannot listen on {host}: unknown host; "
            "set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
        ) from None
    both_families = host == "::" and socket.has_dualstack_ipv6()
    bound: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in entries):
        place = (address[0], port, *address[2:])
        try:
            with socket.create_server(place, family=family, backlog=BACKLOG, dualstack_ipv6=both_families) as plain:
                sock = _Listener(family, plain.type, plain.proto, plain.detach())
        except OSError as error:
            if error.errno in _NOT_OURS:
                missing = error
                continue
            for other in bound:
                other.close()
            raise SettingsError(_why_not(host, port, error)) from None
        port = sock.getsockname()[1]
        bound.append(sock)
    if not bound and missing is not None:
        raise SettingsError(_why_not(host, port, missing))
    return bound


def _why_not(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            remedy = "the port is in use; stop the other program or choose another --port (0 selects a free one)"
        case errno.EACCES | errno.EPERM:
            remedy = "permission denied; choose a --port of 1024 or above"
        case number if number in _NOT_OURS:
            remedy = "set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
        case number:
            remedy = os.strerror(number or 0)
    return f"cannot listen on {host} port {port}: {remedy}"
