"""An exchange without credentials and personal data, which is judged as the original one was.

What is hidden everywhere is collected from all exchanges of a recording first, so that a key which one request has in
a header is found in the body of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.model import EventError
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json, jsontext
from mockserver.recording.recorded_body import NOT_JSON, TOO_LARGE, RecordedBody, content_of, left_out
from mockserver.recording.redaction.find_secrets import readable, secrets_of, secrets_of_reply
from mockserver.recording.redaction.json_tokens import replaced
from mockserver.recording.redaction.pseudonyms import Kind
from mockserver.recording.redaction.redaction_rules import Personal
from mockserver.recording.redaction.scrubber import LONGEST_SEARCHED_TEXT, NO_NAMES, Scrubber
from mockserver.recording.redaction.secret_names import is_random
from mockserver.sessions.exchange import Exchange

VOLATILE: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"date",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that belong to one connection or one moment; a recording has none of them."""

SESSION: Final = "recording"
"""The name of the session from which a reply's own ids are made, so that they are the same in each recording."""
_LONG_NUMBER: Final = 10_000
"""From this number on, one that is somebody's id is hidden wherever it is."""
LARGEST_REPLY: Final = 8 * 1024 * 1024
"""Bytes of a decompressed reply that are looked into."""


@lru_cache(maxsize=64)
def personal_places(contract: Contract) -> tuple[Personal, ...]:
    """Return the places of personal data in bodies: those in events are wherever a form has its events."""
    forms = [form for operation in contract.operations.values() for form in operation.forms.values()]
    roots = {() if form.single or form.events is None else (*form.events, "*") for form in forms}
    personal = contract.personal
    rooted = [((), personal.bodies), *((root, personal.events) for root in sorted(roots))]
    ids = [Personal(place=(*root, *tokens), kind="id") for root, places in rooted for tokens in places.ids]
    texts = [Personal(place=(*root, *tokens), kind="text") for root, places in rooted for tokens in places.texts]
    return (*ids, *texts)


@lru_cache(maxsize=64)
def personal_names(contract: Contract) -> Mapping[str, Kind]:
    """Return the names of personal members of a reply, wherever it has them: no contract says where upstreams do."""
    parameters = (*contract.personal.path, *contract.personal.query)
    named = [(known.place[-1], known.kind) for known in reversed(personal_places(contract)) if known.place[-1] != "*"]
    return {**dict.fromkeys(parameters, "id"), **dict(named)}


def hidden_everywhere(exchange: Exchange) -> Iterator[tuple[str, Kind]]:
    """Yield what of an exchange is hidden wherever it is: its credentials, and what is personal in it.

    The time grows with the bodies, see `secrets_of`.
    """
    contract, request = exchange.contract, exchange.request
    for secret in sorted(secrets_of(request, contract)):
        yield secret, "credential"
    for reply in _own_replies(exchange):
        content = _content_of(reply)
        for secret in sorted(secrets_of_reply(reply, content or b"")):
            yield secret, "credential"
        yield from _personal_in(content or b"", personal_names(contract))
    body = RequestBody(request)
    params = route(body, contract).place.params
    query = dict(parse_qsl(request.target.partition("?")[2], errors="replace"))
    for names, values in ((contract.personal.path, params), (contract.personal.query, query)):
        yield from ((values[name], "id") for name in names if name in values)
    if body.parse(contract.max_body):
        for known_place in personal_places(contract):
            for text in _texts_at(body.value, known_place.place):
                if _is_found_again(text, known_place.kind):
                    yield text, known_place.kind


def _own_replies(exchange: Exchange) -> Iterator[WireReply]:
    """Yield the replies of an exchange that are not made from its request: an upstream's, and a fault step's."""
    override = exchange.override
    if override.reply is not None:
        yield override.reply
    if override.relayed is not None and override.relayed.reply is not override.reply:
        yield override.relayed.reply


def _personal_in(content: bytes, names: Mapping[str, Kind]) -> Iterator[tuple[str, Kind]]:
    """Yield the texts below personal members of a JSON document that are no plain words, or ids."""
    try:
        remaining: list[tuple[Json, Kind | None]] = [(jsontext.view(content), None)]
    except jsontext.NotJSONError:
        return
    while remaining:
        value, kind = remaining.pop()
        if isinstance(value, dict):
            remaining += [(member, kind or names.get(name)) for name, member in value.items()]
        elif isinstance(value, list):
            remaining += [(item, kind) for item in value]
        elif kind is not None and isinstance(value, str) and _is_found_again(value, kind):
            yield value, kind


def _is_found_again(text: str, kind: Kind) -> bool:
    """Return whether a personal text is hidden wherever it is: the id of somebody, and what is no plain word."""
    return bool(text.strip()) and (kind == "id" or " " in text.strip() or is_random(text))


