"""The vocabulary of the package on one page: what goes over the wire, what was decided, what was claimed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from mockserver.jsonkit import Json
from mockserver.settings import RateMode

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract, Form, Operation, Place
    from mockserver.core.body import RequestBody


Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
Severity: TypeAlias = Literal["error", "warning"]


class Verdict(StrEnum):
    """The verdict on one event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One request as it arrived.

    `target` is the raw request target without a session prefix, query included. `headers` keeps order, case and
    repetition; `fields` is the same by lower-case name, first one wins. `body` is what arrived, still encoded;
    `truncated` says that it was longer than the ceiling and only its beginning is here, `late` that the deadline came
    before the rest of it.
    """

    method: str
    target: str
    headers: Headers
    fields: dict[bytes, bytes]
    body: bytes
    truncated: bool = False
    late: bool = False

    def header(self, name: bytes) -> str | None:
        """Return the field's value, or None; `name` is lower case."""
        value = self.fields.get(name)
        return None if value is None else value.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReply:
    """One reply: status, headers in order, body bytes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why something was refused, or warned about.

    `rule` is the pointer of the broken fact in the contract, `pointer` the place in the event (or in the body, where
    the finding is the request's), `expected` and `got` say it in values, `source` says who states the fact.
    """

    rule: str
    severity: Severity
    pointer: str
    expected: Json
    got: Json
    source: str
    message: str

    def as_json(self) -> dict[str, Json]:
        """Return the finding as the control surface shows it."""
        return {name: getattr(self, name) for name in FINDING_MEMBERS}


