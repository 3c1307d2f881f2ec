"""Good requests of each protocol, and named ways to spoil one that leave it HTTP: each is due exactly one answer."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any, Final

from tests.server.raw import Plain
from tests.server.vendor_client import clicks_body, track_body

JSON_TYPE: Final = ("Content-Type", "application/json")
NOISE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 2**70, -(2**63), 10**300),
    *("", " ", "\x00", "\ud800", "x" * 5000, "2026-13-45T99:99:99Z", "9999-12-31T23:59:59.999+00:00", "http://["),
    *([], {}, [[]], {"": ""}, ["x"] * 101, {"__proto__": 1}, {"\ud800": 1}, "identify"),
)
"""Values that stand nowhere on purpose."""


def outlit(key: str, name: str) -> Plain:
    body = json.dumps(clicks_body(name)).encode()
    return Plain(path=f"/api/i/v1/{key}/events", headers=(JSON_TYPE,), body=body)


def apex(key: str, name: str) -> Plain:
    event = {"projectKey": key, "visitorId": "v1", "type": name, "url": "https://example.com/"}
    return Plain(path="/api/events", headers=(JSON_TYPE,), body=json.dumps(event).encode())


def apex_server(key: str, name: str) -> Plain:
    event = {"type": name, "userId": "u1", "url": "https://example.com/"}
    body = json.dumps({"events": [event]}).encode()
    headers = (JSON_TYPE, ("Authorization", f"Bearer apex_sk_{key}"))
    return Plain(path="/api/v1/events", headers=headers, body=body)


def whisperr(key: str, name: str) -> Plain:
    body = json.dumps(track_body(name)).encode()
    return Plain(path="/v1/events/batch", headers=(JSON_TYPE, ("X-API-Key", key)), body=body)


GOOD: Final[Mapping[str, Callable[[str, str], Plain]]] = {"outlit": outlit, "apex": apex, "whisperr": whisperr}

Mutator = Callable[[Random, Plain], Plain]
MUTATORS: Final[dict[str, Mutator]] = {}


def mutator(made: Mutator) -> Mutator:
    MUTATORS[made.__name__] = made
    return made


def headed(request: Plain, *headers: tuple[str, str]) -> Plain:
    """Return the request with these headers in place of those of the same names."""
    names = {name.lower() for name, _ in headers}
    kept = tuple(pair for pair in request.headers if pair[0].lower() not in names)
    return replace(request, headers=(*kept, *headers))


def spoil(rng: Random, value: Any) -> Any:
    """Change one place of a JSON value."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        made, name = dict(value), rng.choice(list(value))
        match rng.randrange(4):
            case 0:
                del made[name]
            case 1:
                made[name] = rng.choice(NOISE)
            case 2:
                made[rng.choice(["x", "", "\ud800", "a/b~", "constructor"])] = rng.choice(NOISE)
            case _:
                made[name] = spoil(rng, made[name])
        return made
    if isinstance(value, list) and value and rng.random() < 0.85:
        items, index = list(value), rng.randrange(len(value))
        items[index] = spoil(rng, items[index]) if rng.random() < 0.7 else rng.choice(NOISE)
        return items * rng.choice([1, 1, 2])
    return rng.choice(NOISE)


@mutator
def spoiled_members(rng: Random, request: Plain) -> Plain:
    value = json.loads(request.body)
    for _ in range(rng.randrange(1, 4)):
        value = spoil(rng, value)
    return replace(request, body=json.dumps(value).encode())


