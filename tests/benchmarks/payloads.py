"""What is sent: one event and full batches of each protocol, all good or with every tenth bad."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MARK = "@ID@"
"""Stands for a number that is new for every event sent."""


@dataclass(frozen=True)
class Payload:
    """A request to repeat; `body` may hold MARK once per event, `expected` is the reply's body."""

    name: str
    path: str
    headers: dict[str, str]
    body: str
    expected: str
    status: int


def _outlit(index: int, good: bool) -> dict[str, Any]:
    return {
        "type": "custom" if good else "nope",
        "url": "https://example.com/pricing?plan=pro",
        "path": "/pricing",
        "eventName": "button_clicked",
        "properties": {"buttonId": "cta-hero", "page": "/pricing", "variant": "A", "position": index},
        "referrer": "https://google.com/search?q=example",
        "timestamp": 1795300000000 + index,
    }


def outlit(count: int, bad_every: int = 0) -> Payload:
    """A browser batch; a bad event has an unknown type."""
    bad = [i for i in range(count) if bad_every and i % bad_every == bad_every - 1]
    events = [_outlit(i, i not in bad) for i in range(count)]
    body = {"visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "source": "client", "events": events}
    errors = [{"index": i, "message": "Invalid event type"} for i in bad]
    reply: dict[str, Any] = {"success": not bad, "processed": count - len(bad), **({"errors": errors} if bad else {})}
    name = f"outlit {count}{' mixed' if bad else ''}"
    return _payload(name, "/api/i/v1/pk_bench/events", {}, body, reply, 207 if bad else 200)


def whisperr(count: int, *, fresh: bool = True) -> Payload:
    """A batch with `$message_id`s, new ones each time or the same ones again."""
    events = [
        {
            "external_user_id": f"user_{i}",
            "event_type": "payment_failed",
            "occurred_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.250Z"),
            "properties": {"amount_cents": 4900, "currency": "USD", "reason": "card_declined"},
            "context": {"$message_id": f"f7a1c2e0-4b3d-4f6a-9c1e-{MARK if fresh else '8d2b5a7e3f10'}-{i}"},
        }
        for i in range(count)
    ]
    name = f"whisperr {count}{'' if fresh else ' resent'}"
    reply = {"accepted": count, "rejected": 0}
    return _payload(name, "/v1/events/batch", {"X-API-Key": "wrk_bench"}, {"events": events}, reply, 202)


def apex(count: int) -> Payload:
    """A server-side batch."""
    events = [{"type": "click", "url": "/pricing", "data": {"elementId": "plan-pro", "n": i}} for i in range(count)]
    body = {"projectKey": "pk_live_bench", "userId": "lead_456", "events": events}
    return _payload(f"apex {count}", "/api/events", {}, body, {"received": count}, 200)


def _payload(
    name: str, path: str, headers: dict[str, str], body: dict[str, Any], reply: dict[str, Any], status: int
) -> Payload:
    return Payload(
        name=name,
        path=path,
        headers={"Content-Type": "application/json", **headers},
        body=json.dumps(body, separators=(",", ":")),
        expected=json.dumps(reply, separators=(",", ":")),
        status=status,
    )
