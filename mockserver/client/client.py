"""A session as a test holds it: with blocking methods, with awaitable ones, and the client that owns it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import Final, Literal, Never, Self, Unpack, overload
from urllib.parse import quote

from mockserver.client import session_calls as calls
from mockserver.client.arguments import RequestWaitOptions, StreamOptions, WaitOptions
from mockserver.client.calls import Target
from mockserver.client.checks import check_arguments, check_names, check_options
from mockserver.client.connections import Connections
from mockserver.client.following import FROM_THE_START, SessionStream, followed
from mockserver.client.methods import awaiting, blocking, need_asyncio, run, run_blocking
from mockserver.client.results import Event, Exchange
from mockserver.client.session_parts import AsyncClock, AsyncFaults, Clock, Faults
from mockserver.client.stream import Stream, StreamedEvent
from mockserver.sessions.session_name import session_name

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here


def now_ms() -> int:
    """Return real time in ms since 1970, rounded up: what the server received before is not later."""
    return -(-time_ns() // 1_000_000)


class Place:
    """What a client needs of a session, blocking or awaitable: its key and the URL of the server.

    `opened` is when the test opened it, in ms since 1970; what came before is not shown in explanations of waits.
    """

    def __init__(self, name: str, target: Target, opened: int | None = None) -> None:
        self._name = name
        self._target = target
        self._opened = now_ms() if opened is None else opened

    @property
    def name(self) -> str:
        """The name of the session."""
        return self._name

    @property
    def target(self) -> Target:
        """The address of the server."""
        return self._target

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {self.url}>"

    @property
    def key(self) -> str:
        """The key for a client: the name of the session. See `key_for` for protocols with other kinds of keys."""
        return self.name

    @property
    def url(self) -> str:
        """The base URL for a client; its key selects the session."""
        return self.target.url

    @property
    def base_url(self) -> str:
        """The base URL for a client whose key cannot be chosen; its path selects the session."""
        return f"{self.url}/_mock/s/{quote(self.name, safe='')}"


def _valid_name(name: str) -> str:
    """Return the name of a session in its one form. Raises TypeError or ValueError if it cannot be one."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a session must be a string, got {name!r}")
    return session_name(name)


def chosen_name(session: str | None) -> str:
    """Return the name of a client's session; empty if none was chosen. Raises TypeError, ValueError."""
    return "" if session is None or session == "" else _valid_name(session)


