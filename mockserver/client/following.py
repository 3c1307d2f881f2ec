"""Following the stream of a session across lost connections: blocking, or on the running event loop."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Final, Self

from mockserver.client.checks import check_range
from mockserver.client.connections import LoopThread
from mockserver.client.stream import Stream, StreamedEvent
from mockserver.errors import UnreachableError
from mockserver.realtime import monotonic

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

FROM_THE_START: Final = "0"
RETRY_S: Final = 0.2
"""Seconds between two attempts to connect again."""
PATIENCE_S: Final = 10.0
"""Seconds that a server may be away; then the loss of the connection is raised."""


async def followed(stream: Stream, quiet: float | None) -> AsyncGenerator[StreamedEvent, None]:
    """Yield the events of a stream, also after its connection was lost, until none has come for `quiet` seconds.

    Time without a connection does not count. Raises UnreachableError, ControlError, and ValueError for a negative time.
    """
    if quiet is not None:
        check_range("quiet", quiet)
    silence = _Silence(quiet)
    async with aclosing(_reconnecting(stream, silence)) as events:
        while True:
            try:
                async with silence.limited():
                    event = await anext(events)
            except TimeoutError:
                return
            yield event


class _Silence:
    """How long a stream that has a connection may be quiet."""

    def __init__(self, quiet: float | None) -> None:
        self._quiet = quiet
        self._limit = asyncio.timeout(None)
        self.live = False

    def limited(self) -> asyncio.Timeout:
        """Return the time limit of one event, to be entered at once."""
        is_counted = self.live and self._quiet is not None
        self._limit = asyncio.timeout(self._quiet if is_counted else None)
        return self._limit

    def opened(self) -> None:
        """Begin to count: there is a connection."""
        self.live = True
        if self._quiet is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + self._quiet)

    def lost(self) -> None:
        """Stop counting: there is none any more."""
        self.live = False
        self._limit.reschedule(None)


async def _reconnecting(stream: Stream, silence: _Silence) -> AsyncGenerator[StreamedEvent, None]:
    """Yield the events of a stream; when its connection is lost, connect again behind the last one."""
    lost_at = 0.0
    while True:
        try:
            async with aclosing(stream.events(silence.opened)) as events:
                async for event in events:
                    yield event
        except UnreachableError:
            now = monotonic()
            if silence.live:
                lost_at = now
                silence.lost()
            elif lost_at == 0.0 or now - lost_at > PATIENCE_S:
                raise
            await sleep(RETRY_S)


class SessionStream(Iterator[StreamedEvent]):
    """The stream of a session as an iterator that blocks until the next event.

    `cursor` is behind the last event: the `after` of a stream that goes on there. The stream ends with `close`, with
    the block of a `with` statement, or when it is garbage-collected.
    """

    def __init__(self, stream: Stream, quiet: float | None) -> None:
        self._stream = stream
        thread = LoopThread("mockserver stream", _reading(stream, quiet))
        self._events = thread.open()
        self._loop = thread.loop
        self.close = weakref.finalize(self, thread.stop)
        """Close the connection. There are no more events."""
        self.close.atexit = False

    @property
    def cursor(self) -> str | None:
        """The cursor behind the last event."""
        return self._stream.cursor

    def __next__(self) -> StreamedEvent:
        event = None
        if self.close.alive:
            event = self._result(asyncio.run_coroutine_threadsafe(_next(self._events), self._loop))
        if event is None:
            self.close()
            raise StopIteration
        return event

    def _result(self, future: Future[StreamedEvent | None]) -> StreamedEvent | None:
        try:
            return future.result()
        except CancelledError:  # another thread has closed the stream
            return None
        except BaseException:
            future.cancel()
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def _next(events: AsyncGenerator[StreamedEvent, None]) -> StreamedEvent | None:
    return await anext(events, None)


@asynccontextmanager
async def _reading(stream: Stream, quiet: float | None) -> AsyncIterator[AsyncGenerator[StreamedEvent, None]]:
    """Hold the events of a stream, and close their connection at the end."""
    events = followed(stream, quiet)
    try:
        yield events
    finally:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await events.aclose()
