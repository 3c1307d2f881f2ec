"""One journalled request: what arrived, under which contract and terms, what was claimed, how it was answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form
from mockserver.core.adapter import adapter_of
from mockserver.core.body import RequestBody
from mockserver.core.events import events_of
from mockserver.core.model import EventError, Receipt, Terms, Verdict
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json, jsontext
from mockserver.settings import RateMode

Origin: TypeAlias = Literal["contract", "upstream", "proxy", "recording", "unmatched"]
"""Whose reply an exchange has: the contract's, an upstream's, a recording's, or this server's own because an upstream
gave none (`proxy`) or a recording has none for such a request (`unmatched`)."""
WITHOUT_REPLY: Final = ("proxy", "unmatched")
HANDED_THROUGH: Final = ("upstream", "recording")


CORS: Final = "access-control-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """The outcome of a request that was sent on to an upstream, or looked up in a recording.

    It is the reply as it arrived, or `failure` and our reply; `failure` says in one sentence why there is no other one,
    and `nearest` which recorded request is nearest. `number` is that of the exchange in the recording; not `stores` if
    a fault step gave the recorded reply, or no upstream did, so that nothing was stored.
    """

    reply: WireReply
    failure: str = ""
    source: Literal["upstream", "recording"] = "upstream"
    nearest: Json = None
    number: int | None = None
    stores: bool = True

    @property
    def origin(self) -> Origin:
        """Whose reply it is."""
        if self.source == "recording":
            return "unmatched" if self.failure else "recording"
        return "proxy" if self.failure else "upstream"

    def readable_like(self, own: WireReply) -> Relayed:
        """Return it with the CORS headers of the contract's reply: without them, a page cannot read what failed."""
        headers = [pair for pair in own.headers if pair[0].lower() == "vary" or pair[0].lower().startswith(CORS)]
        return dataclasses.replace(self, reply=replace(self.reply, headers=(*self.reply.headers, *headers)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOverride:
    """What few exchanges need: a reply that is not the contract's own, a fault, notes on the way.

    `lost` says that the client got no complete answer, `status_left` that it got the status line all the same,
    `rejected` which events a step made fail. `answered` is when the answer left, where a step delayed it: real time in
    ms, and the number of the newest request then. `received_ms` is the real time of arrival, where the session's clock
    shows another time. `relayed` is what an upstream or a recording made of the request, None where the contract
    answers.
    """

    reply: WireReply | None = None
    fault: Json = None
    notes: tuple[str, ...] = ()
    lost: bool = False
    status_left: bool = False
    rejected: tuple[EventError, ...] = ()
    answered: tuple[int, int] | None = None
    received_ms: int | None = None
    relayed: Relayed | None = None

    @property
    def origin(self) -> Origin:
        """Whose reply the exchange has, apart from what a fault step made of it."""
        return "contract" if self.relayed is None else self.relayed.origin

    @property
    def is_handed_through(self) -> bool:
        """Whether the client is sent the reply of an upstream or of a recording as it is."""
        return self.origin in HANDED_THROUGH and self.relayed is not None and self.relayed.reply is self.reply


NO_OVERRIDE: Final = ReplyOverride()


@dataclass(slots=True, kw_only=True, weakref_slot=True)
class SharedHead:
    """What many requests of a session have in common, one object for all of them.

    `head` is the request without its body, `bytes` about what it takes, `uses` how many journalled exchanges have it.
    `key` is what the session finds it by while it is in use, `number` what a durable store has written it under.
    Sharing it saves about 2 200 bytes an exchange with the headers of a browser.
    """

    head: WireRequest
    contract: Contract
    keys: frozenset[str] | None
    rate_mode: RateMode
    operation: str | None
    bytes: int
    uses: int = 0
    key: Hashable = None
    number: int = 0


class Exchange(Struct, kw_only=True, gc=False):
    """One journalled request. Everything else (rows, findings, stored events, the reply) is derived when read.

    `refused` says that the request was refused as a whole. The garbage collector passes over it and its receipt, as
    neither can be in a cycle: to look at all of a large journal would stop the loop for longer than a turn.
    """

    shared: SharedHead
    body: bytes
    now_ms: int
    status: int
    connection: str
    refused: bool
    receipt: Receipt
    override: ReplyOverride = NO_OVERRIDE

    @property
    def contract(self) -> Contract:
        """The contract it was judged by."""
        return self.shared.contract

    @property
    def operation(self) -> str | None:
        """The operation's name, as the judgement has it."""
        return self.shared.operation

    @property
    def seq(self) -> int:
        """The request's number in its session."""
        return self.receipt.seq

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdict of each event."""
        return self.receipt.verdicts

    @property
    def received_ms(self) -> int:
        """Real time at its arrival, in ms since 1970."""
        received_ms = self.override.received_ms
        return self.now_ms if received_ms is None else received_ms

    @property
    def request(self) -> WireRequest:
        """The request as it arrived."""
        return replace(self.shared.head, body=self.body)

    @property
    def terms(self) -> Terms:
        """The session's terms it was judged under."""
        return Terms(now_ms=self.now_ms, keys=self.shared.keys, rate_mode=self.shared.rate_mode)

    @property
    def answered(self) -> tuple[int, int]:
        """When the answer left: real time in ms, and the number of the newest request then."""
        return self.override.answered or (self.received_ms, self.seq)

    @property
    def client_status(self) -> int | None:
        """The status the client was told, or None where no status line left."""
        return None if self.override.lost and not self.override.status_left else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEvents:
    """The events of one request as sent, with the body around them, and the form that tells their types."""

    body: Json
    events: list[Json]
    form: Form | None

    def type_of(self, index: int) -> str | None:
        """Return the type of the event at a position, or None where it has none."""
        return None if self.form is None else self.form.type_of(self.events[index])


NO_EVENTS: Final = SentEvents(body=None, events=[], form=None)


def sent_events(exchange: Exchange) -> SentEvents:
    """Find the events of an exchange without judging them again.

    Where its contract is another one than it was judged by, and finds other events, they are null and have no form.
    """
    count = len(exchange.verdicts)
    if not count:
        return NO_EVENTS
    sent = _sent_events(exchange)
    return sent if len(sent.events) == count else SentEvents(body=sent.body, events=[None] * count, form=None)


def _sent_events(exchange: Exchange) -> SentEvents:
    contract = exchange.contract
    operation = contract.operations.get(exchange.operation or "")
    if operation is None:
        return NO_EVENTS
    request_body = RequestBody(exchange.request)
    request_body.decode(contract.max_body)
    body = jsontext.view(request_body.text)
    form = adapter_of(contract.adapter).choose_form(operation, body)
    if form is None:
        return NO_EVENTS
    return SentEvents(body=body, events=events_of(form, body), form=form)
