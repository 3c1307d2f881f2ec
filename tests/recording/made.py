"""Recordings made by hand, for tests of what is made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

HEAD: dict[str, Any] = {
    "recording": 1,
    "created": "2026-06-14T12:00:00.000Z",
    "mockserver": "0",
    "contracts": {"whisperr": {"revision": "base", "hash": "x"}},
    "upstreams": {},
    "redaction": {"values": 7, "rules": 0},
}


def event(kind: str = "paid", message: str = "m-1", user: str = "<id:1>", **members: Any) -> dict[str, Any]:
    return {"external_user_id": user, "event_type": kind, "context": {"$message_id": message}, **members}


def exchange(
    *events: Mapping[str, Any],
    id: str = "x1",
    path: str = "/v1/events/batch",
    status: int = 202,
    reply: Any = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> dict[str, Any]:
    """Return the line of a Whisperr batch and the reply to it."""
    sent = {"X-API-Key": "wrk_xxxx1", "Content-Type": "application/json", **(headers or {})}
    body = {"json": {"accepted": 1}} if reply is None else reply
    return {
        "id": id,
        "protocol": "whisperr",
        "operation": "batch",
        "at_ms": 0,
        "request": {
            "method": "POST",
            "path": path,
            "headers": [list(pair) for pair in sent.items()],
            "body": {"json": {"events": list(events or [event()])}},
        },
        "reply": {
            "status": status,
            "headers": [["Content-Type", "application/json"]],
            "body": body,
            "from": "upstream",
        },
        "findings": [],
        "events": [],
        "differs": [],
        **members,
    }


def lines(*rows: Any) -> bytes:
    """Return a recording with these exchanges."""
    return "".join(json.dumps(row) + "\n" for row in (HEAD, *rows)).encode()
