"""What the probe of turns sends: HTTP requests as bytes, and calls made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request on a connection of its own."""

    method: str = "POST"
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def wire(self) -> bytes:
        """Return the bytes to send."""
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "\r\n"]).encode() + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one row of the table does: requests at the same time, after others were opened that stay unanswered."""

    name: str
    requests: Callable[[], Sequence[Request]]
    opened: Callable[[], Sequence[Request]] = tuple
    at_once: int = 1000


def get(session: str, what: str = "") -> Request:
    """Return a read of a session."""
    return Request(method="GET", path=f"/_mock/sessions/{session}{what}")


def control(method: str, session: str, what: str, body: object) -> Request:
    """Return a control call; a body that is not bytes is written as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(method=method, path=f"/_mock/sessions/{session}{what}", body=text)


def wait(session: str, match: Mapping[str, Any] | None = None, *, query: str = "", **members: Any) -> Request:
    """Return a wait that gives up soon."""
    return control("POST", session, f"/wait{query}", {"match": match or {}, "timeout_ms": 100, **members})


def patch(session: str, protocol: str, contract_patch: object) -> Request:
    """Return a change of the contract of a session."""
    return control("PATCH", session, "", {"protocols": {protocol: {"patch": contract_patch}}})


def one(request: Request) -> Callable[[], Sequence[Request]]:
    """Return what makes a single request."""
    return lambda: (request,)
