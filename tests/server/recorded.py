"""Requests that are recorded by one session and played back to another one, over blocking HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mockserver import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    session: Session,
    path: str,
    body: Any,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    key: str | None = None,
) -> Answer:
    """Send JSON, or bytes as they are, with the key of the session unless there is another one."""
    parts = urlsplit(session.url)
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", "X-API-Key": key or session.key, **(headers or {})}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, path, content, sent)
        reply = connection.getresponse()
        names = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(status=reply.status, headers=names, body=reply.read())
    finally:
        connection.close()


def event(kind: str, message: str, user: str = "user_17", **members: Any) -> dict[str, Any]:
    return {"external_user_id": user, "event_type": kind, "context": {"$message_id": message}, **members}


def batch(session: Session, *events: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    return ask(session, "/v1/events/batch", {"events": events}, headers)


def zipped(session: Session, *events: Mapping[str, Any]) -> Answer:
    body = gzip.compress(json.dumps({"events": events}).encode())
    return ask(session, "/v1/events/batch", body, {"Content-Encoding": "gzip"})


def verdicts(session: Session) -> list[str]:
    return [row.verdict for row in session.events()]


def recorded(session: Session) -> bytes:
    return session.export(format="recording").encode()
