"""A program whose requests are recorded, run with other users, ids and times each time, and changes planted in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from mockserver import MockServer
from mockserver.contract.library import library
from mockserver.recording.drift.drift import Drift, drift
from mockserver.recording.recordings import Recording, recording_of
from tests.sending import post, whisperr_event

AGENT = {"User-Agent": "whisperr-python/0.2.1", "Accept-Encoding": "gzip"}
Rows = list[dict[str, Any]]


def event(kind: str, user: str, **properties: Any) -> dict[str, Any]:
    """Return an event as an SDK sends it."""
    sent = whisperr_event(kind, user, properties=properties)
    sent["context"] |= {"sdk_name": "whisperr-python", "sdk_version": "0.2.1"}
    return sent


def program(server: MockServer, user: str) -> None:
    """Send what the program sends: a batch, a person, another batch at the second attempt, and pages of a browser."""
    key = {"X-API-Key": server.key, **AGENT}
    first = [event("trial_started", user, plan="pro", seats=3, run=str(uuid4())), event("paid", user, amount=4900)]
    assert post(server.url, "/v1/events/batch", {"events": [*first, event("paid", user, amount=100)]}, key) == 202
    channels = [{"channel": "email", "address": f"{user}@corp.example", "opted_in": True}]
    who = {"external_user_id": user, "traits": {"plan": "pro"}, "channels": channels}
    assert post(server.url, "/v1/identify", who, key) == 200
    server.faults.add(reply={"status": 503}, times=1)
    again = {"events": [event("churned", user, reason="price", tags=["a", "b"])]}
    assert [post(server.url, "/v1/events/batch", again, key) for _ in range(2)] == [503, 202]
    assert post(server.url, "/v1/events/batch", {"events": [event("Bad Name", user)]}, key) == 400
    now = int(time.time() * 1000)
    page = {"type": "pageview", "url": "http://127.0.0.1:41234/pricing", "path": "/pricing", "timestamp": now}
    seen = {"type": "engagement", "url": "http://127.0.0.1:41234/pricing", "path": "/pricing", "timestamp": now + 5}
    seen |= {"activeTimeMs": now % 977, "totalTimeMs": now % 983, "sessionId": str(uuid4())}
    visit = {"source": "client", "visitorId": str(uuid4()), "events": [page, seen]}
    headers = {"User-Agent": "Mozilla/5.0 (X11) Chrome/130.0.0.0", "Origin": "http://127.0.0.1:41234"}
    assert post(server.url, f"/api/i/v1/{server.key}/events?v=3", visit, headers) == 200


def recorded(user: str, **options: Any) -> str:
    """Return a recording of the program."""
    with MockServer() as server:
        program(server, user)
        return server.export(format="recording", **options)


def read(rows: Rows) -> Recording:
    """Return the recording of some rows."""
    return recording_of("".join(json.dumps(row) + "\n" for row in rows).encode(), "f")


def rows_of(text: str) -> Rows:
    """Return the rows of a recording."""
    return [json.loads(line) for line in text.splitlines()]


def found(old: Rows, new: Rows) -> Drift:
    """Return how two recordings differ."""
    return drift(read(old), read(new), library())


Plant = Callable[[Rows], object]
