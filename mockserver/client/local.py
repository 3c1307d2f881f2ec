"""A server in this process, for tests: in its own thread, or on the running event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Never, Self, TypedDict, Unpack

from mockserver.client.calls import Target
from mockserver.client.checks import check_options, check_range
from mockserver.client.client import AsyncSession, Client, chosen_name, now_ms
from mockserver.client.connections import Connections, LoopThread
from mockserver.client.methods import need_asyncio
from mockserver.errors import SettingsError
from mockserver.settings import RateMode, RecordMode, Settings, StoreSync, TlsMode

if TYPE_CHECKING:
    from mockserver.server.app import App

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here


class Options(TypedDict, total=False):
    """Options of a server in this process, as in `Settings`; the default port is a free one. Files can be strings."""

    host: str
    port: int
    revisions: Mapping[str, str]
    contract_patches: Sequence[Path | str]
    contracts: Sequence[Path | str]
    reload: bool
    rate_limits: RateMode
    journal_limit: int
    memory_limit: int
    max_sessions: int
    no_ui: bool
    store: str
    store_sync: StoreSync
    store_expiry: float
    admin_token: str | None
    admin_token_file: Path | str | None
    allowed_hosts: Sequence[str]
    allowed_origins: Sequence[str]
    tls: TlsMode | None
    tls_cert: Path | str | None
    tls_key: Path | str | None
    body_timeout: float
    upstreams: Mapping[str, str]
    upstream_timeout: float
    replay: Path | str | Sequence[Path | str]
    record_mode: RecordMode
    replay_repeats: bool


FILE_LISTS: Final = ("contract_patches", "contracts", "replay")
FILES: Final = ("admin_token_file", "tls_cert", "tls_key")
LISTS: Final = ("allowed_hosts", "allowed_origins")
LIMITS: Final[Mapping[str, float | None]] = {
    "port": 65535,
    **dict.fromkeys(("journal_limit", "memory_limit", "max_sessions", "body_timeout", "upstream_timeout")),
}
"""Options that are numbers, with the greatest allowed; none may be negative."""


def settings_of(options: Options) -> Settings:
    """Return the settings that options stand for. Raises TypeError, SettingsError for a value that cannot be used."""
    given: dict[str, Any] = {"port": 0, **{name: value for name, value in options.items() if value is not None}}
    try:
        check_options("MockServer", options, Options, ("session",))
        for name, most in LIMITS.items():
            if name in given:
                check_range(name, given[name], most)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    if isinstance(given.get("replay"), str | Path):
        given["replay"] = [given["replay"]]
    given |= {name: tuple(map(Path, given[name])) for name in FILE_LISTS if name in given}
    given |= {name: Path(given[name]) for name in FILES if name in given}
    given |= {name: tuple(given[name]) for name in LISTS if name in given}
    return Settings(**given)


class MockServer(Client):
    """A server in this process, with a new session.

    `with` runs the server in its own thread and returns this object, whose methods block. `async with` runs it on the
    running event loop and returns an `AsyncSession`, whose methods are awaited. The server stops at the end of the
    block. Raises TypeError, ContractError, SettingsError, FormatError.
    """

    def __init__(self, *, session: str | None = None, **options: Unpack[Options]) -> None:
        self._opened = now_ms()
        self.server_settings = settings_of(options)
        self._name = chosen_name(session)
        self._ca_file: Path | None = None
        self._open: Connections | None = None
        self._thread: LoopThread[tuple[App, str]] | None = None
        self._stack = AsyncExitStack()

    @staticmethod
    def connect(
        url: str,
        admin_token: str | None = None,
        *,
        session: str | None = None,
        ca_file: Path | str | None = None,
        **options: Never,
    ) -> Client:
        """Return a client for a server that already runs at a URL; it also trusts the certificates in `ca_file`."""
        return Client(url, admin_token=admin_token, session=session, ca_file=ca_file, **options)

    @property
    def ca_file(self) -> Path:
        """The CA file for clients of a server with `tls="self-signed"`. Raises RuntimeError if there is none."""
        if self._ca_file is None:
            raise RuntimeError('there is no CA file: use MockServer(tls="self-signed") as a context manager')
        return self._ca_file

    @property
    def target(self) -> Target:
        """The address of the server. Raises RuntimeError if it is not running."""
        if self._open is None:
            raise RuntimeError("the server is not running: use it as a context manager")
        return self._open.target

    @property
    def connections(self) -> Connections:
        """The connections to the server. Raises RuntimeError if it is not running, or runs on this event loop."""
        if self._open is None or self._thread is None:
            raise RuntimeError(
                f"{self.target.url} runs on the event loop: await the methods of the session from `async with`"
            )
        return self._open

    def __enter__(self) -> Self:
        thread = LoopThread("mockserver", self._serving())
        started = thread.open()
        self._thread = thread
        self._open_at(started)
        return self

    def close(self) -> None:
        """Stop the server after a short grace period for requests in progress."""
        if self._open is not None:
            self._open.close()
        if self._thread is not None:
            self._thread.stop()
            self._thread.join()
        self._open = self._thread = self._ca_file = None

    async def __aenter__(self) -> AsyncSession:
        need_asyncio()
        self._open_at(await self._stack.enter_async_context(self._serving()))
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = self._ca_file = None
        await self._stack.aclose()

    def _serving(self) -> AbstractAsyncContextManager[tuple[App, str]]:
        """Return the server as a context manager of its URL. Raises RuntimeError if it is running."""
        from mockserver.server.preloading import preload
        from mockserver.server.running import serving

        if self._open is not None:
            raise RuntimeError(f"the server is already running on {self._open.target.url}")
        preload()
        return serving(self.server_settings)

    def _open_at(self, started: tuple[App, str]) -> None:
        app, url = started
        self._ca_file = app.ca_file
        target = Target(url, app.control.guard.token, app.ca_file or self.server_settings.tls_cert)
        self._open = Connections(target)
