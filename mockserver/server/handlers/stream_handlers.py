"""The handlers of streams: what happens in one session or in all, as it happens, from where a reader stopped."""

from __future__ import annotations

import asyncio
import re
from asyncio import sleep
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.server.aiohttp_io import CHUNK, SERVER, write
from mockserver.server.control import Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase
from mockserver.server.stream_rows import StreamRows, block
from mockserver.server.turns import Turn
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.feed import Feed, Happening
from mockserver.sessions.session_name import tagged

MOST_STREAMS: Final = 500
"""How many streams may be open on a server: each costs a connection, and time with each request."""

QUIET_S: Final = 15.0
"""Seconds without an event after which a comment shows that the connection still stands."""

GATHER_S: Final = 0.025
"""How long a reader that was just sent something waits for more, so that many requests share a write. The first one
after a silence is sent at once."""

RETRY_MS: Final = 1000
"""When a browser connects again after its connection was lost."""

LAST_SEEN: Final = "Last-Event-ID"
"""The header with which a browser resumes a stream."""

FROM_THE_START: Final = "0"
"""The cursor before all that is kept."""

_CURSOR: Final = re.compile(r"(?P<run>[0-9a-f]{8})\.(?P<position>[0-9]{1,18})", re.ASCII)


class StreamHandlers(HandlerBase):
    """The handlers of streams."""

    open_streams = 0

    @cached_property
    def stream_rows(self) -> StreamRows:
        """The rows that all streams share."""
        return StreamRows(self.contracts.served.values)

    async def stream_server(self, call: Call) -> web.StreamResponse:
        """Send what happens in all sessions."""
        await self.store.load_all()
        return await send_stream(self, call, None)

    async def stream_session(self, call: Call) -> web.StreamResponse:
        """Send what happens in the sessions of a name: one that is deleted and made again goes on."""
        return await send_stream(self, call, self.read(call).name)


async def send_stream(handlers: StreamHandlers, call: Call, name: str | None) -> web.StreamResponse:
    """Send what happens in the sessions of a name, or in all for None, until the reader leaves or the server stops."""
    feed = handlers.store.feed
    reader = Reader(feed, handlers.stream_rows, name, hidden=call.query.get("secrets") == "hidden")
    reader.start(call.request.headers.get(LAST_SEEN) or call.query.get("after"))
    content = {"Content-Type": "text/event-stream", "Server": SERVER, "X-Accel-Buffering": "no"}
    headers = CIMultiDict({**content, **call.headers})
    if call.request.method == "HEAD":
        return web.Response(headers=headers)
    if handlers.open_streams >= MOST_STREAMS:
        detail = f"{handlers.open_streams} streams are open on this server, the maximum: close some of them first"
        raise RejectedError(503, detail, headers={"Retry-After": "1"})
    handlers.open_streams += 1
    try:
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(call.request)
        with feed.listening(name, reader.wake):
            async for piece in reader.blocks():
                await write(stream, piece)
    finally:
        handlers.open_streams -= 1
    return stream


