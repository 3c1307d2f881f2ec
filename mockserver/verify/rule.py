"""The words of verify: a rule, the probes that try it, what a probe's replies must be, what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from hypothesis.strategies import SearchStrategy

from mockserver.jsonkit import Json
from mockserver.strategies.samples import Request

ASSUMED = "assumed"
NUMBER: Final = re.compile("[0-9]{1,15}")
"""A number as headers have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: header names are lower case, repeated ones joined with commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in a reply that is not as the contract has it; `fact` is the contract's pointer that says so."""

    fact: str
    text: str


Check = Callable[[Reply, Sequence[Reply]], Iterable[Difference]]
"""Says what is wrong with a reply, given the replies of the probe's earlier steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request and what its reply must be; `pause_ms` is waited before it. `limited` lets it be refused as 429."""

    request: Request
    check: Check
    pause_ms: int = 0
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """Requests to send one after the other."""

    steps: tuple[Step, ...]

    @property
    def size(self) -> int:
        """How much a reader of the probe has to look at."""
        return sum(100 + len(step.request.path) + len(step.request.body) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Random:
    """Probes by chance: what they are drawn from, and how a drawn value becomes one."""

    strategy: SearchStrategy[Json]
    probe: Callable[[Json], Probe]


class Status(StrEnum):
    """What became of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EXERCISED = "not exercised"
    NOT_OBSERVABLE = "not observable"


@dataclass(slots=True, kw_only=True)
class Rule:
    """One thing a contract says that replies show.

    `id` is the pointer of the fact with, after `#`, what of it is tried; `depends_on` are the pointers of all facts
    that its expectations are made of. Where `idle` is set it is not tried, and `why` says the reason.
    """

    id: str
    operation: str | None
    source: str
    probes: list[Probe] = field(default_factory=list)
    random: Random | None = None
    depends_on: set[str] = field(default_factory=set)
    idle: Status | None = None
    why: str = ""

    @property
    def basis(self) -> str:
        """What kind of source states the rule."""
        return self.source.partition(":")[0]

    @property
    def fact(self) -> str:
        """The pointer of the rule's own fact."""
        return self.id.partition("#")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One deviation: the smallest probe that shows it, its last reply, and who states the fact that is broken.

    There is no `reply` where the target gave none to this request, and does to others.
    """

    rule: str
    operation: str | None
    fact: str
    source: str
    differences: tuple[str, ...]
    probe: Probe
    at: int
    reply: Reply | None

    @property
    def assumed(self) -> bool:
        """Whether the broken fact is one that no source states."""
        return self.source.partition(":")[0] == ASSUMED

    @property
    def request(self) -> Request:
        """The request whose reply is wrong."""
        return self.probe.steps[self.at].request


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one rule, with how many requests."""

    rule: Rule
    status: Status
    requests: int = 0
    finding: Finding | None = None
    why: str = ""


class Transport(Protocol):
    """The way to a target."""

    def send(self, request: Request) -> Reply:
        """Send one request. Raises UnreachableError."""

    def pause(self, ms: int) -> None:
        """Let time pass."""

    def now_ms(self) -> int:
        """Return the time in ms since 1970, as near to the target's as can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a run is given.

    `revoked` are well-formed keys that the target must refuse; `burst` goes over rate limits and waits for refusals;
    `slack_ms` is how far the target's clock may be off; `rate` the most requests a second; `max_wait_ms` the longest
    pause a probe may ask for.
    """

    key: str
    server_key: str | None = None
    revoked: tuple[str, ...] = ()
    examples: int = 20
    seed: int = 0
    burst: bool = False
    slack_ms: int = 60_000
    rate: float = 50.0
    max_wait_ms: int = 5_000
    nonce: str = "0"
