"""Two ways to play the model's requests: against the core in this process, and over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.serving import ServedContracts
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.stores.opening import open_store
from mockserver.settings import Settings
from mockserver.strategies import Request
from tests.sessions.stores.opened import place_of

Answer = tuple[int, dict[str, str], bytes]


class Driver(Protocol):
    """Something that has sessions."""

    def send(self, session: str, protocol: str, request: Request) -> Answer: ...
    def clock(self, session: str, now_ms: int) -> None: ...
    def change(self, session: str, mode: str, keys: frozenset[str] | None) -> None: ...
    def counts(self, session: str) -> dict[str, int]: ...
    def forget(self, session: str) -> None: ...
    def restart(self) -> None: ...
    def close(self) -> None: ...


class InProcess:
    """The core with a store of a kind, which keeps what it has in a folder, if it does."""

    def __init__(self, contracts: Mapping[str, Contract], kind: str, folder: Path) -> None:
        self.contracts = contracts
        self.settings = Settings(store=place_of(kind, folder), store_sync="normal", max_sessions=100)
        self.served = ServedContracts(library(), self.settings)
        self.served.served = dict(contracts)
        self.runner = asyncio.Runner()
        self.store = self.runner.run(self._open())
        self.now: dict[str, int] = {}

    async def _open(self) -> MemoryStore:
        store = open_store(self.settings, self.served, SessionSettings())
        await store.open()
        return store

    async def _session(self, name: str) -> Session:
        session = self.store.session(name)
        if session.dormant or self.store.shared:
            await self.store.wake(session)
        return session

    def send(self, session: str, protocol: str, request: Request) -> Answer:
        return self.runner.run(self._send(session, protocol, request))

    async def _send(self, name: str, protocol: str, request: Request) -> Answer:
        here = await self._session(name)
        judged = route(RequestBody(request.wire()), self.contracts[protocol])
        terms = Terms(now_ms=self.now[name], keys=here.settings.keys, rate_mode=here.settings.rate_limits)
        _, reply = await self.store.commit(here, judge(judged, terms), received_ms=self.now[name])
        return reply.status, {header.lower(): value for header, value in reply.headers}, reply.body

    def clock(self, session: str, now_ms: int) -> None:
        self.now[session] = now_ms

    def change(self, session: str, mode: Any, keys: frozenset[str] | None) -> None:
        self.runner.run(self._change(session, mode, keys))

    async def _change(self, name: str, mode: Any, keys: frozenset[str] | None) -> None:
        session = await self._session(name)
        session.settings.rate_limits, session.settings.keys = mode, keys
        self.store.set_up(session)
        await self.store.durable()

    def counts(self, session: str) -> dict[str, int]:
        self.runner.run(self.store.load(session))
        found = self.store.peek(session)
        assert found is not None
        return found.counts.as_json()

    def forget(self, session: str) -> None:
        self.runner.run(self._forget(session))

    async def _forget(self, name: str) -> None:
        self.store.forget(name)
        await self.store.durable()

    def restart(self) -> None:
        """Open the store again; in memory, nothing happens."""
        if self.settings.store != "memory":
            self.runner.run(self.store.close())
            self.store = self.runner.run(self._open())

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()


class OverHttp:
    """A running server; sessions are told apart by path prefix and named freshly for each run."""

    def __init__(self, url: str, patches: Mapping[str, Any], run: int) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        self.patches = {name: {"patch": patch} for name, patch in patches.items()}
        self.run = run

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        self.connection.request(method, path, None if body is None else json.dumps(body))
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text)
        return json.loads(text) if text else None

    def _here(self, session: str) -> str:
        return f"/_mock/sessions/{self.run}-{session}"

    def send(self, session: str, protocol: str, request: Request) -> Answer:
        path = f"/_mock/s/{self.run}-{session}{request.path}"
        self.connection.request(request.method, path, request.body or None, dict(request.headers))
        answer = self.connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def clock(self, session: str, now_ms: int) -> None:
        self._call("PUT", f"{self._here(session)}/clock", {"now": rfc3339_ms(now_ms), "frozen": True})

    def change(self, session: str, mode: str, keys: frozenset[str] | None) -> None:
        listed = None if keys is None else sorted(keys)
        change = {"rate_limits": mode, "keys": listed, "protocols": self.patches}
        self._call("PATCH", self._here(session), change)

    def counts(self, session: str) -> dict[str, int]:
        found: dict[str, int] = self._call("GET", self._here(session))["counts"]
        return found

    def forget(self, session: str) -> None:
        self._call("DELETE", self._here(session))

    def restart(self) -> None:
        """The server goes on."""

    def close(self) -> None:
        self.connection.close()
