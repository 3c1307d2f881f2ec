"""The worst reads for the probe of turns: waits, exports, pages of rows, ledgers."""

from __future__ import annotations

from typing import Final

from tests.benchmarks.requests import Call, Request, get, one, wait

NEVER: Final = {"where": {"/properties/plan": "never"}}
ELSEWHERE: Final = {"where": {"/a/b": 1, "/c/*/d": {"regex": "^x+y"}}, "type": "custom"}

WAITS: Final = [
    Call(name="wait: no match in 50 000 requests, by type", requests=one(wait("pk_large", {"type": "pageview"}))),
    Call(name="wait: no match in 50 000 requests, by where", requests=one(wait("pk_large", NEVER))),
    Call(name="wait: no match in 50 000 requests, near misses", requests=one(wait("pk_large", ELSEWHERE))),
    Call(
        name="wait: no match in 50 000 requests, by attempt",
        requests=one(wait("pk_large", {"request": {"attempt": 3}})),
    ),
    Call(
        name="wait: no match in 50 000 requests, for requests",
        requests=one(wait("pk_large", {"request": {"status": 599, "headers": {"x-a": "b"}}}, **{"for": "requests"})),
    ),
    Call(name="wait: count 1 of 50 000", requests=one(wait("pk_large", {"type": "custom"}, count=1))),
    Call(name="wait: all rows of 50 000", requests=one(wait("pk_large", {"type": "custom"}, query="?rows=all"))),
    Call(name="wait: exactly 0 of 50 000", requests=one(wait("pk_large", {"type": "custom"}, exactly=0))),
    Call(name="wait: near misses in a batch of 500, one bad", requests=one(wait("wrk_bad", {"type": "never_sent"}))),
    Call(name="wait: refused rows of 40 batches of 500", requests=one(wait("wrk_refused", {"type": "payment_failed"}))),
    Call(
        name="wait: 64 at the same time over 10 000 events",
        requests=lambda: [wait("wrk_batches", {"where": {"/properties/n": n}}) for n in range(64)],
    ),
    Call(
        name="wait: 16 at the same time, each with 10 000 matches",
        requests=lambda: [wait("wrk_batches", {"type": "payment_failed"}, count=10_001 + n) for n in range(16)],
    ),
    Call(
        name="wait: a literal object of 40 000 members",
        requests=one(wait("pk_literal", {"where": {"/a": {f"k{n}": n for n in range(40_000)}}})),
    ),
    Call(
        name="wait: a literal list of 20 000 objects",
        requests=one(wait("pk_literal", {"where": {"/a": [{"k": n} for n in range(20_000)]}})),
    ),
    Call(
        name="wait: none of a session's 3 000 keys",
        requests=one(wait("rec_many_keys", {"type": "page_view"})),
    ),
]

EVERYTHING: Final = ("/export", "/events?limit=10000", "/deliveries", "/requests", "/export", "/events?limit=10000") * 2
SESSIONS: Final = ("pk_large", "wrk_batches", "wrk_refused", "rec_many_keys", "rec_long_key")
READS: Final = [
    *(
        Call(name=f"read: {what.partition('?')[0][1:]} of {session}", requests=one(get(session, what)))
        for session in SESSIONS
        for what in ("/export", "/events?limit=10000", "/deliveries?limit=10000", "/requests?limit=10000")
    ),
    *(
        Call(name=f"read: request of {session}", requests=one(get(session, "/requests/r1")))
        for session in ("wrk_batches", "wrk_refused", "rec_long_key")
    ),
    Call(
        name="read: events that match, of pk_large",
        requests=one(get("pk_large", "/events?where=%7B%22%2Fproperties%2Fplan%22%3A%22never%22%7D")),
    ),
    Call(
        name="read: events by attempt, of pk_large",
        requests=one(get("pk_large", "/events?request=%7B%22attempt%22%3A7%7D")),
    ),
    Call(name="read: last page of events of pk_large", requests=one(get("pk_large", "/events?after=49990"))),
    Call(name="read: all at the same time", requests=lambda: [get("pk_large", what) for what in EVERYTHING]),
    Call(
        name="read: requests of 1 000 sessions at the same time",
        requests=lambda: [get(f"pk_other_{number}", "/events") for number in range(990)],
    ),
    Call(name="read: sessions", requests=one(Request(method="GET", path="/_mock/sessions"))),
    Call(name="read: fidelity", requests=one(Request(method="GET", path="/_mock/fidelity"))),
    Call(name="read: OpenAPI of the control surface", requests=one(Request(method="GET", path="/_mock/openapi.json"))),
    *(
        Call(name=f"read: OpenAPI of {name}", requests=one(Request(method="GET", path=f"/_mock/openapi/{name}.json")))
        for name in ("outlit", "apex", "whisperr")
    ),
    *(
        Call(
            name=f"read: schemas of {name}",
            requests=one(Request(method="GET", path=f"/_mock/schemas/{name}/events.json")),
        )
        for name in ("outlit", "apex", "whisperr")
    ),
]
