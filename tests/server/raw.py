"""HTTP as bytes on a socket: what is sent need not be HTTP, what comes back must be."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

SEARCH = 20
"""Seconds after which something hangs."""

End = Literal["read", "half", "close", "reset"]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A request that is HTTP, whatever else it is."""

    method: str = "POST"
    path: str = "/"
    headers: Headers = ()
    body: bytes = b""

    def head(self, *extra: str, host: str | None = "localhost", version: str = "1.1") -> bytes:
        """Return the request without its body and without what says how long that is."""
        lines = [f"{self.method} {self.path} HTTP/{version}"]
        lines += [] if host is None else [f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join([*lines, *extra]) + "\r\n\r\n").encode("latin-1")

    def wire(self, *extra: str, host: str | None = "localhost", version: str = "1.1") -> bytes:
        """Return the whole request."""
        return self.head(f"Content-Length: {len(self.body)}", *extra, host=host, version=version) + self.body

    def chunked(self, size: int = 1000) -> bytes:
        """Return the whole request with its body in chunks."""
        pieces = [self.body[start : start + size] for start in range(0, len(self.body), size)]
        return self.head("Transfer-Encoding: chunked") + b"".join(map(chunk, [*pieces, b""]))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Bytes for a connection of their own. `method` of what is answered first; HEAD has no body."""

    pieces: tuple[bytes, ...]
    end: End = "read"
    method: str = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply: header names in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class BrokenReplyError(AssertionError):
    """What came back is no HTTP."""


async def read_answer(reader: asyncio.StreamReader, method: str = "POST") -> Answer | None:
    """Read one final reply; None when the connection ended before it began."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise BrokenReplyError(f"a reply breaks off: {error.partial!r}") from None
        return None
    except ConnectionError:
        return None
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    status = int(first.split(" ")[1])
    if status < 200:
        return await read_answer(reader, method)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if method == "HEAD" or status in (204, 304):
        return Answer(status=status, headers=headers)
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status=status, headers=headers, body=await _read_chunks(reader))
    return Answer(status=status, headers=headers, body=await reader.readexactly(int(headers.get("content-length", 0))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while size := int(await reader.readline(), 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(chunks)


async def _read_answers(reader: asyncio.StreamReader, method: str) -> list[Answer]:
    answer = await read_answer(reader, method)
    return [] if answer is None else [answer, *await _read_answers(reader, method)]


class Connection:
    """A connection that stays open, with one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def ask(self, request: bytes, method: str = "POST", *, within: float = SEARCH) -> Answer:
        """Send one request and read its answer."""
        async with asyncio.timeout(within):
            await self.send(request)
            answer = await read_answer(self.reader, method)
        assert answer is not None, f"no answer to {request[:200]!r}"
        return answer

    async def answers(self, method: str = "POST") -> list[Answer]:
        """Read what comes until the server closes."""
        async with asyncio.timeout(SEARCH):
            return await _read_answers(self.reader, method)

    def half_close(self) -> None:
        self.writer.write_eof()

    async def close(self, *, reset: bool = False) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


async def carry_out(port: int, attack: Attack) -> list[Answer]:
    """Open a connection, send, end it as the attack says; return what was answered until the server closed it."""
    connection = await Connection.open(port)
    try:
        try:
            await connection.send(*attack.pieces)
            if attack.end == "half":
                connection.half_close()
        except ConnectionError:
            pass
        return await connection.answers(attack.method) if attack.end in ("read", "half") else []
    finally:
        await connection.close(reset=attack.end == "reset")


async def once(port: int, request: Plain, *extra: str) -> Answer:
    """Send one request on a connection of its own."""
    answers = await carry_out(port, Attack(pieces=(request.wire("Connection: close", *extra),), method=request.method))
    assert len(answers) == 1, answers
    return answers[0]


async def sent(port: int, *pieces: bytes, end: End = "read", method: str = "POST") -> list[Answer]:
    """Send these bytes on one connection; return what came back, which is whole."""
    answers = await carry_out(port, Attack(pieces=pieces, end=end, method=method))
    assert whole(answers) == []
    return answers


async def received(port: int, session: str) -> int:
    """Return how many requests a session has seen."""
    answer = await once(port, Plain(method="GET", path=f"/_mock/sessions/{quote(session, safe='')}"))
    count: int = answer.json["counts"]["requests"]
    return count


async def unreadable(port: int) -> int:
    """Return how many requests the server could not read."""
    count: int = (await once(port, Plain(method="GET", path="/_mock/sessions"))).json["unreadable"]
    return count


def whole(answers: Sequence[Answer]) -> list[str]:
    """Return what is wrong with replies whatever was asked: our bugs, pages and redirects."""
    found = []
    for answer in answers:
        if answer.status >= 500:
            found.append(f"status {answer.status}: {answer.body[:300]!r}")
        if 300 <= answer.status < 400:
            found.append(f"a redirect, {answer.status}")
        if answer.headers.get("server") != "mockserver":
            found.append(f"the server says it is {answer.headers.get('server')}")
        kind = answer.headers.get("content-type", "")
        if answer.status >= 400 and answer.body and kind.partition(";")[0] not in JSON_TYPES:
            found.append(f"status {answer.status} as {kind}: {answer.body[:300]!r}")
        elif kind.partition(";")[0] in JSON_TYPES and answer.body:
            json.loads(answer.body)
        if b"aiohttp" in answer.body:
            found.append(f"names aiohttp: {answer.body[:300]!r}")
    return found


JSON_TYPES = ("application/json", "application/problem+json")
