"""Each check tells a client that breaks a rule from one that keeps it, and from one that shows neither."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import pytest

from mockserver.conformance import relation_checks
from mockserver.conformance.scorecard import CHECKS
from mockserver.contract.client_rules import LooksAt
from mockserver.contract.library import library
from tests.conformance.scripted import (
    BAD_REQUEST,
    LOST_ANSWER,
    NO_ANSWER,
    UNAUTHORIZED,
    UNAVAILABLE,
    Client,
    retry_after,
    rule_of,
    scored,
)

TRANSIENT: Final = {"statuses": ["429", "5xx"], "no_answer": True}
PERMANENT: Final = {"statuses": ["400"]}
CLIENT: Final = Client("whisperr", "/v1/events/batch", {"Content-Type": "application/json", "X-API-Key": "wrk_test"})
OUTLIT: Final = Client("outlit", "/api/i/v1/pk_test/events", {"Content-Type": "application/json"})
GZIP: Final = {"Content-Encoding": "gzip"}


def event(id: str, **members: Any) -> dict[str, Any]:
    return {
        "external_user_id": "u1",
        "event_type": "paid",
        "occurred_at": "2026-06-14T12:00:00.000Z",
        "properties": {"of": id},
        **members,
        "context": {"$message_id": id},
    }


def track(*ids: str, **members: Any) -> dict[str, Any]:
    return {"events": [event(id, **members) for id in ids]}


def click(*names: str) -> dict[str, Any]:
    events = [
        {"type": "custom", "eventName": name, "userId": "u1", "url": "server://u1", "path": "/"} for name in names
    ]
    return {"source": "server", "events": events}


class Case(NamedTuple):
    """A check with parameters, a client that keeps the rule, one that breaks it, one that shows neither."""

    check: str
    parameters: Mapping[str, Any]
    keeps: Client
    breaks: Client
    neither: Client = CLIENT
    looks_at: LooksAt = LooksAt()


ONE: Final = CLIENT.send(0, track("m1"))
TWO: Final = ONE.send(1000, track("m2"))
FAILED: Final = CLIENT.send(0, track("m1", "m2"), UNAVAILABLE)
RETRIED: Final = FAILED.send(2000, track("m1", "m2"))
REJECT_FIRST: Final = {"match": {"where": {"/eventName": "a"}}, "reject": {"message": "no"}}
PARTIAL: Final = OUTLIT.send(0, click("a", "b"), REJECT_FIRST)

CASES: Final = [
    Case("request_line", {"method": "POST"}, ONE, ONE.send(1, b"", method="GET")),
    Case("request_line", {"target": "^/v1/[a-z/]+$"}, ONE, CLIENT.send(0, track("m1"), to="/v1/events/batch?a=1")),
    Case("header", {"names": ["X-Api-Key"], "pattern": "^wrk_"}, ONE, CLIENT.send(0, {}, headers={"X-API-Key": "no"})),
    Case("header", {"names": ["A", "X-Api-Key"]}, ONE, CLIENT.send(0, {}, headers={"X-API-Key": None})),
    Case("header", {"names": ["Cookie"], "absent": True}, ONE, CLIENT.send(0, track("m1"), headers={"Cookie": "a=1"})),
    Case("member", {"of": "event", "pointer": "/user", "required": True}, CLIENT.send(0, track("a", user={})), ONE),
    Case("member", {"of": "event", "pointer": "/user", "absent": True}, ONE, CLIENT.send(0, track("a", user={}))),
    Case("member", {"of": "body", "pointer": "/events", "type": "array"}, ONE, CLIENT.send(0, {"events": {}})),
    Case(
        "member",
        {"of": "event", "pointer": "/occurred_at", "pattern": "Z$"},
        ONE,
        CLIENT.send(0, track("a", occurred_at="2026-06-14T12:00:00+00:00")),
        CLIENT.send(0, {"events": [{}]}),
    ),
    Case("member", {"of": "event", "pointer": "/context/*", "max_length": 2}, ONE, CLIENT.send(0, track("m10"))),
    Case("member", {"of": "event", "pointer": "/context/*", "min_length": 2}, ONE, CLIENT.send(0, track("m"))),
    Case(
        "member",
        {"of": "event", "pointer": "/event_type", "one_of": ["paid"]},
        ONE,
        CLIENT.send(0, track("m", event_type="left")),
    ),
    Case("members", {"of": "body", "allowed": ["events"]}, ONE, CLIENT.send(0, {**track("a"), "sent_at": 1})),
    Case(
        "no_finding",
        {"rules": ["/events/event/properties/event_type"]},
        ONE,
        CLIENT.send(0, track("a", event_type="Not So"), UNAVAILABLE),
    ),
    Case("no_finding", {"rules": [""]}, ONE, CLIENT.send(0, track("a", nobody="knows"))),
    Case("json_body", {}, ONE, CLIENT.send(0, b'{"events": [], "events": []}'), CLIENT.send(0, b"")),
    Case("json_body", {}, ONE, CLIENT.send(0, b'{"events"'), CLIENT.send(0, b"")),
    Case("body_size", {"max_bytes": 1000}, ONE, CLIENT.send(0, track("m" * 1000)), CLIENT.send(0, b"")),
    Case("batch_size", {"max_events": 2}, RETRIED, CLIENT.send(0, track("a", "b", "c"))),
    Case("batch_size", {"min_events": 1}, ONE, CLIENT.send(0, {"events": []})),
    Case(
        "compressed",
        {"from_bytes": 100, "encodings": ["gzip"]},
        CLIENT.send(0, b"\x1f\x8b" + b"0" * 200, headers=GZIP),
        ONE,
        CLIENT.send(0, {"events": []}),
    ),
    Case(
        "unique_ids",
        {"pointer": "/context/$message_id"},
        TWO,
        ONE.send(1000, track("m1", event_type="left")),
        ONE,
    ),
    Case(
        "unique_ids",
        {"pointer": "/context/$message_id", "ignore": ["/event_type"]},
        FAILED.send(2000, track("m1", event_type="left")).send(3000, track("m1")),
        CLIENT.send(0, {"events": [event("m1"), event("m1", properties={})]}),
        ONE,
    ),
    Case(
        "unique_header",
        {"name": "Idempotency-Key"},
        CLIENT.send(0, track("a"), headers={"Idempotency-Key": "1"}).send(
            1, track("b"), headers={"Idempotency-Key": "2"}
        ),
        CLIENT.send(0, track("a"), headers={"Idempotency-Key": "1"}).send(
            1, track("b"), headers={"Idempotency-Key": "1"}
        ),
        TWO,
    ),
    Case(
        "one_value",
        {"of": "event", "pointer": "/external_user_id", "in": "session"},
        TWO,
        ONE.send(1000, track("m2", external_user_id="u2")),
        ONE,
    ),
    Case(
        "one_value",
        {"of": "event", "pointer": "/external_user_id", "in": "request"},
        CLIENT.send(0, track("a", "b")).send(1, track("c", external_user_id="u2")),
        CLIENT.send(0, {"events": [event("a"), event("b", external_user_id="u2")]}),
        TWO,
    ),
    Case(
        "in_order",
        {"pointer": "/occurred_at"},
        TWO,
        TWO.send(2000, track("m3", occurred_at="2026-06-14T11:00:00.000Z")),
        ONE,
    ),
    Case(
        "sent_within",
        {"pointer": "/occurred_at", "at_most_ms": 5000},
        TWO,
        TWO.send(9000, track("m3")),
        CLIENT.send(0, {"events": [{}]}),
    ),
    Case(
        "one_at_a_time",
        {},
        CLIENT.send(0, track("a"), delay=500).send(600, track("b")),
        CLIENT.send(0, track("a"), delay=500).send(100, track("b")),
        TWO,
    ),
    Case("connection_reuse", {"at_most": 1}, TWO, ONE.send(1, track("m2"), connection="another"), ONE),
    Case(
        "connection_reuse",
        {"at_most": 1},
        CLIENT.send(0, track("a"), NO_ANSWER).send(9, track("a"), connection="another"),
        ONE.send(1, track("m2"), connection="another"),
        ONE,
    ),
    Case("everything_arrives", {}, TWO.knowing(2), ONE.knowing(2), TWO),
    Case("everything_arrives", {}, TWO.knowing(2), ONE.knowing(2), FAILED.knowing(3)),
    Case("retried", {"after": TRANSIENT, "patience_ms": 1}, RETRIED, FAILED, TWO),
    Case("retried", {"after": TRANSIENT, "patience_ms": 10_000}, RETRIED.watched(), FAILED.watched(), TWO),
    Case("retried", {"after": TRANSIENT, "patience_ms": 10_000_000}, RETRIED, FAILED, FAILED.watched()),
    Case(
        "retried",
        {"after": TRANSIENT, "patience_ms": 1, "until_taken": True},
        FAILED.send(2000, track("m1", "m2"), UNAVAILABLE).send(6000, track("m1", "m2")),
        FAILED.send(2000, track("m1", "m2"), UNAVAILABLE).send(6000, track("m3")),
        TWO,
    ),
    Case(
        "not_retried",
        {"after": PERMANENT, "patience_ms": 1},
        CLIENT.send(0, track("a"), BAD_REQUEST).send(9, track("b")),
        CLIENT.send(0, track("a"), BAD_REQUEST).send(9, track("a")),
        RETRIED,
    ),
    Case(
        "not_retried",
        {"after": PERMANENT, "patience_ms": 10_000_000},
        CLIENT.send(0, track("a"), BAD_REQUEST),
        CLIENT.send(0, track("a"), BAD_REQUEST).send(9, track("a", "b")),
        CLIENT.send(0, track("a"), BAD_REQUEST).watched(),
    ),
    Case(
        "not_retried",
        {"after": {"statuses": ["207"], "events": "taken"}, "patience_ms": 1, "known_by": "/url"},
        PARTIAL.send(1000, click("a")),
        PARTIAL.send(1000, click("b")),
        OUTLIT.send(0, click("a")),
    ),
    Case(
        "retried",
        {"after": {"statuses": ["207"], "events": "failed"}, "patience_ms": 1},
        PARTIAL.send(1000, click("a")),
        PARTIAL.send(1000, click("c")),
        OUTLIT.send(0, click("a")),
    ),
    Case(
        "not_retried",
        {"after": {"statuses": ["2xx"], "events": "taken", "within_ms": 1000}, "patience_ms": 1},
        ONE,
        ONE.send(1000, track("m1")),
        CLIENT.send(0, track("a"), delay=5000).send(9000, track("a"), UNAVAILABLE),
    ),
    Case(
        "goes_on",
        {"after": PERMANENT, "patience_ms": 1},
        CLIENT.send(0, track("a"), BAD_REQUEST).send(9, track("b")),
        CLIENT.send(0, track("a"), BAD_REQUEST).knowing(2),
        CLIENT.send(0, track("a"), BAD_REQUEST),
    ),
    Case(
        "pauses",
        {"after": {"statuses": ["401"]}, "at_least_ms": 5000},
        CLIENT.send(0, track("a"), UNAUTHORIZED).send(6000, track("a")),
        CLIENT.send(0, track("a"), UNAUTHORIZED).send(1000, track("b")),
        TWO,
    ),
    Case(
        "same_id",
        {"after": TRANSIENT},
        RETRIED,
        CLIENT.send(0, track("m1"), UNAVAILABLE).send(
            9, {"events": [{**event("m1"), "context": {"$message_id": "m2"}}]}
        ),
        FAILED,
    ),
    Case(
        "same_event",
        {"after": TRANSIENT},
        CLIENT.send(0, track("m1"), UNAVAILABLE).send(
            9, {"events": [{**event("m1"), "context": {"$message_id": "m2"}}]}
        ),
        FAILED.send(9, track("m1", event_type="left")),
        FAILED,
    ),
    Case(
        "same_event",
        {"after": TRANSIENT, "ignore": ["/event_type"]},
        FAILED.send(9, track("m1", event_type="left")),
        FAILED.send(9, track("m1", properties={})),
        FAILED,
    ),
    Case(
        "same_event",
        {"after": TRANSIENT, "members": ["/properties"]},
        FAILED.send(9, track("m1", event_type="left")),
        FAILED.send(9, track("m1", properties={})),
        FAILED,
    ),
    Case("same_body", {"after": TRANSIENT}, RETRIED, FAILED.send(9, track("m1")), FAILED),
    Case(
        "same_header",
        {"after": TRANSIENT, "name": "Idempotency-Key"},
        CLIENT.send(0, track("a"), UNAVAILABLE, headers={"Idempotency-Key": "1"}).send(
            1, track("a"), headers={"Idempotency-Key": "1"}
        ),
        CLIENT.send(0, track("a"), UNAVAILABLE, headers={"Idempotency-Key": "1"}).send(
            1, track("a"), headers={"Idempotency-Key": "2"}
        ),
        FAILED,
    ),
    Case("first_retry", {"after": TRANSIENT, "at_least_ms": 500}, RETRIED, FAILED.send(400, track("m1")), FAILED),
    Case("first_retry", {"after": TRANSIENT, "at_most_ms": 5000}, RETRIED, FAILED.send(6000, track("m1")), FAILED),
    Case(
        "backoff",
        {"after": TRANSIENT, "ratio": 1, "tolerance": 0.25},
        FAILED.send(2000, track("m1"), UNAVAILABLE).send(3600, track("m1")),
        FAILED.send(2000, track("m1"), UNAVAILABLE).send(3400, track("m1")),
        RETRIED,
    ),
    Case(
        "backoff",
        {"after": TRANSIENT, "ratio": 2, "cap_ms": 2000},
        FAILED.send(2000, track("m1"), UNAVAILABLE).send(4000, track("m1")),
        FAILED.send(900, track("m1"), UNAVAILABLE).send(2600, track("m1")),
        RETRIED,
    ),
    Case("longest_pause", {"after": TRANSIENT, "at_most_ms": 5000}, RETRIED, FAILED.send(6000, track("m1")), FAILED),
    Case(
        "retry_after",
        {"after": {"statuses": ["429"], "header": "Retry-After"}},
        CLIENT.send(0, track("a"), retry_after(3)).send(3000, track("a")),
        CLIENT.send(0, track("a"), retry_after(3)).send(2900, track("a")),
        CLIENT.send(0, track("a"), retry_after("soon")).send(1, track("a")),
    ),
    Case(
        "retry_after",
        {"after": {"statuses": ["429"]}, "cap_ms": 2000, "late_ms": 1000, "late_ratio": 0.5},
        CLIENT.send(0, track("a"), retry_after(3)).send(3900, track("a")),
        CLIENT.send(0, track("a"), retry_after(3)).send(4100, track("a")),
        CLIENT.send(0, track("a"), retry_after(3)),
    ),
    Case(
        "retry_after",
        {"after": {"statuses": ["503"]}, "early_ms": 500},
        CLIENT.send(0, track("a"), retry_after("Sun, 14 Jun 2026 12:00:05 GMT", 503)).send(2600, track("a")),
        CLIENT.send(0, track("a"), retry_after("Sun, 14 Jun 2026 12:00:05 GMT", 503)).send(2400, track("a")),
    ),
    Case(
        "attempts",
        {"after": TRANSIENT, "at_most": 2, "patience_ms": 1},
        FAILED.send(2000, track("m1", "m2"), UNAVAILABLE),
        FAILED.send(2000, track("m1"), UNAVAILABLE).send(6000, track("m1"), LOST_ANSWER),
        RETRIED,
    ),
    Case(
        "attempts",
        {"after": TRANSIENT, "at_most": 3, "patience_ms": 1},
        FAILED.send(2000, track("m1", "m2"), UNAVAILABLE)
        .send(6000, track("m1", "m2"), UNAVAILABLE)
        .send(7000, track("m1", "m2")),
        FAILED.send(2000, track("m1"), UNAVAILABLE).send(6000, track("m1"), UNAVAILABLE).send(10_000, track("m1")),
        RETRIED,
    ),
    Case(
        "attempts",
        {"after": TRANSIENT, "at_most": 3, "patience_ms": 10_000_000},
        FAILED.send(2000, track("m1"), UNAVAILABLE)
        .send(6000, track("m1"), UNAVAILABLE)
        .send(7000, track("m1"), UNAVAILABLE)
        .send(9000, track("m1"), UNAVAILABLE)
        .send(13000, track("m1"), UNAVAILABLE),
        FAILED.send(2000, track("m1"), UNAVAILABLE)
        .send(6000, track("m1"), UNAVAILABLE)
        .send(14000, track("m1"), UNAVAILABLE),
        FAILED.watched(),
    ),
    Case("order_kept", {"after": TRANSIENT}, RETRIED, FAILED.send(9, track("m2", "m1")), FAILED.send(9, track("m1"))),
]


def named(case: Case) -> str:
    return f"{case.check}-{CASES.index(case)}"


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_client_that_breaks_a_rule_is_told_from_one_that_keeps_it(case: Case) -> None:
    rule = rule_of(case.check, case.parameters, looks_at=case.looks_at)
    (keeps,) = (await scored(case.keeps, [rule])).values()
    (breaks,) = (await scored(case.breaks, [rule])).values()
    (neither,) = (await scored(case.neither, [rule])).values()
    assert (keeps.verdict, breaks.verdict, neither.verdict) == ("pass", "fail", "not_exercised")
    assert breaks.message
    assert set(breaks.requests) <= {f"r{number + 1}" for number in range(len(case.breaks.requests))}


def test_every_check_of_the_language_is_there_and_has_a_case() -> None:
    words = library().meta.schema("conformance")["$defs"]["check"]["properties"]
    elsewhere = {name for name, check in CHECKS.items() if check.__module__ == relation_checks.__name__}
    assert set(words) == set(CHECKS) == {case.check for case in CASES} | elsewhere
