"""The worst requests for the probe of turns: bodies of control calls, contract patches, vendor bodies, evictions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.benchmarks.filling import JSON_TYPE, outlit, whisperr
from tests.benchmarks.requests import Call, Request, control, get, one, patch, wait

MB: Final = 1 << 20
BODIES: Final[Mapping[str, bytes]] = {
    "a number of 1 MB of zeros": b"0" * MB,
    "a number of 1 MB": b"1" + b"0" * MB,
    "an exponent of 1 MB": b"1e" + b"0" * MB,
    "[0,0,…] of 1 MB": b"[" + b"0," * (MB // 2) + b"0]",
    "[0,0,…] of 49 000": b"[" + b"0," * 49_000 + b"0]",
    "[{},{},…] of 24 000": b"[" + b"{}," * 24_000 + b"{}]",
    "[[[[…": b"[" * MB,
    "a string of 1 MB": b'"' + b"0" * MB + b'"',
    "{'00…': 0}": b'{"' + b"0" * MB + b'":0}',
    "nothing but 16 MB of blanks": b" " * 16 * MB,
    "escapes": b'"' + b"\\u0030" * (MB // 6) + b'"',
}
WHERE: Final[Mapping[str, object]] = {
    "a number of 1 MB": b'{"match":{"where":{"/a":1' + b"0" * MB + b'}},"timeout_ms":1}',
    "a text of 1 MB": {"match": {"where": {"/a": "0" * MB}}, "timeout_ms": 1},
    "an array of 49 000": {"match": {"where": {"/a": [0] * 49_000}}, "timeout_ms": 1},
    "`in` of 1 000 arrays": {"match": {"where": {"/a": {"in": [[0] * 40] * 1_000}}}, "timeout_ms": 1},
    "100 pointers of 2 000 characters": {"match": {"where": {"/" + "*/" * 990 + str(n): 1 for n in range(100)}}},
    "a type of 1 MB": {"match": {"type": "0" * MB}, "timeout_ms": 1},
    "a protocol of 1 MB": {"match": {"protocol": "0" * MB}, "timeout_ms": 1},
    "a pattern of 1 MB": {"match": {"where": {"/a": {"regex": "0" * MB}}}, "timeout_ms": 1},
    "a pattern of 500 groups": {"match": {"where": {"/a": {"regex": "(" * 500 + "a" + ")" * 500}}}, "timeout_ms": 1},
}
EVIL: Final = (
    "(z+)+y", "^(a+)+$", "^([a-zA-Z0-9]+[._-]?)+@[a-z]+[.]com$", "(a|a)*b", "(a|aa)+$", "(.*a){20}", "(.*)*x",
    r"^(\w+\s?)*$", "([a-z]+)*d", "a?" * 200 + "a" * 200, "(a{1,100}){1,100}", r"(?=(a+))\1b", r"(a*)*\1",
    "[^x]*x[^x]*y",
)  # fmt: skip
TEXT: Final = "a" * 50_000 + "!"

DEEP: Final = {
    f"level{n}": {"properties": {"a": {"use": f"level{n + 1}"}, "b": {"use": f"level{n + 1}"}}} for n in range(16)
}
DEEP_PATCH: Final = {
    "events": {
        "shared": {**DEEP, "level16": {"type": "object"}},
        "custom": {"properties": {"properties": {"use": "level0"}}},
    }
}


def properties(count: int) -> dict[str, Any]:
    """Return a patch with so many properties."""
    added = {f"member{number}": {"type": "string"} for number in range(count)}
    return {"events": {"custom": {"properties": added}}}


def sent(arguments: tuple[str, str, dict[str, str], bytes]) -> Request:
    """Return a vendor request."""
    _, path, headers, body = arguments
    return Request(path=path, headers=headers, body=body)


def gzipped(number: int) -> Request:
    """Return a small request that holds 5 MB."""
    event = {"external_user_id": "u", "event_type": "a_b", "context": {"$message_id": f"z{number}"}}
    body = json.dumps({"events": [event]}).encode() + b" " * (5 * MB - 300)
    headers = {**JSON_TYPE, "X-API-Key": "wrk_gzip", "Content-Encoding": "gzip"}
    return Request(path="/v1/events/batch", headers=headers, body=gzip.compress(body, 9))


def gzipped_text(number: int) -> Request:
    """Return a small request whose event holds a text of 900 kB."""
    _, path, headers, body = outlit("pk_gzip", f"clicked_{number}", title="x" * 900_000)
    return Request(path=path, headers={**headers, "Content-Encoding": "gzip"}, body=gzip.compress(body, 9))


def warned(session: str, **members: Any) -> Request:
    """Return a request of 100 events that is taken, with members that the newest revision refuses."""
    _, path, headers, body = outlit(session, *(f"clicked_{n}" for n in range(100)))
    return Request(path=path, headers=headers, body=json.dumps({**json.loads(body), **members}).encode())


WARNED: Final[Mapping[str, Mapping[str, Any]]] = {
    "15 000 nested traits": {"userIdentity": {"traits": {f"t{n}": [] for n in range(15_000)}}},
    "15 000 unknown members": {"userIdentity": {f"m{n}": n for n in range(15_000)}},
    "15 000 good traits and a bad one": {"userIdentity": {"traits": {**{f"t{n}": n for n in range(15_000)}, "u": []}}},
    "an address of 200 kB": {"userIdentity": {"email": "a@" + "b." * 100_000}},
    "1 MB of nested traits": {"userIdentity": {"traits": {f"t{n}": [] for n in range(60_000)}}},
}


def warned_calls(session: str, name: str) -> Iterator[Call]:
    """Yield the request and what reads its warnings."""
    yield Call(name=f"warnings: {name}, request", requests=one(warned(session, **WARNED[name])))
    for what in ("/events", "/requests/r1", "/export"):
        yield Call(name=f"warnings: {name}, {what[1:]}", requests=one(get(session, what)))
    yield Call(name=f"warnings: {name}, wait", requests=one(wait(session, {"type": "custom"}, count=100)))


INPUT: Final = [
    *(
        Call(
            name=f"input: {method} {what[1:] or 'session'}, {name}",
            requests=one(control(method, "pk_input", what, body)),
        )
        for name, body in BODIES.items()
        for method, what in (("POST", "/wait"), ("PUT", "/faults"), ("PATCH", ""))
    ),
    *(
        Call(name=f"input: wait, {name}", requests=one(control("POST", "pk_input", "/wait", body)))
        for name, body in WHERE.items()
    ),
    Call(
        name="input: 1 000 fault steps with 40 members",
        requests=one(
            control(
                "PUT",
                "pk_faults",
                "/faults",
                [{"match": {"where": {f"/a{n}": n for n in range(40)}}, "delay_ms": 1}] * 1000,
            )
        ),
    ),
    Call(
        name="input: batch of 100 against 1 000 fault steps",
        requests=one(sent(outlit("pk_faults", *(f"clicked_{n}" for n in range(100))))),
    ),
    Call(
        name="input: 10 000 keys",
        requests=one(control("PATCH", "pk_input", "", {"keys": [f"k{n}" for n in range(10_000)]})),
    ),
    Call(
        name="input: 1 000 credentials",
        requests=one(control("PATCH", "pk_input", "", {"credentials": [f"c{n}" for n in range(1_000)]})),
    ),
]
PATCHES: Final = [
    Call(name="patch: `use` sixteen deep", requests=one(patch("pk_deep", "outlit", DEEP_PATCH))),
    Call(name="patch: 100 000 properties", requests=one(patch("pk_many", "outlit", properties(100_000)))),
    Call(name="patch: 10 000 properties", requests=one(patch("pk_many", "outlit", properties(10_000)))),
    Call(name="patch: 2 000 properties", requests=one(patch("pk_2000", "outlit", properties(2_000)))),
    Call(name="patch: an event against 2 000 properties", requests=one(sent(outlit("pk_2000", "clicked")))),
    Call(name="patch: a read of an event against 2 000 properties", requests=one(get("pk_2000", "/events"))),
    Call(
        name="patch: 40 sessions with own patches",
        requests=lambda: [patch(f"pk_patched_{n}", "outlit", properties(5 + n)) for n in range(40)],
    ),
    Call(
        name="patch: requests to 40 patched sessions",
        requests=lambda: [sent(outlit(f"pk_patched_{n}", "clicked", member1=7)) for n in range(40)],
    ),
    Call(
        name="patch: reads of 40 patched sessions",
        requests=lambda: [get(f"pk_patched_{n}", what) for n in range(40) for what in ("/events", "", "/export")],
    ),
    *(
        Call(
            name=f"pattern: {expression if len(expression) < 40 else expression[:36] + '…'}",
            requests=lambda expression=expression: [  # type: ignore[misc]
                wait("pk_evil", {"where": {"/url": {"regex": expression}}}),
                patch("pk_evil", "outlit", {"events": {"custom": {"properties": {"url": {"pattern": expression}}}}}),
                sent(outlit("pk_evil", "clicked", url=TEXT)),
                get("pk_evil", "/events?limit=3"),
            ],
            at_once=1,
        )
        for expression in EVIL
    ),
]
VENDOR: Final = [
    Call(name="vendor: batch of 500, one bad", requests=one(sent(whisperr("wrk_new", range(500), bad=7)))),
    Call(
        name="vendor: 16 batches of 500 at the same time",
        requests=lambda: [sent(whisperr("wrk_new", range(500 * n, 500 * n + 500))) for n in range(16)],
    ),
    Call(
        name="vendor: 500 events of 10 kB",
        requests=one(
            Request(
                path="/v1/events/batch",
                headers={**JSON_TYPE, "X-API-Key": "wrk_new"},
                body=json.dumps(
                    {"events": [{"external_user_id": 5, "properties": {"a": ["x"] * 2_000}}] * 500}
                ).encode(),
            )
        ),
    ),
    Call(
        name="vendor: 5 MB of [0,0,…]",
        requests=one(
            Request(
                path="/v1/events/batch",
                headers={**JSON_TYPE, "X-API-Key": "wrk_new"},
                body=b'{"events":[' + b"0," * (2 * MB) + b"0]}",
            )
        ),
    ),
    Call(
        name="vendor: 100 bad events of 10 kB",
        requests=one(sent(outlit("pk_new", *["x"] * 100, type="nope", other=["y"] * 2_000))),
    ),
    Call(
        name="vendor: bomb of 100 MB",
        requests=one(
            Request(
                path="/api/i/v1/pk_new/events",
                headers={**JSON_TYPE, "Content-Encoding": "gzip"},
                body=gzip.compress(b"0" * 100_000_000, 1),
            )
        ),
    ),
    Call(
        name="vendor: 12 MB of body",
        requests=one(Request(path="/api/i/v1/pk_new/events", headers=JSON_TYPE, body=b"0" * 12 * MB)),
    ),
    *(call for number, name in enumerate(WARNED) for call in warned_calls(f"pk_warned_{number}", name)),
    Call(name="gzip: 160 posts of 5 MB", requests=lambda: [gzipped(n) for n in range(160)], at_once=8),
    Call(name="gzip: 160 posts of a 900 kB text", requests=lambda: [gzipped_text(n) for n in range(160)], at_once=8),
    *(
        Call(name=f"gzip: {what.partition('?')[0][1:]} of {session}", requests=one(get(session, what)))
        for session in ("wrk_gzip", "pk_gzip")
        for what in ("/events", "/requests", "/requests/r1", "/deliveries", "/export")
    ),
    Call(name="gzip: wait of wrk_gzip", requests=one(wait("wrk_gzip", {"where": {"/a": 1}}))),
    Call(name="gzip: wait of pk_gzip", requests=one(wait("pk_gzip", {"where": {"/a": 1}}))),
    Call(
        name="waits: 499 open, one batch of 500",
        opened=lambda: [wait("wrk_waits", {"where": {"/properties/n": n}}, timeout_ms=5000) for n in range(499)],
        requests=one(sent(whisperr("wrk_waits", range(500)))),
    ),
    Call(
        name="waits: 499 open, 100 requests",
        opened=lambda: [wait("pk_waits", {"where": {"/url": {"regex": f"{n}$"}}}, timeout_ms=5000) for n in range(499)],
        requests=lambda: [sent(outlit("pk_waits", f"clicked_{n}")) for n in range(100)],
    ),
]
EVICTIONS: Final = [
    Call(
        name="eviction: 9 500 sessions more",
        requests=lambda: [sent(outlit(f"pk_more_{n}", "clicked")) for n in range(9_500)],
        at_once=16,
    ),
    Call(
        name="eviction: 500 requests, a session evicted for each",
        requests=lambda: [sent(outlit(f"pk_over_{n}", "clicked")) for n in range(500)],
        at_once=16,
    ),
    Call(name="eviction: sessions, of 10 000", requests=one(Request(method="GET", path="/_mock/sessions"))),
    Call(name="eviction: wait with 10 000 other sessions", requests=one(wait("pk_alone", {"type": "custom"}))),
    Call(
        name="eviction: journal limit 1 for the largest session",
        requests=one(control("PATCH", "wrk_batches", "", {"journal_limit": 1})),
    ),
    Call(
        name="eviction: delete the largest session",
        requests=one(Request(method="DELETE", path="/_mock/sessions/pk_large")),
    ),
]
