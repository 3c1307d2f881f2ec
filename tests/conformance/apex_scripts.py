"""Script clients of Apex: for each rule one that keeps it, and one that breaks it and no other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mockserver.jsonkit.formats import rfc3339_ms
from tests.conformance.scripted import NOW, Scripted

Script = Sequence[Scripted]

DOWN = {"reply": {"status": 503}}
LIMITED = {"reply": {"status": 429, "headers": {"Retry-After": "2"}}}
RESET = {"connection": "reset"}
REFUSED = {"reply": {"status": 400}}


def event(number: int, at_ms: int = 0, /, **members: Any) -> dict[str, Any]:
    """An event that keeps every rule, made at that time; a member that is Ellipsis is left out."""
    whole = {"type": "plan_chosen", "url": "/pricing", "timestamp": rfc3339_ms(NOW + at_ms + number), **members}
    return {name: value for name, value in whole.items() if value is not ...}


def snippet(number: int, at_ms: int = 0, /, **members: Any) -> dict[str, Any]:
    """A body of the snippet format."""
    also = {"visitorId": "v_abc123", "projectKey": "pk_live_xyz", "url": "https://example.com/pricing", **members}
    return event(number, at_ms, **also)


def batch(*events: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A body of the batch format."""
    return {"projectKey": "pk_live_xyz", "events": [*events], **members}


def post(
    at_ms: int, body: Any, /, step: Any = None, *, path: str = "/api/events", delay: int = 0, **headers: str
) -> Scripted:
    """A request at that time; a header's name has `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(at=at_ms, target=path, body=raw, headers=tuple(named.items()), step=step, delay=delay)


def served(at_ms: int, number: int, /, step: Any = None, *, events: int = 1, **headers: str) -> Scripted:
    """A server batch; its idempotency key is the number of its first event."""
    body = {"events": [{"type": "plan_chosen", "data": {"order": number + each}} for each in range(events)]}
    named: dict[str, Any] = {"x_api_key": "apex_sk_test", "idempotency_key": f"key-{number}", **headers}
    return post(at_ms, body, step, path="/api/v1/events", **{name: value for name, value in named.items() if value})


PAIR = (event(1), event(2))
NEWER = event(3, 3000)
FINE: Script = [post(100, batch(*PAIR))]
SHOWN: Script = [post(100, snippet(1))]
SERVED: Script = [served(100, 1)]


def broken(**members: Any) -> Script:
    """A batch, one event of which is not as it should be."""
    return [post(100, batch(event(1, **members), event(2)))]


def broken_snippet(**members: Any) -> Script:
    """A snippet that is not as it should be."""
    return [post(100, snippet(1, **members))]


def again(step: Any, pause_ms: int = 2000, *later: dict[str, Any]) -> Script:
    """A batch that meets a fault, and comes again after a pause, or others in its place."""
    return [post(100, batch(*PAIR), step), post(100 + pause_ms, batch(*(later or PAIR)))]


def attempts(*pauses_ms: int, end: Any = None) -> Script:
    """A batch that meets as many 503 as there are pauses, and then the last answer."""
    times = [100 + sum(pauses_ms[:number]) for number in range(len(pauses_ms) + 1)]
    return [post(ms, batch(*PAIR), DOWN if number < len(pauses_ms) else end) for number, ms in enumerate(times)]


def stitched(at_ms: int) -> Scripted:
    """A visitor becomes a known user."""
    body = {"visitorId": "v_abc123", "email": "jane@acme.example", "projectKey": "pk_live_xyz"}
    return post(at_ms, body, path="/api/identity/stitch")


KNOWN = batch(*PAIR, userId="jane@acme.example")

SCRIPTS: dict[str, tuple[Script, Script]] = {
    "endpoint_path": (FINE, [post(100, batch(*PAIR), path="/api/events/")]),
    "content_type": (FINE, [post(100, batch(*PAIR), Content_Type="text/plain")]),
    "json_body": (FINE, [post(100, json.dumps(batch(*PAIR)).replace("{", '{"projectKey": "pk_1", ', 1).encode())]),
    "rate": (FINE, [post(100 + number, batch(event(2 * number), event(2 * number + 1))) for number in range(1001)]),
    "no_secret_as_project": (FINE, [post(100, batch(*PAIR, projectKey="apex_sk_test"))]),
    "no_secret_in_headers": (FINE, [post(100, batch(*PAIR), x_api_key="apex_sk_test")]),
    "snippet_members": (SHOWN, broken_snippet(visitorId=...)),
    "full_url": (SHOWN, broken_snippet(url="/pricing")),
    "referrer_url": (SHOWN, broken_snippet(referrer="google")),
    "snippet_time": (SHOWN, broken_snippet(timestamp=...)),
    "batch_members": (FINE, broken(url=...)),
    "not_empty": (FINE, [*FINE, post(1000, batch())]),
    "data_object": (broken(data={"plan": "pro"}), broken(data="pro")),
    "timestamp_form": (FINE, broken(timestamp="yesterday")),
    "snake_case_names": (FINE, broken(type="Plan Chosen")),
    "no_null_members": (FINE, broken_snippet(referrer=None)),
    "spec_product": (
        broken(type="add_to_wishlist", data={"product_id": "prod_1"}),
        broken(type="add_to_wishlist", data={"productId": "prod_1"}),
    ),
    "scroll_depth": (
        broken_snippet(type="engagement", data={"scrollDepth": 75}),
        broken_snippet(type="engagement", data={"scrollDepth": 140}),
    ),
    "batching": (
        [post(2000, batch(*(event(number, 200 * number) for number in range(10))))],
        [post(200 * number, batch(event(number, 200 * number - 20))) for number in range(10)],
    ),
    "flush_interval": (FINE, broken(timestamp=rfc3339_ms(NOW - 60_000))),
    "one_at_a_time": (
        [post(100, batch(*PAIR), delay=500), post(700, batch(NEWER))],
        [post(100, batch(*PAIR), delay=500), post(300, batch(event(3, 200)))],
    ),
    "flush_on_exit": (FINE, [post(100, batch(event(1)))]),
    "final_success": ([*FINE, post(3100, batch(NEWER))], again(None)),
    "retried_after_5xx": (again(DOWN), again(DOWN, 3000, NEWER)),
    "retried_without_answer": (again(RESET), again(RESET, 3000, NEWER)),
    "attempts": (attempts(1000, 2000, end=DOWN), attempts(1000, 2000, 4000, 8000)),
    "backoff": (attempts(1000, 2000), attempts(1500, 1200)),
    "first_pause": (again(DOWN, 1000), again(DOWN, 100)),
    "retry_after": (again(LIMITED, 2500), again(LIMITED, 1000)),
    "not_at_once_after_refusal": (again(REFUSED, 30_000), again(REFUSED, 100)),
    "stitch": ([stitched(50), post(100, KNOWN)], [post(100, KNOWN)]),
    "server_key": (SERVED, [served(100, 1, x_api_key="apex_tx_test")]),
    "server_batch_limit": ([served(100, 1, events=100)], [served(100, 1, events=101)]),
    "idempotency_key": (SERVED, [served(100, 1, idempotency_key="")]),
    "same_idempotency_key": (
        [served(100, 1, DOWN), served(2100, 1)],
        [served(100, 1, DOWN), served(2100, 1, idempotency_key="key-9")],
    ),
    "unique_idempotency_key": (
        [served(100, 1), served(2100, 2)],
        [served(100, 1), served(2100, 2, idempotency_key="key-1")],
    ),
}
MADE = {"flush_on_exit": 2}
"""How many events the programs of some scripts made."""
