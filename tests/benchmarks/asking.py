"""The client of the probe of turns, a process of its own: `asking.py PORT`, then the name of a call per line.

A call is carried out in phases. The requests of a phase are sent at once, each on a connection of its own; a line with
their statuses says that all of them were answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.requests import Call, Request
from tests.benchmarks.worst_calls import CALLS

LONGEST_S: Final = 100
"""After which a call is given up."""


async def ask(port: int, request: Request) -> str:
    """Send one request and read the reply to its end; returns its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.wire())
        await writer.drain()
        head = await reader.readline()
        while await reader.read(1 << 18):
            pass
        return head.split(b" ")[1].decode() if head else "closed"
    except (ConnectionError, IndexError) as error:
        return type(error).__name__
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def carry_out(port: int, call: Call) -> dict[str, int]:
    """Carry out one call; returns how often each status came."""
    statuses: Counter[str] = Counter()
    left_open = [asyncio.create_task(ask(port, request)) for request in call.opened()]
    for _ in range(20 if left_open else 0):  # the server has taken up the open ones once it answers these
        await ask(port, Request(method="GET", path="/readyz"))
    places = asyncio.Semaphore(call.at_once)

    async def placed(request: Request) -> str:
        async with places:
            return await ask(port, request)

    asked = [asyncio.create_task(placed(request)) for request in call.requests()]
    _, late = await asyncio.wait([*left_open, *asked], timeout=LONGEST_S)
    for task in late:
        task.cancel()
    for task in {*left_open, *asked} - late:
        statuses[task.result()] += 1
    return {**statuses, **({"late": len(late)} if late else {})}


async def main() -> None:
    """Carry out the calls that are named on the input."""
    calls = {call.name: call for call in CALLS}
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(await carry_out(int(sys.argv[1]), calls[line.decode().strip()])), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
