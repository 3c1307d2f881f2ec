"""Script clients of Outlit: for each rule one that keeps it, and one that breaks it and no other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from typing import Any

from tests.conformance.scripted import NOW, Scripted

Script = Sequence[Scripted]

VISITOR, OTHER = "a1b2c3d4-e5f6-4890-abcd-ef1234567890", "b2c3d4e5-f6a7-4901-bcde-f12345678901"
DOWN = {"match": {"operation": "events"}, "reply": {"status": 503}}
LIMITED = {"match": {"operation": "events"}, "reply": {"status": 429, "headers": {"Retry-After": "2"}}}
RESET = {"match": {"operation": "events"}, "connection": "reset"}
LOST = {"match": {"operation": "events"}, "connection": "drop", "when": "after_commit"}
REFUSED = {"match": {"operation": "events"}, "reply": {"status": 400}}
PARTLY = {"match": {"type": "identify"}, "reject": {"message": "Invalid event type"}}
EMPTY = {"match": {"operation": "events"}, "reply": {"status": 204}, "when": "after_commit"}
CONSENT = {
    "match": {"operation": "bootstrap"},
    "reply": {"status": 200, "body": {"country": "DE", "consentRequired": True}},
}


def uuid(number: int) -> str:
    """A UUID of version 7."""
    return f"01900000-0000-7000-8000-{number:012x}"


def event(number: int, at_ms: int = 0, /, **members: Any) -> dict[str, Any]:
    """An event that keeps every rule, made at that time; a member that is None is left out."""
    whole = {
        "type": "custom",
        "eventName": "plan_chosen",
        "url": "https://brightdesk.example/pricing",
        "path": "/pricing",
        "timestamp": NOW + at_ms + number,
        "uuid": uuid(number),
        **members,
    }
    if whole["type"] != "custom":
        members.setdefault("eventName", None)
    return {name: value for name, value in {**whole, **members}.items() if value is not None}


def post(
    at_ms: int,
    body: Any,
    /,
    step: Any = None,
    *,
    path: str = "/api/i/v1/pk_test/events",
    delay: int = 0,
    **headers: str,
) -> Scripted:
    """A request at that time; a header's name has `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(at=at_ms, target=path, body=raw, headers=tuple(named.items()), step=step, delay=delay)


