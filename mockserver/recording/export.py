"""A session's exchanges as lines that can be kept: credentials become stable placeholders."""

from __future__ import annotations

import zlib
from typing import Final

from mockserver.core.body import RequestBody
from mockserver.jsonkit import Json
from mockserver.recording.redact import PLACEHOLDER, Redactor, is_random, readable
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import DEFAULT_SESSION
from mockserver.sessions.views import View, body_view

_CLIENTS_OWN: Final = frozenset({"event", "stored", "got", "expected", "fault"})
"""Members of a line below which the names, too, are what somebody sent."""

_GZIP_BITS: Final = 31
_DEFLATE_BITS: Final = 15


def secrets_of_session(session: Session) -> set[str]:
    """Return what a session was told that is secret: its keys, and its name unless that is a plain word."""
    name = {session.name} if is_random(session.name) else set()
    return {*session.settings.credentials, *(session.settings.keys or ()), *name}


def export_line(view: View, redactor: Redactor) -> dict[str, Json]:
    """Return one exchange; a credential reads `<credential>` wherever it stood."""
    detail, exchange = view.request_detail(), view.exchange
    detail["session"] = exchange.receipt.session if exchange.receipt.session == DEFAULT_SESSION else PLACEHOLDER
    detail["events_detail"] = list(view.event_rows())
    request, reply = detail["request"], detail["reply"]
    line: dict[str, Json] = _redacted(
        {name: member for name, member in detail.items() if name not in ("request", "reply", "path", "session")},
        redactor,
    )
    line["session"], line["path"] = detail["session"], redactor.loose_text(detail["path"])
    line["request"] = {"headers": _headers(request, redactor), "body": _request_body(exchange, redactor)}
    line["reply"] = {"headers": _headers(reply, redactor), "body": _loose_body(reply["body"], redactor)}
    return {name: line[name] for name in detail}


def _redacted(value: Json, redactor: Redactor) -> Json:
    """Return rows of ours without secrets; only what clients sent in them has names that may be or hide secrets."""
    if isinstance(value, dict):
        return {
            name: redactor.json(member) if name in _CLIENTS_OWN else _redacted(member, redactor)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_redacted(item, redactor) for item in value]
    return redactor.json(value)


def _headers(message: Json, redactor: Redactor) -> list[Json]:
    return [[name, redactor.header(name, value)] for name, value in message["headers"]]


def _loose_body(body: Json, redactor: Redactor) -> Json:
    return {"text": redactor.loose_text(body["text"])} if "text" in body else body


def _request_body(exchange: Exchange, redactor: Redactor) -> Json:
    """Look inside a compressed body too, and compress it again only where that changed it."""
    request, request_body = exchange.request, RequestBody(exchange.request)
    problem = request_body.decode(exchange.contract.max_body)
    packed = request_body.text != request.body
    text = readable(request_body.text if problem is None else request.body)
    if text is None:
        reason = "it is not UTF-8" if problem is None else problem.replace("_", " ")
        return {"text": f"<body of {len(request.body)} bytes left out: {reason}>"}
    clean = redactor.loose_text(text)
    if not packed or problem is not None:
        return {"text": clean}
    if clean == text:
        return body_view(request.body)
    encoding = (request.header(b"content-encoding") or "").strip().lower()
    squeeze = zlib.compressobj(wbits=_DEFLATE_BITS if encoding == "deflate" else _GZIP_BITS)
    return body_view(squeeze.compress(clean.encode("utf-8")) + squeeze.flush())
