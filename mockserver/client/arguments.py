"""Parameters of session methods: matchers, fault steps and settings, as typed JSON objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, TypedDict, runtime_checkable

from mockserver.jsonkit import Json
from mockserver.settings import RateMode, ReplyMode

VerdictFilter = Literal["accepted", "duplicate", "rejected", "any"]
Where = Mapping[str, Json]
Operators = Mapping[str, Json]


class RequestMatcher(TypedDict, total=False):
    """Selects requests. Values are compared for equality or with operators, such as `{"gte": 500}`.

    A `path` without `?` is compared without the query. Names in `headers` are case-insensitive. `attempt` is which
    attempt to deliver the event the request is, from 1. `status` is not for fault steps.
    """

    method: str | Operators
    path: str | Operators
    status: int | Operators
    headers: Mapping[str, str | Operators]
    attempt: int | Operators


class Matcher(TypedDict, total=False):
    """Selects events. `where` maps JSON Pointers, relative to the event as sent, to expected values.

    In a pointer, `*` is any member or element. A value is compared for equality, or with operators: `exists`, `regex`,
    `in`, `contains`, `gt`, `gte`, `lt`, `lte`; several can be combined. `equals` is for an object that looks like them.
    """

    protocol: str
    operation: str
    type: str
    verdict: VerdictFilter
    where: Where
    request: RequestMatcher


class WaitOptions(Matcher, total=False):
    """Options of a wait: a matcher for the events, and times in seconds.

    `verdict` defaults to `accepted`. `quiet` (default 0) is how long no request may arrive after the events, `timeout`
    (default 5) how long to wait. `after` is the `seq` of an event: only later events count.
    """

    quiet: float
    timeout: float
    after: int


class StreamOptions(TypedDict, total=False):
    """Where the stream of a session begins (`after`, a cursor), and after how much silence it ends (`quiet`)."""

    after: str
    quiet: float | None


class RequestWaitOptions(RequestMatcher, total=False):
    """Options of a wait for requests: a matcher, and times in seconds, as in `WaitOptions`.

    `type`, `verdict` and `where` select requests with such an event. `after` is the `seq` of a request.
    """

    protocol: str
    operation: str
    type: str
    verdict: VerdictFilter
    where: Where
    quiet: float
    timeout: float
    after: int


class Reply(TypedDict, total=False):
    """A reply to send; without a body, the vendor's own reply for the status is sent.

    A header can have a list of values. A body `{"base64": text}` is sent as bytes.
    """

    status: int
    headers: Mapping[str, str | int | Sequence[str | int]]
    body: Json


class Reject(TypedDict, total=False):
    """The error for the matching events of a batch."""

    message: str
    code: str


class Delay(TypedDict):
    """A random delay in milliseconds, different for each request."""

    min: float
    max: float
    seed: int


class Step(TypedDict, total=False):
    """A fault step: a matcher, the number of uses, and one of `reply`, `connection`, `reject`, `delay_ms`."""

    match: Matcher
    times: int
    reply: Reply
    connection: Literal["reset", "drop", "truncate", "dribble", "malformed", "close_idle"]
    reject: Reject
    delay_ms: float | Delay
    when: Literal["before_commit", "after_commit"]
    probability: float
    seed: int


class ProtocolChange(TypedDict, total=False):
    """The contract of a session for one protocol, and where its replies come from; None resets to the server's."""

    revision: str | None
    patch: Json
    mode: ReplyMode | None


class Settings(TypedDict, total=False):
    """The settings of a session. Each given member is replaced; None resets it to the server's default."""

    credentials: Sequence[str] | None
    keys: Sequence[str] | None
    rate_limits: RateMode | None
    journal_limit: int | None
    protocols: Mapping[str, ProtocolChange | None] | None


class VendorRequest(Protocol):
    """A request of a vendor's client: what it sends, to the byte."""

    @property
    def method(self) -> str:
        """The method."""

    @property
    def path(self) -> str:
        """The raw target, query included."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers, in order."""

    @property
    def body(self) -> bytes:
        """The body."""


class ExpectedReply(Protocol):
    """A reply that a request must get."""

    def differences(self, status: int, body: bytes) -> list[str]:
        """Return how a reply differs."""


@runtime_checkable
class Playable(Protocol):
    """A sample of `mockserver.strategies`: requests, when they are sent, and the reply that the last one must get."""

    @property
    def protocol(self) -> str:
        """The name of the protocol."""

    @property
    def revision(self) -> str:
        """The revision that the reply is of."""

    @property
    def now_ms(self) -> int:
        """The session time, in ms since 1970."""

    @property
    def before(self) -> Sequence[VendorRequest]:
        """What is sent first."""

    @property
    def request(self) -> VendorRequest:
        """The request."""

    @property
    def expect(self) -> ExpectedReply:
        """The reply that the request must get."""
