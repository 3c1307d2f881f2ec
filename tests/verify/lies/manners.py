"""Good requests that are refused for what does not matter: headers, queries, other keys, how JSON is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.strategies.samples import Request
from tests.verify.lies.lie import Json, Lie, body_of, events_of, reading, refusing

OPERATIONS: Final = {
    "outlit": "/protocol/operations/events",
    "apex": "/protocol/operations/events",
    "whisperr": "/protocol/operations/track",
}


def header(request: Request, name: str) -> str:
    return next((value for each, value in request.headers if each.lower() == name), "")


def _headers() -> Iterator[Lie]:
    for protocol, name, wanted, what in (
        ("outlit", "cookie", "", "#from-browsers"),
        ("apex", "referer", "", "#from-browsers"),
        ("whisperr", "sec-fetch-site", "", "#from-browsers"),
        ("outlit", "user-agent", "Mozilla", "#from-browsers"),
        ("apex", "accept", "text/html", "#any-accept"),
        ("apex", "authorization", "", "#other-keys"),
    ):

        def refuse(request: Request, name: str = name, wanted: str = wanted) -> bool:
            return bool(header(request, name)) and wanted in header(request, name)

        told = (OPERATIONS[protocol],)
        tried = (f"{OPERATIONS[protocol]}{what}",)
        text = f"a request with {name} {wanted}".strip() + " is refused"
        yield Lie(kind="headers", name=text, protocol=protocol, told=told, tried=tried, proxy=refusing(refuse))


def _has_lower_bearer(request: Request) -> bool:
    return header(request, "authorization").startswith("bearer ")


def _without_header_key(request: Request) -> Request:
    """Let a bearer token count before the other header."""
    if not header(request, "authorization"):
        return request
    return Request(
        method=request.method,
        path=request.path,
        headers=tuple(pair for pair in request.headers if pair[0].lower() not in ("x-api-key", "authorization")),
        body=request.body,
    )


def _keys() -> Iterator[Lie]:
    track = OPERATIONS["whisperr"]
    yield Lie(
        kind="keys",
        name="the scheme of a token is case-sensitive",
        protocol="whisperr",
        told=("/protocol/credentials/bearer", "/protocol/behavior/scheme_case"),
        tried=("/protocol/credentials/bearer#scheme",),
        proxy=refusing(_has_lower_bearer),
    )
    yield Lie(
        kind="keys",
        name="a token beside the key is refused",
        protocol="whisperr",
        told=(f"{track}/credentials", "/protocol/operations"),
        tried=(f"{track}/credentials#first",),
        proxy=reading(_without_header_key),
    )
    yield Lie(
        kind="keys",
        name="a key with a percent sign is refused",
        protocol="outlit",
        told=("/protocol/credentials/public_key", "/protocol/behavior/key_decoding"),
        tried=("/protocol/credentials/public_key",),
        proxy=refusing(lambda request: "%" in request.path),
    )


def _last_member_first(value: Json) -> bool:
    """Tell whether a single event does not begin with what its schema lists first."""
    return isinstance(value, dict) and next(iter(value), "") in ("context", "eventName", "path", "$message_id")


def _written() -> Iterator[Lie]:
    yield Lie(
        kind="written otherwise",
        name="white space before JSON is refused",
        protocol="outlit",
        told=("/protocol/gates/json", "/protocol/operations/events"),
        tried=("/protocol/gates/json#written-otherwise",),
        proxy=refusing(lambda request: request.body[:1].isspace() and body_of(request) is not None),
    )
    yield Lie(
        kind="written otherwise",
        name="members must be in order",
        protocol="whisperr",
        told=("/protocol/gates/json", "/protocol/operations"),
        tried=("/protocol/gates/json#written-otherwise",),
        proxy=refusing(lambda request: any(map(_last_member_first, events_of(request)))),
    )
    for protocol in OPERATIONS:
        yield Lie(
            kind="written otherwise",
            name="a path with a query is not found",
            protocol=protocol,
            told=(OPERATIONS[protocol],),
            tried=(f"{OPERATIONS[protocol]}/path#query",),
            proxy=refusing(lambda request: "utm_source" in request.path),
        )


LIES: Final = [*_headers(), *_keys(), *_written()]
