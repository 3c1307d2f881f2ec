"""What a client makes of an answer: of the reply as a whole, and of what it says about each event."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Final, NamedTuple

from mockserver.contract.operation import Operation
from mockserver.core.model import Verdict
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.sessions.exchange import Exchange

FOLLOWED: Final = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)
"""Redirects after which a client may send the same request again to the place that the reply names."""


class ClientOutcome(StrEnum):
    """What a client makes of the answer for one event."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    RETRY = "retry"
    REDIRECTED = "redirected"


def client_outcome(exchange: Exchange) -> ClientOutcome:
    """Say what the client makes of the reply as a whole."""
    status, delivery, reply = exchange.status, exchange.contract.delivery, exchange.override.reply
    if exchange.override.lost:
        return ClientOutcome.RETRY
    if 200 <= status < 300:
        try:
            if delivery.acknowledged_by_json and reply is not None:
                jsontext.parse(reply.body)
        except jsontext.NotJSONError:
            return ClientOutcome.RETRY
        return ClientOutcome.ACKNOWLEDGED
    if str(status) in delivery.retried or f"{status // 100}xx" in delivery.retried:
        return ClientOutcome.RETRY
    redirected = (
        status in FOLLOWED and reply is not None and any(name.lower() == "location" for name, _ in reply.headers)
    )
    return ClientOutcome.REDIRECTED if redirected else ClientOutcome.REFUSED


def miscounted(exchange: Exchange) -> bool:
    """Tell whether a reply that some clients read counts in does not count every event as accepted.

    Those clients send the events again, even after a success.
    """
    counts, reply = exchange.contract.delivery.counted, exchange.override.reply
    if counts is None or exchange.operation not in counts.operations:
        return False
    if reply is None:
        return Verdict.REJECTED in exchange.verdicts
    try:
        body = jsontext.parse(reply.body)[0]
    except jsontext.NotJSONError:
        return True
    found = [pointer.get(body, tokens) for tokens in (counts.accepted, counts.rejected)]
    return found != [len(exchange.verdicts), 0] or any(type(count) is not int for count in found)


def client_outcome_of_event(told: ClientOutcome, verdict: Verdict) -> ClientOutcome:
    """Say what the client makes of the reply for one event: a refused one is not delivered by a success."""
    return ClientOutcome.REFUSED if told is ClientOutcome.ACKNOWLEDGED and verdict is Verdict.REJECTED else told


def told_of_events(exchange: Exchange, overall: ClientOutcome) -> list[ClientOutcome]:
    """Say what the reply told the client of each event; `overall` is what it said about the request.

    A successful reply may name events that failed, in the list that the contract's own replies have.
    """
    verdicts, override = exchange.verdicts, exchange.override
    if overall is not ClientOutcome.ACKNOWLEDGED:
        return [overall] * len(verdicts)
    if override.reply is None:
        return [client_outcome_of_event(overall, verdict) for verdict in verdicts]
    operation = exchange.contract.operations.get(exchange.operation or "")
    listing = None if operation is None else _listing_of(operation)
    if listing is None:
        failed = {error.index for error in override.rejected}
    else:
        failed = _listed(override.reply, listing)
        if listing.request in failed:
            failed = set(range(len(verdicts)))
    return [ClientOutcome.REFUSED if index in failed else overall for index in range(len(verdicts))]


class _Listing(NamedTuple):
    """Where the replies of an operation list the events that failed: the list, and the member with their position.

    `request` is the position that stands for the request as a whole, or None.
    """

    tokens: tuple[str, ...]
    member: str
    request: int | None


def _listing_of(operation: Operation) -> _Listing | None:
    """Find the list of failed events in the reply templates of an operation."""
    for reply in operation.replies.distinct():
        tokens, member = _place_of("${errors}", reply.body), _place_of("${index}", reply.item)
        if tokens is not None and member is not None and len(member) == 1:
            rows = pointer.get(operation.family.default.shape.body, tokens)
            literal = rows[0].get(member[0]) if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
            return _Listing(tokens, member[0], literal if isinstance(literal, int) else None)
    return None


def _place_of(name: str, template: Json) -> tuple[str, ...] | None:
    return next((tokens for tokens, leaf in pointer.leaves(template) if leaf == name), None)


def _listed(reply: WireReply, listing: _Listing) -> set[int]:
    """Return the positions that a reply lists; none where its body is something else."""
    try:
        rows = pointer.get(jsontext.parse(reply.body)[0], listing.tokens)
    except jsontext.NotJSONError:
        return set()
    positions = [row.get(listing.member) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {position for position in positions if type(position) is int}
