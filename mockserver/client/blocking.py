"""A session of a server, for tests that may block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

from mockserver.client import journal_calls as journal
from mockserver.client import steering_calls as steering
from mockserver.client.arguments import Wanted
from mockserver.client.calls import Steps, Target
from mockserver.client.connections import Connections
from mockserver.client.results import Event, FaultStep
from mockserver.client.session_base import Place

if TYPE_CHECKING:
    from mockserver.client.asynchronous import AsyncSession

P = ParamSpec("P")
R = TypeVar("R")


class Asks(Protocol):
    """Something that belongs to a session and can carry out its operations."""

    @property
    def name(self) -> str:
        """The session's name."""

    @property
    def connections(self) -> Connections:
        """The way to the server."""


def blocking(operation: Callable[Concatenate[str, P], Steps[R]]) -> Callable[Concatenate[Asks, P], R]:
    """Return an operation as a method that blocks until it is done."""

    def method(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return self.connections.run(operation(self.name, *args, **kwargs))

    update_wrapper(method, operation)
    return method


class Faults:
    """The session's fault steps: iterate over them, add, replace, clear."""

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
    """The session's clock; waits and delays go by real time all the same."""

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
    """One session of a server: what it was sent, and everything a test may change about it.

    May be used from any thread, and from a coroutine only where blocking its loop does no harm: see `aio`.
    """

    def __init__(self, name: str, connections: Connections) -> None:
        self._name = name
        self._connections = connections

    @property
    def name(self) -> str:
        """The session's name."""
        return self._name

    @property
    def connections(self) -> Connections:
        """The way to the server."""
        return self._connections

    @property
    def target(self) -> Target:
        """Where the server is."""
        return self.connections.target

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose."""
        return Faults(self.name, self.connections)

    @property
    def clock(self) -> Clock:
        """The session's time."""
        return Clock(self.name, self.connections)

    @property
    def aio(self) -> AsyncSession:
        """The same session with awaitable methods, for coroutines."""
        from mockserver.client.asynchronous import AsyncSession

        return AsyncSession(self.name, self.target)

    def session(self, name: str) -> Session:
        """Return a view of another session of the same server."""
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
        self, *, count: Literal[1] = 1, exactly: None = None, **wanted: Unpack[Wanted]
    ) -> Event: ...
    @overload
    def wait_for(self, *, count: int, exactly: None = None, **wanted: Unpack[Wanted]) -> list[Event]: ...
    @overload
    def wait_for(self, *, count: int = 1, exactly: int, **wanted: Unpack[Wanted]) -> list[Event]: ...
    def wait_for(self, *, count: int = 1, exactly: int | None = None, **wanted: Unpack[Wanted]) -> Event | list[Event]:
        """Return the event that matches, or a list where `count` or `exactly` ask for another number.

        Blocks until it is there, or raises WaitError. Events that came before the call count too. `quiet` asks that
        no request came for so long; `exactly=0, quiet=0.5` is "nothing arrives". Times are seconds.
        """
        __tracebackhide__ = True
        found = self.connections.run(journal.wait(self.name, count=count, exactly=exactly, **wanted))
        return found[0] if count == 1 and exactly is None else found
