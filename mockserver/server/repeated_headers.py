"""Headers that HTTP allows once and clients send twice: the first value is taken, as Node and nginx do.

aiohttp's parser refuses such a request. Its list of names cannot be changed, so the parser never sees the second name:
the first letter of it is replaced, and put back where the request is read. No byte is added or removed, and only heads
are touched, so the parser alone decides where a request ends. A repeated `Content-Length`, `Transfer-Encoding` or
`Host` stays refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from aiohttp import EMPTY_PAYLOAD, HttpVersion11, StreamReader
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import BadHttpMessage
from msgspec import Struct

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.wire import Headers

LIMITS: Final = SERVER_RULES["/server/request_head"].limits
"""The size of the largest request head: `line_bytes`, `field_bytes`, `head_bytes`, and its number of `headers`."""

TAKEN: Final = (
    b"content-location",
    b"content-range",
    b"content-type",
    b"etag",
    b"max-forwards",
    b"server",
    b"user-agent",
)
"""The headers whose first value is taken."""

MOST_PIECES: Final = 1000
"""How often one packet is searched for the end of a chunked body; the rest of the packet is then parsed as it is."""

HEAD_BYTES: Final = LIMITS["head_bytes"]
HEAD_TOO_LONG: Final = f"the request head is longer than {LIMITS['head_bytes']} bytes"
END_OF_HEAD: Final = b"\r\n\r\n"
LOWER, UPPER = b"~", b"^"

_NAMES = b"|".join(TAKEN)
_REFUSAL: Final = re.compile(rf"Duplicate '({_NAMES.decode()})' header found", re.IGNORECASE)
_FIELD: Final = re.compile(rb"(%b)[ \t]*:" % _NAMES, re.IGNORECASE)
_FIRST_LETTERS: Final = {name[1:]: name[:1] for name in TAKEN}
_ORIGIN: Final = re.compile(rb"(?im)^origin:[ \t]*([\x21-\x7e]{1,300})[ \t]*\r")

Parsed = tuple[Sequence[tuple[Any, StreamReader]], bool, bytes]
"""Requests with their bodies, whether the connection was upgraded, and the bytes after that."""
NOTHING: Final[Parsed] = ((), False, b"")


class Head(Struct, frozen=True):
    """The head of a request of HTTP/1.1 after which the connection stays open.

    `headers` and `fields` are those of `WireRequest`, `length` the bytes of the body.
    """

    method: str
    target: str
    headers: Headers
    fields: dict[bytes, bytes]
    length: int


Heads: TypeAlias = dict[bytes, Head]
Take: TypeAlias = Callable[[Head, StreamReader, bytes], bool]
"""Takes a request with its body as aiohttp and as the client has it; false where it does not."""
MOST_KEPT: Final = 256
LONGEST_KEPT: Final = 4096
"""How many heads are kept, and the bytes of each: most clients send few different ones, again and again."""


class LenientParser:
    """aiohttp's parser of one connection, and the first value of each header in `TAKEN`.

    `renew` returns a new parser, for the parser that has refused a request takes no more. What arrived since the
    last complete request is kept until then.
    """

    def __init__(self, parser: Any, renew: Callable[[], Any]) -> None:
        self._renew = renew
        self.take: Take | None = None
        """Asked for each request that came in one piece of its own; those it takes are not returned."""
        self.heads: Heads = {}
        """Heads of requests that were taken, which need not be parsed again. Many parsers may share them."""
        self.renames = False
        """Whether a request of this connection had a repeated header; its bytes are read line by line from then on."""
        self._received: list[bytes] = []
        self._size = 0
        self._bodies: list[StreamReader] = []
        self._forgotten = False
        self._seen: set[bytes] = set()
        self._line = b""
        self._length: int | None = None
        self._at_line_start = True
        self._use(parser)

    def _use(self, parser: Any) -> None:
        self._parser = parser
        self.pause_reading = parser.pause_reading
        self.message_consumed = getattr(parser, "message_consumed", None)
        self.set_upgraded = getattr(parser, "set_upgraded", None)
        self.feed_eof = parser.feed_eof

    def feed_data(self, data: bytes) -> Parsed:
        """Parse what arrived. Raises aiohttp's HttpProcessingError."""
        if self.renames:
            return self._feed_lines(data)
        end, was_offered = 0, False
        if self.take is not None and not self._received:
            end = data.find(END_OF_HEAD) + 4
            known = self.heads.get(data[:end])
            if known is not None and end + known.length == len(data):
                if self.take(known, EMPTY_PAYLOAD, data[end:]):
                    return NOTHING
                was_offered = True  # a second offer would count it twice
        try:
            parsed: Parsed = self._parser.feed_data(data)
        except BadHttpMessage as error:
            if self._forgotten or not _REFUSAL.match(error.message):
                raise
            stream = b"".join((*self._received, data))
            if not stream:
                raise
            return self._start_again(stream)
        messages = parsed[0]
        if not self._received and len(messages) == 1:
            message, body = messages[0]
            if body.is_eof():
                end = end if end > 4 else data.find(END_OF_HEAD, 4) + 4
                if end + body.total_bytes == len(data) and end <= HEAD_BYTES:
                    is_taken = not was_offered and self._is_taken(message, body, data, end)
                    return NOTHING if is_taken else parsed
        self._keep(data, messages)
        return parsed

    def _is_taken(self, message: RawRequestMessage, body: StreamReader, data: bytes, end: int) -> bool:
        """Offer a request whose head ends at `end`, and keep the head if it is taken."""
        if self.take is None or message.should_close or message.upgrade or message.version != HttpVersion11:
            return False
        fields = {name.lower(): value for name, value in reversed(message.raw_headers)}
        head = Head(message.method, message.path, message.raw_headers, fields, body.total_bytes)
        if not self.take(head, body, data[end:]):
            return False
        if self.message_consumed is not None:
            self.message_consumed()
        if end <= LONGEST_KEPT:
            if len(self.heads) >= MOST_KEPT:
                self.heads.clear()
            self.heads[data[:end]] = head
        return True

    def _keep(self, data: bytes, messages: Sequence[tuple[Any, StreamReader]]) -> None:
        """Keep what arrived, up to the size of the largest head, unless it ends a request."""
        self._bodies += [body for _, body in messages]
        self._size += len(data)
        if not self._forgotten:
            self._received.append(data)
            if self._size > LIMITS["head_bytes"]:
                end = b"".join(self._received).find(END_OF_HEAD, 4)
                if not 0 <= end <= LIMITS["head_bytes"]:
                    raise BadHttpMessage(HEAD_TOO_LONG)
        if self._bodies and self._bodies[-1].is_eof() and (self._forgotten or self._is_complete(data)):
            self._received, self._bodies, self._size, self._forgotten = [], [], 0, False
        elif self._size > LIMITS["head_bytes"]:
            self._received, self._bodies, self._forgotten = [b""], self._bodies[-1:], True

    def _is_complete(self, data: bytes) -> bool:
        """Return whether the bytes kept end where their last request does."""
        if len(self._bodies) == 1 and data.endswith(END_OF_HEAD):
            return True
        end = self._received[0].find(END_OF_HEAD, 4)
        if len(self._bodies) == 1 and end >= 0:  # no copy of a large body only to find its head
            return end + 4 + self._bodies[0].total_bytes == self._size
        stream, end = b"".join(self._received), 0
        for body in self._bodies:
            end_of_head = stream.find(END_OF_HEAD, end + 4)
            if end_of_head < 0:
                return False
            end = end_of_head + 4 + body.total_bytes
        return end == len(stream)

    def _start_again(self, stream: bytes) -> Parsed:
        """Parse the bytes kept with a new parser; return the requests that the old one did not return."""
        known = len(self._bodies)
        self.renames = True
        self._received, self._bodies, self._size = [], [], 0
        self._use(self._renew())
        messages, upgraded, tail = self._feed_lines(stream)
        return messages[known:], upgraded, tail

    def _feed_lines(self, data: bytes) -> Parsed:
        """Parse heads line by line. The beginning of a name is held back until the rest of it is there.

        What is kept is the head that is being read.
        """
        messages: list[tuple[Any, StreamReader]] = []
        position, number = 0, 0
        if data:
            data, self._line = self._line + data, b""
        while position < len(data) or not number:
            end, number = self._end_of_piece(data, position, number), number + 1
            piece = data[position:end]
            if self._in_head:
                if self._at_line_start and _may_become_name(piece):
                    self._line = piece
                    break
                self._received.append(piece)
                self._size += len(piece)
                if self._size > LIMITS["head_bytes"]:
                    raise BadHttpMessage(HEAD_TOO_LONG)
            sent = self._renamed(piece) if self._in_head and self._at_line_start else piece
            parsed, upgraded, tail = self._parser.feed_data(sent)
            if parsed:
                messages += parsed
                message, body = parsed[-1]
                self._received, self._bodies, self._size = [], [body], 0
                self._length = None if message.chunked else int(message.headers.get("Content-Length", 0))
                self._seen.clear()
            self._at_line_start = piece.endswith(b"\n") or (self._at_line_start and not piece)
            position = end
            if upgraded:
                return messages, True, tail + data[position:]
        return messages, False, b""

    def _end_of_piece(self, data: bytes, position: int, number: int) -> int:
        """Return where the next piece ends: a line of a head, or what cannot hold the end of a body but as its own.

        A chunked body ends with two line ends, of which the first may have come before `data`.
        """
        if not self._in_head and self._length is not None:
            return min(len(data), position + max(1, self._length - self._bodies[-1].total_bytes))
        if not self._in_head and number > MOST_PIECES:
            return len(data)
        mark = b"\n" if self._in_head or number < 2 else END_OF_HEAD
        found = data.find(mark, position)
        return len(data) if found < 0 else found + len(mark)

    @property
    def _in_head(self) -> bool:
        return not self._bodies or self._bodies[-1].is_eof()

    def _renamed(self, line: bytes) -> bytes:
        field = _FIELD.match(line)
        if field is None:
            return line
        name = field[1].lower()
        if name not in self._seen:
            self._seen.add(name)
            return line
        return (UPPER if line[:1].isupper() else LOWER) + line[1:]

    def origin(self, data: bytes) -> str | None:
        """Return the `Origin` of a request that was refused while `data` arrived, where it can be found."""
        found = _ORIGIN.search(b"".join((*self._received, data)))
        return None if found is None else found[1].decode("ascii")


def _may_become_name(line: bytes) -> bool:
    """Return whether a line breaks off where a name of `TAKEN` may still follow."""
    start = line.lower().rstrip(b" \t")
    return bool(line) and line[-1:] != b"\n" and any(name.startswith(start) for name in TAKEN)


def restored(headers: Headers) -> Headers:
    """Return headers with the names as they were sent; the same object where none was replaced."""
    if not any(name[:1] in (LOWER, UPPER) for name, _ in headers):
        return headers
    return tuple((_restored(name), value) for name, value in headers)


def _restored(name: bytes) -> bytes:
    letter = _FIRST_LETTERS.get(name[1:].lower()) if name[:1] in (LOWER, UPPER) else None
    if letter is None:
        return name
    return (letter.upper() if name[:1] == UPPER else letter) + name[1:]
