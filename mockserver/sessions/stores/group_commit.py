"""Group commit: all that changes in one turn of the loop, or while a thread writes, shares one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

from mockserver.errors import StoreError
from mockserver.sessions.stores.file_changes import Changes
from mockserver.sessions.stores.sqlite_file import SqliteFile

_log = logging.getLogger("mockserver.store")

RETRY_S: Final = 1.0
"""After so many seconds, what could not be written is tried again."""


class GroupCommit:
    """Writes changes to a file, in a thread, and tells those who wait for them.

    What is to be written is added to `changes`, and `schedule` called. `complete` is called just before they are
    written, to add what is written once for all of them. `away` says why nothing can be written, None while it can.
    """

    def __init__(self, file: SqliteFile, complete: Callable[[Changes], None]) -> None:
        self.changes = Changes()
        self.away: str | None = None
        self._file = file
        self._complete = complete
        self._thread = ThreadPoolExecutor(1, "mockserver-store")
        self._writing: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._tidying: asyncio.Future[bool] | None = None
        self._untidy = True  # a server that ended may have left rows of deleted sessions
        self._closed = False

    def schedule(self) -> None:
        """See to it that the changes are written after this turn of the loop, or after what is being written."""
        if self._next is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            if self._writing is None and self.away is None:
                loop.call_soon(self._write)

    @property
    def awaited(self) -> asyncio.Future[None] | None:
        """What is done when all changes are written; None where there are none."""
        return self._next or self._writing

    async def durable(self) -> None:
        """Return when all changes are written. Raises StoreError if they cannot be."""
        if self.away is not None:
            raise StoreError(self.away)
        awaited = self.awaited
        if awaited is not None:
            await asyncio.shield(awaited)

    def _taken(self) -> Changes:
        changes, self.changes = self.changes, Changes()
        self._complete(changes)
        self._untidy = self._untidy or bool(changes.deleted)
        return changes

    def _write(self) -> None:
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        self._writing, self._next = self._next or loop.create_future(), None
        changes = self._taken()
        loop.run_in_executor(self._thread, self._file.write, changes).add_done_callback(partial(self._end, changes))

    def _end(self, changes: Changes, done: asyncio.Future[None]) -> None:
        """Tell those who wait that the changes are written, or keep them to be tried again."""
        awaited, self._writing = self._writing, None
        error = done.exception()
        if error is not None:
            self._fail(changes, error, awaited)
            return
        if self.away is not None:
            _log.warning("store: %s can be written again", self._file.shown)
            self.away = None
        if awaited is not None:
            awaited.set_result(None)
        if self._next is not None:
            self._write()
        elif self._untidy and self._tidying is None:
            self._tidy()

    def _fail(self, changes: Changes, error: BaseException, awaited: asyncio.Future[None] | None) -> None:
        if self.away is None:
            trace = None if isinstance(error, StoreError) else error
            _log.error("store: %s; requests are answered with 503 until it can be written", error, exc_info=trace)
        self.away = str(error)
        self.changes = changes.followed_by(self.changes)
        for future in (awaited, self._next):
            if future is not None:
                future.set_exception(StoreError(self.away))
                future.exception()  # nobody may be waiting
        self._next = None
        if not self._closed:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._write)

    def _tidy(self) -> None:
        """Remove what is left of deleted sessions, in pieces, so that nothing waits for all of it."""
        if not self._closed:
            self._untidy = False
            self._tidying = asyncio.get_running_loop().run_in_executor(self._thread, self._file.tidy)
            self._tidying.add_done_callback(self._end_tidying)

    def _end_tidying(self, done: asyncio.Future[bool]) -> None:
        self._tidying = None
        if done.exception() is None:
            self._untidy = self._untidy or done.result()
            if self._untidy and self._writing is None:
                self._tidy()
        else:  # it is tried again after the next write, which tells what is wrong
            self._untidy = True

    async def close(self) -> None:
        """Write what is left, and let another process use the file. What cannot be written is lost, and logged."""
        with suppress(StoreError):
            while self._next is not None or self._writing is not None:
                await self.durable()
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        if self.away is not None:
            try:
                await asyncio.to_thread(self._file.write, self._taken())
            except StoreError as error:
                _log.error("store: %s; what was not written is lost", error)
        self._file.close()
