"""The processes that run SDK clients, and the lines that are spoken with them."""

from __future__ import annotations

import asyncio
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class Host:
    """A process that runs clients of one SDK. Many calls may be open at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._calls = 0

    async def call(self, call: str, key: str, **arguments: Any) -> list[str]:
        """Call the client of that key; returns, when the call is over, which errors it has told its application."""
        assert self._process.stdin is not None
        self._calls += 1
        number = self._calls
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "call": call, "key": key, **arguments})
        self._process.stdin.write(line.encode() + b"\n")
        told = await answer
        assert "failure" not in told, told["failure"]
        errors: list[str] = told["errors"]
        return errors

    async def listen(self) -> None:
        """Take the answers, until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._open.pop(told["id"]).set_result(told)
        for answer in self._open.values():
            answer.set_result({"failure": "the process of the SDK is gone"})


@asynccontextmanager
async def host(*command: str) -> AsyncIterator[Host]:
    """Run a process for as long as the block runs; it sees no proxy."""
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
    made = Host(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        await process.wait()
        await listening
