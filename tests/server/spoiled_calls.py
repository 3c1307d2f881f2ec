"""Calls of every route of the control surface, most of them spoiled."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

from tests.server.mutators import spoil


def patched(protocol: str, patch: Any, revision: str | None = None) -> Any:
    return {"protocols": {protocol: {"revision": revision, "patch": patch}}}


CHANGES: Final[dict[str, list[Any]]] = {
    "PATCH /_mock/sessions/{s}": [
        {"credentials": ["a", "b"], "keys": ["a"], "rate_limits": "enforce", "journal_limit": 5},
        patched("outlit", {"protocol": {"limits": {"body": {"max_bytes": 9}}}}, "r4-2026-08"),
        patched("apex", {"protocol": {"cors": {"public": {"methods": "POST"}}}, "events": {}}),
        patched("whisperr", {"protocol": {"refusals": {"default": {"invalid_key": {"status": 403}}}}}),
    ],
    "POST /_mock/sessions/{s}/wait": [
        {"match": {"type": "click", "where": {"/a~1b": {"regex": "x"}}}, "count": 2, "timeout_ms": 1},
        {"exactly": 0, "quiet_ms": 0, "after": 3, "timeout_ms": 1},
    ],
    # A scripted reply is no 5xx: a storm that meets it would take it for an error of the server.
    "PUT /_mock/sessions/{s}/faults": [
        [{"times": 1, "reply": {"status": 418, "headers": {"a": "b"}, "body": {"x": 1}}}],
        [{"connection": "drop", "probability": 0.5, "seed": 1}],
        [{"match": {"operation": "events", "where": {"/a": {"in": [1]}}}, "delay_ms": {"min": 0, "max": 1, "seed": 1}}],
    ],
    "POST /_mock/sessions/{s}/faults": [{"reject": {"message": "no", "code": "x"}, "when": "before_commit"}],
    "PUT /_mock/sessions/{s}/clock": [{"now": "2026-06-14T12:00:00Z", "frozen": True}, {"offset_ms": 5}],
    "POST /_mock/sessions/{s}/clock/advance": [{"ms": 5}],
}
READS: Final = (
    "GET /_mock/sessions/{s}/requests?protocol=outlit&operation=events&status=200&after=0&limit=5",
    "GET /_mock/sessions/{s}/events?protocol=outlit&type=custom&verdict=any&after=0&limit=5",
    "GET /_mock/sessions/{s}/deliveries?final=true&after=0&limit=3",
    "GET /_mock/sessions/{s}/export?format=ndjson",
    "GET /_mock/sessions/{s}/requests/r1",
    "GET /_mock/sessions/{s}/requests/r99999999999999999999",
    "GET /_mock/sessions/{s}/faults",
    "GET /_mock/sessions/{s}/clock",
    "GET /_mock/sessions/{s}",
    "GET /_mock/sessions",
    "GET /_mock/protocols",
    "GET /_mock/fidelity?protocol=apex&basis=docs&revision=documented",
    "GET /_mock/openapi/apex.json",
    "GET /_mock/openapi/apex.json?revision=documented",
    "GET /_mock/openapi/apex.json?session={s}",
    "GET /_mock/schemas/apex/events.json",
    "GET /_mock/schemas/apex/bodies/events.json?revision=documented",
    "GET /_mock/openapi.json",
    "GET /_mock/",
    "GET /readyz",
    "DELETE /_mock/sessions/{s}/faults",
    "DELETE /_mock/sessions/{s}/clock",
    "DELETE /_mock/sessions/{s}",
)
NAMES: Final = (
    "pk_a",
    "pk_a",
    "pk_a",
    "a%00b",
    "%ff",
    "%ED%A0%80",
    "a" * 200,
    "a" * 201,
    "%F0%9F%98%80",
    "%2F",
    "a%0d%0ab",
    "*",
    "%25",
    "%22%3c%3e",
)
QUERIES: Final = (
    *("", "=", "&", "a=b", "%=%", ";", "protocol=", "revision=x", "verdict=", "final=TRUE", "status=200&status=200"),
    *("after=-1", "after=1e3", "after=999999999999999999", "after=9999999999999999999", "after=%D9%A1", "after=%2B1"),
    *("limit=0", "limit=10001", "limit=+5", "type=%ff", "type=%00", "type=" + "x" * 3000),
)


def hurried(body: Any) -> Any:
    """Return the body of a wait that is over soon, or that is refused."""
    if not isinstance(body, dict):
        return body
    limit = body.get("timeout_ms", 1)
    return {**body, "timeout_ms": 1 if isinstance(limit, int | float) and limit > 1 else limit}


def spoiled_call(rng: Random) -> tuple[str, str, Any]:
    name = rng.choice([*CHANGES, *READS])
    method, path = name.split(" ")
    body = rng.choice(CHANGES[name]) if name in CHANGES else None
    for _ in range(rng.randrange(3) if body is not None else 0):
        body = spoil(rng, body)
    if path.endswith("/wait"):
        body = hurried(body) or {"timeout_ms": 1}
    if rng.random() < 0.3:
        path = path.partition("?")[0] + "?" + "&".join(rng.choice(QUERIES) for _ in range(rng.randrange(1, 3)))
    if rng.random() < 0.05:
        method = rng.choice(["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    data = None if body is None else json.dumps(body).encode()
    return method, path.replace("{s}", rng.choice(NAMES)), data[:-1] if data and rng.random() < 0.05 else data
