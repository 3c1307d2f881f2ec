"""Vendor requests as a client would send them, for tests of the Python surface."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from mockserver import Session


def whisperr_event(kind: str, user: str = "user_1", **members: Any) -> dict[str, Any]:
    """A good event of one type, in a session that keeps real time."""
    occurred_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    context = {"$message_id": uuid4().hex}
    return {"external_user_id": user, "event_type": kind, "occurred_at": occurred_at, "context": context, **members}


def send_whisperr(session: Session, *events: Mapping[str, Any], key: str | None = None) -> int:
    """Send a batch to the session, and return the status of the answer."""
    return post(session.url, "/v1/events/batch", {"events": events}, {"X-API-Key": key or session.key})


def post(url: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> int:
    """Send JSON, or bytes as they are, and return the status of the answer."""
    parts = urlsplit(url)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("POST", parts.path + path, content, {"Content-Type": "application/json", **(headers or {})})
        return connection.getresponse().status
    finally:
        connection.close()
