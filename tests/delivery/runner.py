"""Runs the cases of the table, many at once: each with a client of a real SDK and a session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from tests.delivery.hosts import Host, host
from tests.delivery.table import CLIENT, Case, Row, rows
from tests.server.control_client import ControlClient

QUIET_MS = 200
PATIENCE_MS = 60_000
AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one case, as the control surface tells it.

    ``ledger`` are the rows as they came; ``looks`` are the rows that a step expected beside those it found; ``waited``
    is the answer of the wait for the end; ``errors`` is what the SDK told its application.
    """

    ledger: list[Any]
    looks: list[tuple[tuple[Row, ...], tuple[Row, ...]]]
    requests: list[Any]
    events: list[Any]
    faults: list[Any]
    waited: dict[str, Any]
    errors: list[str]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The ledger in the words of the table."""
        return told(self.ledger)


def told(ledger: list[Any]) -> tuple[Row, ...]:
    """Put rows of the ledger in the words of the table."""
    return tuple(
        Row(
            type=row["type"],
            fate=row["fate"],
            attempts=tuple(attempt["status"] for attempt in row["attempts"]),
            flags=tuple(row["flags"]),
        )
        for row in ledger
    )


class Run:
    """One case with one SDK."""

    def __init__(self, case: Case, host: Host, control: ControlClient) -> None:
        self._case = case
        self._host = host
        self._control = control
        self._key = f"wrk_{uuid4().hex}"
        self._tracked = 0
        self._errors: list[str] = []
        self._started: list[asyncio.Task[None]] = []
        self._looks: list[tuple[tuple[Row, ...], tuple[Row, ...]]] = []

    async def outcome(self) -> Outcome:
        """Play the case to its end and say what came of it."""
        case = self._case
        for name in ("session", "clock", "faults"):
            if given := getattr(case, name):
                await self._step({name: given})
        await self._call("open", api=self._control.url, **{**CLIENT, **case.client})
        for step in (*case.steps, "join", "shutdown"):
            await self._step({step: None} if isinstance(step, str) else step)
        seen = sum(len(row.attempts) for row in case.ledger)
        return Outcome(
            waited=await self._wait(exactly=seen, quiet_ms=QUIET_MS, timeout_ms=PATIENCE_MS / 4),
            ledger=(await self._ask("GET", "deliveries?final=true&limit=10000"))["deliveries"],
            requests=(await self._ask("GET", "requests"))["requests"],
            events=(await self._ask("GET", "events?verdict=any&limit=10000"))["events"],
            faults=(await self._ask("GET", "faults"))["steps"],
            looks=self._looks,
            errors=self._errors,
        )

    async def _step(self, step: Mapping[str, Any]) -> None:
        verb, what = next(iter(step.items()))
        match verb:
            case "track":
                first, self._tracked = self._tracked + 1, self._tracked + step.get("times", 1)
                events = [{"type": what, "n": n} for n in range(first, self._tracked + 1)]
                await self._call("track", events=events)
            case "identify":
                await self._call("identify", user=what)
            case "flush" | "shutdown":
                await self._call(verb)
            case "start":
                self._started.append(asyncio.create_task(self._call(what)))
            case "join":
                await asyncio.gather(*self._started)
            case "wait" | "quiet":
                enough = {"count": what} if verb == "wait" else {"exactly": what, "quiet_ms": QUIET_MS}
                waited = await self._wait(**enough, timeout_ms=PATIENCE_MS)
                assert waited["satisfied"], waited
            case "ledger":
                self._looks.append((rows(what), told((await self._ask("GET", "deliveries"))["deliveries"])))
            case "session":
                await self._ask("PATCH", "", what)
            case "clock" | "faults":
                await self._ask("PUT", verb, what)
            case _:
                raise AssertionError(f"{self._case}: no such step: {verb}")

    async def _call(self, call: str, **arguments: Any) -> None:
        self._errors = await self._host.call(call, self._key, **arguments)

    async def _wait(self, **members: Any) -> Any:
        return await self._ask("POST", "wait", {"match": {"verdict": "any"}, **members})

    async def _ask(self, method: str, what: str, body: object = None) -> Any:
        path = f"/_mock/sessions/{self._key}/{what}".rstrip("/")
        status, answer = await self._control.call(method, path, body)
        assert status == 200, answer
        return answer


async def run_all(
    url: str, commands: Mapping[str, Sequence[str]], wanted: Sequence[tuple[Case, str]]
) -> list[Outcome | BaseException]:
    """Run cases, each with the SDK it is named with; in their order, what came of them or what went wrong."""
    async with AsyncExitStack() as stack:
        hosts = {sdk: await stack.enter_async_context(host(*command)) for sdk, command in commands.items()}
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=2 * PATIENCE_MS / 1000)
            )
        )
        control, turns = ControlClient(http, url), asyncio.Semaphore(AT_ONCE)

        async def run(case: Case, sdk: str) -> Outcome:
            async with turns, asyncio.timeout(PATIENCE_MS / 1000):
                return await Run(case, hosts[sdk], control).outcome()

        return await asyncio.gather(*(run(case, sdk) for case, sdk in wanted), return_exceptions=True)
