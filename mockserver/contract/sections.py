"""The sections of a contract as frozen values: what `protocol.yaml` and `warnings.yaml` say, names resolved.

The compiler makes these; everything else reads them. They compare by identity, so they can be keys of caches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from mockserver.contract.schema import Schema
from mockserver.jsonkit.decoding import KEY
from mockserver.jsonkit.pointer import NOWHERE, Tokens
from mockserver.jsonkit.template import Template

POINTER = {KEY: "pointer"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Named:
    """Something that a section of `protocol.yaml` declares by name."""

    SECTION: ClassVar[str]
    name: str

    @property
    def pointer(self) -> str:
        """Its contract pointer."""
        return f"/protocol/{self.SECTION}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Credential(Named):
    """Where a key may stand. `parameter` names the path or query parameter or the header, `tokens` the body member."""

    SECTION = "credentials"
    place: Literal["path", "header", "bearer", "query", "body"] = field(metadata={KEY: "in"})
    parameter: str = field(default="", metadata={KEY: "name"})
    tokens: Tokens = field(default=NOWHERE, metadata=POINTER)
    pattern: str | None = None
    example: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorsRules:
    """How cross-origin requests are answered. An empty `allowed_origins` allows every origin."""

    name: str
    methods: str
    headers: str
    credentials: bool
    without_origin: Literal["*", "nothing"]
    preflight_status: int
    allowed_origins: tuple[str, ...]
    max_age: str | None = None
    expose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateLimit(Named):
    """`requests` per window of `window_ms`; `aligned` windows start at multiples of their length since 1970."""

    SECTION = "limits"
    requests: int
    window_ms: int
    starts: Literal["aligned", "first_request"]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MemberLimit:
    """The most bytes of compact JSON that one member of an event may take; `schema` names the event schema."""

    name: str
    schema: str
    tokens: Tokens = field(metadata=POINTER)
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window(Named):
    """How far the time at `tokens` may be from now, both ends included."""

    SECTION = "windows"
    tokens: Tokens = field(metadata=POINTER)
    past_ms: int
    future_ms: int
    refusal: str
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Idempotency:
    """The request header that carries an idempotency key, and how long a key is remembered."""

    name: str
    header: str
    window_ms: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dedup:
    """The event member that repeats are known by; `by` is its name in the delivery ledger."""

    tokens: Tokens = field(metadata=POINTER)
    by: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventMark:
    """The events that have one of some texts in a member."""

    tokens: Tokens = field(metadata=POINTER)
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ContentTypes:
    """Media types a body may have, lower case; `anything` takes any other one too."""

    accepted: tuple[str, ...]
    anything: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape(Named):
    """The body template of refusals, and the schema of what it makes."""

    SECTION = "shapes"
    body: Template
    schema: Schema | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusalTemplate:
    """How a whole request is refused for one reason; the family's default is merged in."""

    family: str
    reason: str
    status: int
    shape: Shape
    message: str
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def pointer(self) -> str:
        """The contract pointer of this refusal."""
        return f"/protocol/refusals/{self.family}/{self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefusalFamily:
    """The refusals of a family of operations, by reason, in the order of the contract."""

    name: str
    default: RefusalTemplate
    reasons: Mapping[str, RefusalTemplate]

    def template(self, reason: str) -> RefusalTemplate:
        """Return the refusal for a reason; the default where the family has no answer of its own."""
        return self.reasons.get(reason, self.default)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReplyTemplate(Named):
    """One reply that is not a refusal: a JSON `body` template, or a `text`; `item` makes one entry of its errors."""

    SECTION = "replies"
    status: int
    media_type: str
    body: Template = None
    text: str | None = None
    item: Template = None
    schema: Schema | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replies:
    """Which reply answers which outcome of an operation."""

    success: ReplyTemplate
    partial: ReplyTemplate
    failed: ReplyTemplate
    replayed: ReplyTemplate

    def distinct(self) -> list[ReplyTemplate]:
        """Return each reply once."""
        return list(dict.fromkeys((self.success, self.partial, self.failed, self.replayed)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prefix:
    """A path prefix that a protocol owns, and how a request to an unknown path below it is answered."""

    protocol: str
    path: str
    family: RefusalFamily
    cors: CorsRules | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentityRule(Named):
    """Where a request or an event identifies its user; `types` None means events of every type."""

    SECTION = "identity"
    pointers: tuple[str, ...]
    senders: tuple[str, ...] = ()
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReservedMembers(Named):
    """Members of events that only some senders can send; `types` None means events of every type."""

    SECTION = "reserved"
    pointers: tuple[str, ...]
    senders: tuple[str, ...] = ()
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Projects:
    """The projects of the organisation; an empty `known` takes any name."""

    header: str
    known: tuple[str, ...]
    default: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonalPlaces:
    """Where personal data is: in `ids` what tells one person from another, in `texts` words; all below is personal."""

    ids: tuple[Tokens, ...] = ()
    texts: tuple[Tokens, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonalData:
    """The places of personal data in requests; `path` and `query` have names of parameters."""

    events: PersonalPlaces = field(default_factory=PersonalPlaces)
    bodies: PersonalPlaces = field(default_factory=PersonalPlaces)
    path: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fill:
    """A member that gets a value when it is absent; `schemas` None means in every event.

    A `request_member` is the value of the body's member at `origin`, and no value where the body has none.
    """

    tokens: Tokens = field(metadata=POINTER)
    value: Literal["epoch_ms", "rfc3339_ms", "object", "request_member"]
    origin: Tokens = field(default=NOWHERE, metadata={KEY: "from"})
    schemas: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalise:
    """A date-time that is stored in UTC with milliseconds."""

    tokens: Tokens = field(metadata=POINTER)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strip:
    """Members removed below `tokens`: those whose lower-case name, without `ignore`, contains one of `contains`.

    `message` is the warning about an event that had such a member; without one there is no warning.
    """

    tokens: Tokens = field(metadata=POINTER)
    contains: tuple[str, ...]
    ignore: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredRules:
    """What the vendor does to an accepted event."""

    fill: Mapping[str, Fill] = field(default_factory=dict)
    normalise: Mapping[str, Normalise] = field(default_factory=dict)
    strip: Mapping[str, Strip] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Where a successful reply to some operations counts the events that were accepted, and those that were not."""

    operations: frozenset[str]
    accepted: Tokens
    rejected: Tokens


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeliveryRules:
    """What clients make of replies, and what stays the same between attempts.

    `retried` holds statuses and classes such as `5xx`; with `acknowledged_by_json` a 2xx reply counts only when its
    body is JSON. `counted` is where some clients look whether all events count as accepted. `upserts` holds the event
    types of which a repeat changes nothing. `label` is the place of an event's name, `label_kind` what stands before it
    in a label, the type if it is None.
    """

    retried: frozenset[str] = frozenset()
    acknowledged_by_json: bool = False
    counted: Counts | None = None
    label: Tokens = NOWHERE
    label_kind: str | None = None
    upserts: frozenset[str] = frozenset()
    event_identity: tuple[Tokens, ...] = ()
    request_identity: tuple[Tokens, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WarningRule:
    """Something that is accepted but worth a warning. `pointer` is its place in the contract.

    Rules about the transport have no schema: the server knows them by name. `types`, `operations` and `forms` None mean
    all of them.
    """

    name: str
    pointer: str
    message: str
    source: str
    schema: Schema | None = None
    types: frozenset[str] | None = None
    operations: frozenset[str] | None = None
    forms: frozenset[str] | None = None

    def is_about(self, operation: str | None, form: str | None) -> bool:
        """Return whether the rule is about the bodies of an operation that have a form, by their names."""
        return (self.operations is None or operation in self.operations) and (self.forms is None or form in self.forms)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WarningRules:
    """The warnings of a contract: about events, about bodies outside the events, about the transport by name."""

    events: tuple[WarningRule, ...] = ()
    requests: tuple[WarningRule, ...] = ()
    transport: Mapping[str, WarningRule] = field(default_factory=dict)
