"""A server in this process, for tests: in its own thread, or on the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from mockserver.client.calls import Target
from mockserver.client.client import Client
from mockserver.client.connections import Connections
from mockserver.realtime import RealTimeLoop
from mockserver.settings import RateMode, Settings

if TYPE_CHECKING:
    from mockserver.client.asynchronous import AsyncSession


class Options(TypedDict, total=False):
    """Options of a server in this process, as in `Settings`; the default port is a free one."""

    host: str
    port: int
    revisions: Mapping[str, str]
    contract_patches: tuple[Path, ...]
    contracts: tuple[Path, ...]
    rate_limits: RateMode
    journal_limit: int
    memory_limit: int
    max_sessions: int
    admin_token: str | None
    allowed_hosts: tuple[str, ...]
    body_timeout: float


class MockServer(Client):
    """A server in this process, with a new session.

    `with` runs the server in its own thread and returns this object, whose methods block. `async with` runs it on the
    running event loop and returns an `AsyncSession`, whose methods are awaited. The server stops at the end of the
    block. Raises ContractError, SettingsError.
    """

    def __init__(self, *, session: str | None = None, **options: Unpack[Options]) -> None:
        options.setdefault("port", 0)
        self.server_settings = Settings(**options)
        self._name = session or ""
        self._target: Target | None = None
        self._open: Connections | None = None
        self._thread: ServerThread | None = None
        self._stack = contextlib.AsyncExitStack()

    @staticmethod
    def connect(url: str, admin_token: str | None = None, *, session: str | None = None) -> Client:
        """Return a client for a server that is already running at a URL."""
        return Client(url, admin_token=admin_token, session=session)

    @property
    def target(self) -> Target:
        """The address of the server. Raises RuntimeError if it is not running."""
        if self._target is None:
            raise RuntimeError("the server is not running: use it as a context manager")
        return self._target

    @property
    def connections(self) -> Connections:
        """The connections to the server. Raises RuntimeError if it is not running, or runs on this event loop."""
        if self._open is None:
            raise RuntimeError(
                f"{self.target.url} runs on the event loop: await the methods of the session from `async with`"
            )
        return self._open

    def __enter__(self) -> Self:
        __tracebackhide__ = True
        self._refuse_second_start()
        thread = ServerThread(self.server_settings)
        self._started_at(thread.start())
        self._thread = thread
        self._open = Connections(self.target)
        return self

    def close(self) -> None:
        """Stop the server after a short grace period for requests in progress."""
        if self._open is not None:
            self._open.close()
        if self._thread is not None:
            self._thread.stop()
        self._target = self._open = self._thread = None

    async def __aenter__(self) -> AsyncSession:
        from mockserver.client.asynchronous import need_asyncio
        from mockserver.server.preloading import preload
        from mockserver.server.running import serving

        need_asyncio()
        self._refuse_second_start()
        preload()
        _, url = await self._stack.enter_async_context(serving(self.server_settings))
        self._started_at(url)
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._target = None
        await self._stack.aclose()

    def _refuse_second_start(self) -> None:
        if self._target is not None:
            raise RuntimeError(f"the server is already running on {self._target.url}")

    def _started_at(self, url: str) -> None:
        self._target = Target(url, self.server_settings.admin_token)


class ServerThread:
    """A thread with its own event loop that serves until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url: Future[str] = Future()
        self._end: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._main, name="mockserver", daemon=True)

    def start(self) -> str:
        """Return the URL of the server once it is ready. Raises the exception of a failed start."""
        __tracebackhide__ = True
        self._thread.start()
        error = self._url.exception()
        if error is not None:
            raise error.with_traceback(None)
        return self._url.result()

    def stop(self) -> None:
        """Stop the server and wait for the thread."""
        self._end()
        self._thread.join()

    def _main(self) -> None:
        from mockserver.server.preloading import preload

        try:
            preload()
            with asyncio.Runner(loop_factory=RealTimeLoop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            if self._url.done():
                raise
            self._url.set_exception(error)

    async def _serve(self) -> None:
        from mockserver.server.running import serving

        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._settings) as (_, url):
            self._end = lambda: loop.call_soon_threadsafe(stop.set)
            self._url.set_result(url)
            await stop.wait()
