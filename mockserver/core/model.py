"""What was decided about one request and what was claimed for it: the values between the steps of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct, field

from mockserver.contract.contract import Contract
from mockserver.contract.form_decoder import Decoded, Unread
from mockserver.contract.operation import Form, Operation, Place, RateClaim
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.pointer import Tokens
from mockserver.settings import RateMode

NO_PLACEHOLDERS: Final[Mapping[str, str]] = MappingProxyType({})


class Verdict(StrEnum):
    """The verdict on one event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


ACCEPTED: Final = Verdict.ACCEPTED
DUPLICATE: Final = Verdict.DUPLICATE
REJECTED: Final = Verdict.REJECTED
"""The verdicts where each request needs them: Python 3.11 takes 0.2 µs to find one in its class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A whole request is refused: `reason` names the contract's answer, `order` the gate's place in the precedence.

    `detail` is the contract's text for it; None where the contract has none; then the finding's own message is used.
    `status` is set where the reason is this server's own: the contract's default answer is given that status.
    """

    reason: str
    order: int
    finding: Finding
    detail: str | None = None
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
class IdempotencyClaim:
    """An idempotency key as the client wrote it (`value`), held for `window_ms` from the first success under `key`."""

    order: int
    key: bytes
    value: str
    window_ms: int


class Terms(Struct, frozen=True, kw_only=True):
    """What of the session a judgement depends on: its time in ms, its allow-list of keys, its rate mode.

    `placeholders` replace values of reply templates that no contract states (ids, moments, our own sentences), by the
    template's name for them. They are for those who predict a reply instead of giving one.
    """

    now_ms: int
    keys: frozenset[str] | None = None
    rate_mode: RateMode = "warn"
    placeholders: Mapping[str, str] = field(default_factory=lambda: NO_PLACEHOLDERS)


class Judged(Struct, kw_only=True, eq=False):
    """What should happen to one request, before anything is claimed.

    `events` are the parsed events in order, `body` what they are in. If the body is `decoded`, which it is only where
    it is good, both are parsed when somebody asks. `event_errors` name the bad events; when `refusal` is set nothing is
    stored. `dedup` holds an id per event or None where the event has none; `entities` holds, per event, the id of the
    thing it brings into being; `lookup` is the id a read asks for.
    """

    request_body: RequestBody
    contract: Contract
    terms: Terms
    place: Place
    operation: Operation | None = None
    form: Form | None = None
    credential: str | None = None
    credential_name: str | None = None
    decoded: Decoded | None = None
    _body: Json = None
    _events: list[Json] | None = None
    event_errors: tuple[EventError, ...] = ()
    refusal: Refusal | None = None
    preflight: bool = False
    rate: RateClaim | None = None
    idempotency: IdempotencyClaim | None = None
    dedup: list[bytes | None] | None = None
    entities: list[bytes | None] | None = None
    lookup: bytes | None = None

    @property
    def request(self) -> WireRequest:
        """The request as it arrived."""
        return self.request_body.request

    @property
    def body(self) -> Json:
        """The parsed body."""
        if self._body is None and self.decoded is not None and self.request_body.parse(self.contract.max_body):
            self._body = self.request_body.value
        return self._body

    @body.setter
    def body(self, value: Json) -> None:
        self._body = value

    @property
    def events(self) -> list[Json]:
        """The parsed events, none where there is no array of them."""
        if self._events is None:
            if self.decoded is None or self.form is None:
                return []
            self._events = self.form.events_of(self.body)
        return self._events

    @events.setter
    def events(self, events: list[Json]) -> None:
        self._events = events

    @property
    def count(self) -> int:
        """How many events there are, whether they are parsed or not."""
        if self._events is None:
            return 0 if self.decoded is None else len(self.decoded.events)
        return len(self._events)

    def text_at(self, tokens: Tokens) -> str | None:
        """Return the text at a place of the body, None where there is none."""
        if self.decoded is not None:
            text = self.decoded.text(tokens)
            if not isinstance(text, Unread):
                return text
        value = pointer.get(self.body, tokens)
        return value if isinstance(value, str) else None

    @property
    def operation_name(self) -> str | None:
        """The operation's name in the contract; `preflight` for preflights, None where no operation was reached."""
        if self.preflight:
            return "preflight"
        return None if self.operation is None else self.operation.name

    def engine_view(self, value: Json) -> Json:
        """Return a value of the body as the judging engine can take it: lone surrogates become U+FFFD."""
        return without_surrogates(value) if self.request_body.lone_surrogates else value


class Receipt(Struct, kw_only=True, gc=False):
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

    def tally(self) -> tuple[int, int, int]:
        """Return how many events are accepted, duplicate and rejected."""
        verdicts, count = self.verdicts, len(self.verdicts)
        first = verdicts[0] if verdicts else ACCEPTED
        if verdicts.count(first) == count:  # to compare an object with itself takes a tenth of the time
            return count * (first is ACCEPTED), count * (first is DUPLICATE), count * (first is REJECTED)
        accepted, duplicate = verdicts.count(ACCEPTED), verdicts.count(DUPLICATE)
        return accepted, duplicate, count - accepted - duplicate