class Reader:
    """One reader of the feed: at a position, and with what it could not be sent.

    It holds one row and `CHUNK` bytes of others, however slowly its client reads. What is gone before it was sent
    is counted, and told before anything later.
    """

    def __init__(self, feed: Feed, rows: StreamRows, name: str | None, *, hidden: bool) -> None:
        self._feed = feed
        self._rows = rows
        self._name = name
        self._hidden = hidden
        self._position = feed.newest
        self._restarted = False
        self._gone: dict[str, int] = {}
        self._news = asyncio.Event()

    def start(self, cursor: str | None) -> None:
        """Go to where a cursor leads: by default to the present. Raises RejectedError for one that cannot be."""
        feed = self._feed
        if cursor is None:
            return
        parts = _CURSOR.fullmatch(cursor)
        if parts is None and cursor != FROM_THE_START:
            raise RejectedError(400, f"after: expected 0 or the id of an event, got {cursor!a}", parameter="after")
        if parts is not None and parts["run"] == feed.run:
            self._position = int(parts["position"])
            if self._position > feed.newest:
                raise RejectedError(400, f"after: no event has had the id {cursor}", parameter="after")
            return
        self._restarted = parts is not None
        self._position = feed.oldest - 1

    @property
    def _cursor(self) -> str:
        return f"{self._feed.run}.{self._position}"

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield what has happened and what happens, until the server stops."""
        yield f": {SERVER}\nretry: {RETRY_MS}\nid: {self._cursor}\n\n".encode()
        if self._restarted:
            yield self._evicted(None, "restart")
        while not self._feed.closed:
            self._news.clear()
            gathered = bytearray()
            async for piece in self._pending():
                gathered += piece
                if len(gathered) >= CHUNK:
                    yield bytes(gathered)
                    gathered.clear()
            if gathered:
                yield bytes(gathered)
                await sleep(GATHER_S)
            elif not self._news.is_set() and not await self._next_news():
                yield f": quiet\nid: {self._cursor}\n\n".encode()

    def wake(self) -> None:
        """Look whether something has happened."""
        self._news.set()

    async def _next_news(self) -> bool:
        """Wait until something happens; False if nothing does for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                return await self._news.wait()
        return False

    async def _pending(self) -> AsyncIterator[bytes]:
        """Yield what has happened after the position."""
        feed, turn, newest = self._feed, Turn(), self._feed.newest
        while self._position < feed.newest and not feed.closed:
            await turn.end_if_over()
            if feed.newest != newest:
                newest = feed.newest
                await self._rows.pace.rest()
            forgotten = feed.oldest - 1 - self._position
            if forgotten > 0:
                self._position += forgotten
                yield self._evicted(None, "cursor", forgotten)
            happening = feed.at(self._position + 1)
            if self._name in (None, happening.name):
                async for piece in self._pieces(happening):
                    yield piece
            self._position = happening.position
        for piece in self._told_gone():
            yield piece

    async def _pieces(self, happening: Happening) -> AsyncIterator[bytes]:
        """Yield what is sent of a happening, after what is gone before it."""
        exchange = None
        if happening.turning is None:
            exchange = self._exchange(happening)
            if exchange is None:
                self._gone[happening.name] = self._gone.get(happening.name, 0) + 1
                return
        for piece in self._told_gone():
            yield piece
        cursor = f"{self._feed.run}.{happening.position}"
        if exchange is not None and happening.session is not None:
            yield await self._rows.of(cursor, happening.session, exchange, hidden=self._hidden)
        elif happening.turning is not None:
            eviction: Json = happening.turning.eviction
            data = {"session": self._shown(happening.name)}
            kind = happening.turning.kind
            if kind == "evicted":
                data |= {"reason": eviction["limit"], "requests": eviction["requests"]}
            elif kind == "session" and eviction is not None:
                data["eviction"] = eviction
            yield block(kind, cursor, render(data))

    def _exchange(self, happening: Happening) -> Exchange | None:
        """Return the request of a happening, or None if it is no longer kept."""
        if happening.session is None:
            return None
        exchange = next(happening.session.exchanges(happening.request - 1), None)
        return exchange if exchange is not None and exchange.seq == happening.request else None

    def _told_gone(self) -> list[bytes]:
        """Return what tells of requests that were gone before they could be sent."""
        told = [self._evicted(name, "journal", count) for name, count in self._gone.items()]
        self._gone = {}
        return told

    def _evicted(self, name: str | None, reason: str, requests: int | None = None) -> bytes:
        shown = None if name is None else self._shown(name)
        data: Mapping[str, Json] = {"session": shown, "reason": reason, "requests": requests}
        return block("evicted", self._cursor, render(dict(data)))

    def _shown(self, name: str) -> str:
        return tagged(name) if self._hidden else name