FINDING_MEMBERS = ("rule", "severity", "pointer", "expected", "got", "source", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A whole request is refused: `reason` names the contract's answer, `order` the gate's place in the precedence.

    `status` is set where the reason is this server's own: the contract's default answer is given that status.
    """

    reason: str
    order: int
    finding: Finding
    detail: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventError:
    """One event of a batch that cannot be taken, with the text the vendor's reply shows for it."""

    index: int
    reason: str
    message: str
    finding: Finding | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A rate limit as an operation has it: at its gate's place, with the reason that refuses what is over it."""

    name: str
    order: int
    limit: int
    window_ms: int
    aligned: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyClaim:
    """An idempotency key as the client wrote it (`value`), held for `window_ms` from the first success under `key`."""

    order: int
    key: str
    value: str
    window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What of the session a judgement depends on: its time in ms, its allow-list of keys, its rate mode."""

    now_ms: int
    keys: frozenset[str] | None = None
    rate_mode: RateMode = "warn"


@dataclass(slots=True, kw_only=True)
class Judged:
    """What should happen to one request, before anything is claimed.

    `events` are the parsed events in order. `event_errors` name the bad ones; when `refusal` is set nothing is stored.
    `dedup` holds an id per event or None where the event has none; `entities` holds, per event, the id of the thing it
    brings into being; `lookup` is the id a read asks for.
    """

    request_body: RequestBody
    contract: Contract
    terms: Terms
    place: Place
    operation: Operation | None = None
    form: Form | None = None
    credential: str | None = None
    credential_name: str | None = None
    body: Json = None
    events: list[Json] = field(default_factory=list)
    event_errors: tuple[EventError, ...] = ()
    refusal: Refusal | None = None
    preflight: bool = False
    rate: Rate | None = None
    idempotency: IdempotencyClaim | None = None
    dedup: list[bytes | None] | None = None
    entities: list[bytes | None] | None = None
    lookup: bytes | None = None

    @property
    def request(self) -> WireRequest:
        """The request as it arrived."""
        return self.request_body.request

    @property
    def operation_name(self) -> str | None:
        """The operation's name in the contract; `preflight` for preflights, None where no operation was reached."""
        if self.preflight:
            return "preflight"
        return None if self.operation is None else self.operation.name

    def engine_view(self, value: Json) -> Json:
        """Return a value of the body as the judging engine can take it: lone surrogates become U+FFFD."""
        if not self.request_body.lone_surrogates:
            return value
        from mockserver.jsonkit.jsontext import without_surrogates

        return without_surrogates(value)


@dataclass(slots=True, kw_only=True)
class Receipt:
    """What the store claimed: the facts a reply may depend on beside the judgement itself.

    `seq` is the request's number in its session, `first_event` the number of its first event. `verdicts` has one entry
    per event. `refused` is the reason when a claim failed. Times are session time in ms.
    """

    session: str
    seq: int
    first_event: int
    verdicts: tuple[Verdict, ...] = ()
    refused: str | None = None
    replayed: bool = False
    created: bool = False
    rate_remaining: int = 0
    rate_reset_ms: int = 0
    over_rate: bool = False


REPLAYED, CREATED, OVER_RATE, REFUSED = 1, 2, 4, 8
"""What a receipt claimed, and whether the whole request was refused, as the bits of `Exchange.claims`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault step as one request met it: the step, what it asks for, whether the events are stored all the same."""

    step: Json
    spec: Json
    stored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOverride:
    """What few exchanges have to say: a reply that is not the contract's own, a fault, notes on the way.

    `lost` says that the client got no whole answer, `rejected` which events a step made fail. `answered` is when the
    answer left, where a step had a hand in it: real time in ms, and the number of the newest request then.
    `received_ms` is the real time it arrived, where the session's clock says another.
    """

    reply: WireReply | None = None
    fault: Json = None
    notes: tuple[str, ...] = ()
    lost: bool = False
    rejected: tuple[EventError, ...] = ()
    answered: tuple[int, int] | None = None
    received_ms: int | None = None


NO_OVERRIDE = ReplyOverride()


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedHead:
    """What many requests of a session have in common, one object for all of them.

    `head` is the request without its body; `bytes` is about what it all takes.
    """

    head: WireRequest
    contract: Contract
    keys: frozenset[str] | None
    rate_mode: RateMode
    operation: str | None
    session: str
    bytes: int


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One journalled request: what arrived, under which contract and terms, and what was claimed.

    Everything else (rows, findings, stored events, the reply itself) is worked out from this when somebody looks.
    Members are few and kept flat: a million of these are in memory at a time. `first` says that no exchange before it
    has the same setting.
    """

    shared: SharedHead
    first: bool
    body: bytes
    now_ms: int
    status: int
    connection: str
    seq: int
    first_event: int
    verdicts: tuple[Verdict, ...]
    claim_refused: str | None
    claims: int
    rate_remaining: int
    rate_reset_ms: int
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
    def received_ms(self) -> int:
        """Real time at its arrival, in ms since 1970."""
        found = self.override.received_ms
        return self.now_ms if found is None else found

    @property
    def refused(self) -> bool:
        """Whether it was refused as a whole."""
        return bool(self.claims & REFUSED)

    @property
    def request(self) -> WireRequest:
        """The request as it arrived."""
        head = self.shared.head
        return WireRequest(
            method=head.method,
            target=head.target,
            headers=head.headers,
            fields=head.fields,
            body=self.body,
            truncated=head.truncated,
            late=head.late,
        )

    @property
    def terms(self) -> Terms:
        """The session's terms it was judged under."""
        return Terms(now_ms=self.now_ms, keys=self.shared.keys, rate_mode=self.shared.rate_mode)

    @property
    def receipt(self) -> Receipt:
        """What was claimed."""
        return Receipt(
            session=self.shared.session,
            seq=self.seq,
            first_event=self.first_event,
            verdicts=self.verdicts,
            refused=self.claim_refused,
            replayed=bool(self.claims & REPLAYED),
            created=bool(self.claims & CREATED),
            over_rate=bool(self.claims & OVER_RATE),
            rate_remaining=self.rate_remaining,
            rate_reset_ms=self.rate_reset_ms,
        )

    @property
    def reply(self) -> WireReply | None:
        """The reply that was sent, where it was not the contract's own."""
        return self.override.reply

    @property
    def fault(self) -> Json:
        """The fault step that was injected."""
        return self.override.fault

    @property
    def answered(self) -> tuple[int, int]:
        """When the answer left: real time in ms, and the number of the newest request then."""
        return self.override.answered or (self.received_ms, self.seq)

    @property
    def lost(self) -> bool:
        """Whether the client got no whole answer."""
        return self.override.lost

    @property
    def told_status(self) -> int | None:
        """The status the client was told, or None where it got no whole answer."""
        return None if self.lost else self.status
