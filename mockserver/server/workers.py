"""`serve --workers N`: several processes answer on one port and share a store.

This process reserves the port, starts the workers, replaces those that end, and tells all of them to stop. Between it
and each worker there is one socket: the worker reads its task from it, says there that it is ready or why it cannot
start, and stops when the other end is gone, so that no worker is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
from asyncio import sleep
from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from mockserver.errors import MockServerError, SettingsError
from mockserver.jsonkit.printable import printable
from mockserver.realtime import monotonic
from mockserver.server import logs, tls
from mockserver.server.running import (
    SharedPort,
    announce,
    clear,
    open_standard_descriptors,
    run_server,
    serving,
    until,
)
from mockserver.server.sockets import reserved_port
from mockserver.sessions.stores.opening import is_shared
from mockserver.settings import Settings, url_of

_log = logging.getLogger("mockserver")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
READY: Final = "ready"
SETTLED_S: Final = 10.0
"""A worker that ends earlier than that after it was ready has failed at once, as one that never was: if this happens
again, the next one starts later."""
PAUSES_S: Final = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""How much later, by how often the worker has failed at once in a row."""


class Task(NamedTuple):
    """What a worker has to do: its number, from 1, the settings with the port of all, and their certificate."""

    number: int
    settings: Settings
    certificate: tls.SelfSigned | None


def run_forever(settings: Settings) -> None:
    """Serve with several processes. Raises SettingsError, also for what the first workers cannot start with."""
    check(settings)
    open_standard_descriptors()
    gc.enable()
    asyncio.run(run(settings))


