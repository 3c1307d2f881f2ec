"""Faults of headers, of CORS, of methods and paths, of encodings taken and given."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from mockserver.strategies.samples import Request
from mockserver.verify import Reply
from tests.verify.lies.lie import (
    Forward,
    Lie,
    always,
    reading,
    refused,
    replying,
    with_body,
    with_header,
)

RATE: Final = "/protocol/limits/rate_ingest"
LIMIT, REMAINING, RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"
ORIGIN, CREDENTIALS = "access-control-allow-origin", "access-control-allow-credentials"


def _header(name: str, header: str, change: Callable[[str], str]) -> Lie:
    def changed(request: Request, reply: Reply) -> Reply:
        return with_header(reply, header, change(reply.headers[header])) if header in reply.headers else reply

    return Lie(kind="header", name=name, protocol="outlit", told=(RATE,), proxy=replying(changed))


def _headers() -> Iterator[Lie]:
    yield _header("the limit is written with decimals", LIMIT, lambda text: f"{text}.0")
    yield _header("the limit is another one", LIMIT, lambda text: "1000")
    yield _header("what remains never falls", REMAINING, lambda text: "100")
    yield _header("what remains stays at 99", REMAINING, lambda text: "99")
    yield _header("what remains is below zero", REMAINING, lambda text: "-1")
    yield _header("the reset is in milliseconds", RESET, lambda text: f"{text}000")
    yield _header("the reset is a number of seconds", RESET, lambda text: "1")
    yield _header("the reset is an hour ahead", RESET, lambda text: str(int(text) + 3600))
    yield _header("the reset is a date", RESET, lambda text: "Sun, 14 Jun 2026 12:00:03 GMT")


def _origin(request: Request) -> str:
    return next((value for name, value in request.headers if name.lower() == "origin"), "")


def _cors(name: str, change: Callable[[Request, Reply], Reply], protocol: str = "outlit") -> Lie:
    return Lie(
        kind="cors",
        name=name,
        protocol=protocol,
        told=("/protocol/cors/", "/protocol/behavior/cors"),
        tried=("/protocol/cors/",),
        proxy=replying(change),
    )


def _silent(when: Callable[[Request, Reply], bool], *names: str) -> Callable[[Request, Reply], Reply]:
    """Leave headers out of some replies."""

    def change(request: Request, reply: Reply) -> Reply:
        for name in names if when(request, reply) else ():
            reply = with_header(reply, name, None)
        return reply

    return change


def _allowing(change: Callable[[str], str]) -> Callable[[Request, Reply], Reply]:
    def run(request: Request, reply: Reply) -> Reply:
        return with_header(reply, ORIGIN, change(reply.headers[ORIGIN])) if ORIGIN in reply.headers else reply

    return run


def _origins() -> Iterator[Lie]:
    yield _cors(
        "pages over http are not answered",
        _silent(lambda request, reply: _origin(request).startswith("http:"), ORIGIN, CREDENTIALS),
    )
    yield _cors(
        "pages of apps are not answered",
        _silent(lambda request, reply: _origin(request).startswith("capacitor:"), ORIGIN),
        "apex",
    )
    yield _cors(
        "the port of an origin is lost",
        _allowing(lambda origin: origin if origin.count(":") < 2 or "[" in origin else origin.rpartition(":")[0]),
    )
    yield _cors(
        "an origin with a port is not answered",
        _silent(lambda request, reply: _origin(request).count(":") > 1, ORIGIN),
        "whisperr",
    )
    yield _cors(
        "the origin null is answered with a star", _allowing(lambda origin: "*" if origin == "null" else origin)
    )
    yield _cors(
        "the origin null is not answered", _silent(lambda request, reply: _origin(request) == "null", ORIGIN), "apex"
    )
    yield _cors("the origin is told in lower case", _allowing(str.lower))
    yield _cors("refusals have no origin", _silent(lambda request, reply: reply.status >= 400, ORIGIN))
    yield _cors(
        "preflights have no credentials", _silent(lambda request, reply: request.method == "OPTIONS", CREDENTIALS)
    )
    yield _cors("posts have no credentials", _silent(lambda request, reply: request.method == "POST", CREDENTIALS))
    yield _cors("replies do not vary by origin", _silent(lambda request, reply: True, "vary"))
    yield _cors(
        "a preflight is answered 400 without headers that it asks for",
        lambda request, reply: (
            replace(reply, status=400)
            if request.method == "OPTIONS" and not any("request-headers" in name for name, _ in request.headers)
            else reply
        ),
    )
    yield _cors(
        "no header may be sent",
        _silent(lambda request, reply: request.method == "OPTIONS", "access-control-allow-headers"),
        "whisperr",
    )


def _method(method: str, protocol: str, told: str) -> Lie:
    def send(forward: Forward, request: Request) -> Reply:
        if request.method != method or not request.path.rstrip("/").endswith(("events", "batch", "track")):
            return forward(request)
        return Reply(status=200, headers={"content-type": "application/json"}, body=b'{"success":true}')

    return Lie(kind="route", name=f"{method} is answered 200", protocol=protocol, told=(told,), proxy=always(send))


def _any_case(request: Request) -> Request:
    """Find paths whatever their case; keys keep theirs."""
    path = "/".join(
        part if part.startswith(("pk_", "wrk_", "PK_")) else part.lower() for part in request.path.split("/")
    )
    return request if "?" in request.path else replace(request, path=path)


def _any_suffix(request: Request) -> Request:
    return replace(request, path=request.path.removesuffix(".json").removesuffix("/more"))


def _routes() -> Iterator[Lie]:
    yield _method("GET", "outlit", "/protocol/refusals/ingest/method_not_allowed")
    yield _method("HEAD", "outlit", "/protocol/refusals/ingest/method_not_allowed")
    yield _method("GET", "whisperr", "/protocol/refusals/default/method_not_allowed")
    yield _method("HEAD", "apex", "/protocol/refusals/flat/method_not_allowed")
    yield _method("PATCH", "apex", "/protocol/refusals/flat/method_not_allowed")
    for protocol, family in (("outlit", "ingest"), ("apex", "flat"), ("whisperr", "default")):
        told = (f"/protocol/refusals/{family}/unknown_path",)
        yield Lie(
            kind="route",
            name="the case of a path does not count",
            protocol=protocol,
            told=told,
            proxy=reading(_any_case),
        )
    told = ("/protocol/refusals/default/unknown_path",)
    yield Lie(
        kind="route",
        name="the rest of a path does not count",
        protocol="whisperr",
        told=told,
        proxy=reading(_any_suffix),
    )


def _read_as(charset: str) -> Callable[[Request], Request]:
    """Read bodies that are not UTF-8 in another encoding."""

    def read(request: Request) -> Request:
        if any(name.lower() == "content-encoding" for name, _ in request.headers):
            return request
        try:
            json.loads(request.body.decode("utf-8"))
        except (ValueError, RecursionError):
            try:
                return with_body(request, json.loads(request.body.decode(charset)))
            except (ValueError, RecursionError):
                return request
        return request

    return read


def _without_encoding(request: Request) -> Request:
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0].lower() != "content-encoding"))


def _unpacked(request: Request) -> Request:
    """Take what is left of a compressed body that was cut off, and anything after its end."""
    if ("content-encoding", "gzip") not in request.headers:
        return request
    try:
        gzip.decompress(request.body)
    except (OSError, EOFError, ValueError):
        import zlib

        try:
            text = zlib.decompressobj(wbits=31).decompress(request.body)
            return _without_encoding(replace(request, body=text))
        except zlib.error:
            return request
    return request


def _no_other_gzip(forward: Forward, request: Request) -> Reply:
    names = [value for name, value in request.headers if name.lower() == "content-encoding"]
    return refused(forward, request) if names == ["GZIP"] else forward(request)


def _taken(protocol: str, name: str, change: Callable[[Request], Request], told: str) -> Lie:
    return Lie(kind="encoding taken", name=name, protocol=protocol, told=(told,), proxy=reading(change))


def _given(protocol: str, name: str, change: Callable[[Request, Reply], Reply]) -> Lie:
    told = ("/protocol/operations/", "/protocol/replies/", "/protocol/refusals/")
    tried = ("/protocol/operations/*/replies#utf-8", "/protocol/operations/*#accepted")
    return Lie(kind="encoding given", name=name, protocol=protocol, told=told, tried=tried, proxy=replying(change))


def _encodings() -> Iterator[Lie]:
    for protocol, charset in (
        ("outlit", "utf-16"),
        ("whisperr", "latin-1"),
        ("apex", "utf-8-sig"),
        ("whisperr", "utf-16"),
    ):
        yield _taken(protocol, f"{charset} is read", _read_as(charset), "/protocol/gates/json")
    yield _taken(
        "outlit",
        "an unknown encoding is not looked at",
        lambda request: _without_encoding(request) if ("content-encoding", "base64") in request.headers else request,
        "/protocol/gates/encoding",
    )
    yield _taken("apex", "half a compressed body is taken", _unpacked, "/protocol/gates/encoding")
    yield Lie(
        kind="encoding taken",
        name="GZIP is not gzip",
        protocol="outlit",
        told=("/protocol/gates/encoding",),
        proxy=always(_no_other_gzip),
    )
    yield _given(
        "outlit",
        "replies are UTF-16",
        lambda request, reply: replace(reply, body=reply.body.decode().encode("utf-16")) if reply.body else reply,
    )
    yield _given(
        "whisperr",
        "replies begin with a byte order mark",
        lambda request, reply: replace(reply, body=reply.body.decode().encode("utf-8-sig")) if reply.body else reply,
    )
    yield _given(
        "apex",
        "replies are called Latin-1",
        lambda request, reply: (
            with_header(reply, "content-type", "application/json; charset=iso-8859-1")
            if reply.body.startswith(b"{")
            else reply
        ),
    )
    yield _given(
        "apex",
        "refusals are compressed unasked",
        lambda request, reply: (
            with_header(replace(reply, body=gzip.compress(reply.body)), "content-encoding", "gzip")
            if reply.status >= 400
            else reply
        ),
    )
    yield _given("outlit", "replies are text", lambda request, reply: with_header(reply, "content-type", "text/plain"))


LIES: Final = [*_headers(), *_origins(), *_routes(), *_encodings()]
