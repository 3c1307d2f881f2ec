"""A client that keeps the server busy: `client.py HOST PORT CONNECTIONS SECONDS`, the rest as JSON on stdin.

Prints what the wrk script prints: verified requests, microseconds, wrong replies, errors. It takes less processor time
for a request than any of the servers, so that these never sleep, and what they do in a second is what they cost.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from itertools import count
from typing import Any, cast

import uvloop


class Sender:
    """One payload to send again and again, and what became of it on all connections."""

    def __init__(self, host: str, port: int, told: dict[str, Any]) -> None:
        self._parts = [part.encode() for part in told["parts"]]
        lines = [f"POST {told['path']} HTTP/1.1", f"Host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in told["headers"].items()]
        self._head = "\r\n".join(lines).encode() + b"\r\nContent-Length: "
        self.status, self.expected = str(told["status"]).encode(), told["expected"].encode()
        self._numbers = count(random.getrandbits(40))
        self.right = self.wrong = self.errors = 0
        self.over = False

    def next(self) -> bytes:
        """Return the next request."""
        body = self._parts[0] if len(self._parts) == 1 else (b"%012x" % next(self._numbers)).join(self._parts)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


class Line(asyncio.Protocol):
    """One connection: sends, holds the reply to the expected one, and sends the next request.

    What is under way at the end does not count.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._sender.next())

    def data_received(self, data: bytes) -> None:
        sender = self._sender
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n") + 4
        length = received[:end].lower().partition(b"content-length:")[2].partition(b"\r")[0]
        if end < 4 or (length and len(received) < end + int(length)):
            self._received = received
            return
        self._received = b""
        if sender.over:
            return
        if received[9:12] == sender.status and received[end:] == sender.expected:
            sender.right += 1
        else:
            sender.wrong += 1
        self._transport.write(sender.next())

    def connection_lost(self, exc: Exception | None) -> None:
        self._sender.errors += not self._sender.over


async def main() -> None:
    """Send for so many seconds and print one line."""
    host, port, connections, seconds = sys.argv[1], *map(int, sys.argv[2:])
    sender, loop = Sender(host, port, json.load(sys.stdin)), asyncio.get_running_loop()
    began = time.monotonic()
    for _ in range(connections):
        await loop.create_connection(lambda: Line(sender), host, port)
    end = asyncio.Event()
    loop.call_later(seconds, end.set)
    await end.wait()
    sender.over = True
    took_us = int((time.monotonic() - began) * 1e6)
    print(f"RESULT {sender.right} {took_us} {sender.wrong} {sender.errors}")


if __name__ == "__main__":
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
