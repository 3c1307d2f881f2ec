"""What a test hands in: matchers, fault steps, settings, as JSON objects with typed members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from mockserver.jsonkit import Json
from mockserver.settings import RateMode

VerdictWanted = Literal["accepted", "duplicate", "rejected", "any"]
Where = Mapping[str, Json]


class Matcher(TypedDict, total=False):
    """Which events are meant; `where` holds values by JSON Pointer into the event as sent."""

    protocol: str
    operation: str
    type: str
    verdict: VerdictWanted
    where: Where


class Wanted(Matcher, total=False):
    """What a wait asks for: the events meant, and in seconds how long nothing more may come and how long to wait.

    `verdict` is `accepted` unless it says otherwise, `quiet` 0, `timeout` 5; `after` is an event's `seq`.
    """

    quiet: float
    timeout: float
    after: int


class Reply(TypedDict, total=False):
    """A reply to send instead of the vendor's; without a body it is the vendor's own for that status."""

    status: int
    headers: Mapping[str, str]
    body: Json


class Reject(TypedDict, total=False):
    """How the matching events of a batch fail."""

    message: str
    code: str


class Delay(TypedDict):
    """A delay drawn anew each time."""

    min: float
    max: float
    seed: int


class Step(TypedDict, total=False):
    """A fault step: what it matches, how often, and one of `reply`, `connection`, `reject`, `delay_ms`."""

    match: Matcher
    times: int
    reply: Reply
    connection: Literal["reset", "drop", "truncate", "dribble", "malformed"]
    reject: Reject
    delay_ms: float | Delay
    when: Literal["before_commit", "after_commit"]
    probability: float
    seed: int


class ProtocolChange(TypedDict, total=False):
    """The contract a session wants for one protocol; None goes back to the server's."""

    revision: str | None
    patch: Json


class Settings(TypedDict, total=False):
    """What a session may change; None goes back to the server's default, each member is replaced whole."""

    credentials: Sequence[str] | None
    keys: Sequence[str] | None
    rate_limits: RateMode | None
    journal_limit: int | None
    protocols: Mapping[str, ProtocolChange | None] | None
