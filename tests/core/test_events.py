"""Judging batches at the edges of what contracts may ask for."""

from __future__ import annotations

import json

import pytest

from mockserver.contract.library import Patch, library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.strategies import NOW_MS


def test_empty_batch_is_taken_when_the_contract_has_windows_and_lets_it_be_empty() -> None:
    events = {"properties": {"events": {"minItems": None}}}
    patch = Patch(name="empty", patch={"requests": {"batch": events}})
    contract = library().protocol("whisperr").contract(patches=[patch])
    headers = ((b"X-API-Key", b"wrk_1"), (b"Content-Type", b"application/json"))
    fields = {name.lower(): value for name, value in headers}
    body = b'{"events": []}'
    request = WireRequest(method="POST", target="/v1/events/batch", headers=headers, fields=fields, body=body)
    judged = judge(route(RequestBody(request), contract), Terms(now_ms=NOW_MS))
    assert contract.windows
    assert judged.refusal is None
    assert judged.events == []


@pytest.mark.parametrize(
    ("ahead_ms", "reason"), [(-1, "past_ms"), (0, None), (300_000, None), (300_001, "future_ms"), (10**10, "future_ms")]
)
def test_time_is_compared_as_a_moment_when_it_is_written_in_lower_case(ahead_ms: int, reason: str | None) -> None:
    contract = library().protocol("whisperr").contract()
    window = contract.windows[0]
    start = NOW_MS if ahead_ms >= 0 else NOW_MS - window.past_ms
    text = rfc3339_ms(start + ahead_ms).lower()
    event = {"external_user_id": "u", "event_type": "a", "context": {"$message_id": "1"}, "occurred_at": text}
    headers = ((b"x-api-key", b"wrk_1"), (b"content-type", b"application/json"))
    body = json.dumps({"events": [event]}).encode()
    request = WireRequest(method="POST", target="/v1/events/batch", headers=headers, fields=dict(headers), body=body)
    judged = judge(route(RequestBody(request), contract), Terms(now_ms=NOW_MS))
    if reason is None:
        assert judged.refusal is None
    else:
        assert judged.refusal is not None
        assert judged.refusal.finding.rule == f"/protocol/windows/occurred_at/{reason}"


@pytest.mark.parametrize("type_", [[], {}, 5, None])
def test_server_batch_that_names_nobody_is_refused_when_the_type_of_an_event_is_no_text(type_: Json) -> None:
    contract = library().protocol("outlit").contract()
    body = json.dumps({"source": "server", "events": [{"type": type_}]}).encode()
    headers = ((b"content-type", b"application/json"),)
    request = WireRequest(
        method="POST", target="/api/i/v1/pk_1/events", headers=headers, fields=dict(headers), body=body
    )
    judged = judge(route(RequestBody(request), contract), Terms(now_ms=NOW_MS))
    assert judged.refusal is not None
    assert judged.refusal.reason == "missing_identity"
