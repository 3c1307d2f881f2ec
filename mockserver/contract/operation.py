"""One operation of a contract: where it is served, which gates a request passes, which forms its body may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mockserver.contract.schema import Schema
from mockserver.contract.sections import CorsRules, Credential, Idempotency, Named, RateLimit, RefusalFamily, Replies
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import Tokens
from mockserver.jsonkit.wiretext import unquoted

Policy = Literal["partial", "atomic"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """One way a body may look. `events` are the tokens of the array; with `single` the body itself is the event.

    `schema` judges every event; without it the text at `discriminator` picks one of `schemas`.
    """

    name: str
    request: Schema | None
    events: Tokens | None
    single: bool
    discriminator: Tokens
    type: str | None
    schema: Schema | None
    schemas: Mapping[str, Schema]
    policy: Policy
    types: tuple[str, ...]

    @property
    def atomic(self) -> bool:
        """Whether one bad event refuses the whole request."""
        return self.single or self.policy == "atomic"

    def events_of(self, body: Json) -> list[Json]:
        """Return the events of a parsed body; empty when there is no array where they should be."""
        if self.events is None:
            return []
        if self.single:
            return [body]
        events = pointer.get(body, self.events)
        return events if isinstance(events, list) else []

    def type_of(self, event: Json) -> str | None:
        """Return the event's type for the journal, or None where it has none."""
        if self.type is not None:
            return self.type
        value = pointer.get(event, self.discriminator)
        return value if isinstance(value, str) else None

    def schema_for(self, event: Json) -> Schema | None:
        """Return the schema that judges the event; None for an unknown type or a value that is not an object."""
        if not isinstance(event, dict):
            return None
        if self.schema is not None:
            return self.schema
        type = self.type_of(event)
        return None if type is None else self.schemas.get(type)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundGate(Named):
    """A gate as an operation has it: which check it is, its place in the precedence, a reason for each outcome."""

    SECTION = "gates"
    check: str
    order: int
    reasons: Mapping[str, str]

    def reason(self, outcome: str) -> str:
        """Return what the contract calls an outcome of this gate."""
        return self.reasons.get(outcome, outcome)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateClaim:
    """A rate limit as an operation has it: at its gate's place in the precedence, with the reason of its refusal."""

    limit: RateLimit
    order: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation(Named):
    """One operation.

    `query` names required query parameters, `lookup` the path parameter that names an entity. `rate` is the limit its
    replies report, `rate_claim` the same where a gate counts requests against it.
    """

    SECTION = "operations"
    method: str
    path: str
    segments: tuple[str, ...]
    summary: str
    family: RefusalFamily
    credentials: tuple[Credential, ...]
    gates: tuple[BoundGate, ...]
    forms: Mapping[str, Form]
    replies: Replies
    rate: RateLimit | None = None
    rate_claim: RateClaim | None = None
    cors: CorsRules | None = None
    idempotency: Idempotency | None = None
    query: tuple[str, ...] = ()
    lookup: str | None = None

    def gate(self, check: str) -> BoundGate | None:
        """Return the first gate of this operation that carries out a check."""
        return next((gate for gate in self.gates if gate.check == check), None)

    def parameters(self) -> list[str]:
        """Return the names of the path's parameters."""
        return [segment[1:-1] for segment in self.segments if segment.startswith("{")]

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Return the decoded path parameters when the raw segments fit, else None."""
        params: dict[str, str] = {}
        for declared, raw in zip(self.segments, segments, strict=True):
            if declared.startswith("{"):
                if not raw:
                    return None
                params[declared[1:-1]] = unquoted(raw)
            elif declared != raw:
                return None
        return params

    def key_in(self, segments: tuple[str, ...]) -> str | None:
        """Return the key in the raw segments of a path that begins like this operation's, or None.

        Where the path is not this operation's after all, only a well-formed key is one.
        """
        for credential in self.credentials:
            if credential.place != "path":
                continue
            place = self.segments.index(f"{{{credential.parameter}}}")
            if len(segments) <= place or not segments[place] or segments[:place] != self.segments[:place]:
                continue
            key, pattern = unquoted(segments[place]), credential.pattern
            if pattern is None or matches(pattern, key) or self._fits(segments):
                return key
        return None

    def _fits(self, segments: tuple[str, ...]) -> bool:
        return len(segments) == len(self.segments) and self.match(segments) is not None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Where a request target leads: the operations there by method, and the path's parameters.

    `key` is the credential in the path, where the protocol has it there; also in a path that leads nowhere. A path with
    `refused_slashes` leads nowhere because of its extra slashes alone.
    """

    operations: Mapping[str, Operation]
    params: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    leading_slashes: bool = False
    trailing_slash: bool = False
    refused_slashes: bool = False

    @property
    def first(self) -> Operation | None:
        """The first operation at this place, whatever its method."""
        return next(iter(self.operations.values()), None)

    @property
    def cors(self) -> CorsRules | None:
        """The rules that answer preflights here."""
        return next((operation.cors for operation in self.operations.values() if operation.cors is not None), None)
