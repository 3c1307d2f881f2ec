"""Reading a stream of the control surface: server-sent events, and where to go on after a lost connection."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from mockserver.client.calls import Call, Target, answer_of, at, request_of, unreachable
from mockserver.client.messages import ExchangeError, RefusedError
from mockserver.client.results import Event, Request
from mockserver.errors import UnreachableError
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read

LONGEST_BLOCK: Final = 64 * 1024 * 1024
"""Bytes of one event; the server sends at most some megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedEvent:
    """One event of a stream: what happened, the cursor behind it, and its data as the control surface has it.

    `kind` is `session` (a session began), `request` (one arrived), `evicted` (the server no longer has requests, as
    after a restart; `data["reason"]` says why) or `deleted` (a session was forgotten).
    """

    kind: str
    cursor: str
    data: Mapping[str, Json]

    @property
    def request(self) -> Request | None:
        """The request of an event of the kind `request`; None for another kind."""
        return read(Request, self.data["request"]) if self.kind == "request" else None

    @property
    def events(self) -> list[Event]:
        """The events of that request, as far as the stream has them: of large ones it has the first megabyte."""
        return [read(Event, row) for row in self.data["events"]] if self.kind == "request" else []

    def as_json(self) -> dict[str, Json]:
        """Return the event as one JSON object."""
        return {"event": self.kind, "cursor": self.cursor, **self.data}


class Decoder:
    """Makes events of the bytes of a stream, as the HTML standard has them in `text/event-stream`.

    `cursor` is behind all blocks that were read to their end, comments included: a connection that is lost within a
    block goes on before it. Raises ValueError for what no server of ours sends.
    """

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        self._block_cursor = cursor
        self._rest = b""
        self._kind, self._data = "", list[str]()

    def take(self, piece: bytes) -> Iterator[StreamedEvent]:
        """Take the next bytes; yield the events that end in them."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > LONGEST_BLOCK:
            raise ValueError("an event of the stream is too long")
        for ended in lines:
            line = ended.removesuffix(b"\r").decode()
            if line:
                self._field(line)
                continue
            self.cursor = self._block_cursor
            if self._data:
                data = json.loads("\n".join(self._data))
                event = StreamedEvent(kind=self._kind or "message", cursor=self.cursor or "", data=data)
                self._kind, self._data = "", []
                yield event

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "id":
                self._block_cursor = value
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)


class Stream:
    """A stream of one session, or of all for None. `cursor` is where it goes on; each `events` is one connection.

    With `hidden`, the server hides secrets in the rows, as it does in exports.
    """

    def __init__(self, target: Target, session: str | None, cursor: str | None, *, hidden: bool = False) -> None:
        self._target = target
        self._session = session
        self._hidden = hidden
        self.cursor = cursor

    @property
    def _call(self) -> Call:
        query = {"after": self.cursor, "secrets": "hidden" if self._hidden else None}
        if self._session is not None:
            return Call(method="GET", path=at(self._session, "stream", **query))
        parameters = urlencode({name: value for name, value in query.items() if value is not None})
        return Call(method="GET", path=f"/_mock/stream?{parameters}")

    async def events(self, on_open: Callable[[], None] = lambda: None) -> AsyncGenerator[StreamedEvent, None]:
        """Yield events until the connection is lost; `on_open` is called when it stands.

        Raises UnreachableError at the end, ControlError if the call is refused.
        """
        from mockserver.client.http import HttpClient

        target, call, decoder, opened = self._target, self._call, Decoder(self.cursor), False
        try:
            async with (
                HttpClient(target.host, target.port, target.tls, keep_alive=False) as client,
                aclosing(client.pieces(request_of(target, call))) as pieces,
            ):
                async for piece in pieces:
                    if not opened:
                        opened = True
                        on_open()
                    for event in decoder.take(piece):
                        self.cursor = event.cursor
                        yield event
                    self.cursor = decoder.cursor
        except RefusedError as refused:
            answer_of(target, call, refused.reply)
            raise UnreachableError(f"{target.url} is not a mockserver: {call} is not a stream") from None
        except ExchangeError as error:
            raise unreachable(target, call, error) from None
        except ValueError:
            raise UnreachableError(f"{target.url} is not a mockserver: {call} is not a stream") from None
        raise UnreachableError(f"the server at {target.url} has ended the stream")
