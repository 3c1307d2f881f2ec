"""Judging batches at the edges of what contracts may ask for."""

from __future__ import annotations

from mockserver.contract.library import Patch, library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
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
