"""A session's exchanges as lines that can be kept: credentials become stable placeholders."""

from __future__ import annotations

import zlib
from typing import Final

from mockserver.core.body import RequestBody
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.recording.redaction.find_secrets import readable
from mockserver.recording.redaction.redact import Redactor
from mockserver.recording.redaction.secret_names import PLACEHOLDER, is_random
from mockserver.sessions.exchange import HANDED_THROUGH, Exchange
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import DEFAULT_SESSION, shorten
from mockserver.sessions.views import View, body_view

_CLIENTS_OWN: Final = frozenset({"event", "stored", "got", "expected", "fault", "match", "reject", "reply"})
"""Members of a row below which the names, too, are what somebody sent."""

_LOOSE: Final = frozenset({"path", "message", "reason", "explanation"})
"""Members of a row whose text may hold a secret that only its name gives away."""

_REPLIES: Final = ("reply", "contract_reply", "upstream_reply")

QUICKLY_SEARCHED: Final = 8 * 1024
"""Bytes of a body in which secrets are found within some milliseconds, whatever is in it."""

MANY_SECRETS: Final = 300
"""From more secrets on, making a `Redactor` of them takes long too."""

LARGEST_REPLY: Final = 8 * 1024 * 1024
"""Bytes of a compressed reply of an upstream that are looked into."""

_GZIP_BITS: Final = 31
_DEFLATE_BITS: Final = 15


def quickly_searched(exchange: Exchange) -> bool:
    """Return whether the secrets of an exchange are found within a turn of the event loop."""
    relayed = exchange.override.relayed
    size = len(exchange.body) + (0 if relayed is None else len(relayed.reply.body))
    return size <= QUICKLY_SEARCHED and exchange.shared.head.header(b"content-encoding") is None


def secrets_of_session(session: Session) -> set[str]:
    """Return what is secret of a session itself: its keys, and its name unless that is a plain word."""
    name = {session.name} if is_random(session.name) else set()
    return {*session.settings.credentials, *(session.settings.keys or ()), *session.seen_keys, *name}


def shown_name(name: str, redactor: Redactor) -> str:
    """Return the name of a session as it is shown beside what a redactor hides: shortened if it may be a key."""
    return shorten(name) if is_random(name) or redactor.text(name) != name else name


def export_line(view: View, redactor: Redactor) -> dict[str, Json]:
    """Return one exchange; a credential reads `<credential>` wherever it stood."""
    detail, exchange = view.request_detail(), view.exchange
    detail["session"] = exchange.receipt.session if exchange.receipt.session == DEFAULT_SESSION else PLACEHOLDER
    detail["events_detail"] = list(view.event_rows())
    own = {name: member for name, member in detail.items() if name not in ("request", "session", *_REPLIES)}
    line: dict[str, Json] = redacted_rows(own, redactor)
    line["session"] = detail["session"]
    line["request"] = {"headers": _headers(detail["request"], redactor), "body": _request_body(exchange, redactor)}
    shown = view.reply(), view.contract_reply(), view.upstream_reply()
    for name, reply in zip(_REPLIES, shown, strict=True):
        line[name] = reply and {**detail[name], **_reply(detail[name], reply, exchange, redactor)}
    return {name: line[name] for name in detail}


def redacted_rows(value: Json, redactor: Redactor) -> Json:
    """Return rows of ours without secrets; only what clients sent in them has names that may be or hide secrets.

    The headers and bodies of a request and of its reply stay as they are: `export_line` hides what is in those.
    """
    if isinstance(value, dict):
        return {name: _redacted_member(name, member, redactor) for name, member in value.items()}
    if isinstance(value, list):
        return [redacted_rows(item, redactor) for item in value]
    return redactor.json(value)


def _redacted_member(name: str, member: Json, redactor: Redactor) -> Json:
    if isinstance(member, dict) and isinstance(member.get("headers"), list):
        return member
    if name in _CLIENTS_OWN:
        return redactor.json(member)
    return (
        redactor.loose_text(member) if name in _LOOSE and isinstance(member, str) else redacted_rows(member, redactor)
    )


def _headers(message: Json, redactor: Redactor) -> list[Json]:
    return [[redactor.text(name), redactor.header(name, value)] for name, value in message["headers"]]


def _reply(shown: Json, reply: WireReply, exchange: Exchange, redactor: Redactor) -> dict[str, Json]:
    """Return the headers and the body of a reply; one not our own may be compressed, or bytes of any kind."""
    body = _loose_body(shown["body"], redactor)
    if exchange.override.origin in HANDED_THROUGH:
        fields = {name.lower().encode(): value.encode("utf-8", "replace") for name, value in reply.headers}
        request = WireRequest(method="", target="", headers=(), fields=fields, body=reply.body)
        body = _body(request, max(exchange.contract.max_body, len(reply.body), LARGEST_REPLY), redactor)
    return {"headers": _headers(shown, redactor), "body": body}


def _loose_body(body: Json, redactor: Redactor) -> Json:
    return {"text": redactor.loose_text(body["text"])} if "text" in body else body


def _request_body(exchange: Exchange, redactor: Redactor) -> Json:
    return _body(exchange.request, exchange.contract.max_body, redactor)


def _body(request: WireRequest, most: int, redactor: Redactor) -> Json:
    """Look inside a compressed body too, and compress it again only where that changed it."""
    request_body = RequestBody(request)
    problem = request_body.decode(most)
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
