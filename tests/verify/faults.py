"""Deliberate faults of a server: what each does to a reply, or to what the server knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from mockserver.core.wire import WireReply
from mockserver.strategies.samples import Request
from tests.verify.inprocess import InProcess

Json = Any
Fault = Callable[[InProcess, Request, WireReply], WireReply]


def edited(change: Callable[[Json], Json], where: Callable[[WireReply], bool] = lambda reply: True) -> Fault:
    """Return a fault that changes the JSON of some replies."""

    def fault(target: InProcess, request: Request, reply: WireReply) -> WireReply:
        if not where(reply):
            return reply
        try:
            body = json.loads(reply.body)
        except ValueError:
            return reply
        return replace(reply, body=json.dumps(change(body)).encode())

    return fault


def status(was: int, now: int) -> Fault:
    return lambda target, request, reply: replace(reply, status=now) if reply.status == was else reply


def header(name: str, value: str | None, where: Callable[[WireReply], bool] = lambda reply: True) -> Fault:
    """Return a fault that sets a header, or takes it away."""

    def fault(target: InProcess, request: Request, reply: WireReply) -> WireReply:
        if not where(reply) or (value is None and name not in dict(reply.headers)):
            return reply
        kept = tuple(pair for pair in reply.headers if pair[0] != name)
        return replace(reply, headers=kept if value is None else (*kept, (name, value)))

    return fault


def refused(reply: WireReply) -> bool:
    return reply.status >= 400


def taken(reply: WireReply) -> bool:
    return reply.status < 300


def each_error(change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """Return a change of each entry of `errors`."""

    def run(body: Json) -> Json:
        if isinstance(body, dict) and isinstance(body.get("errors"), list):
            return {**body, "errors": [change(error) for error in body["errors"]]}
        return body

    return run


def member(name: str, change: Callable[[Json], Json]) -> Callable[[Json], Json]:
    return lambda body: {**body, name: change(body[name])} if isinstance(body, dict) and name in body else body


def without(name: str) -> Callable[[Json], Json]:
    return lambda body: {key: value for key, value in body.items() if key != name} if isinstance(body, dict) else body


def extra(body: Json) -> Json:
    return {**body, "x_debug": "trace"} if isinstance(body, dict) else body


def shifted(error: Json) -> Json:
    return {**error, "index": error["index"] + 1} if error["index"] >= 0 else error


def unplaced(error: Json) -> Json:
    return {**error, "index": -1}


def first_only(errors: Json) -> Json:
    return errors[:1]


def forgetful(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    """Forget everything after each request: no dedup, no idempotency, no entities, no rates."""
    target.forget()
    return reply


def no_options(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    return WireReply(status=404, headers=(), body=b"") if request.method == "OPTIONS" else reply


def swallowed(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    """Answer 200 with the body of the refusal."""
    return replace(reply, status=200) if reply.status == 400 else reply


def plain(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    return replace(reply, body=b"Bad Request") if reply.status == 400 else reply


def crash_on_unicode(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    try:
        request.body.decode("ascii")
    except UnicodeDecodeError:
        return replace(reply, status=500, body=b"{}") if reply.status < 300 else reply
    return reply


def size_off_by_one(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    """Refuse what is exactly as long as may be."""
    if len(request.body) == target.contract.max_body and taken(reply):
        return replace(reply, status=413)
    return reply


def only_first_key(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    """Refuse keys in the Authorization header, where none is in another one."""
    names = dict(request.headers)
    lone = "authorization" in names and "x-api-key" not in names
    return replace(reply, status=401) if lone and taken(reply) else reply


def strict_path(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    """Refuse what is no plain JSON media type, parameters included."""
    kind = dict(request.headers).get("content-type", "application/json")
    return replace(reply, status=415) if "charset" in kind and taken(reply) else reply


def no_gzip(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    gone = dict(request.headers).get("content-encoding") == "gzip" and taken(reply)
    return replace(reply, status=400, body=b"{}") if gone else reply


def everything_taken(target: InProcess, request: Request, reply: WireReply) -> WireReply:
    """Take events whose first byte of reply says otherwise: the server looks at no event."""
    return replace(reply, status=200, body=b'{"success":true,"processed":1}') if reply.status == 207 else reply


FAULTS: Final[Mapping[str, tuple[str, Fault]]] = {
    "207 turned into 200": ("outlit", status(207, 200)),
    "all bad turned into 207": ("outlit", status(400, 207)),
    "index off by one": ("outlit", edited(each_error(shifted))),
    "-1 instead of the index": ("outlit", edited(each_error(unplaced))),
    "only the first error": ("outlit", edited(member("errors", first_only))),
    "errors in reverse order": ("outlit", edited(member("errors", lambda errors: errors[::-1]))),
    "processed counts all": ("outlit", edited(member("processed", lambda count: count + 1))),
    "processed is text": ("outlit", edited(member("processed", str))),
    "success is true": ("outlit", edited(member("success", lambda _: True))),
    "message missing": ("outlit", edited(each_error(without("message")))),
    "bad events swallowed": ("outlit", everything_taken),
    "no preflight": ("outlit", no_options),
    "no CORS on errors": ("outlit", header("Access-Control-Allow-Origin", None, refused)),
    "any origin and credentials": ("outlit", header("Access-Control-Allow-Origin", "*")),
    "no Vary": ("outlit", header("Vary", None)),
    "no rate headers": ("outlit", header("X-RateLimit-Remaining", None)),
    "refusals as plain text": ("outlit", header("Content-Type", "text/plain", refused)),
    "body of a refusal is text": ("outlit", plain),
    "unicode crashes it": ("outlit", crash_on_unicode),
    "longest body refused": ("outlit", size_off_by_one),
    "gzip refused": ("outlit", no_gzip),
    "charset refused": ("outlit", strict_path),
    "400 turned into 422": ("apex", status(400, 422)),
    "405 turned into 404": ("apex", status(405, 404)),
    "received is missing": ("apex", edited(without("received"))),
    "received is off": ("apex", edited(member("received", lambda count: max(0, count - 1)))),
    "code missing": ("apex", edited(without("code"), refused)),
    "status in the body is text": ("apex", edited(member("status", str), refused)),
    "idempotency off": ("apex", forgetful),
    "bearer refused": ("apex", only_first_key),
    "no Allow": ("apex", header("Allow", None)),
    "202 turned into 200": ("whisperr", status(202, 200)),
    "rejected counts": ("whisperr", edited(member("rejected", lambda count: count + 1))),
    "an extra member": ("whisperr", edited(extra, taken)),
    "an extra member in refusals": ("whisperr", edited(extra, refused)),
    "refusals answered 200": ("whisperr", swallowed),
    "entities forgotten": ("whisperr", forgetful),
    "401 turned into 403": ("whisperr", status(401, 403)),
    "413 turned into 400": ("whisperr", status(413, 400)),
    "exposed header missing": ("whisperr", header("Access-Control-Expose-Headers", None)),
}
"""Faults that change replies, by name, with a protocol whose replies show them."""