@mutator
def spoiled_bytes(rng: Random, request: Plain) -> Plain:
    body = bytearray(request.body)
    for _ in range(rng.randrange(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    return replace(request, body=bytes(body))


@mutator
def cut_body(rng: Random, request: Plain) -> Plain:
    return replace(request, body=request.body[: rng.randrange(len(request.body))])


ODD_BODIES: Final[Mapping[str, bytes]] = {
    "no_body": b"",
    "blank_body": b" \r\n\t",
    "no_json": b"visitorId=v&events[]=pageview",
    "top_level_array": b"[]",
    "top_level_text": b'"{}"',
    "top_level_null": b"null",
    "nan": b'{"events": [NaN]}',
    "infinity": b'{"events": -Infinity}',
    "bad_utf8": b'{"events": ["\xc3\x28"]}',
    "byte_order_mark": b"\xef\xbb\xbf{}",
    "utf16": "{}".encode("utf-16"),
    "deep_nesting": b"[" * 10_000 + b"]" * 10_000,
    "deep_nesting_in_event": b'{"events": [' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"]}",
    "endless_digits": b'{"events": ' + b"9" * 900_000 + b"}",
    "huge_exponent": b'{"events": 1e999999999}',
    "no_events": b'{"events": []}',
    "too_many_events": b'{"events": [' + b"{}," * 20_000 + b"{}]}",
    "nul_bytes": b"\0" * 100,
}


def _with_body(body: bytes) -> Mutator:
    return lambda rng, request: replace(request, body=body)


MUTATORS.update({name: _with_body(body) for name, body in ODD_BODIES.items()})


@mutator
def doubled_names(rng: Random, request: Plain) -> Plain:
    return replace(request, body=request.body.replace(b'"type"', b'"type": 1, "type"'))


@mutator
def oversized(rng: Random, request: Plain) -> Plain:
    return replace(request, body=request.body + b" " * rng.choice([1_048_577, 5_242_881, 10_485_761]))


@mutator
def squeezed(rng: Random, request: Plain) -> Plain:
    name = rng.choice(["gzip", "deflate"])
    body = gzip.compress(request.body) if name == "gzip" else zlib.compress(request.body)
    return headed(replace(request, body=body), ("Content-Encoding", name))


@mutator
def broken_gzip(rng: Random, request: Plain) -> Plain:
    body = gzip.compress(request.body)
    return headed(replace(request, body=body[: rng.randrange(len(body))]), ("Content-Encoding", "gzip"))


@cache
def bomb() -> bytes:
    """Return 100 MB of zeros in 100 kB."""
    return gzip.compress(b"0" * 100_000_000, 1)


@mutator
def gzip_bomb(rng: Random, request: Plain) -> Plain:
    return headed(replace(request, body=bomb()), ("Content-Encoding", "gzip"))


@mutator
def odd_encoding(rng: Random, request: Plain) -> Plain:
    return headed(
        request, ("Content-Encoding", rng.choice(["br", "zstd", "gzip, gzip", "gzip", "deflate", "\xff", ""]))
    )


@mutator
def odd_content_type(rng: Random, request: Plain) -> Plain:
    kinds = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-7",
        ";",
        "\xff",
        "",
    ]
    return headed(request, ("Content-Type", rng.choice(kinds)))


@mutator
def bare(rng: Random, request: Plain) -> Plain:
    return replace(request, headers=())


@mutator
def odd_method(rng: Random, request: Plain) -> Plain:
    methods = ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]
    return replace(request, method=rng.choice(methods))


@mutator
def odd_path(rng: Random, request: Plain) -> Plain:
    ends = ["/", "//", "/x", "?", "?a=%ff&b", "?%", "/%2e%2e", ";a=b", "%00", "#x", "/" + "y" * 7000]
    starts = [
        "//",
        "/x",
        "/_mock/s/a%0d%0ab",
        "/_mock/s/" + "z" * 300,
        "/_mock/s/%ff",
        "/_mock/s",
        "/_mock/s//",
        "/_mock",
        "http://a.b",
    ]
    path = request.path + rng.choice(ends) if rng.random() < 0.5 else rng.choice(starts) + request.path
    return replace(request, path=path)


@mutator
def escaped_path(rng: Random, request: Plain) -> Plain:
    place = rng.randrange(1, len(request.path))
    junk = rng.choice(["%00", "%zz", "%", "%2f", "%ff%fe", "%ed%a0%80", "%F0%9F%98%80", "+", "*"])
    return replace(request, path=request.path[:place] + junk + request.path[place:])


ODD_NAMES: Final = ("", " ", "\xff", "x" * 201, "x" * 7000, "\t", "a/b", "..", "%00", "'\"<>", "default")


@mutator
def odd_session(rng: Random, request: Plain) -> Plain:
    return headed(request, ("X-Mock-Session", rng.choice(ODD_NAMES)))


@mutator
def odd_credential(rng: Random, request: Plain) -> Plain:
    name = rng.choice(ODD_NAMES)
    header = rng.choice([("X-API-Key", name), ("Authorization", f"Bearer {name}"), ("Authorization", name)])
    return headed(replace(request, path=request.path.replace("pk_", "")), header)


@mutator
def new_session(rng: Random, request: Plain) -> Plain:
    return headed(request, ("X-Mock-Session", f"passing-{rng.randrange(10**9)}"))


@mutator
def unlike_headers(rng: Random, request: Plain) -> Plain:
    return headed(request, *((f"X-{rng.randrange(10**9)}", "v" * rng.randrange(7000)) for _ in range(3)))


@mutator
def odd_origin(rng: Random, request: Plain) -> Plain:
    origin = rng.choice(
        ["null", "http://[", "", "*", "\xff", "https://example.com", "x" * 3000, "https://a.b, https://c.d"]
    )
    return headed(replace(request, method=rng.choice(["OPTIONS", "POST"])), ("Origin", origin))


@mutator
def idempotent(rng: Random, request: Plain) -> Plain:
    made = apex_server("k", "paid")
    return headed(made, ("Idempotency-Key", rng.choice(["a", "\xff", "k" * 5000, f"{rng.random()}"])))
