"""Faults of replies: their statuses, bodies, texts and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from mockserver.strategies.samples import Request
from mockserver.verify import Reply
from tests.verify.lies.lie import Json, Lie, edited, replying

ACCEPTED: Final = ("/events*#accepted", "/protocol/operations/*#accepted", "/requests/*#sizes")
MIXED: Final = ("/protocol/operations/*#mixed",)
REFUSED: Final = ("/protocol/gates/json*", "/protocol/credentials/*", "/events#")
"""The rules that see replies of each sort."""


def _status(was: int, now: int, text: bytes = b"") -> Callable[[Request, Reply], Reply]:
    return lambda request, reply: replace(reply, status=now) if reply.status == was and text in reply.body else reply


def _body(change: Callable[[Json], Json], status: int = 200) -> Callable[[Request, Reply], Reply]:
    return lambda request, reply: edited(reply, change) if reply.status == status else reply


def _text(was: bytes, now: bytes) -> Callable[[Request, Reply], Reply]:
    return lambda request, reply: replace(reply, body=reply.body.replace(was, now))


def _member(name: str, change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    return lambda body: {**body, name: change(body[name])} if name in body else body


def _uncounted(body: Json) -> Json:
    return {"success": True} if body.get("processed", 0) > 1 else body


def _recoded(body: Json) -> Json:
    return {"error": {**body["error"], "code": "bad_request"}}


def _lies() -> Iterator[Lie]:
    done, count = "/protocol/replies/processed", "/protocol/replies/received"
    partly, code = "/protocol/replies/partly_processed", "/protocol/refusals/default"
    for protocol, name, told, tried, change in (
        ("outlit", "a partial success is a success", partly, MIXED, _status(207, 200)),
        ("outlit", "a success is 201", done, ACCEPTED, _status(200, 201)),
        ("apex", "a refusal is 422", "/protocol/refusals/flat", REFUSED, _status(400, 422)),
        ("whisperr", "a missing key is 403", f"{code}/missing_api_key", REFUSED, _status(401, 403)),
        ("outlit", "a success of several events has no count", done, ACCEPTED, _body(_uncounted)),
        ("outlit", "a success lists no errors", done, ACCEPTED, _body(lambda body: {**body, "errors": []})),
        ("apex", "a count is a text", count, ACCEPTED, _body(_member("received", str))),
        ("apex", "a count has decimals", count, ACCEPTED, _body(_member("received", float))),
        (
            "apex",
            "three events count as four",
            count,
            ACCEPTED,
            _body(_member("received", lambda got: got + (got == 3))),
        ),
        ("whisperr", "a refusal has another code", code, REFUSED, _body(_recoded, 400)),
        ("outlit", "an unknown type has another text", TYPE_TEXT, REFUSED, _text(b"Invalid event", b"Unknown event")),
        ("outlit", "an inactive key has another text", KEY_TEXT, REFUSED, _text(b"Invalid or inactive", b"Inactive")),
        ("outlit", "nothing is refused as a whole", WHOLE, REFUSED, _status(400, 207, b'"index":-1')),
    ):
        yield Lie(kind="reply", name=name, protocol=protocol, told=(told,), tried=tried, proxy=replying(change))


TYPE_TEXT: Final = "/protocol/messages/unknown_type"
KEY_TEXT: Final = "/protocol/refusals/ingest/invalid_key"
WHOLE: Final = "/protocol/refusals/ingest"
LIES: Final = list(_lies())
