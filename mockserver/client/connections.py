"""Kept-alive connections for callers that block: the HTTP client, on an event loop in its own thread."""

from __future__ import annotations

import asyncio
import atexit
import threading
import weakref
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from mockserver.client.calls import Call, Steps, Target, answer_of, request_of, unreachable
from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest
from mockserver.jsonkit import Json
from mockserver.realtime import RealTimeLoop

if TYPE_CHECKING:
    import ssl

R = TypeVar("R")
STOP_TIMEOUT: Final = 5.0
"""Maximum time in seconds to wait for connections to close."""


class BlockingClient:
    """A thread-safe HTTP client for one server. Its event loop starts with the first request, also after `close`.

    A client that was not closed ends when it is garbage-collected or when the interpreter exits.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._server = host, port, tls
        self._lock = threading.Lock()
        self._thread: _LoopThread | None = None

    def exchange(self, request: HttpRequest) -> HttpReply:
        """Send a request and return its reply. An interrupt cancels the request. Raises ExchangeError."""
        with self._lock:
            if self._thread is None:
                self._thread = _LoopThread(*self._server)
                self._abandon = weakref.finalize(self, self._thread.stop)
                self._abandon.atexit = False
            reply = self._thread.submit(request)
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
            self._abandon.detach()
            thread.stop()
        thread.wait_until_idle()


class _LoopThread:
    """A daemon thread that runs an event loop with an HTTP client."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._server = host, port, tls
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stopping = asyncio.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._main, name="mockserver client", daemon=True)
        self._thread.start()
        self._loop = self._started.result()

    def submit(self, request: HttpRequest) -> Future[HttpReply]:
        """Start a request and return a future of its reply."""
        return asyncio.run_coroutine_threadsafe(self._client.exchange(request), self._loop)

    def stop(self) -> None:
        """Ask the thread to end after its requests in progress, without waiting for it."""
        with suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)

    def wait_until_idle(self) -> None:
        """Wait until the connections are closed, or kept open only by requests in progress."""
        self._idle.wait(STOP_TIMEOUT)

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=RealTimeLoop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)
        finally:
            _running.discard(self)
            self._idle.set()

    async def _serve(self) -> None:
        from mockserver.client.http import HttpClient

        async with HttpClient(*self._server, keep_alive=True) as self._client:
            _running.add(self)
            self._started.set_result(asyncio.get_running_loop())
            await self._stopping.wait()
            requests = asyncio.all_tasks() - {asyncio.current_task()}
            if requests:
                self._idle.set()
                await asyncio.wait(requests)


_running: Final[set[_LoopThread]] = set()


@atexit.register
def _stop_all() -> None:
    """Stop the threads of clients that were not closed, so that the interpreter exits without open connections."""
    threads = list(_running)
    for thread in threads:
        thread.stop()
    for thread in threads:
        thread.wait_until_idle()


class Connections:
    """Thread-safe control calls to one server."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._client = BlockingClient(target.host, target.port, target.tls)

    def run(self, steps: Steps[R]) -> R:
        """Run the calls of an operation in order."""
        __tracebackhide__ = True
        try:
            call = next(steps)
            while True:
                call = steps.send(self._send(call))
        except StopIteration as done:
            result: R = done.value
            return result

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._client.close()

    def _send(self, call: Call) -> Json:
        try:
            reply = self._client.exchange(request_of(self.target, call))
        except ExchangeError as error:
            raise unreachable(self.target, call, error) from error.reason
        return answer_of(self.target, call, reply)