def page(*events: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The batch of a browser."""
    return {"visitorId": VISITOR, "source": "client", "events": [*events], **members}


def server(*events: dict[str, Any]) -> dict[str, Any]:
    """The batch of a server, whose events name their user."""
    return {"source": "server", "events": [{"userId": "usr_1", **each} for each in events]}


def bootstrap(at_ms: int, step: Any = None) -> Scripted:
    """The question whether consent is needed."""
    target = "/api/i/v1/pk_test/bootstrap"
    return Scripted(at=at_ms, method="GET", target=target, headers=(), body=b"", step=step)


PAIR = (event(1), event(2))
FINE: Script = [post(100, page(*PAIR))]
SERVED: Script = [post(100, server(*PAIR))]
FORM = {"type": "form", "formFields": {"email": "jane@acme.example"}}
MEETING = {"type": "calendar", "provider": "cal.com", "startTime": "2026-03-15T10:00:00Z"}
ENGAGEMENT = {"type": "engagement", "activeTimeMs": 45000, "totalTimeMs": 60000, "sessionId": OTHER}
IDENTIFY = {"type": "identify", "email": "jane@acme.example"}
SIGNED_UP = (event(1), event(2, **IDENTIFY))
USER = {"email": "jane@acme.example"}


def broken(**members: Any) -> Script:
    """The batch of a browser, one event of which is not as it should be."""
    return [post(100, page(event(1, **members), event(2)))]


def again(step: Any, pause_ms: int = 2000, *later: dict[str, Any], also: dict[str, Any] | None = None) -> Script:
    """A batch that meets a fault, and comes again after a pause, or others in its place."""
    return [post(100, page(*PAIR), step), post(100 + pause_ms, page(*(later or PAIR), **(also or {})))]


def attempts(*pauses_ms: int) -> Script:
    """A batch that meets as many 503 as there are pauses."""
    times = [100, *(100 + sum(pauses_ms[:number]) for number in range(1, len(pauses_ms) + 1))]
    return [post(ms, page(*PAIR), DOWN if number < len(pauses_ms) else None) for number, ms in enumerate(times)]


NEWER = event(3, 3000)
GONE_ON: Script = [post(100, page(*PAIR), REFUSED), post(3100, page(NEWER))]

SCRIPTS: dict[str, tuple[Script, Script]] = {
    "endpoint_path": (FINE, [post(100, page(*PAIR), path="//api/i/v1/pk_test/events")]),
    "public_key": (FINE, [post(100, page(*PAIR), path="/api/i/v1/wrk_test/events")]),
    "content_type": (FINE, [post(100, page(*PAIR), Content_Type="text/plain")]),
    "no_other_credentials": (FINE, [post(100, page(*PAIR), X_API_Key="secret")]),
    "no_compression": (
        FINE,
        [post(100, gzip.compress(json.dumps(page(*PAIR)).encode(), mtime=0), Content_Encoding="gzip")],
    ),
    "json_body": (
        FINE,
        [post(100, json.dumps(page(*PAIR)).replace('"client"', '"client", "source": "client"').encode())],
    ),
    "rate": (FINE, [post(100 + number, page(event(2 * number), event(2 * number + 1))) for number in range(101)]),
    "batch_limit": (
        [post(100, page(*map(event, range(100))))],
        [post(100, page(*map(event, range(101))))],
    ),
    "not_empty": (FINE, [*FINE, post(1000, page())]),
    "body_limit": (FINE, broken(properties={"text": "a" * 1_048_576})),
    "known_source": (FINE, [post(100, {**page(*PAIR), "source": "pixel"})]),
    "visitor_id": (FINE, [post(100, {"source": "client", "events": [*PAIR]})]),
    "visitor_uuid": (FINE, [post(100, page(*PAIR, visitorId="visitor-123"))]),
    "one_visitor": (
        [*FINE, post(3100, page(NEWER))],
        [*FINE, post(3100, page(NEWER, visitorId=OTHER))],
    ),
    "identity_in_batch": (SERVED, [post(100, {"source": "server", "events": [*PAIR]})]),
    "identity_in_event": (SERVED, [post(100, {"source": "server", "events": [event(1, userId="usr_1"), event(2)]})]),
    "known_types": (FINE, broken(type="click")),
    "current_types": (FINE, broken(type="stage", stage="activated")),
    "event_url": (FINE, broken(url=None)),
    "event_path": (FINE, broken(path=None)),
    "absolute_path": (FINE, broken(url="server://usr_1", path="")),
    "path_of_url": (FINE, broken(path="/docs")),
    "timestamp_sent": (FINE, broken(timestamp=None)),
    "timestamp_in_ms": (FINE, [post(100, page(event(1), event(2, timestamp=NOW * 1000)))]),
    "scalar_properties": (FINE, broken(properties={"plans": ["pro"]})),
    "snake_case_names": (FINE, broken(eventName="Plan Chosen")),
    "identify_user": (
        [post(100, page(event(1, **IDENTIFY)))],
        [post(100, page(event(1, type="identify", traits={"plan": "pro"})))],
    ),
    "explicit_stages": (broken(type="stage", stage="activated"), broken(type="stage", stage="signed_up")),
    "no_sensitive_fields": (broken(**FORM), broken(type="form", formFields={"password": "hunter2"})),
    "no_invitee_from_browsers": (broken(**MEETING), broken(**MEETING, inviteeName="Bob Guest")),
    "meeting_times": (broken(**MEETING), broken(**{**MEETING, "startTime": "tomorrow"})),
    "engagement_times": (broken(**ENGAGEMENT), broken(**{**ENGAGEMENT, "activeTimeMs": 60001})),
    "engagement_session": (
        [post(100, page(event(1, **ENGAGEMENT), sessionId=OTHER))],
        [post(100, page(event(1, **ENGAGEMENT), sessionId=VISITOR))],
    ),
    "one_identity": (
        [post(100, page(event(1, **IDENTIFY), userIdentity=USER))],
        [post(100, page(event(1, **IDENTIFY), userIdentity={"email": "joe@acme.example"}))],
    ),
    "event_ids": (FINE, broken(uuid=None)),
    "unique_ids": (FINE, [post(100, page(event(1), event(2, uuid=event(1)["uuid"])))]),
    "batching": (
        [post(2000, page(*(event(number, 200 * number) for number in range(10))))],
        [post(200 * number, page(event(number, 200 * number - 20))) for number in range(10)],
    ),
    "flush_interval": (FINE, broken(timestamp=NOW - 60_000)),
    "order_in_batch": (FINE, [post(100, page(*reversed(PAIR)))]),
    "one_at_a_time": (
        [post(100, server(*PAIR), delay=500), post(700, server(NEWER))],
        [post(100, server(*PAIR), delay=500), post(300, server(event(3, 200)))],
    ),
    "flush_on_exit": (FINE, [post(100, page(event(1)))]),
    "final_success": ([*FINE, post(3100, page(NEWER))], again(None)),
    "final_partial_success": (
        [post(100, page(*SIGNED_UP), PARTLY), post(3100, page(NEWER))],
        [post(100, page(*SIGNED_UP), PARTLY), post(2100, page(*SIGNED_UP))],
    ),
    "any_success": (again(EMPTY, 3000, NEWER), again(EMPTY)),
    "retried_after_5xx": (again(DOWN), again(DOWN, 3000, NEWER)),
    "retried_after_429": (again(LIMITED), again(LIMITED, 3000, NEWER)),
    "retried_without_answer": (again(RESET), again(RESET, 3000, NEWER)),
    "backoff": (attempts(1000, 2000, 4000), attempts(4000, 2500, 2500)),
    "first_pause": (again(DOWN), again(DOWN, 20)),
    "retry_after": (again(LIMITED), again(LIMITED, 500)),
    "final_refusal": (GONE_ON, again(REFUSED)),
    "goes_on_after_refusal": (GONE_ON, [post(100, page(*PAIR), REFUSED)]),
    "same_id": (again(DOWN), again(DOWN, 2000, *(event(n, uuid=uuid(n + 500)) for n in (1, 2)))),
    "same_event": (again(DOWN), again(DOWN, 2000, *(event(n, 2000) for n in (1, 2)))),
    "order_kept": (again(DOWN), again(DOWN, 2000, *reversed(PAIR))),
    "stored_once": (again(LOST), again(LOST, 2000, *(event(n, uuid=uuid(n + 500)) for n in (1, 2)))),
    "consent": ([bootstrap(0, CONSENT)], [bootstrap(0, CONSENT), *FINE]),
}
MADE = {"flush_on_exit": 2, "goes_on_after_refusal": 3}
"""How many events the programs of some scripts made."""
REVISIONS = {"explicit_stages": "r3-2026-05"}
"""The revision of scripts for a rule that the base contract has not."""
