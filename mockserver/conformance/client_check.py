"""What a check of a rule is: it sees each request, then the whole traffic, and collects what shows a violation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import ClassVar, Final

from mockserver.conformance.client_traffic import LogicalEvent, Sent, Traffic
from mockserver.contract.client_rules import ClientRule, LooksAt
from mockserver.jsonkit import Json
from mockserver.sessions.exchange import Exchange

MOST_SHOWN: Final = 100
"""How many requests of a violated rule are named."""


class Check:
    """One check at work. `cases` counts what exercised the rule, `failures` what broke it.

    `seen` are the numbers of the requests that the rule is about. `shown` are the requests that show the failures,
    `message` says in one sentence what the first one is.
    """

    name: ClassVar[str]

    def __init__(self, rule: ClientRule, seen: Set[int]) -> None:
        self.parameters: Mapping[str, Json] = rule.parameters
        self.scope: LooksAt = rule.looks_at
        self.seen = seen
        self.cases = 0
        self.failures = 0
        self.shown: dict[str, None] = {}
        self.message = ""

    def see(self, sent: Sent) -> None:
        """Take one request into account that the rule is about; they come in their order."""

    def end(self, traffic: Traffic) -> None:
        """Take the traffic as a whole into account, when each request was seen."""

    def held(self) -> Iterable[object]:
        """Return what it remembers of each event, which takes time to free."""
        return ()

    def case(self) -> None:
        """Note that the rule was exercised."""
        self.cases += 1

    def fail(self, message: str, *exchanges: Exchange) -> None:
        """Note a violation and the requests that show it."""
        self.failures += 1
        self.message = self.message or message
        for exchange in exchanges:
            if len(self.shown) < MOST_SHOWN:
                self.shown[f"r{exchange.seq}"] = None

    def events(self, traffic: Traffic) -> Iterator[LogicalEvent]:
        """Yield the logical events that the rule is about: by their type, and by their first request."""
        for event in traffic.events:
            if event.attempts[0][0].seq in self.seen and (not self.scope.types or event.type in self.scope.types):
                yield event