def check(settings: Settings) -> None:
    """Raise SettingsError where several processes cannot be one server."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise SettingsError("--workers: this system cannot share a port (it has no SO_REUSEPORT); use one worker")
    if not is_shared(settings.store):
        shown = settings.store.partition(":")[0]
        raise SettingsError(
            f"--workers {settings.workers} needs a store that several processes share, and --store {shown} is for one: "
            f"each worker would have sessions of its own; use --store redis://HOST, or one worker"
        )


async def run(settings: Settings) -> None:
    """Run the workers until SIGTERM or SIGINT; a second signal ends all of them at once. Raises SettingsError."""
    workers: list[_Worker] = []
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            for worker in workers:
                worker.kill()
            os._exit(128 + number)
        stop.set()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    clear(settings.ready_file)
    with reserved_port(settings.host, settings.port) as port, _certificate(settings) as certificate:
        own = settings._replace(
            port=port, ready_file=None, revisions=dict(settings.revisions), upstreams=dict(settings.upstreams)
        )
        workers += [_Worker(Task(number, own, certificate)) for number in range(1, settings.workers + 1)]
        work, told = asyncio.create_task(_work(workers, settings, port)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((work, told), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                _log.info("stopping")
            else:
                await work
        finally:
            for task in (work, told):
                task.cancel()
            await asyncio.wait((work, told))
            for worker in workers:
                worker.stop()
            for worker in workers:
                await worker.ended()


async def _work(workers: list[_Worker], settings: Settings, port: int) -> None:
    """Start the workers, say that they are ready, and replace each one that ends."""
    await asyncio.gather(*(worker.start() for worker in workers))
    failed = sorted((worker for worker in workers if not worker.ready), key=lambda worker: not worker.problem)
    for first in failed:
        raise SettingsError(first.problem or f"worker {first.task.number} {await first.ended()} before it was ready")
    certificate = workers[0].task.certificate
    url = url_of(settings.host, port, secure=tls.is_on(settings))
    announce(url, settings.ready_file, certificate and certificate.ca_file, page=not settings.no_ui)
    await asyncio.gather(*(worker.keep() for worker in workers))


@contextlib.contextmanager
def _certificate(settings: Settings) -> Iterator[tls.SelfSigned | None]:
    """Make the certificate that all workers have, if they need one."""
    if settings.tls is None:
        yield None
        return
    made = tls.self_signed(settings)
    try:
        yield made
    finally:
        tls.remove(made.ca_file)


class _Worker:
    """One of the workers: its process, and the process that replaces it.

    `ready` is whether the process has begun to serve, and `problem` why it cannot, if it has said so.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.ready = False
        self.problem = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._ready_at = 0.0

    async def start(self) -> None:
        """Start a process, and wait until it is ready or cannot be."""
        self.ready, self.problem, self._process = False, "", None
        if self._channel is not None:
            self._channel.close()
        try:
            self._channel, theirs = socket.socketpair()
            with theirs:
                self._process = _started(theirs)
        except OSError as error:
            self.problem = f"no process can be started: {error.strerror}"
            return
        self._channel.setblocking(False)
        line = ""
        with contextlib.suppress(OSError):  # it has ended
            await asyncio.get_running_loop().sock_sendall(self._channel, pickle.dumps(self.task))
            line = await _line(self._channel)
        self.ready = line == READY
        self.problem = "" if self.ready else line
        if self.ready:
            self._ready_at = monotonic()
            extra = logs.fields(worker=self.task.number, process=self._process.pid)
            _log.info("worker %d is ready: process %d", self.task.number, self._process.pid, extra=extra)

    async def keep(self) -> None:
        """Replace the process whenever it ends, later each time if it ends at once again and again."""
        failed = 0
        while True:
            if self._channel is not None and self.ready:
                await _line(self._channel)
            process, how = self._process, await self.ended()
            failed = 0 if self.ready and monotonic() - self._ready_at >= SETTLED_S else failed + 1
            pause = PAUSES_S[min(failed, len(PAUSES_S) - 1)]
            extra = logs.fields(worker=self.task.number, process=process and process.pid)
            next_one = f"in {pause:g} s" if pause else "now"
            _log.error("worker %d %s; another one starts %s", self.task.number, how, next_one, extra=extra)
            await sleep(pause)
            await self.start()

    async def ended(self) -> str:
        """Wait for the end of the process; return in words how it ended."""
        if self._process is None:
            return f"cannot start: {self.problem}"
        code = await asyncio.to_thread(self._process.wait)
        if self.problem:
            return f"cannot start: {self.problem}"
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return f"(process {self._process.pid}) {how}"

    def stop(self) -> None:
        """Tell the process to finish what it is answering; one that is not ready yet has nothing to finish."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM if self.ready else signal.SIGKILL)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()


async def _line(channel: socket.socket) -> str:
    """Return the line that a worker says, without its end; it is empty if the worker ends before."""
    said = b""
    with contextlib.suppress(OSError):
        while not said.endswith(b"\n") and (piece := await asyncio.get_running_loop().sock_recv(channel, 65536)):
            said += piece
    return said.decode().rstrip("\n") if said.endswith(b"\n") else ""


def _started(channel: socket.socket) -> subprocess.Popen[bytes]:
    """Start a worker's process; it takes signals as soon as it can handle them. Raises OSError."""
    program = f"from {__name__} import main; main()"
    command = [sys.executable, *_path_options(), "-c", program, str(channel.fileno())]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return subprocess.Popen(command, pass_fds=(channel.fileno(),), stdin=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _path_options() -> list[str]:
    """Return the options without which Python imports modules of the working directory that this process does not."""
    with contextlib.suppress(OSError):  # it is gone
        if os.getcwd() in sys.path:
            return []
    return ["-P"]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main() -> None:
    """Run one worker: a process that `_Worker` starts, with the number of its descriptor as argument."""
    gc.disable()  # as in `serve`: objects created at start-up stay
    channel = socket.socket(fileno=int(sys.argv[1]))
    try:
        with channel.makefile("rb") as sent:
            task: Task = pickle.load(sent)
    except (EOFError, OSError, pickle.UnpicklingError):
        return  # the process that started this one is gone
    logs.configure(task.settings, task.number)
    try:
        run_server(partial(_serve, task, channel))
    except MockServerError as error:
        with contextlib.suppress(OSError):
            channel.sendall(f"{printable(str(error))}\n".encode())
        sys.exit(error.exit_code)


async def _serve(task: Task, channel: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, or until the process that started this one is gone."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_end() -> None:
        loop.remove_reader(channel)
        if not stop.is_set():
            _log.error("stopping, as the process that started this worker is gone")
            stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    channel.setblocking(False)
    loop.add_reader(channel, on_end)  # nothing more comes from there than its end
    async with serving(task.settings, SharedPort(task.certificate)):
        await until(stop, lambda: channel.sendall(f"{READY}\n".encode()))
    loop.remove_reader(channel)
