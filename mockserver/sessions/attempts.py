"""What one journalled request was to its client: the events it brought, and what the client was told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import orjson

from mockserver.contract.sections import DeliveryRules
from mockserver.core.adapter import adapter_of
from mockserver.core.body import RequestBody
from mockserver.core.events import events_of
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.jsonkit.pointer import Tokens
from mockserver.sessions.exchange import Exchange


class ClientOutcome(StrEnum):
    """What a client makes of the answer for one event."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEvents:
    """The events of one request as sent, with their types and the body around them."""

    body: Json
    events: list[Json]
    types: list[str | None]


NO_EVENTS: Final = SentEvents(body=None, events=[], types=[])


def sent_events(exchange: Exchange) -> SentEvents:
    """Find the events of an exchange without judging them again."""
    contract = exchange.contract
    operation = contract.operations.get(exchange.operation or "")
    if operation is None or not exchange.verdicts:
        return NO_EVENTS
    request_body = RequestBody(exchange.request)
    request_body.decode(contract.max_body)
    body = jsontext.view(request_body.text)
    form = adapter_of(contract.adapter).choose_form(operation, body)
    if form is None:
        return NO_EVENTS
    events = events_of(form, body)
    return SentEvents(body=body, events=events, types=[form.type_of(event) for event in events])


def client_outcome(exchange: Exchange) -> ClientOutcome:
    """Say what the client makes of the reply as a whole."""
    status, delivery = exchange.status, exchange.contract.delivery
    if exchange.override.lost:
        return ClientOutcome.RETRY
    if 200 <= status < 300:
        reply = exchange.override.reply
        unreadable = delivery.acknowledged_by_json and reply is not None and not _is_json(reply.body)
        return ClientOutcome.RETRY if unreadable else ClientOutcome.ACKNOWLEDGED
    retried = str(status) in delivery.retried or f"{status // 100}xx" in delivery.retried
    return ClientOutcome.RETRY if retried else ClientOutcome.REFUSED


def client_outcome_of_event(whole: ClientOutcome, verdict: Verdict) -> ClientOutcome:
    """Say what the client makes of the reply for one event: a refused one is not delivered by a success."""
    return ClientOutcome.REFUSED if whole is ClientOutcome.ACKNOWLEDGED and verdict is Verdict.REJECTED else whole


def _is_json(body: bytes) -> bool:
    try:
        jsontext.parse(body)
    except jsontext.NotJSONError:
        return False
    return True


def fingerprint(value: Json) -> bytes:
    """Return a digest of a JSON value that does not depend on the order of members."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return blake2b(text, digest_size=16).digest()


def without(value: Json, tokens: tuple[str, ...]) -> Json:
    """Return a value without the member at the tokens."""
    if not isinstance(value, dict) or tokens[0] not in value:
        return value
    if len(tokens) == 1:
        return {name: member for name, member in value.items() if name != tokens[0]}
    return {**value, tokens[0]: without(value[tokens[0]], tokens[1:])}


def identity_of(event: Json, body: Json, delivery: DeliveryRules) -> list[Json]:
    """Return who an event is about, in the event and in its request; null where nobody is named."""
    return [*_members(event, delivery.event_identity), *_members(body, delivery.request_identity)]


def _members(holder: Json, places: tuple[Tokens, ...]) -> Iterator[Json]:
    for tokens in places:
        value = pointer.get(holder, tokens)
        yield None if value is pointer.MISSING else value