def _texts_at(value: Json, place: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts at a place of a document, and all below it; long numbers are texts too."""
    if isinstance(value, dict):
        for name in {place[0]} & value.keys() if place and place[0] != "*" else value:
            yield from _texts_at(value[name], place[1:])
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if not place or place[0] in ("*", str(index)):
                yield from _texts_at(item, place[1:])
    elif not place and isinstance(value, str) and value.strip():
        yield value
    elif not place and isinstance(value, int) and abs(value) >= _LONG_NUMBER:
        yield str(value)


class Scrubbed:
    """One exchange, hidden by a scrubber: its head and reply once, its body in each form that it can be written in."""

    def __init__(self, exchange: Exchange, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._exchange = exchange
        self._head = self._hidden_head(exchange)
        self._reply = None if exchange.override.reply is None else self._hidden_reply(exchange.override.reply)

    def bodies(self) -> Iterator[RecordedBody]:
        """Yield the forms in which the body of the request can be written, the most readable first."""
        exchange, request = self._exchange, self._exchange.request
        body = RequestBody(request)
        problem = body.decode(exchange.contract.max_body)
        if not request.body:
            yield {"text": ""}
        elif problem == "body_too_large":
            packed = not request.truncated and len(request.body) <= exchange.contract.max_body
            yield left_out(TOO_LARGE, exchange.contract.max_body + 1 if packed else len(request.body))
        elif problem is not None:
            yield left_out(problem, len(request.body))
        elif not body.parse(exchange.contract.max_body):
            yield left_out(NOT_JSON, len(request.body))
        else:
            text = body.text.decode("utf-8")
            value, done = self._scrubber.document(jsontext.view(body.text), personal_places(exchange.contract))
            yield {"json": value}
            if not any(kind is str and len(known) > LONGEST_SEARCHED_TEXT for kind, known in done):
                yield {"text": replaced(text, done, self._scrubber.unseen)}

    def with_body(self, body: RecordedBody) -> Exchange:
        """Return the exchange with a body that a recording has."""
        exchange, head = self._exchange, self._head
        shared = replace(exchange.shared, head=head, keys=self._keys(exchange.shared.keys))
        override, scrubber = exchange.override, self._scrubber
        if override.fault is not None or self._reply is not None:
            relayed = override.relayed
            if relayed is not None:
                failure = scrubber.text(relayed.failure)
                upstream = self._reply if relayed.reply is override.reply else self._hidden_reply(relayed.reply)
                nearest = None if relayed.nearest is None else scrubber.document(relayed.nearest)[0]
                relayed = replace(relayed, reply=upstream or relayed.reply, failure=failure, nearest=nearest)
            fault = None if override.fault is None else scrubber.document(override.fault)[0]
            rejected = tuple(map(self._hidden_error, override.rejected))
            override = replace(override, reply=self._reply, relayed=relayed, fault=fault, rejected=rejected)
        content = content_of(body, head.header(b"content-encoding") or "")
        receipt = structs.replace(exchange.receipt, session=SESSION)
        return structs.replace(exchange, shared=shared, body=content, override=override, receipt=receipt, connection="")

    def _hidden_head(self, exchange: Exchange) -> WireRequest:
        request = exchange.shared.head
        headers = tuple(
            (
                self._scrubber.header_name(name.decode("latin-1")).encode("latin-1"),
                self._scrubber.header(name.decode("latin-1"), value.decode("utf-8", "replace")).encode(),
            )
            for name, value in request.headers
            if name.lower() not in VOLATILE
        )
        fields = {name.lower(): value for name, value in reversed(headers)}
        return structs.replace(request, target=self._scrubber.target(request.target), headers=headers, fields=fields)

    def _hidden_reply(self, reply: WireReply) -> WireReply:
        headers = tuple(
            (self._scrubber.header_name(name), self._scrubber.header(name, value))
            for name, value in reply.headers
            if name.lower().encode("utf-8", "replace") not in VOLATILE
        )
        body = recorded_reply_body(reply, self._scrubber, personal_names(self._exchange.contract))
        encoding = next((value for name, value in headers if name.lower() == "content-encoding"), "")
        return WireReply(status=reply.status, headers=headers, body=content_of(body, encoding))

    def _hidden_error(self, error: EventError) -> EventError:
        text = self._scrubber.text
        finding = None if error.finding is None else replace(error.finding, message=text(error.finding.message))
        return replace(error, message=text(error.message), finding=finding)

    def _keys(self, keys: frozenset[str] | None) -> frozenset[str] | None:
        """Return an allow-list of keys with the pseudonyms of those that were sent."""
        if keys is None:
            return None
        return frozenset(self._scrubber.hide(key, "credential") for key in keys if self._scrubber.knows(key))


def _decoded(reply: WireReply) -> tuple[RequestBody, str | None]:
    """Return the body of a reply, decompressed, and what is wrong with it if it cannot be."""
    fields = {
        name.lower().encode("utf-8", "replace"): value.encode("utf-8", "replace") for name, value in reply.headers
    }
    body = RequestBody(WireRequest(method="", target="", headers=(), fields=fields, body=reply.body))
    return body, body.decode(max(len(reply.body), LARGEST_REPLY))


def decompressed(reply: WireReply) -> WireReply:
    """Return a reply with its body as it is before it is compressed, if that can be told."""
    content = _content_of(reply)
    return reply if content is None else structs.replace(reply, body=content)


def _content_of(reply: WireReply) -> bytes | None:
    """Return the body of a reply, decompressed; None if it cannot be."""
    body, problem = _decoded(reply)
    return None if problem is not None else body.text


def recorded_reply_body(
    reply: WireReply, scrubber: Scrubber | None, names: Mapping[str, Kind] = NO_NAMES
) -> RecordedBody:
    """Return the body of a reply as a recording has it; a scrubber hides what is to be hidden in it.

    `names` are those of members that are personal.
    """
    if not reply.body:
        return {"text": ""}
    body, problem = _decoded(reply)
    if problem is not None:
        return left_out(problem, len(reply.body))
    try:
        jsontext.parse(body.text)
        value = jsontext.view(body.text)
    except jsontext.NotJSONError:
        text = readable(body.text)
        if text is None:
            return left_out("not UTF-8", len(reply.body))
        return {"text": text if scrubber is None else scrubber.text(text)}
    return {"json": value if scrubber is None else scrubber.document(value, names=names)[0]}
