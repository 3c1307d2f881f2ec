"""A session of a server, for coroutines: the same operations, awaited.

Each call has a connection of its own, on the loop that awaits it. So nothing has to be closed, a cancelled call is
given up at once, and a session may be used from one loop after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

import aiohttp
from yarl import URL

from mockserver.core.model import Json
from mockserver.errors import UnreachableError
from mockserver.testing import journal, steering
from mockserver.testing.results import Event
from mockserver.testing.transport import CALL_TIMEOUT, Call, Steps, Target, outcome, payload, prefixed
from mockserver.testing.types import Wanted

P = ParamSpec("P")
R = TypeVar("R")


class Asks(Protocol):
    """Something that belongs to a session and knows where its server is."""

    @property
    def name(self) -> str:
        """The session's name."""

    @property
    def target(self) -> Target:
        """Where the server is."""


async def run(target: Target, steps: Steps[R]) -> R:
    """Carry out an operation, one call after the other."""
    __tracebackhide__ = True
    try:
        call = next(steps)
        while True:
            call = steps.send(await _send(target, call))
    except StopIteration as done:
        result: R = done.value
        return result


async def _send(target: Target, call: Call) -> Json:
    url = URL(target.url.rstrip("/") + call.path, encoded=True)
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT + call.patience)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True), timeout=timeout) as client,
            client.request(call.method, url, data=payload(call), headers=target.headers()) as reply,
        ):
            status, body = reply.status, await reply.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UnreachableError(f"{target.url}: {call}: {error or type(error).__name__}") from error
    return outcome(target, call, status, body)


def awaiting(
    operation: Callable[Concatenate[str, P], Steps[R]],
) -> Callable[Concatenate[Asks, P], Coroutine[Any, Any, R]]:
    """Return an operation as a coroutine method."""

    async def method(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        return await run(self.target, operation(self.name, *args, **kwargs))

    update_wrapper(method, operation)
    return method


class AsyncFaults:
    """The session's fault steps."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target

    add = awaiting(steering.add_fault)
    replace = awaiting(steering.replace_faults)
    clear = awaiting(steering.clear_faults)
    list = awaiting(steering.list_faults)


class AsyncClock:
    """The session's clock; waits and delays go by real time all the same."""

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


class AsyncSession:
    """One session of a server, with the methods of `Session` as coroutines."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {self.url}>"

    @property
    def key(self) -> str:
        """The key to give a client: the session's name."""
        return self.name

    @property
    def url(self) -> str:
        """The server's URL, to give a client as its base; the key tells the session."""
        return self.target.url

    @property
    def base_url(self) -> str:
        """A URL whose path tells the session, for clients whose key cannot be chosen."""
        return prefixed(self.url, self.name)

    @property
    def faults(self) -> AsyncFaults:
        """What goes wrong on purpose."""
        return AsyncFaults(self.name, self.target)

    @property
    def clock(self) -> AsyncClock:
        """The session's time."""
        return AsyncClock(self.name, self.target)

    def session(self, name: str) -> AsyncSession:
        """Return a view of another session of the same server."""
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
        self, *, count: Literal[1] = 1, exactly: None = None, **wanted: Unpack[Wanted]
    ) -> Event: ...
    @overload
    async def wait_for(self, *, count: int, exactly: None = None, **wanted: Unpack[Wanted]) -> list[Event]: ...
    @overload
    async def wait_for(self, *, count: int = 1, exactly: int, **wanted: Unpack[Wanted]) -> list[Event]: ...
    async def wait_for(
        self, *, count: int = 1, exactly: int | None = None, **wanted: Unpack[Wanted]
    ) -> Event | list[Event]:
        """Return the event that matches, or a list where `count` or `exactly` ask for another number.

        Like `Session.wait_for`, without blocking the loop.
        """
        __tracebackhide__ = True
        found = await run(self.target, journal.wait(self.name, count=count, exactly=exactly, **wanted))
        return found[0] if count == 1 and exactly is None else found
