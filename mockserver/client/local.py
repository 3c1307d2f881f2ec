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
from mockserver.settings import RateMode, Settings, TlsMode

if TYPE_CHECKING:
    from mockserver.client.asynchronous import AsyncSession


class Options(TypedDict, total=False):
    """Options of a server in this process, as in `Settings`; the default port is a free one."""

    host: str
    port: int
    revisions: Mapping[str, str]
    contract_patches: tuple[Path, ...]
    contracts: tuple[Path, ...]
    reload: bool
    rate_limits: RateMode
    journal_limit: int
    memory_limit: int
    max_sessions: int
    admin_token: str | None
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    tls: TlsMode | None
    tls_cert: Path | None
    tls_key: Path | None
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
        self._ca_file: Path | None = None
        self._open: Connections | None = None
        self._thread: ServerThread | None = None
        self._stack = contextlib.AsyncExitStack()

    @staticmethod
    def connect(
        url: str, admin_token: str | None = None, *, session: str | None = None, ca_file: Path | str | None = None
    ) -> Client:
        """Return a client for a server that already runs at a URL; it also trusts the certificates in `ca_file`."""
        return Client(url, admin_token=admin_token, session=session, ca_file=ca_file)

    @property
    def ca_file(self) -> Path:
        """The CA file for clients of a server with `tls="self-signed"`. Raises RuntimeError if there is none."""
        if self._ca_file is None:
            raise RuntimeError('there is no CA file: use MockServer(tls="self-signed") as a context manager')
        return self._ca_file

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
        self._refuse_second_start()
        thread = ServerThread(self.server_settings)
        self._thread = thread
        self._started_at(*thread.start())
        self._open = Connections(self.target)
        return self

    def close(self) -> None:
        """Stop the server after a short grace period for requests in progress."""
        if self._open is not None:
            self._open.close()
        if self._thread is not None:
            self._thread.stop()
        self._target = self._open = self._thread = self._ca_file = None

    async def __aenter__(self) -> AsyncSession:
        from mockserver.server.running import serving

        self._refuse_second_start()
        app, url = await self._stack.enter_async_context(serving(self.server_settings))
        self._started_at(url, app.ca_file)
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._target = self._ca_file = None
        await self._stack.aclose()

    def _refuse_second_start(self) -> None:
        if self._target is not None:
            raise RuntimeError(f"the server is already running on {self._target.url}")

    def _started_at(self, url: str, ca_file: Path | None) -> None:
        self._target = Target(url, self.server_settings.admin_token, ca_file or self.server_settings.tls_cert)
        self._ca_file = ca_file


class ServerThread:
    """A thread with its own event loop that serves until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started: Future[tuple[str, Path | None]] = Future()
        self._end: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=self._main, name="mockserver", daemon=True)

    def start(self) -> tuple[str, Path | None]:
        """Return the URL of the server and its CA file once it is ready. Raises the exception of a failed start."""
        self._thread.start()
        return self._started.result()

    def stop(self) -> None:
        """Stop the server and wait for the thread."""
        self._end()
        self._thread.join()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        from mockserver.server.running import serving

        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self._settings) as (app, url):
            self._end = lambda: loop.call_soon_threadsafe(stop.set)
            self._started.set_result((url, app.ca_file))
            await stop.wait()
