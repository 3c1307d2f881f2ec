"""Operations on a session as methods: how their calls are run, blocking or on the event loop of the test.

An awaitable method opens its own connection on the running event loop. So nothing has to be closed, a cancelled call
ends at once, and a session can be used from several event loops in turn.
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from mockserver.client import session_calls as calls
from mockserver.client.calls import Call, Steps, Target, request_of, resume, unreachable
from mockserver.client.checks import check_arguments
from mockserver.client.connections import Connections
from mockserver.client.messages import ExchangeError, HttpReply
from mockserver.core.wording import NOTHING_CAME

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

P = ParamSpec("P")
R = TypeVar("R")


class Blocking(Protocol):
    """What has blocking methods: the session that it is about, and the connections to its server."""

    @property
    def name(self) -> str:
        """The name of the session."""
        ...

    @property
    def connections(self) -> Connections:
        """The connections to the server."""
        ...


class Awaited(Protocol):
    """What has awaitable methods: the session that it is about, and its server."""

    @property
    def name(self) -> str:
        """The name of the session."""
        ...

    @property
    def target(self) -> Target:
        """The server."""
        ...


def blocking(operation: Callable[Concatenate[str, P], Steps[R]]) -> Callable[Concatenate[Blocking, P], R]:
    """Return an operation as a blocking method."""

    @wraps(operation)
    def method(self: Blocking, /, *args: P.args, **kwargs: P.kwargs) -> R:
        check_arguments(operation, args, kwargs)
        steps = operation(self.name, *args, **kwargs)
        return run_blocking(
            self.connections, operation.__name__, steps, for_silence=operation is calls.wait_until_quiet
        )

    return method


def run_blocking(connections: Connections, method: str, steps: Steps[R], *, for_silence: bool = False) -> R:
    """Run an operation; the error of a wait says so if the wait has blocked an event loop.

    So does a warning of a wait `for_silence` that was satisfied.
    """
    try:
        result = connections.run(steps)
    except calls.WaitError as error:
        blocked = _blocked_loop(method)
        if blocked:
            lines = [line for line in str(error).splitlines() if line != NOTHING_CAME]
            error.args = ("\n".join([*lines, blocked]),)
        raise
    if for_silence:
        blocked = _blocked_loop(method, others=True)
        if blocked:
            warnings.warn(f"{blocked} That nothing came in that time says little.", RuntimeWarning, stacklevel=3)
    return result


def _blocked_loop(method: str, *, others: bool = False) -> str:
    """Return a line for the error of a wait if this thread runs an event loop, which could do nothing meanwhile.

    With `others`, only if tasks beside the one that waits were on a loop of asyncio.
    """
    instead = ""
    with suppress(RuntimeError):
        loop = asyncio.get_running_loop()
        if not others or len(asyncio.all_tasks(loop)) > 1:
            instead = f"await session.aio.{method}(...)"
    if "trio" in sys.modules:
        with suppress(RuntimeError):
            sys.modules["trio"].lowlevel.current_task()
            instead = f"await trio.to_thread.run_sync(lambda: session.{method}(...))"
    if not instead:
        return ""
    return (
        "The wait blocked the event loop of the test, so nothing else on it could run, such as the client; "
        f"use `{instead}`."
    )


def awaiting(
    operation: Callable[Concatenate[str, P], Steps[R]],
) -> Callable[Concatenate[Awaited, P], Coroutine[Any, Any, R]]:
    """Return an operation as an awaitable method."""

    @wraps(operation)
    async def method(self: Awaited, /, *args: P.args, **kwargs: P.kwargs) -> R:
        check_arguments(operation, args, kwargs)
        return await run(self.target, operation(self.name, *args, **kwargs))

    return method


async def run(target: Target, steps: Steps[R]) -> R:
    """Run the calls of an operation in order."""
    need_asyncio()
    try:
        call = next(steps)
        while True:
            call = resume(steps, target, call, await _send(target, call))
    except StopIteration as done:
        result: R = done.value
        return result


def need_asyncio() -> None:
    """Check that the current coroutine runs in a task of asyncio. Raises RuntimeError that says what to use instead."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise RuntimeError(
            "awaitable methods work with asyncio only; with another library, use the blocking methods in a thread, for "
            "example `await trio.to_thread.run_sync(session.events)`"
        )


async def _send(target: Target, call: Call) -> HttpReply:
    from mockserver.client.http import HttpClient

    async with HttpClient(target.host, target.port, target.tls, keep_alive=False) as client:
        try:
            return await client.exchange(request_of(target, call))
        except ExchangeError as error:
            raise unreachable(target, call, error) from None
