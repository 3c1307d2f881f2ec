"""Kept-alive connections for callers that block: the HTTP client, on an event loop in its own thread."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from mockserver.client.calls import Call, Steps, Target, request_of, resume, unreachable
from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest
from mockserver.realtime import RealTimeLoop

if TYPE_CHECKING:
    import ssl

    from mockserver.client.http import HttpClient

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

R = TypeVar("R")
T = TypeVar("T")
STOP_TIMEOUT: Final = 5.0
"""Maximum time in seconds to wait for connections to close."""


class LoopThread(threading.Thread, Generic[T]):
    """A daemon thread that holds a resource open on its own event loop until it is told to stop."""

    def __init__(self, name: str, resource: AbstractAsyncContextManager[T]) -> None:
        super().__init__(name=name, daemon=True)
        self._resource = resource
        self._ready: Future[T] = Future()
        self._stopping = asyncio.Event()

    def open(self) -> T:
        """Start the thread and return the resource once it is open. Raises the exception of a failed start."""
        self.start()
        error = self._ready.exception()
        if error is not None:
            raise error.with_traceback(None)
        return self._ready.result()

    def stop(self) -> None:
        """Ask the thread to close the resource and end, without waiting for it."""
        with suppress(RuntimeError):  # the loop is closed already
            self.loop.call_soon_threadsafe(self._stopping.set)

    def run(self) -> None:
        """Run the event loop."""
        try:
            with asyncio.Runner(loop_factory=RealTimeLoop) as runner:
                runner.run(self._hold())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _hold(self) -> None:
        self.loop = asyncio.get_running_loop()
        async with self._resource as resource:
            self._ready.set_result(resource)
            await self._stopping.wait()


class BlockingClient:
    """A thread-safe HTTP client for one server. Its event loop starts with the first request, also after `close`.

    A client that was not closed ends when it is garbage-collected or when the interpreter exits.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._server = host, port, tls
        self._abandon: weakref.finalize[[], BlockingClient] | None = None
        self.begin()
        _clients.add(self)

    def begin(self) -> None:
        """Begin without a thread, as in a child process, which has the memory of its parent but not its threads."""
        self._lock = threading.Lock()
        self._thread: _ClientThread | None = None
        if self._abandon is not None:
            self._abandon.detach()

    def exchange(self, request: HttpRequest) -> HttpReply:
        """Send a request and return its reply. An interrupt cancels the request. Raises ExchangeError."""
        with self._lock:
            if self._thread is None:
                thread = _ClientThread(*self._server)
                self._client = thread.open()
                self._thread = thread
                self._abandon = weakref.finalize(self, thread.stop)
                self._abandon.atexit = False
            reply = asyncio.run_coroutine_threadsafe(self._client.exchange(request), self._thread.loop)
        try:
            return reply.result()
        except BaseException:
            reply.cancel()
            raise

    def close(self) -> None:
        """Close the connections, without waiting for requests of other threads: those finish first."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            assert self._abandon is not None
            self._abandon.detach()
            thread.stop()
        thread.idle.wait(STOP_TIMEOUT)


class _ClientThread(LoopThread["HttpClient"]):
    """The thread of an HTTP client. `idle` is set when only requests in progress, or none, keep connections open."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__("mockserver client", self._connected(host, port, tls))
        self.idle = threading.Event()

    def run(self) -> None:
        """Run the event loop."""
        try:
            super().run()
        finally:
            _running.discard(self)
            self.idle.set()

    @asynccontextmanager
    async def _connected(self, host: str, port: int, tls: ssl.SSLContext | None) -> AsyncIterator[HttpClient]:
        from mockserver.client.http import HttpClient

        async with HttpClient(host, port, tls, keep_alive=True) as client:
            _running.add(self)
            yield client
            requests = asyncio.all_tasks() - {asyncio.current_task()}
            if requests:
                self.idle.set()
                await asyncio.wait(requests)


_running: Final[set[_ClientThread]] = set()
_clients: Final[weakref.WeakSet[BlockingClient]] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Stop the threads of clients that were not closed, so that the interpreter exits without open connections."""
    threads = list(_running)
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.idle.wait(STOP_TIMEOUT)


def _begin_in_child() -> None:
    """Let each client start a thread of its own in a child process that was made with `os.fork`."""
    _running.clear()
    for client in list(_clients):
        client.begin()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin_in_child)


class Connections:
    """Thread-safe control calls to one server."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._client = BlockingClient(target.host, target.port, target.tls)

    def run(self, steps: Steps[R]) -> R:
        """Run the calls of an operation in order."""
        try:
            call = next(steps)
            while True:
                call = resume(steps, self.target, call, self._send(call))
        except StopIteration as done:
            result: R = done.value
            return result

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._client.close()

    def _send(self, call: Call) -> HttpReply:
        try:
            return self._client.exchange(request_of(self.target, call))
        except ExchangeError as error:
            raise unreachable(self.target, call, error) from None
