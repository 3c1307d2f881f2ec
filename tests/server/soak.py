"""Clients that use the server in every way it has: a `storm` with control calls, patched sessions, faults and waits."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from tests.server.mutators import GOOD, JSON_TYPE, headed, outlit, whisperr
from tests.server.raw import Answer, Attack, BrokenReplyError, End, Plain, carry_out, once
from tests.server.spoiled_calls import READS, spoiled_call
from tests.server.storm import Worker

LONGEST_S: Final = 120
"""Seconds after which something hangs: all clients may read large sessions at the same time."""
PATCHED: Final = 300
"""Sessions with a patch of their own."""
STEPS: Final[tuple[dict[str, Any], ...]] = (
    {"reply": {"status": 503, "headers": {"Retry-After": "1"}, "body": {"a": 1}}},
    {"reply": {"status": 429}, "when": "after_commit"},
    {"reject": {"message": "no"}},
    {"delay_ms": 20},
    *({"connection": how} for how in ("reset", "drop", "truncate", "dribble", "malformed", "close_idle")),
)
MATCHES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"verdict": "any"},
    {"type": "custom", "where": {"/eventName": {"regex": "^e1"}}},
    {"where": {"/*/a": {"gt": 1}}, "verdict": "rejected"},
    {"request": {"status": 200, "headers": {"user-agent": "x"}, "attempt": 2}},
)


class Soaker(Worker):
    """One client that does all of it."""

    kinds: Mapping[str, float] = {
        "good": 30,
        "mutated": 20,
        "attacked": 12,
        "resent": 8,
        "zipped": 4,
        "large": 2,
        "preflight": 4,
        "lost": 3,
        "patching": 0.5,
        "patched": 5,
        "faulted": 4,
        "waiting": 3,
        "leaving": 1,
        "reading": 4,
        "spoiled": 4,
    }

    async def send(self, request: Plain, *, below: int = 500) -> Answer:
        """Send a request whose answer must have a status below a limit."""
        answer = await self.ask(request, within=LONGEST_S)
        self.run.sent[self.doing] += 1
        self.run.statuses[answer.status] += 1
        assert answer.status < below, answer
        return answer

    async def call(self, method: str, path: str, body: object = None, *, below: int = 500) -> Answer:
        """Make a control call; a path without a slash is one of this client's session."""
        where = path if path.startswith("/") else f"/_mock/sessions/{self.key}{path and '/'}{path}"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.send(Plain(method=method, path=where, body=data), below=below)

    async def resent(self) -> None:
        self.doing = "resent"
        request = whisperr(self.key, f"e{self.rng.randrange(10**12)}")
        for _ in range(2):
            await self.send(request, below=300)

    async def zipped(self) -> None:
        self.doing = "zipped"
        request = self.plain(self.key)
        body = gzip.compress(request.body + b" " * self.rng.choice([0, 1000, 900_000]))
        await self.send(headed(replace(request, body=body), ("Content-Encoding", "gzip")), below=300)

    async def large(self) -> None:
        self.doing = "large"
        request = outlit(self.key, "x" * self.rng.choice([10_000, 900_000, 4_000_000]))
        await self.send(request)

    async def preflight(self) -> None:
        self.doing = "preflight"
        asked = (("Origin", "https://example.com"), ("Access-Control-Request-Method", "POST"))
        await self.send(headed(replace(self.plain(self.key), method="OPTIONS", body=b""), *asked))

    async def lost(self) -> None:
        self.doing = "lost"
        await self.send(Plain(path=f"/v9/{self.rng.randrange(10**6)}", headers=(JSON_TYPE,), body=b"{}"))

    def patched_session(self) -> str:
        return f"pk_patched_{self.rng.randrange(PATCHED)}"

    async def patching(self) -> None:
        """Give a session a contract that no other session has, or forget one."""
        self.doing, name = "patching", self.patched_session()
        if self.rng.random() < 0.2:
            await self.call("DELETE", f"/_mock/sessions/{name}", below=300)
            return
        members = {f"m{self.rng.randrange(10**9)}": {"type": "string"} for _ in range(5)}
        change = {"protocols": {"outlit": {"patch": {"events": {"custom": {"properties": members}}}}}}
        await self.call("PATCH", f"/_mock/sessions/{name}", change)

    async def patched(self) -> None:
        self.doing = "patched"
        await self.send(outlit(self.patched_session(), "click"))

    async def faulted(self) -> None:
        """Have one request of a session of its own disturbed; the client may leave before the answer."""
        self.doing, key = "faulted", f"{self.key}_faults"
        step: dict[str, Any] = self.rng.choice(STEPS)
        await self.call("PUT", f"/_mock/sessions/{key}/faults", [{**step, "times": 1}], below=300)
        request = GOOD[self.rng.choice(list(GOOD))](key, "click")
        end: End = self.rng.choice(["read", "close", "reset"])
        attack = Attack(pieces=(headed(request, ("X-Mock-Session", key)).wire("Connection: close"),), end=end)
        with suppress(BrokenReplyError, asyncio.IncompleteReadError, ValueError):
            await carry_out(self.run.port, attack)

    async def waiting(self) -> None:
        self.doing = "waiting"
        wait = {"match": self.rng.choice(MATCHES), "timeout_ms": self.rng.choice([0, 20]), "count": 3}
        await self.call("POST", "wait", {**wait, "for": self.rng.choice(["events", "requests"])})

    async def leaving(self) -> None:
        """Leave an open wait or a long export."""
        self.doing = "leaving"
        wait = Plain(path=f"/_mock/sessions/{self.key}/wait", body=b'{"count": 1000000, "timeout_ms": 600000}')
        export = Plain(method="GET", path=f"/_mock/sessions/{self.key}/export")
        end: End = self.rng.choice(["close", "reset"])
        await carry_out(self.run.port, Attack(pieces=(self.rng.choice([wait, export]).wire(),), end=end))
        self.run.sent[self.doing] += 1

    async def reading(self) -> None:
        self.doing = "reading"
        method, path = self.rng.choice(READS).split(" ")
        await self.call(method, path.replace("{s}", self.rng.choice([self.key, self.patched_session()])))

    async def spoiled(self) -> None:
        self.doing = "spoiled"
        method, path, body = spoiled_call(self.rng)
        await self.call(method, path, body)


async def settle(port: int) -> None:
    """Return when nothing that clients left behind is still under way: no step delays a reply for longer than this."""
    steps = [{"connection": "dribble", "delay_ms": 1500, "times": 1}]
    faults = Plain(method="PUT", path="/_mock/sessions/pk_settling/faults", body=json.dumps(steps).encode())
    assert (await once(port, faults)).status == 200
    assert (await once(port, outlit("pk_settling", "last"))).status == 200
