"""RepeatedWarning on a request that was answered well: what the server itself notes of it, in the contract's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from mockserver.settings import RateMode

EVENT = {"external_user_id": "u", "event_type": "opened", "context": {"$message_id": "m"}}
JSON = {"content-type": "application/json"}
KEY = {"x-api-key": "wrk_a"}


async def warnings(
    protocol: str, path: str, body: Any, headers: dict[str, str], *, times: int = 1, rates: RateMode = "warn"
) -> list[str]:
    """Return the rules of the warnings on the last of some equal requests, the ones about its transport."""
    contract = library().protocol(protocol).contract()
    store = MemoryStore(SessionSettings(), max_bytes=1 << 24, max_sessions=4)
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = WireRequest(method="POST", target=path, headers=pairs, fields=dict(pairs), body=text)
    rules: list[str] = []
    for _ in range(times):
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=1_781_438_402_000, rate_mode=rates))
        exchange, reply = await store.commit(store.session("s"), judged, received_ms=1)
        assert reply.status in (200, 202)
        findings = View(exchange).findings()
        assert {finding.severity for finding in findings} <= {"warning"}
        rules = [finding.rule.removeprefix("/warnings/transport/") for finding in findings]
    return rules


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/events/track", {**JSON, **KEY}, []),
        ("/v1/events/track", {**JSON, **KEY, "authorization": "Bearer wrk_a"}, []),
        ("/v1/events/track", {**JSON, **KEY, "authorization": "Bearer wrk_b"}, ["two_credentials"]),
        ("/v1/events/track/", {**JSON, **KEY}, ["trailing_slash"]),
        ("//v1/events/track", {**JSON, **KEY}, ["leading_slashes"]),
    ],
)
async def test_request_is_noted(path: str, headers: dict[str, str], expected: list[str]) -> None:
    assert await warnings("whisperr", path, EVENT, headers) == expected


async def test_member_that_stands_twice_is_noted() -> None:
    body = json.dumps(EVENT).replace('"u"', '"v", "external_user_id": "u"').encode()
    assert await warnings("whisperr", "/v1/events/track", body, {**JSON, **KEY}) == ["duplicate_members"]


async def test_content_type_is_noted_where_any_is_taken() -> None:
    body = {
        "visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "events": [{"type": "pageview", "url": "u:", "path": ""}],
    }
    path = "/api/i/v1/pk_a/events"
    assert await warnings("outlit", path, body, {"content-type": "text/plain"}) == ["content_type"]
    assert await warnings("outlit", path, body, {"content-type": "application/json; charset=utf-8"}) == []


async def test_request_over_the_rate_is_noted_when_rates_only_warn() -> None:
    body = {
        "visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "events": [{"type": "pageview", "url": "u:", "path": ""}],
    }
    path = "/api/i/v1/pk_a/events"
    assert await warnings("outlit", path, body, JSON, times=100) == []
    assert await warnings("outlit", path, body, JSON, times=101) == ["over_rate"]
    assert await warnings("outlit", path, body, JSON, times=101, rates="off") == []
