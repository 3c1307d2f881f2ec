"""The checks of a request: small independent functions, each returns a refusal or None; the table of them by name.

The contract says which gates stand before an operation and in which order; `contract.extension.BUILT_IN` declares
every outcome a check can have, so that a contract without an answer for one does not load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final
from urllib.parse import parse_qs

from mockserver.contract.contract import split_target
from mockserver.contract.operation import BoundGate
from mockserver.contract.sections import CorsRules
from mockserver.core.adapter import adapter_of
from mockserver.core.events import judge_events, text_key
from mockserver.core.fast_reader import read
from mockserver.core.model import IdempotencyClaim, Judged, Refusal
from mockserver.core.refusals import broken_by, refuse, refuse_violation
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import pointer
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import matches

SIMPLE_METHODS: Final = ("GET", "HEAD", "POST")
"""Methods that a browser needs no permission for."""

CONTENT_TYPES: Final = "/protocol/content_types/accepted"
"""The rule of a wrong content type."""

Check = Callable[[Judged, BoundGate], Refusal | None]


def _size(judged: Judged, gate: BoundGate) -> Refusal | None:
    limit = judged.contract.max_body
    if judged.request_body.decode(limit) != "body_too_large":
        return None
    rule = "/protocol/limits/body/max_bytes"
    return refuse(judged, gate, "body_too_large", f"the body is longer than {limit} bytes", rule=rule, expected=limit)


def _encoding(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Refuse what cannot be decoded; a body over the limit is for the check of its size, wherever that stands."""
    problem = judged.request_body.encoding_problem(judged.contract.max_body)
    if problem is None:
        return None
    encoding = judged.request.header(b"content-encoding")
    return refuse(judged, gate, problem, f"the body cannot be decoded as {encoding}", got=encoding)


def _content_type(judged: Judged, gate: BoundGate) -> Refusal | None:
    types = judged.contract.content_types
    received = judged.request.header(b"content-type")
    if types is None or types.anything or media_type(received) in types.accepted:
        return None
    rule, accepted = CONTENT_TYPES, list(types.accepted)
    text = f"the Content-Type must be {' or '.join(accepted)}"
    return refuse(judged, gate, "content_type_invalid", text, rule=rule, expected=accepted, got=received)


def media_type(header: str | None) -> str:
    """Return the media type of a Content-Type header, lower case and without parameters; empty for None."""
    return (header or "").partition(";")[0].strip().lower()


def _json(judged: Judged, gate: BoundGate) -> Refusal | None:
    if read(judged):
        return None
    request_body, limit = judged.request_body, judged.contract.max_body
    if request_body.parse(limit):
        judged.body = request_body.value
        return None
    if request_body.not_json:
        reason = request_body.not_json
    elif request_body.decode(limit) == "body_too_large":  # gates for size and encoding need not come before this one
        reason = f"it is longer than {limit} bytes"
    else:
        reason = f"it cannot be decoded as {judged.request.header(b'content-encoding')}"
    return refuse(judged, gate, "invalid_json", f"the body is not valid JSON: {reason}")


def _object(judged: Judged, gate: BoundGate) -> Refusal | None:
    if judged.decoded is not None:
        return None
    if isinstance(judged.body, dict):
        if judged.operation is not None:
            judged.form = adapter_of(judged.contract.adapter).choose_form(judged.operation, judged.body)
        return None
    return refuse(judged, gate, "not_an_object", "the body must be a JSON object", expected={"type": "object"})


def _key(judged: Judged, gate: BoundGate) -> Refusal | None:
    accepted = judged.operation.credentials if judged.operation else ()
    if judged.credential is None or judged.credential_name is None:
        text = f"the request has no key; expected {' or '.join(credential.name for credential in accepted)}"
        return refuse(judged, gate, "missing", text, rule=accepted[0].pointer)
    credential = judged.contract.credentials[judged.credential_name]
    pattern = credential.pattern
    if pattern is None or matches(pattern, judged.credential):
        return None
    rule, text = f"{credential.pointer}/pattern", f"the key does not match {pattern}"
    return refuse(judged, gate, "malformed", text, rule=rule, expected=pattern, got=judged.credential)


def _allowed_key(judged: Judged, gate: BoundGate) -> Refusal | None:
    keys = judged.terms.keys
    if keys is None or judged.credential in keys:
        return None
    return refuse(judged, gate, "unknown", "the key is not in the `keys` of the session", got=judged.credential)


