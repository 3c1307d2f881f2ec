"""Results of control calls, as frozen values. Unknown members from newer servers are ignored."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Self

from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import KEY, read
from mockserver.settings import RateMode, RecordMode, ReplyMode

VerdictName = Literal["accepted", "duplicate", "rejected"]
Fate = Literal["accepted", "accepted_after_retry", "rejected", "rejected_then_resent", "pending", "lost"]
Origin = Literal["contract", "upstream", "proxy", "recording", "unmatched"]
RuleVerdict = Literal["pass", "fail", "not_exercised"]
WaitReason = Literal["ok", "timeout", "too_many", "not_quiet", "deleted", "evicted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One received event with its verdict.

    `event` is the event as sent; `stored` is the event as the vendor stores it, None unless accepted. `seq` is the
    position in the session, for the argument `after`.
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
    def errors(self) -> tuple[Finding, ...]:
        """The reasons for a rejected event; empty for any other verdict."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What the newest revision would refuse in the event or in its request, and what is not as it should be."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One received request; `events` is the number of its events, `fault` the fault step applied to it, or None.

    `status` is None if no reply was sent. `reply_from` says whose reply it is: the contract's, the upstream's, the
    recording's, or this server's own because the upstream gave none ("proxy") or the recording has none ("unmatched").
    Verdicts and findings are always the contract's.
    """

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
    reply_from: Origin = field(default="contract", metadata={KEY: "from"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The headers in order and the body of a request or reply."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Return a message from its JSON form."""
        body = row["body"]
        content = body["text"].encode() if "text" in body else base64.b64decode(body["base64"])
        return cls(headers=tuple((name, value) for name, value in row["headers"]), body=content)

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None; the name is case-insensitive."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)

    def json(self) -> Json:
        """Return the parsed body. Raises ValueError if it is not valid JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherReply:
    """A reply that the client was not sent: its status, and the message."""

    status: int
    message: Message

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Return a reply from its JSON form."""
        return cls(status=row["status"], message=Message.of(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(Request):
    """One request with its reply, and the findings about the request as a whole.

    `contract_reply` is what the contract would have answered, if the reply is an upstream's. `upstream_reply` is the
    upstream's if a fault step had another one sent. `event_pointer` is where events are in the body, with `{index}` in
    place of the index of an event; None if the operation has none.
    """

    request: Message
    reply: Message
    contract_reply: OtherReply | None = None
    upstream_reply: OtherReply | None = None
    findings: tuple[Finding, ...]
    event_pointer: str | None = None
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to send an event; `status` is None if no reply was sent."""

    request_id: str
    index: int
    at: datetime
    status: int | None
    fault: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One logical event with all attempts to deliver it; `by` is what identifies it: an id, or its fingerprint.

    `label` is the type, and the event's name where it has one, as in `custom:plan_chosen`.
    """

    id: str
    by: str
    protocol: str
    type: str | None
    attempts: tuple[Attempt, ...]
    fate: Fate
    flags: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """What exercises a rule: fault steps; `takes_ms` is how long a client may take that waits, or None."""

    name: str
    text: str
    steps: tuple[Mapping[str, Json], ...] = ()
    takes_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScore:
    """The verdict on one rule about clients. `requests` show the violations, `message` says what the first one is."""

    protocol: str
    rule: str
    text: str
    level: Literal["must", "should"]
    source: str
    verdict: RuleVerdict
    message: str = ""
    requests: tuple[str, ...] = ()
    cases: int = 0
    failures: int = 0
    stimulus: Stimulus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """The score of a client: each rule with its verdict. `evicted` requests are not judged."""

    session: str
    rules: tuple[RuleScore, ...]
    evicted: int = 0

    def of(self, verdict: RuleVerdict) -> list[RuleScore]:
        """Return the rules with a verdict: `pass`, `fail` or `not_exercised`."""
        return [row for row in self.rules if row.verdict == verdict]

    @property
    def failed(self) -> list[RuleScore]:
        """The rules that are broken."""
        return self.of("fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference between an event and a matcher."""

    pointer: str
    expected: Json
    got: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """An event or a request that almost matches."""

    differences: tuple[Difference, ...]
    event_id: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSession:
    """Another session that received requests since the test began.

    `last` is when the latest one arrived, `latest` which one it is: method, path and status.
    """

    session: str
    requests: int
    last: datetime
    latest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest(Request):
    """A request that was refused as a whole, with the reasons."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Traffic that no session shows: how much, why the last of it is in none, and when that was (null for none)."""

    count: int
    reason: str | None
    at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStep:
    """A fault step with its remaining uses; None is unlimited."""

    step: Mapping[str, Json]
    remaining: int | None

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Return a fault step from its JSON form."""
        step = dict(row)
        return cls(remaining=step.pop("remaining"), step=step)

    def unused(self, requests: Iterable[Request]) -> bool:
        """Return whether no request was affected; the session's `requests` tell if the number of uses is unlimited."""
        if self.remaining is not None:
            return self.remaining == self.step.get("times")
        return all(row.fault is None or {**self.step, "remaining": None} != row.fault for row in requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """The result of a wait, with an explanation."""

    satisfied: bool
    reason: WaitReason
    matched: int
    events: tuple[Event, ...]
    requests: tuple[Request, ...]
    next: int
    near_misses: tuple[NearMiss, ...]
    refused: tuple[Event, ...]
    refused_requests: tuple[RefusedRequest, ...]
    faults_pending: tuple[FaultStep, ...]
    unseen: Unseen
    other_sessions: tuple[OtherSession, ...]
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The session time and the real time."""

    now: datetime
    offset: timedelta
    frozen: bool
    real_now: datetime

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Self:
        """Return a reading from its JSON form."""
        return read(cls, {**row, "offset": timedelta(milliseconds=row["offset_ms"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of requests, and of events by verdict."""

    requests: int
    accepted: int
    duplicate: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolState:
    """The contract in force for one protocol, and where its replies come from; `patch` is the patch of the session."""

    revision: str
    patch: Json
    contract_hash: str
    mode: ReplyMode = "mock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """How a session was evicted as a whole; `limit` is the setting that was exceeded, `lost` names what was set up.

    `requests` is the number of requests it had received, `refused` of those with something refused.
    """

    limit: Literal["max_sessions", "memory_limit"]
    at: datetime
    requests: int
    refused: int
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The reply to a sample that was played; `differences` says how it is not the expected one, and is empty if it is.

    Header names are lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayState:
    """The recording that a session is answered from: how many exchanges it has, and how many were played.

    `new` counts the requests that it does not have, `unmatched` those of them that were refused for that.
    """

    record: RecordMode
    repeats: bool
    exchanges: int
    played: int
    new: int
    unmatched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """The settings and counts of a session; `keys` None accepts any well-formed key.

    `evicted` is the number of requests evicted from the journal, `evicted_events` the number of their events, and
    `evicted_refused` the number of those requests that were refused or had a refused event. `eviction` says that the
    session itself was evicted and has not been set up again. `replay` is None without a recording.
    """

    session: str
    credentials: tuple[str, ...]
    keys: tuple[str, ...] | None
    rate_limits: RateMode
    protocols: Mapping[str, ProtocolState]
    journal_limit: int
    counts: Counts
    evicted: int
    evicted_events: int = 0
    evicted_refused: int = 0
    eviction: Eviction | None = None
    replay: ReplayState | None = None