class Session(Place):
    """One session of a server: its received events and requests, and its settings.

    Thread-safe. The methods block; use `aio` in coroutines.
    """

    def __init__(self, name: str, connections: Connections) -> None:
        super().__init__(name, connections.target)
        self._connections = connections

    @property
    def connections(self) -> Connections:
        """The connections to the server."""
        return self._connections

    @property
    def faults(self) -> Faults:
        """The fault steps of the session."""
        return Faults(self.name, self.connections)

    @property
    def clock(self) -> Clock:
        """The clock of the session."""
        return Clock(self.name, self.connections)

    @property
    def aio(self) -> AsyncSession:
        """This session with awaitable methods."""
        return AsyncSession(self.name, self.target, self._opened)

    def session(self, name: str) -> Session:
        """Return another session of the same server."""
        return Session(_valid_name(name), self.connections)

    events = blocking(calls.events)
    requests = blocking(calls.requests)
    request = blocking(calls.request)
    deliveries = blocking(calls.deliveries)
    conformance = blocking(calls.conformance)
    export = blocking(calls.export)
    wait_until_quiet = blocking(calls.wait_until_quiet)
    key_for = blocking(calls.key_for)
    settings = blocking(calls.settings)
    patch = blocking(calls.patch)
    revision = blocking(calls.revision)
    mode = blocking(calls.mode)
    replay = blocking(calls.replay)
    recording = blocking(calls.recording)
    play = blocking(calls.play)
    forget = blocking(calls.forget)

    def stream(self, **options: Unpack[StreamOptions]) -> SessionStream:
        """Return what happens in the session as it happens: an iterator, which blocks until the next event.

        It begins with all that the server keeps, or behind `after`, the `cursor` of an event. When the connection is
        lost, it connects again and goes on without a gap or a repeat. With `quiet`, it ends when nothing has happened
        for that time. Raises UnreachableError if the server is away for 10 seconds, ControlError for another cursor.
        """
        check_options("stream", options, StreamOptions, ())
        return SessionStream(*_followed(self, options))

    @overload
    def wait_for(  # type: ignore[overload-overlap]
        self, *, count: Literal[1] = 1, exactly: None = None, **options: Unpack[WaitOptions]
    ) -> Event: ...
    @overload
    def wait_for(self, *, count: int, exactly: None = None, **options: Unpack[WaitOptions]) -> list[Event]: ...
    @overload
    def wait_for(self, *, count: int = 1, exactly: int, **options: Unpack[WaitOptions]) -> list[Event]: ...
    def wait_for(
        self, *, count: int = 1, exactly: int | None = None, **options: Unpack[WaitOptions]
    ) -> Event | list[Event]:
        """Wait for events and return them: a single event by default, a list with `count` or `exactly`.

        Events that arrived before the call count too. With `quiet`, also wait until no request has arrived for that
        time: `exactly=0, quiet=0.5` checks that nothing arrives, and `exactly=0, timeout=2` that no such event arrives
        within 2 seconds. Times are in seconds. Raises WaitError on timeout.
        """
        check_arguments(calls.wait_for, (), {"count": count, "exactly": exactly})
        steps = calls.wait_for(self.name, self._opened, count=count, exactly=exactly, **options)
        for_silence = exactly is not None or bool(options.get("quiet"))
        return run_blocking(self.connections, "wait_for", steps, for_silence=for_silence)

    @overload
    def wait_for_request(  # type: ignore[overload-overlap]
        self, *, count: Literal[1] = 1, exactly: None = None, **options: Unpack[RequestWaitOptions]
    ) -> Exchange: ...
    @overload
    def wait_for_request(
        self, *, count: int, exactly: None = None, **options: Unpack[RequestWaitOptions]
    ) -> list[Exchange]: ...
    @overload
    def wait_for_request(
        self, *, count: int = 1, exactly: int, **options: Unpack[RequestWaitOptions]
    ) -> list[Exchange]: ...
    def wait_for_request(
        self, *, count: int = 1, exactly: int | None = None, **options: Unpack[RequestWaitOptions]
    ) -> Exchange | list[Exchange]:
        """Wait for requests, with or without events, and return them as `wait_for` does events.

        Preflights, requests that were refused as a whole and operations without events can be waited for only here.
        Raises WaitError on timeout.
        """
        check_arguments(calls.wait_for_request, (), {"count": count, "exactly": exactly})
        steps = calls.wait_for_request(self.name, self._opened, count=count, exactly=exactly, **options)
        for_silence = exactly is not None or bool(options.get("quiet"))
        return run_blocking(self.connections, "wait_for_request", steps, for_silence=for_silence)


def _followed(place: Place, options: StreamOptions) -> tuple[Stream, float | None]:
    """Return the stream of a session that options ask for, and how long it may be quiet."""
    return Stream(place.target, place.name, options.get("after", FROM_THE_START)), options.get("quiet")


def description(session: Session) -> str:
    """Describe what a session received since the test began, for the report of a failed test. Raises as calls do."""
    return session.connections.run(calls.describe(session.name, session._opened))


