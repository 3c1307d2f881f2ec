"""What the control surface answers, as frozen values. A member a newer server adds is passed over."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read
from mockserver.settings import RateMode

VerdictName = Literal["accepted", "duplicate", "rejected"]
Fate = Literal["accepted", "accepted_after_retry", "rejected", "rejected_then_resent", "pending", "lost"]
WaitReason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as the server saw it.

    `event` is as sent, `stored` what the vendor would have kept, None unless accepted. `seq` orders the session's
    events and is what `after` takes.
    """

    id: str
    request_id: str
    index: int
    seq: int
    received_at: datetime
    session_time: datetime
    protocol: str
    operation: str | None
    type: str | None
    verdict: VerdictName
    findings: tuple[Finding, ...]
    event: Json
    stored: Json

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Why it was refused; empty unless rejected."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was taken but is unwise."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One vendor request in a list; `events` is how many it held, `fault` the step that was injected, or None."""

    id: str
    seq: int
    received_at: datetime
    session_time: datetime
    protocol: str | None
    operation: str | None
    method: str
    path: str
    status: int | None
    events: int
    fault: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Headers in order, and the body's bytes."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Make a message of what the control surface shows, body decoded."""
        body = row["body"]
        content = body["text"].encode() if "text" in body else base64.b64decode(body["base64"])
        return cls(headers=tuple((name, value) for name, value in row["headers"]), body=content)

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None; case does not matter."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def json(self) -> Json:
        """Return the body parsed. Raises ValueError when it is not JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Request):
    """One vendor request with its bodies, and why it was refused as a whole."""

    request: Message
    reply: Message
    findings: tuple[Finding, ...]
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time an event was sent; `status` is None where the connection was cut."""

    request_id: str
    index: int
    at: datetime
    status: int | None
    fault: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One logical event over all attempts to deliver it; `by` names what tells events apart."""

    id: str
    by: str
    protocol: str
    type: str | None
    attempts: tuple[Attempt, ...]
    fate: Fate
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where an event is not what a wait asked for."""

    pointer: str
    expected: Json
    got: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """An event that came close."""

    event_id: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSession:
    """Another session that received requests during a wait."""

    session: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStep:
    """A fault step as it was given, and its uses left: None is for ever."""

    step: Mapping[str, Json]
    remaining: int | None

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Take `remaining` out of a step as the control surface shows it."""
        step = dict(row)
        return cls(remaining=step.pop("remaining"), step=step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What a wait found, and what explains it when that was not enough."""

    satisfied: bool
    reason: WaitReason
    matched: int
    events: tuple[Event, ...]
    next: int
    near_misses: tuple[NearMiss, ...]
    refused: tuple[Event, ...]
    faults_pending: tuple[FaultStep, ...]
    other_sessions: tuple[OtherSession, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """Session time beside real time."""

    now: datetime
    offset: timedelta
    frozen: bool
    real_now: datetime

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Make a reading of what the control surface says of a clock."""
        return read(cls, {**row, "offset": timedelta(milliseconds=row["offset_ms"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a session has seen: requests, and events by verdict."""

    requests: int
    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolState:
    """The contract in force for one protocol; `patch` is the session's own."""

    revision: str
    patch: Json
    contract_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session's settings and counts; `keys` None takes any well-formed key."""

    session: str
    credentials: tuple[str, ...]
    keys: tuple[str, ...] | None
    rate_limits: RateMode
    protocols: Mapping[str, ProtocolState]
    journal_limit: int
    counts: Counts
    evicted: int