def _origin(judged: Judged, gate: BoundGate) -> Refusal | None:
    rules = judged.operation.cors if judged.operation else None
    origin = judged.request.header(b"origin")
    if rules is None or origin is None or origin_allowed(origin, rules.allowed_origins):
        return None
    rule, text = f"/protocol/cors/{rules.name}/allowed_origins", f"the origin {origin} is not allowed"
    allowed = list(rules.allowed_origins)
    return refuse(judged, gate, "origin_not_allowed", text, rule=rule, expected=allowed, got=origin)


def origin_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Tell whether an origin may call: any when the list is empty, else an exact one or a `*.` pattern of its host."""
    if not allowed:
        return True
    host = _host(origin)
    for entry in allowed:
        if entry.startswith("*."):
            if host.endswith(entry[1:].lower()):
                return True
        elif origin.lower() == entry.lower() or host == entry.lower():
            return True
    return False


def _host(origin: str) -> str:
    """Return the host of an origin in lower case, without its port; an IPv6 address keeps its brackets."""
    authority = origin.partition("://")[2].lower()
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def preflight_problem(rules: CorsRules, request: WireRequest) -> str | None:
    """Return why a browser does not send the request after a preflight; None where it does."""
    origin = request.header(b"origin")
    if origin is not None and not origin_allowed(origin, rules.allowed_origins):
        return f"the origin {origin} is not allowed"
    method = (request.header(b"access-control-request-method") or "").strip()
    methods = _names(rules.methods)
    if method and method not in SIMPLE_METHODS and method.lower() not in methods:
        return f"the method {method} is not allowed"
    allowed = _names(rules.headers)
    anything = "*" in allowed and not rules.credentials
    requested = _names(request.header(b"access-control-request-headers") or "")
    refused = [name for name in requested if name not in allowed and (name == "authorization" or not anything)]
    return f"the header {', '.join(refused)} is not allowed (allowed: {rules.headers})" if refused else None


def _names(listed: str) -> list[str]:
    return [name.strip().lower() for name in listed.split(",") if name.strip()]


def _idempotency(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Ask for the idempotency key; a replay is detected when the request is committed."""
    rule = judged.operation.idempotency if judged.operation else None
    key = None if rule is None else judged.request.header(rule.header.lower().encode())
    if rule is not None and key:
        scope = adapter_of(judged.contract.adapter).scope(judged)
        name = text_key(f"{judged.contract.name}\0{scope}\0{key}")
        judged.idempotency = IdempotencyClaim(order=gate.order, key=name, value=key, window_ms=rule.window_ms)
    return None


def _query(judged: Judged, gate: BoundGate) -> Refusal | None:
    query = parse_qs(split_target(judged.request.target)[1])
    for name in judged.operation.query if judged.operation else ():
        if not query.get(name, [""])[0].strip():
            text = f"the query parameter {name} is required"
            return refuse(judged, gate, "invalid_request", text, expected={"required": [name]})
    return None


def _envelope(judged: Judged, gate: BoundGate) -> Refusal | None:
    form = judged.form
    if form is None or form.request is None or judged.decoded is not None:
        return None
    broken = broken_by(judged, form.request, judged.body)
    return refuse_violation(judged, gate, broken[0], (), "invalid_request") if broken else None


def _measures(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Check the size of single members, in bytes of compact JSON."""
    form = judged.form
    if form is None or form.schema is None or not form.single:
        return None
    for limit in judged.contract.member_limits.values():
        value = pointer.get(judged.body, limit.tokens) if limit.schema == form.schema.name else None
        size, max_bytes = len(render(value)) if isinstance(value, dict | list | str) else 0, limit.max_bytes
        if size > max_bytes:
            place = pointer.build(limit.tokens)
            text = f"{place[1:]} has {size} bytes as JSON; the limit is {max_bytes}"
            rule = f"/protocol/limits/{limit.name}/max_bytes"
            return refuse(judged, gate, "invalid_request", text, rule=rule, place=place, expected=max_bytes, got=size)
    return None


CHECKS: Final[Mapping[str, Check]] = {
    "size": _size,
    "encoding": _encoding,
    "content_type": _content_type,
    "json": _json,
    "object": _object,
    "key": _key,
    "allowed_key": _allowed_key,
    "origin": _origin,
    "rate": lambda judged, gate: None,  # whether there is a slot is settled when the request is committed
    "idempotency": _idempotency,
    "query": _query,
    "envelope": _envelope,
    "measures": _measures,
    "events": judge_events,
}


@cache
def checks_of(adapter: str) -> Mapping[str, Check]:
    """Return the function of every check that a contract with this adapter may name."""
    return {**CHECKS, **adapter_of(adapter).run}
