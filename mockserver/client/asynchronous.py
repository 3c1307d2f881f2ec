"""A session with awaitable methods.

Each call opens its own connection on the running event loop. So nothing has to be closed, a cancelled call ends at
once, and a session can be used from several event loops in turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

from mockserver.client import journal_calls as journal
from mockserver.client import steering_calls as steering
from mockserver.client.arguments import WaitOptions
from mockserver.client.calls import Call, Steps, Target, answer_of, request_of, unreachable
from mockserver.client.messages import ExchangeError
from mockserver.client.results import Event
from mockserver.client.session_base import Place
from mockserver.jsonkit import Json

P = ParamSpec("P")
R = TypeVar("R")


class Asks(Protocol):
    """An object with a session name and the address of a server."""

    @property
    def name(self) -> str:
        """The name of the session."""

    @property
    def target(self) -> Target:
        """The address of the server."""


async def run(target: Target, steps: Steps[R]) -> R:
    """Run the calls of an operation in order."""
    __tracebackhide__ = True
    need_asyncio()
    try:
        call = next(steps)
        while True:
            call = steps.send(await _send(target, call))
    except StopIteration as done:
        result: R = done.value
        return result


def need_asyncio() -> None:
    """Check that the current coroutine runs in a task of asyncio. Raises RuntimeError that says what to use instead."""
    __tracebackhide__ = True
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise RuntimeError(
            "awaitable methods work with asyncio only; with another library, use the blocking methods in a thread, for "
            "example `await trio.to_thread.run_sync(session.events)`"
        )


async def _send(target: Target, call: Call) -> Json:
    from mockserver.client.http import HttpClient

    async with HttpClient(target.host, target.port, target.tls, keep_alive=False) as client:
        try:
            reply = await client.exchange(request_of(target, call))
        except ExchangeError as error:
            raise unreachable(target, call, error) from error.reason
    return answer_of(target, call, reply)


def awaiting(
    operation: Callable[Concatenate[str, P], Steps[R]],
) -> Callable[Concatenate[Asks, P], Coroutine[Any, Any, R]]:
    """Return an operation as an awaitable method."""

    async def method(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return await run(self.target, operation(self.name, *args, **kwargs))

    update_wrapper(method, operation)
    return method


class AsyncFaults:
    """The fault steps of a session, with awaitable methods."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target

    add = awaiting(steering.add_fault)
    replace = awaiting(steering.replace_faults)
    clear = awaiting(steering.clear_faults)
    list = awaiting(steering.list_faults)


class AsyncClock:
    """The clock of the session. Waits and delays use real time."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target

    now = awaiting(steering.now)
    read = awaiting(steering.read_clock)
    set = awaiting(steering.set_clock)
    offset = awaiting(steering.offset_clock)
    freeze = awaiting(steering.freeze_clock)
    advance = awaiting(steering.advance_clock)
    reset = awaiting(steering.reset_clock)


class AsyncSession(Place):
    """One session of a server, with the methods of `Session` as coroutines."""

    def __init__(self, name: str, target: Target) -> None:
        self._name = name
        self._target = target

    @property
    def name(self) -> str:
        """The name of the session."""
        return self._name

    @property
    def target(self) -> Target:
        """The address of the server."""
        return self._target

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
        return AsyncSession(name, self.target)

    events = awaiting(journal.events)
    requests = awaiting(journal.requests)
    request = awaiting(journal.request)
    deliveries = awaiting(journal.deliveries)
    export = awaiting(journal.export)
    wait_until_quiet = awaiting(journal.wait_until_quiet)
    key_for = awaiting(steering.key_for)
    settings = awaiting(steering.settings)
    patch = awaiting(steering.patch)
    revision = awaiting(steering.revision)
    forget = awaiting(steering.forget)

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
        __tracebackhide__ = True
        found = await run(self.target, journal.wait(self.name, count=count, exactly=exactly, **options))
        return found[0] if count == 1 and exactly is None else found
