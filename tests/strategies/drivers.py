"""Two ways to play the model's requests: against the core in this process, and over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.strategies import Request

T = TypeVar("T")
Answer = tuple[int, dict[str, str], bytes]


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine that waits for nothing returns; it needs no event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise AssertionError(f"{work} waits")


class Driver(Protocol):
    """Something that has sessions."""

    def send(self, session: str, protocol: str, request: Request) -> Answer: ...
    def clock(self, session: str, now_ms: int) -> None: ...
    def settings(self, session: str, mode: str, keys: frozenset[str] | None) -> None: ...
    def counts(self, session: str) -> dict[str, int]: ...
    def forget(self, session: str) -> None: ...
    def close(self) -> None: ...


class InProcess:
    """The core with a memory store."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self.contracts = contracts
        self.store = MemoryStore(SessionSettings(), max_bytes=1 << 30, max_sessions=100)
        self.now: dict[str, int] = {}

    def send(self, session: str, protocol: str, request: Request) -> Answer:
        here = self.store.session(session)
        judged = route(RequestBody(request.wire()), self.contracts[protocol])
        terms = Terms(now_ms=self.now[session], keys=here.settings.keys, rate_mode=here.settings.rate_limits)
        _, reply = at_once(self.store.commit(here, judge(judged, terms), received_ms=self.now[session]))
        return reply.status, {name.lower(): value for name, value in reply.headers}, reply.body

    def clock(self, session: str, now_ms: int) -> None:
        self.now[session] = now_ms

    def settings(self, session: str, mode: Any, keys: frozenset[str] | None) -> None:
        settings = self.store.session(session).settings
        settings.rate_limits, settings.keys = mode, keys

    def counts(self, session: str) -> dict[str, int]:
        return self.store.session(session).counts.as_json()

    def forget(self, session: str) -> None:
        self.store.forget(session)

    def close(self) -> None:
        """Nothing is open."""


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

    def settings(self, session: str, mode: str, keys: frozenset[str] | None) -> None:
        listed = None if keys is None else sorted(keys)
        change = {"rate_limits": mode, "keys": listed, "protocols": self.patches}
        self._call("PATCH", self._here(session), change)

    def counts(self, session: str) -> dict[str, int]:
        found: dict[str, int] = self._call("GET", self._here(session))["counts"]
        return found

    def forget(self, session: str) -> None:
        self._call("DELETE", self._here(session))

    def close(self) -> None:
        self.connection.close()
