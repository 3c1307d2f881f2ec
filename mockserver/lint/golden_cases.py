"""Golden cases as values: requests in one session, and the replies that they must get.

A corpus line is a case as well. The values are complete: repetitions are expanded, defaults filled in, requests as they
arrive at a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.settings import RateMode


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSettings:
    """The settings of the case's session."""

    rate_limits: RateMode = "warn"
    keys: frozenset[str] | None = None
    credentials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedEvent:
    """One expected event row. `stored` is MISSING and `findings` None where the case does not name them."""

    type: str | None
    verdict: str
    stored: Json = MISSING
    findings: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedReply:
    """What a reply must be. `json`, `text` and `events` are not compared where they are MISSING or None.

    The value of a header is a text, None for a header that must be absent, or `{"$match": …}`.
    """

    status: int
    headers: Mapping[str, Json] = field(default_factory=dict)
    json: Json = MISSING
    text: str | None = None
    events: tuple[ExpectedEvent, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeStep:
    """A request and its expected reply; None for a request that only prepares another one.

    `place` names the step in its file. `json` is the request body where the case has it as JSON, else MISSING.
    """

    place: str
    request: WireRequest
    expect: ExpectedReply | None
    json: Json = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceStep:
    """A change of the session clock by `ms`."""

    place: str
    ms: int


Step: TypeAlias = ExchangeStep | AdvanceStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Requests to one protocol, in one session, and the replies that they must get.

    `clock_ms` is the frozen session time at the first step, `stored` the number of accepted events after the last.
    """

    name: str
    protocol: str
    file: str
    steps: tuple[Step, ...]
    dossier: str = ""
    why: str = ""
    revision: str | None = None
    patch: Mapping[str, Json] | None = None
    settings: CaseSettings = field(default_factory=CaseSettings)
    clock_ms: int
    stored: int | None = None

    def __str__(self) -> str:
        return f"{self.protocol}/{self.name}"

    @property
    def exchanges(self) -> tuple[ExchangeStep, ...]:
        """The steps that send a request."""
        return tuple(step for step in self.steps if isinstance(step, ExchangeStep))