class AsyncSession(Place):
    """One session of a server, with the methods of `Session` as coroutines."""

    @property
    def faults(self) -> AsyncFaults:
        """The fault steps of the session."""
        return AsyncFaults(self.name, self.target)

    @property
    def clock(self) -> AsyncClock:
        """The clock of the session."""
        return AsyncClock(self.name, self.target)

    def session(self, name: str) -> AsyncSession:
        """Return another session of the same server."""
        return AsyncSession(_valid_name(name), self.target)

    events = awaiting(calls.events)
    requests = awaiting(calls.requests)
    request = awaiting(calls.request)
    deliveries = awaiting(calls.deliveries)
    conformance = awaiting(calls.conformance)
    export = awaiting(calls.export)
    wait_until_quiet = awaiting(calls.wait_until_quiet)
    key_for = awaiting(calls.key_for)
    settings = awaiting(calls.settings)
    patch = awaiting(calls.patch)
    revision = awaiting(calls.revision)
    mode = awaiting(calls.mode)
    replay = awaiting(calls.replay)
    recording = awaiting(calls.recording)
    play = awaiting(calls.play)
    forget = awaiting(calls.forget)

    def stream(self, **options: Unpack[StreamOptions]) -> AsyncGenerator[StreamedEvent, None]:
        """Yield what happens in the session as it happens, for `async for`. See `Session.stream`."""
        check_options("stream", options, StreamOptions, ())
        need_asyncio()
        return followed(*_followed(self, options))

    @overload
    async def wait_for(  # type: ignore[overload-overlap]
        self, *, count: Literal[1] = 1, exactly: None = None, **options: Unpack[WaitOptions]
    ) -> Event: ...
    @overload
    async def wait_for(self, *, count: int, exactly: None = None, **options: Unpack[WaitOptions]) -> list[Event]: ...
    @overload
    async def wait_for(self, *, count: int = 1, exactly: int, **options: Unpack[WaitOptions]) -> list[Event]: ...
    async def wait_for(
        self, *, count: int = 1, exactly: int | None = None, **options: Unpack[WaitOptions]
    ) -> Event | list[Event]:
        """Wait for events and return them: a single event by default, a list with `count` or `exactly`.

        See `Session.wait_for`.
        """
        check_arguments(calls.wait_for, (), {"count": count, "exactly": exactly})
        return await run(self.target, calls.wait_for(self.name, self._opened, count=count, exactly=exactly, **options))

    @overload
    async def wait_for_request(  # type: ignore[overload-overlap]
        self, *, count: Literal[1] = 1, exactly: None = None, **options: Unpack[RequestWaitOptions]
    ) -> Exchange: ...
    @overload
    async def wait_for_request(
        self, *, count: int, exactly: None = None, **options: Unpack[RequestWaitOptions]
    ) -> list[Exchange]: ...
    @overload
    async def wait_for_request(
        self, *, count: int = 1, exactly: int, **options: Unpack[RequestWaitOptions]
    ) -> list[Exchange]: ...
    async def wait_for_request(
        self, *, count: int = 1, exactly: int | None = None, **options: Unpack[RequestWaitOptions]
    ) -> Exchange | list[Exchange]:
        """Wait for requests, with or without events, and return them. See `Session.wait_for_request`."""
        check_arguments(calls.wait_for_request, (), {"count": count, "exactly": exactly})
        return await run(
            self.target, calls.wait_for_request(self.name, self._opened, count=count, exactly=exactly, **options)
        )


class Client(Session):
    """A client for the server at a URL, with a new session. Close it, or use it as a context manager.

    `session` is the name of the session, by default a random one. `ca_file` has the certificates to trust besides those
    of the system. Methods raise UnreachableError if there is no server.
    """

    def __init__(
        self,
        url: str,
        *,
        admin_token: str | None = None,
        session: str | None = None,
        ca_file: Path | str | None = None,
        **options: Never,
    ) -> None:
        check_names("Client", options, ("url", "admin_token", "session", "ca_file"))
        super().__init__(chosen_name(session), Connections(Target(url, admin_token, ca_file)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name or 'without a name yet'}>"

    @property
    def name(self) -> str:
        """The name of the session; by default a random one that most protocols accept as a key."""
        if not self._name:
            self._name = self.connections.run(calls.general_key(secrets.token_hex(8)))
        return self._name

    def close(self) -> None:
        """Close the connections; the session stays on the server."""
        self.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncSession:
        if not self._name:
            self._name = await run(self.target, calls.general_key(secrets.token_hex(8)))
        return self.aio

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
