"""A reader of a stream that asks for one event after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jsonschema_rs

from mockserver.client.stream import Decoder, StreamedEvent
from mockserver.server import control
from tests.server.raw import SEARCH

SCHEMAS = {
    "request": "StreamedRequest",
    "session": "StreamedSession",
    "deleted": "StreamedSession",
    "evicted": "StreamedEviction",
}


class EventStream:
    """An open stream. Each event is held to control.yaml."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self.reply = reply
        self.decoder = Decoder()
        self.seen = b""
        self._waiting: list[StreamedEvent] = []

    async def next(self) -> StreamedEvent:
        """Return the next event, which is waited for."""
        async with asyncio.timeout(SEARCH):
            while not self._waiting:
                piece = await self.reply.content.read(65536)
                assert piece, "the stream has ended"
                self.seen += piece
                self._waiting += self.decoder.take(piece)
        event = self._waiting.pop(0)
        errors = list(validator(event.kind).iter_errors(event.data))
        assert not errors, (event, errors)
        return event

    async def take(self, count: int) -> list[StreamedEvent]:
        return [await self.next() for _ in range(count)]

    async def until_comment(self, text: str) -> None:
        """Read until a comment has come; there may be no event before it."""
        async with asyncio.timeout(SEARCH):
            while f": {text}\n".encode() not in self.seen:
                self.seen += await self.reply.content.read(65536)

    async def rest(self) -> list[StreamedEvent]:
        """Read to the end of the stream."""
        async with asyncio.timeout(SEARCH):
            piece = await self.reply.content.read()
        return [*self._waiting, *self.decoder.take(piece)]


def validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    return control.validator(f"/components/schemas/{SCHEMAS[kind]}")


@asynccontextmanager
async def opened(
    http: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[EventStream]:
    """Open a stream, and wait until it stands."""
    async with http.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as reply:
        assert reply.status == 200, await reply.text()
        assert reply.content_type == "text/event-stream"
        stream = EventStream(reply)
        await stream.until_comment("mockserver")
        waiting = list(stream.decoder.take(stream.seen))
        stream._waiting += waiting
        yield stream


def what(event: StreamedEvent) -> Any:
    """Return what an event says in few words."""
    data = event.data
    match event.kind:
        case "request":
            return data["session"], data["request"]["seq"]
        case "evicted":
            return "evicted", data["session"], data["reason"], data["requests"]
    return event.kind, data["session"]
