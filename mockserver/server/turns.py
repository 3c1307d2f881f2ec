"""Turns of the event loop: long work yields to other requests after a bounded time, however much there is of it.

All long work on a loop shares one turn: 64 handlers that work at the same time delay others no longer than one does.
"""

from __future__ import annotations

import gc
from asyncio import AbstractEventLoop, Future, Lock, get_running_loop
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

from mockserver.realtime import monotonic
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session

T = TypeVar("T")
TURN_S: Final = 0.01
"""How long handlers together work before they yield to the loop; a turn of the loop must stay under 0.05 s."""

AT_ONCE: Final = 10
"""How many exchanges are at least taken from a journal at once."""

PARTS: Final = 100
"""In how many parts a large journal is taken. A part starts with a search that passes over all earlier exchanges, so
more parts of a fixed size would take quadratic time; what a part holds stays in memory even if it is evicted."""


class _LoopTurn:
    """The turn that all long work on one loop shares, and the queue of those whose turn is over."""

    def __init__(self) -> None:
        self._queue: deque[Future[None]] = deque()
        self.worker = ThreadPoolExecutor(1, "mockserver-reads")
        self.servers = 0
        self.carrying_out = {False: Lock(), True: Lock()}
        self.began: float | None = None

    def begin(self, now: float) -> None:
        """Begin a turn, which ends with the current pass of the loop over its ready callbacks."""
        self.began = now
        get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self.began = None
        while self._queue:
            resumed = self._queue.popleft()
            if not resumed.done():
                resumed.set_result(None)
                break
        if self._queue:
            self.begin(monotonic())

    async def next(self) -> None:
        """Wait for a later turn; they are given in the order of the calls, one for each pass of the loop."""
        resumed = get_running_loop().create_future()
        self._queue.append(resumed)
        await resumed


_turns: WeakKeyDictionary[AbstractEventLoop, _LoopTurn] = WeakKeyDictionary()


@contextmanager
def working() -> Iterator[None]:
    """Keep the thread for large pieces of work as long as a server runs; it ends with the last one on the loop."""
    loop = get_running_loop()
    shared = _turns.get(loop) or _turns.setdefault(loop, _LoopTurn())
    shared.servers += 1
    try:
        yield
    finally:
        shared.servers -= 1
        if not shared.servers:
            _turns.pop(loop)
            shared.worker.shutdown()


class Turn:
    """What is left of the turn of long work. Call `end_if_over` between two small pieces of work."""

    def __init__(self) -> None:
        loop = get_running_loop()
        self._shared = _turns.get(loop) or _turns.setdefault(loop, _LoopTurn())

    def is_over(self) -> bool:
        """Return whether the turn has lasted `TURN_S`; the first call in a pass of the loop begins one."""
        now, shared = monotonic(), self._shared
        if shared.began is None:
            shared.begin(now)
            return False
        return now - shared.began > TURN_S

    async def end(self) -> None:
        """Yield to the loop, and go on in a later turn."""
        await self._shared.next()

    async def end_if_over(self) -> None:
        """Yield to the loop if the turn is over."""
        if self.is_over():
            await self._shared.next()

    async def do(self, work: Callable[[], T], *, large: bool) -> T:
        """Do one piece of work. With `large` it may take longer than a turn and is done in a thread, see `spread`."""
        await self.end_if_over()
        if not large:
            return work()
        return await get_running_loop().run_in_executor(self._shared.worker, _without_collecting, work)

    async def carry_out(self, work: Iterator[object], *, large: bool) -> None:
        """Do work whose pieces are of no interest, see `spread`; one such work after the other.

        So what 64 handlers have read of their exchanges is not in memory at the same time.
        """
        async with self._shared.carrying_out[large]:
            async for _ in spread(work, large=large):
                pass


def _without_collecting(work: Callable[[], T]) -> T:
    """Do work while the garbage collector rests: it would look at millions of new objects again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return work()
    finally:
        if collects:
            gc.enable()


async def spread(work: Iterator[T], *, large: bool) -> AsyncIterator[T]:
    """Yield what work yields after each small piece of it; the event loop runs other requests between the pieces.

    With `large`, a piece may take longer than a turn: a thread carries out the work, and the interpreter switches
    between it and the loop every few milliseconds. There is one such thread for a loop.
    """
    turn = Turn()
    if not large:
        for item in work:
            yield item
            await turn.end_if_over()
        return
    while items := await turn.do(partial(_some, work), large=True):
        for item in items:
            yield item
            await turn.end_if_over()


def _some(work: Iterator[T]) -> list[T]:
    """Return what work yields in about the time of a turn; nothing at its end."""
    began, items = monotonic(), list[T]()
    for item in work:
        items.append(item)
        if monotonic() - began > TURN_S:
            break
    return items


async def in_turns(session: Session, after: int = 0) -> AsyncIterator[Exchange]:
    """Yield the exchanges of a session after a request number; regularly yields to the event loop."""
    turn = Turn()
    while exchanges := list(islice(session.exchanges(after), max(AT_ONCE, len(session.journal) // PARTS))):
        for exchange in exchanges:
            yield exchange
            await turn.end_if_over()
        after = exchanges[-1].seq
