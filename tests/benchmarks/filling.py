"""A server with a history: 100 000 requests in 1 000 sessions, journalled in its process by its own pipeline."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.server.app import App

LARGE: Final = 50_000
"""Requests in the largest session."""
SESSIONS: Final = 1_000
REQUESTS: Final = 100_000

Sent = tuple[str, str, dict[str, str], bytes]
"""A request to journal: the session, the path, the headers, the body."""
JSON_TYPE: Final = {"Content-Type": "application/json", "User-Agent": "probe/1.0"}


def outlit(session: str, *names: str, **members: Any) -> Sent:
    """Return an Outlit batch with an event of each name."""
    common = {"type": "custom", "url": "https://example.com/pricing", "path": "/pricing", **members}
    events = [{**common, "eventName": name, "properties": {"plan": "pro", "page": name}} for name in names]
    body = json.dumps({"visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "source": "client", "events": events})
    return session, f"/api/i/v1/{session}/events", JSON_TYPE, body.encode()


def whisperr(session: str, ids: range, *, bad: int | None = None) -> Sent:
    """Return a Whisperr batch with an event of each id; the one at a position has a bad name."""
    events = [
        {
            "external_user_id": f"user_{number}",
            "event_type": "Not A Name" if index == bad else "payment_failed",
            "properties": {"amount_cents": 4900, "currency": "USD", "reason": "card_declined"},
            "context": {"$message_id": f"f7a1c2e0-4b3d-4f6a-9c1e-{number:012x}"},
        }
        for index, number in enumerate(ids)
    ]
    return session, "/v1/events/batch", {**JSON_TYPE, "X-API-Key": session}, json.dumps({"events": events}).encode()


def apex(session: str, key: str) -> Sent:
    """Return an Apex batch with a key, journalled in a session of another name."""
    body = {"projectKey": key, "visitorId": "v1", "type": "click", "url": "https://example.com/", "data": {"n": 1}}
    return session, "/api/events", {**JSON_TYPE, "X-Mock-Session": session}, json.dumps(body).encode()


def history() -> Iterator[Sent]:
    """Yield what is journalled before the calls."""
    yield from (outlit("pk_large", f"clicked_{number % 1000}") for number in range(LARGE))
    yield from (whisperr("wrk_batches", range(500 * n, 500 * n + 500)) for n in range(20))
    yield whisperr("wrk_bad", range(500), bad=250)
    yield from (whisperr("wrk_refused", range(500), bad=n) for n in range(40))
    yield apex("rec_long_key", "pk_live_" + "k" * 400_000)
    yield from (apex("rec_many_keys", f"pk_live_{number:08x}aabbccdd") for number in range(3_000))
    others = SESSIONS - 6
    rest = REQUESTS - LARGE - 20 - 1 - 40 - 1 - 3_000
    yield from (outlit(f"pk_other_{number % others}", f"clicked_{number % 1000}") for number in range(rest))


async def fill(app: App) -> int:
    """Journal the history; returns the number of requests."""
    count = 0
    for sent in history():
        await journal(app, *sent)
        count += 1
    return count


async def journal(app: App, session: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
    """Judge one request and commit it, as the server does with one that arrives."""
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
    fields = {name.lower(): value for name, value in pairs}
    request = WireRequest(method="POST", target=path, headers=pairs, fields=fields, body=body)
    contract = app.handlers.contracts.owner(path)
    assert contract is not None, path
    now = time.time_ns() // 1_000_000
    judged = judge(route(RequestBody(request), contract), Terms(now_ms=now, keys=None, rate_mode="warn"))
    await app.store.commit(app.store.session(session), judged, received_ms=now, connection="127.0.0.1:50000")
