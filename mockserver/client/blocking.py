"""A session with blocking methods."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

from mockserver.client import journal_calls as journal
from mockserver.client import steering_calls as steering
from mockserver.client.arguments import WaitOptions
from mockserver.client.calls import Steps, Target
from mockserver.client.connections import Connections
from mockserver.client.results import Event, FaultStep
from mockserver.client.session_base import Place

if TYPE_CHECKING:
    from mockserver.client.asynchronous import AsyncSession

P = ParamSpec("P")
R = TypeVar("R")


class Asks(Protocol):
    """An object with a session name and connections."""

    @property
    def name(self) -> str:
        """The name of the session."""

    @property
    def connections(self) -> Connections:
        """The connections to the server."""


def blocking(operation: Callable[Concatenate[str, P], Steps[R]]) -> Callable[Concatenate[Asks, P], R]:
    """Return an operation as a blocking method."""

    def method(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return self.connections.run(operation(self.name, *args, **kwargs))
        except journal.WaitError as error:
            error.args = (f"{error}{_blocked_loop(operation.__name__)}",)
            raise

    update_wrapper(method, operation)
    return method


def _blocked_loop(method: str) -> str:
    """Return a line for the error of a wait if this thread runs an event loop, which could do nothing meanwhile."""
    instead = ""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        instead = f"await session.aio.{method}(...)"
    if "trio" in sys.modules:
        with suppress(RuntimeError):
            sys.modules["trio"].lowlevel.current_task()
            instead = f"await trio.to_thread.run_sync(lambda: session.{method}(...))"
    if not instead:
        return ""
    return (
        "\nThe wait blocked the event loop of the test, so nothing else on it could run, such as the client; "
        f"use `{instead}`."
    )


class Faults:
    """The fault steps of a session: a sequence with methods to add, replace and clear."""

    def __init__(self, name: str, connections: Connections) -> None:
        self.name = name
        self.connections = connections

    add = blocking(steering.add_fault)
    replace = blocking(steering.replace_faults)
    clear = blocking(steering.clear_faults)
    list = blocking(steering.list_faults)

    def __iter__(self) -> Iterator[FaultStep]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __getitem__(self, index: int) -> FaultStep:
        return self.list()[index]


class Clock:
    """The clock of the session. Waits and delays use real time."""

    def __init__(self, name: str, connections: Connections) -> None:
        self.name = name
        self.connections = connections

    now = blocking(steering.now)
    read = blocking(steering.read_clock)
    set = blocking(steering.set_clock)
    offset = blocking(steering.offset_clock)
    freeze = blocking(steering.freeze_clock)
    advance = blocking(steering.advance_clock)
    reset = blocking(steering.reset_clock)


class Session(Place):
    """One session of a server: its received events and requests, and its settings.

    Thread-safe. The methods block; use `aio` in coroutines.
    """

    def __init__(self, name: str, connections: Connections) -> None:
        self._name = name
        self._connections = connections

    @property
    def name(self) -> str:
        """The name of the session."""
        return self._name

    @property
    def connections(self) -> Connections:
        """The connections to the server."""
        return self._connections

    @property
    def target(self) -> Target:
        """The address of the server."""
        return self.connections.target

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
        from mockserver.client.asynchronous import AsyncSession

        return AsyncSession(self.name, self.target)

    def session(self, name: str) -> Session:
        """Return another session of the same server."""
        return Session(name, self.connections)

    events = blocking(journal.events)
    requests = blocking(journal.requests)
    request = blocking(journal.request)
    deliveries = blocking(journal.deliveries)
    export = blocking(journal.export)
    wait_until_quiet = blocking(journal.wait_until_quiet)
    key_for = blocking(steering.key_for)
    settings = blocking(steering.settings)
    patch = blocking(steering.patch)
    revision = blocking(steering.revision)
    forget = blocking(steering.forget)

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
        time: `exactly=0, quiet=0.5` checks that nothing arrives. Times are in seconds. Raises WaitError on timeout.
        """
        __tracebackhide__ = True
        try:
            found = self.connections.run(journal.wait(self.name, count=count, exactly=exactly, **options))
        except journal.WaitError as error:
            error.args = (f"{error}{_blocked_loop('wait_for')}",)
            raise
        return found[0] if count == 1 and exactly is None else found
