"""The load where wrk is not installed: `client.py HOST PORT CONNECTIONS SECONDS`, the rest as JSON on stdin.

Prints what the wrk script prints: verified requests, microseconds, wrong replies, errors. Slower than wrk, so it may
measure itself rather than the server; the table says which one sent.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from contextlib import suppress
from itertools import count
from typing import Any


class Sender:
    """Sends one payload again and again, on several connections, and holds each reply to the expected one."""

    def __init__(self, host: str, port: int, told: dict[str, Any]) -> None:
        self._address = (host, port)
        self._parts = [part.encode() for part in told["parts"]]
        lines = [f"POST {told['path']} HTTP/1.1", f"Host: {host}:{port}"]
        lines += [f"{name}: {value}" for name, value in told["headers"].items()]
        self._head = "\r\n".join(lines).encode() + b"\r\nContent-Length: "
        self._status, self._expected = str(told["status"]).encode(), told["expected"].encode()
        self._numbers = count(random.getrandbits(40))
        self.right = self.wrong = self.errors = 0

    async def run(self) -> None:
        """Send on one connection until it is cancelled; what is then under way does not count."""
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            for number in self._numbers:
                body = (b"%012x" % number).join(self._parts)
                writer.write(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                reply = await reader.readexactly(int(length))
                if head.split(b" ", 2)[1] == self._status and reply == self._expected:
                    self.right += 1
                else:
                    self.wrong += 1
        except (OSError, ValueError, asyncio.IncompleteReadError):
            self.errors += 1
        finally:
            writer.close()


async def main() -> None:
    """Send for so many seconds and print one line."""
    host, port, connections, seconds = sys.argv[1], *map(int, sys.argv[2:])
    sender = Sender(host, port, json.load(sys.stdin))
    began = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(sender.run() for _ in range(connections)))
    took_us = int((time.monotonic() - began) * 1e6)
    print(f"RESULT {sender.right} {took_us} {sender.wrong} {sender.errors}")


if __name__ == "__main__":
    asyncio.run(main())
