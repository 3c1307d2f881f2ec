"""The types of verify: a rule, the probes that try it, the checks of their replies, the outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from hypothesis.strategies import SearchStrategy

from mockserver.contract.fidelity import BASES
from mockserver.jsonkit.pointer import MISSING
from mockserver.jsonkit.printable import printable_body
from mockserver.strategies.samples import Request, Sample

NUMBER: Final = re.compile("[0-9]{1,15}")
"""A number in a header."""
MARK: Final = "mockserver-verify"
"""What the ids of this program begin with, and the User-Agent of its requests."""
OWN_ID: Final = re.compile(MARK.encode() + rb"-[0-9a-z-]+")
SHOWN: Final = 300
"""How many characters of a body a finding has."""
LARGE: Final = 256 * 1024
"""Bodies of so many bytes are sent as long as the volume lasts."""


def basis_of(source: str) -> str:
    """Return what kind of source it is."""
    return source.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A target's reply: header names are lower case, repeated ones joined with commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def shown(self) -> str:
        """Return the body as one line that a person can read, cut to a length."""
        return printable_body(self.body, SHOWN)


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a reply deviates.

    `fact` is the contract pointer of the broken fact, where needed with, after `#`, what of it is broken. `source` is
    who states it, by default the contract's source at the pointer. With `aside` it says nothing about what the request
    was made to try: the fact is reported on its own, and the probe goes on.
    """

    fact: str
    text: str
    source: str = ""
    aside: bool = False


Check: TypeAlias = Callable[[Reply, Sequence[Reply]], Iterable[Difference]]
"""Says how a reply deviates, given the replies to the probe's earlier steps."""


def anything(reply: Reply, earlier: Sequence[Reply]) -> Iterable[Difference]:
    """Accept every reply."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request and the check of its reply; `pause_ms` is waited before it. `limited` expects 429 to be an answer."""

    request: Request
    check: Check = anything
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

    @property
    def signature(self) -> tuple[object, ...] | None:
        """What is equal in probes that send the same one request, apart from ids of this program; None for others."""
        if len(self.steps) != 1 or self.steps[0].limited or self.steps[0].pause_ms:
            return None
        request = self.steps[0].request
        body = request.body if len(request.body) >= LARGE else OWN_ID.sub(b"", request.body)
        return request.method, request.path, request.headers, body

    def shown(self, most: int) -> Probe:
        """Return a copy to look at: without checks, bodies cut to so many bytes."""
        requests = (replace(step.request, body=step.request.body[:most], json=MISSING) for step in self.steps)
        return Probe(tuple(Step(request=request) for request in requests))


Draft: TypeAlias = Callable[[], Probe | None]
"""Makes a probe when its rule is tried; None where it turns out that there is none."""


@dataclass(frozen=True, slots=True)
class Random:
    """Probes of drawn samples; `strategy` makes what they are drawn from."""

    strategy: Callable[[], SearchStrategy[Sample]]
    probe: Callable[[Sample], Probe]


class Status(StrEnum):
    """The outcome of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_EXERCISED = "not exercised"
    NOT_OBSERVABLE = "not observable"
    ERROR = "error"
    """Not tried to the end because of an error in this program."""


@dataclass(slots=True, kw_only=True)
class Rule:
    """One statement of a contract that shows in replies.

    `id` is the pointer of the fact with, after `#`, what of it is tried; `depends_on` are the pointers of the facts
    that its expectations are made of. Where `idle` is set the rule is not tried, and `why` says the reason.
    """

    id: str
    operation: str | None
    source: str
    drafts: list[Draft] = field(default_factory=list)
    random: Random | None = None
    depends_on: set[str] = field(default_factory=set)
    idle: Status | None = None
    why: str = ""

    @property
    def basis(self) -> str:
        """What kind of source states the rule."""
        return basis_of(self.source)

    @property
    def fact(self) -> str:
        """The pointer of the rule's own fact."""
        return self.id.partition("#")[0]

    def probes(self) -> list[Probe]:
        """Build the probes, the smallest first."""
        return sorted(self.built(), key=lambda probe: probe.size)

    def built(self) -> Iterator[Probe]:
        """Build the probes one by one, because their bodies can be large."""
        for draft in self.drafts:
            probe = draft()
            if probe is not None:
                yield probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One deviation: the probe that shows it, the number of the failed step, its reply, who states the broken fact.

    `reply` is None where the target answers other requests but not this one. Of `tries` that could show the deviation
    `failed` did: the same probe sent again, or, where it is `aside` of what the probe tries, all replies with the fact.
    """

    rule: str
    operation: str | None
    fact: str
    source: str
    differences: tuple[str, ...]
    probe: Probe
    at: int
    reply: Reply | None
    aside: bool = False
    failed: int = 1
    tries: int = 1

    @property
    def basis(self) -> str:
        """What kind of source states the broken fact."""
        return basis_of(self.source)

    @property
    def flaky(self) -> bool:
        """Whether the same probe did not show the deviation each time."""
        return not self.aside and self.failed < self.tries

    @property
    def request(self) -> Request:
        """The request whose reply is wrong."""
        return self.probe.steps[self.at].request


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result for one rule, and how many requests were sent."""

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
        """Return the time in ms since 1970, as close to the target's clock as possible."""

    def clock_error_ms(self) -> int | None:
        """Return how far that may be from the target's clock, in ms; None where nothing is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings of a run.

    `revoked` are well-formed keys that the target must refuse; `burst` exceeds rate limits on purpose; `slack_ms` is
    how far the target's clock may be off; `rate` the most requests a second; `max_wait_ms` the longest pause of a
    probe; `nonce` keeps the ids of this run apart from those of others. Only deviations from facts of the `bases`
    count, and only rules of the named `operations` are tried, if there are any. After `max_requests` requests the run
    ends; bodies of `LARGE` bytes or more are sent until they have `volume` bytes together.
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
    bases: frozenset[str] = frozenset(BASES)
    operations: tuple[str, ...] = ()
    max_requests: int | None = None
    volume: int = 48 * 1024 * 1024
