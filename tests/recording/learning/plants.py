"""The scripts whose recordings are learnt from, and the patches that are hidden from the learner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.recording.learning.planting import NOW, Sent

WHISPERR_KEY: Final = {"X-API-Key": "wrk_abc"}
ORIGIN: Final = {"Origin": "https://shop.test"}
APEX_KEY: Final = {"x-api-key": "apex_sk_abc"}
DAY: Final = 86_400_000


def product(number: int, **members: Any) -> dict[str, Any]:
    """An event of Whisperr."""
    context = {"$message_id": f"m{number}"}
    return {"external_user_id": "bob", "event_type": "trial_started", "context": context, **members}


def products(first: int, count: int) -> dict[str, Any]:
    return {"events": [product(first + number) for number in range(count)]}


def at(ago_ms: int) -> str:
    from mockserver.jsonkit.formats import rfc3339_ms

    return rfc3339_ms(NOW - ago_ms)


def whisperr(path: str, body: Any = None, **options: Any) -> Sent:
    headers = options.pop("headers", WHISPERR_KEY)
    return Sent(path=path, body=body, headers=headers, **options)


BATCH: Final = "/v1/events/batch"
TRACK: Final = "/v1/events/track"
WHISPERR: Final = (
    whisperr(BATCH, products(1, 1)),
    whisperr(BATCH, products(2, 1), headers={}),
    whisperr(BATCH, products(3, 1), headers={"X-API-Key": "key_other"}),
    whisperr(BATCH, {"events": [product(10), product(11, event_type="Page Viewed")]}),
    whisperr(BATCH, {"events": [product(12, event_type="plan.chosen")]}),
    whisperr(BATCH, products(100, 4)),
    whisperr(BATCH, products(200, 7)),
    whisperr(BATCH, products(300, 12)),
    whisperr(BATCH, {"events": []}),
    whisperr(BATCH, {"events": [product(20)], "sent_by": "me"}),
    whisperr(BATCH, {"events": [product(21, colour="red")]}),
    whisperr(BATCH, {"events": [{"event_type": "paid", "context": {"$message_id": "m22"}}]}),
    whisperr(BATCH, {"events": [{"external_user_id": "bob", "event_type": "paid"}]}),
    whisperr(BATCH, b"{nothing"),
    whisperr(BATCH, products(30, 1), headers={**WHISPERR_KEY, "Content-Type": "text/plain"}),
    whisperr(BATCH, {"events": [product(31, colour="red")]}, headers={**WHISPERR_KEY, "Content-Type": "text/plain"}),
    whisperr(TRACK, product(40)),
    whisperr(TRACK, product(40)),
    whisperr(TRACK, product(41, event_type="a" * 40)),
    whisperr(TRACK, product(42, occurred_at=at(2 * DAY))),
    whisperr(TRACK, product(43, occurred_at=at(20 * DAY))),
    whisperr(TRACK, product(44, occurred_at=at(60 * DAY))),
    whisperr(TRACK, product(45, occurred_at="yesterday")),
    whisperr(TRACK, product(46), headers={**WHISPERR_KEY, **ORIGIN}),
    whisperr(TRACK, method="OPTIONS", headers={**ORIGIN, "Access-Control-Request-Method": "POST"}),
    whisperr(TRACK, method="GET"),
    whisperr("/v1/nothing", {}),
    whisperr("/v1/identify", {"external_user_id": "bob", "traits": {"plan": "pro"}}),
    whisperr("/v1/identify", {"external_user_id": "eve", "preferred_channel": "push"}),
    whisperr("/v1/identify", {"external_user_id": "eve", "preferred_channel": "fax"}),
    whisperr("/v1/identify", {"external_user_id": "eve", "preferred_channel": "sms"}),
    whisperr("/v1/users/bob", method="GET"),
    whisperr("/v1/users/nobody", method="GET"),
    whisperr("/v1/users/bob/state", method="GET"),
    whisperr("/v1/users/nobody/state", method="GET"),
    whisperr("/health", method="GET"),
)


def page(**members: Any) -> dict[str, Any]:
    """An event of Outlit."""
    return {"type": "pageview", "url": "https://shop.test/a", "path": "/a", **members}


def custom(**members: Any) -> dict[str, Any]:
    return page(**{"type": "custom", "eventName": "clicked", **members})


def outlit(events: Any, *, key: str = "pk_abc", headers: Mapping[str, str] = ORIGIN, **members: Any) -> Sent:
    return Sent(
        path=f"/api/i/v1/{key}/events",
        body={"visitorId": "visitor-77", "source": "client", "events": events, **members},
        headers=headers,
    )


OUTLIT: Final = (
    outlit([page()]),
    outlit([page(), custom(), page(title="A")]),
    outlit([page() for _ in range(8)]),
    outlit([page() for _ in range(15)]),
    outlit([page(), page(type="custom"), custom()]),
    outlit([page(type="custom"), page(type="nothing")]),
    outlit([page(), {"type": "pageview", "path": "/b"}]),
    outlit([page(), page(type="stage", stage="paid"), page(type="stage", stage="inactive")]),
    outlit([page(), page(type="stage", stage="trial")]),
    outlit([page(type="purchase", amount=3), page()]),
    outlit([custom(properties={"plan": "pro"}), custom(eventName="x" * 50)]),
    outlit([]),
    outlit([page()], key="xx_abc"),
    outlit([page()], source="pixel"),
    outlit([page()], source="nobody"),
    outlit([page()], source="server"),
    outlit([page()], source="server", userIdentity={"email": "ada@example.com"}),
    Sent(path="/api/i/v1/pk_abc/events", body={"events": [page()]}, headers=ORIGIN),
    Sent(path="/api/i/v1/pk_abc/events", body=b"{nothing", headers=ORIGIN),
    Sent(path="/api/i/v1/pk_abc/events", method="GET"),
    Sent(path="/api/i/v1/pk_abc/nothing", body={}),
    Sent(path="/api/i/v1/pk_abc/events", method="OPTIONS", headers=ORIGIN),
    Sent(path="/api/i/v1/pk_abc/bootstrap", method="GET", headers=ORIGIN),
    outlit([page()], headers={"Origin": "https://evil.test"}),
)


def snippet(**members: Any) -> Sent:
    body = {
        "type": "pageview",
        "visitorId": "visitor-77",
        "projectKey": "pk_live_x",
        "url": "https://shop.test/",
        **members,
    }
    return Sent(path="/api/events", body={name: value for name, value in body.items() if value is not None})


def batch(events: Any, **members: Any) -> Sent:
    return Sent(path="/api/events", body={"projectKey": "pk_live_x", "userId": "user-77", "events": events, **members})


def server(events: Any, headers: Mapping[str, str] = APEX_KEY, **options: Any) -> Sent:
    return Sent(path="/api/v1/events", body={"events": events}, headers=headers, **options)


def apex_event(**members: Any) -> dict[str, Any]:
    return {"type": "pageview", "url": "https://shop.test/a", **members}


ONCE: Final = {**APEX_KEY, "Idempotency-Key": "one"}
APEX: Final = (
    snippet(),
    snippet(data={"plan": "pro"}, referrer=""),
    snippet(url=None),
    snippet(type=" "),
    snippet(projectKey=None),
    snippet(timestamp="not a time"),
    snippet(timestamp="2026-06-09T10:00:00Z"),
    batch([apex_event(), apex_event()]),
    batch([apex_event() for _ in range(9)]),
    batch([apex_event(), {"type": "pageview"}]),
    batch([]),
    server([{"type": "paid"}]),
    server([{"type": "paid"}, {"visitorId": "visitor-77"}]),
    server([{"visitorId": "visitor-77"}]),
    server([{"type": "paid"} for _ in range(6)]),
    server([{"type": "paid"} for _ in range(20)]),
    server([{"type": "paid"} for _ in range(101)]),
    server([]),
    server([{"type": "paid"}], headers={}),
    server([{"type": "paid"}], headers={"x-api-key": "other_abc"}),
    server([{"type": "paid"}, {"type": "left"}], headers=ONCE),
    server([{"type": "paid"}, {"type": "left"}], headers=ONCE),
    server([{"type": "paid"}, {"type": "left"}], headers=ONCE, after_ms=600_000),
    server([{"type": "paid"}, {"type": "left"}], headers=ONCE, after_ms=600_000),
    Sent(path="/api/events", body=b"{nothing"),
    Sent(path="/api/v1/events", body=b"{nothing", headers=APEX_KEY),
    Sent(path="/api/events", method="GET"),
    Sent(path="/api/nothing", body={}),
    Sent(path="/api/v1/nothing", body={}),
    Sent(
        path="/api/identity/stitch",
        body={"visitorId": "visitor-77", "email": "a@example.com", "projectKey": "pk_live_x"},
    ),
    Sent(path="/api/identity", method="GET", headers=APEX_KEY),
    Sent(path="/api/experiments/active?key=pk_live_x", method="GET"),
)

SCRIPTS: Final = {"whisperr": WHISPERR, "outlit": OUTLIT, "apex": APEX}


def _whisperr(**documents: Any) -> tuple[str, Mapping[str, Any]]:
    return "whisperr", documents


def _outlit(**documents: Any) -> tuple[str, Mapping[str, Any]]:
    return "outlit", documents


def _apex(**documents: Any) -> tuple[str, Mapping[str, Any]]:
    return "apex", documents


def _protocol(**sections: Any) -> Mapping[str, Any]:
    return sections


PATCH: Final = "patch: planted"
EVENT: Final = "event"
PLANTS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    # statuses, texts, codes and headers of refusals
    "refusal status": _whisperr(protocol={"refusals": {"default": {"invalid_request": {"status": 422}}}}),
    "refusal code": _whisperr(protocol={"refusals": {"default": {"missing_api_key": {"code": "no_key"}}}}),
    "refusal text": _whisperr(protocol={"refusals": {"default": {"missing_api_key": {"message": "send a key"}}}}),
    "text of a rule": _whisperr(protocol={"messages": {"required": {"value": "${path} is missing", "source": PATCH}}}),
    "text of all rules": _whisperr(protocol={"messages": {"default": {"value": "bad ${path}"}}}),
    "text of an alternative": _whisperr(events={EVENT: {"message": {"anyOf": "who is it about?"}}}),
    "refusal header": _whisperr(
        protocol={"refusals": {"default": {"missing_api_key": {"headers": {"Retry-After": "5"}}}}}
    ),
    "unknown path": _whisperr(
        protocol={"refusals": {"default": {"unknown_path": {"status": 400, "code": "no_route", "message": "no route"}}}}
    ),
    "method refusal": _whisperr(protocol={"refusals": {"default": {"method_not_allowed": {"status": 404}}}}),
    "member of refusals": _whisperr(
        protocol={"shapes": {"error": {"body": {"error": {"docs": "https://docs.test"}, "ok": False}}}}
    ),
    "no member of refusals": _whisperr(protocol={"shapes": {"error": {"body": {"error": {"request_id": None}}}}}),
    "reason of a gate": _whisperr(protocol={"gates": {"json": {"refusals": {"invalid_json": "payload_too_large"}}}}),
    # replies
    "success status": _whisperr(protocol={"replies": {"counted": {"status": 200}}}),
    "success member": _whisperr(protocol={"replies": {"counted": {"body": {"queued": "${batch_size}"}}}}),
    "success without a member": _whisperr(protocol={"replies": {"counted": {"body": {"rejected": None}}}}),
    "success header": _whisperr(protocol={"replies": {"tracked": {"headers": {"Cache-Control": "no-store"}}}}),
    "reply of a read": _whisperr(protocol={"replies": {"health": {"body": {"db": "fine"}}}}),
    "reply without a body": _whisperr(protocol={"replies": {"identified": {"body": None, "text": "", "status": 204}}}),
    # limits, grammars and members
    "cap lowered": _whisperr(requests={"batch": {"properties": {"events": {"maxItems": 10}}}}),
    "no empty batch": _apex(requests={"batch": {"properties": {"events": {"minItems": 1}}}}),
    "empty batch": _whisperr(requests={"batch": {"properties": {"events": {"minItems": None}}}}),
    "names widened": _whisperr(events={EVENT: {"properties": {"event_type": {"pattern": "^[A-Za-z0-9_. ]+$"}}}}),
    "names narrowed": _whisperr(events={EVENT: {"properties": {"event_type": {"pattern": "^[a-z]+$"}}}}),
    "names shortened": _whisperr(events={EVENT: {"properties": {"event_type": {"maxLength": 30}}}}),
    "unknown members": _whisperr(events={EVENT: {"additionalProperties": True}}),
    "one unknown member": _whisperr(requests={"batch": {"properties": {"sent_by": {"source": PATCH}}}}),
    "required dropped": _whisperr(events={EVENT: {"required": ["event_type"]}}),
    "alternative dropped": _whisperr(events={EVENT: {"anyOf": None, "message": None}}),
    "required added": _outlit(requests={"envelope": {"required": ["events", "visitorId"]}}),
    "window shorter": _whisperr(protocol={"windows": {"occurred_at": {"past_ms": 7 * DAY}}}),
    "window longer": _whisperr(protocol={"windows": {"occurred_at": {"past_ms": 90 * DAY}}}),
    "value removed": _whisperr(events={"identify": {"properties": {"preferred_channel": {"enum": ["email", "sms"]}}}}),
    "value added": _whisperr(
        events={"identify": {"properties": {"preferred_channel": {"enum": ["email", "sms", "push", "fax"]}}}}
    ),
    "any media type": _whisperr(protocol={"content_types": {"anything": True}}),
    "order of gates": _whisperr(protocol={"gates": {"content_type": {"order": 99}}}),
    "no key fits": _whisperr(protocol={"credentials": {"api_key": {"pattern": "^live_"}}}),
    "grammar of keys": _whisperr(protocol={"credentials": {"api_key": {"pattern": "^wrk_"}}}),
    "format dropped": _whisperr(events={EVENT: {"properties": {"occurred_at": {"format": None}}}}),
    # policies and memory
    "atomic turned partial": _whisperr(protocol={"operations": {"batch": {"forms": {"batch": {"policy": "partial"}}}}}),
    "no deduplication": _whisperr(protocol={"dedup": None}),
    "reads of anybody": _whisperr(protocol={"operations": {"user_state": {"lookup": None}}}),
    "partial turned atomic": _outlit(protocol={"operations": {"events": {"forms": {"batch": {"policy": "atomic"}}}}}),
    "status of a partial success": _outlit(protocol={"replies": {"partly_processed": {"status": 200}}}),
    "status of a failure": _outlit(protocol={"replies": {"none_processed": {"status": 422}}}),
    "shape of refusals": _outlit(protocol={"refusals": {"ingest": {"default": {"shape": "overview"}}}}),
    "text of an event": _outlit(protocol={"messages": {"required": {"value": "${field} is missing"}}}),
    "code of an event": _outlit(protocol={"replies": {"partly_processed": {"item": {"code": "bad_event"}}}}),
    "member of an event's error": _outlit(protocol={"replies": {"partly_processed": {"item": {"path": "${index}"}}}}),
    "other identity": _outlit(protocol={"identity": {"batch": {"pointers": ["/email"]}}}),
    "key refused": _outlit(protocol={"refusals": {"ingest": {"invalid_key": {"status": 401, "message": "Who?"}}}}),
    "other cap": _outlit(requests={"envelope": {"properties": {"events": {"maxItems": 10}}}}),
    "type added": _outlit(events={"purchase": {"use": "common", "source": PATCH}}),
    "type removed": _outlit(events={"stage": None}),
    "value of an event": _outlit(events={"stage": {"properties": {"stage": {"enum": ["paid", "trial", "inactive"]}}}}),
    "members not required": _outlit(events={"shared": {"common": {"required": ["type", "path"]}}}),
    "name shortened": _outlit(events={"custom": {"properties": {"eventName": {"maxLength": 20}}}}),
    "rate header": _outlit(protocol={"limits": {"rate_ingest": {"requests": 50}}}),
    "no rate headers": _outlit(protocol={"operations": {"events": {"rate": None}}}),
    "allowed origins": _outlit(protocol={"cors": {"ingest": {"allowed_origins": ["https://shop.test"]}}}),
    "preflight": _outlit(protocol={"cors": {"ingest": {"preflight_status": 200, "max_age": "600"}}}),
    "CORS without credentials": _outlit(protocol={"cors": {"ingest": {"credentials": False}}}),
    "CORS headers exposed": _outlit(protocol={"cors": {"ingest": {"expose": "Retry-After"}}}),
    "any key": _outlit(protocol={"credentials": {"public_key": {"pattern": None}}}),
    "no identity needed": _outlit(protocol={"identity": {"batch": {"senders": ["integration"]}}}),
    "sources": _outlit(
        requests={"envelope": {"properties": {"source": {"enum": ["client", "server", "integration"]}}}}
    ),
    "count of a reply": _apex(
        protocol={"replies": {"received": {"body": {"received": None, "accepted": "${processed}"}}}}
    ),
    "text of a gate": _apex(protocol={"refusals": {"flat": {"invalid_json": {"message": "Unexpected token"}}}}),
    "member not required": _apex(events={"snippet": {"required": ["type", "visitorId", "projectKey"]}}),
    "cap of the server": _apex(requests={"server_batch": {"properties": {"events": {"maxItems": 10}}}}),
    "cap raised": _apex(requests={"server_batch": {"properties": {"events": {"maxItems": 500}}}}),
    "server atomic": _apex(protocol={"operations": {"server_events": {"forms": {"batch": {"policy": "atomic"}}}}}),
    "shorter idempotency": _apex(protocol={"idempotency": {"server_events": {"window_ms": 300_000}}}),
    "longer idempotency": _apex(protocol={"idempotency": {"server_events": {"window_ms": 3_600_000}}}),
    "no idempotency": _apex(protocol={"operations": {"server_events": {"idempotency": None}}}),
    "other member of an event": _apex(
        events={"server_event": {"required": None, "properties": {"visitorId": {"maxLength": 5}}}}
    ),
    "grammar of project keys": _apex(events={"snippet": {"properties": {"projectKey": {"pattern": "^[A-Za-z ]+$"}}}}),
    "no such operations": _apex(
        protocol={"operations": {"identity": None, "experiments_active": None}, "replies": {"identity": None}}
    ),
    "other family of a prefix": _apex(protocol={"prefixes": {"v1": {"family": "flat"}}}),
    "code of the server": _apex(protocol={"refusals": {"v1": {"unauthorized": {"code": "bad_key", "status": 403}}}}),
}
"""Hidden patches by what they change, each with the protocol."""
