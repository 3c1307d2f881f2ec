"""What one journalled request was to its client: the events it brought, and what the client was told of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

import orjson

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.events import events_of
from mockserver.core.model import Exchange, Verdict
from mockserver.jsonkit import Json, jsontext, pointer


class ClientOutcome(StrEnum):
    """What a client makes of the answer for one event."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a protocol's clients deliver: the contract's `delivery` and `dedup`, ready to be looked up."""

    protocol: str
    by: str
    id_tokens: tuple[str, ...] | None
    retried: frozenset[str]
    acknowledged_by_json: bool
    event_identity: tuple[tuple[str, ...], ...]
    request_identity: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, contract: Contract) -> Rules:
        """Read them from a contract; without `delivery` only a cut connection is a reason to send again."""
        facts = contract.protocol.get("delivery", {})
        identity = facts.get("identity", {})
        return cls(
            protocol=contract.name,
            by=contract.protocol.get("dedup", {}).get("by", ""),
            id_tokens=contract.dedup,
            retried=frozenset(facts.get("retried", {}).get("statuses", ())),
            acknowledged_by_json=facts.get("acknowledged", {}).get("by") == "json",
            event_identity=tuple(map(pointer.parse, identity.get("event", ()))),
            request_identity=tuple(map(pointer.parse, identity.get("request", ()))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """The events a request brought, and what tells its sender from another."""

    body: Json
    events: list[Json]
    types: list[str | None]


NOTHING = Brought(body=None, events=[], types=[])


def brought(exchange: Exchange) -> Brought:
    """Find the events of an exchange without judging them again."""
    contract = exchange.contract
    operation = contract.operations.get(exchange.operation or "")
    if operation is None or not exchange.verdicts:
        return NOTHING
    request_body = RequestBody(exchange.request)
    request_body.decode(contract.max_body)
    body = jsontext.view(request_body.text)
    form = contract.adapter.choose_form(operation, body)
    if form is None:
        return NOTHING
    events = events_of(form, body)
    return Brought(body=body, events=events, types=[form.type_of(event) for event in events])


def client_outcome(exchange: Exchange, rules: Rules) -> ClientOutcome:
    """Say what the client makes of the reply as a whole."""
    status = exchange.status
    if exchange.lost:
        return ClientOutcome.RETRY
    if 200 <= status < 300:
        unreadable = rules.acknowledged_by_json and exchange.reply is not None and not _is_json(exchange.reply.body)
        return ClientOutcome.RETRY if unreadable else ClientOutcome.ACKNOWLEDGED
    retried = str(status) in rules.retried or f"{status // 100}xx" in rules.retried
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


def named(event: Json, body: Json, rules: Rules) -> list[Json]:
    """Return who an event is about, in the event and in its request; null where nobody is named."""
    return [*_at(event, rules.event_identity), *_at(body, rules.request_identity)]


def _at(holder: Json, places: tuple[tuple[str, ...], ...]) -> Iterator[Json]:
    for tokens in places:
        found = pointer.get(holder, tokens)
        yield None if found is pointer.MISSING else found
