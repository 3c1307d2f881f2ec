"""What a run found so far: each broken fact with the smallest probe that shows it, and how often it was looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

from mockserver.strategies.samples import Request
from mockserver.verify.rule import Finding

IDS: Final = re.compile(rb"[0-9A-Za-z_-]{16,}")
Refusal = tuple[str | None, int, bytes] | None
"""The operation, the status and the body of a refusal, without ids that are new in each reply."""
MOST_REFUSALS: Final = 20


@dataclass(slots=True)
class BrokenFact:
    """How often replies broke a fact, and the smallest finding for each refusal that did."""

    count: int = 0
    findings: dict[Refusal, Finding] = field(default_factory=dict)


class Evidence:
    """Collects findings by fact.

    `examined` counts in how many replies each fact was looked at, `sources` has who states it. `refusals` are what the
    target answers where a refusal of the contract is due, by the pointer of that. `accepted` are requests that the
    target took, whose facts nobody worked out yet. `refused` are rules whose requests were refused as they must be.
    """

    def __init__(self) -> None:
        self.examined: Counter[str] = Counter()
        self.sources: dict[str, str] = {}
        self.refusals: dict[str, set[tuple[int, bytes]]] = {}
        self.refused: set[str] = set()
        self.accepted: dict[int, Request] = {}
        self.known_uses: dict[str, set[tuple[str, str]]] = {}
        self._broken: dict[str, BrokenFact] = {}

    def __contains__(self, fact: str) -> bool:
        return fact in self._broken

    def tell(self, finding: Finding) -> None:
        """Add a finding."""
        broken = self._broken.setdefault(finding.fact, BrokenFact())
        broken.count += 1
        refusal = refusal_of(finding)
        known = broken.findings.get(refusal)
        if known is None:
            replaces = len(broken.findings) < MOST_REFUSALS
        else:
            replaces = (finding.probe.size, finding.at) < (known.probe.size, known.at)
        if replaces:
            tried = known is not None and known.tries > finding.tries
            broken.findings[refusal] = as_often(finding, known) if known is not None and tried else finding

    def findings(self, explained: set[Refusal]) -> Iterator[Finding]:
        """Yield the smallest finding of each broken fact, without replies that are `explained` by another finding."""
        for fact, broken in self._broken.items():
            left = [
                finding
                for refusal, finding in broken.findings.items()
                if not finding.aside or refusal is None or refusal not in explained
            ]
            if left:
                smallest = min(left, key=lambda finding: finding.probe.size)
                if smallest.aside:
                    tries = max(self.examined[fact], broken.count)
                    smallest = replace(smallest, failed=broken.count, tries=tries)
                yield smallest


def as_often(finding: Finding, other: Finding) -> Finding:
    """Return a finding that was seen as often as another one of the same fact, which was tried more often."""
    return replace(finding, failed=other.failed, tries=other.tries)


def refusal_of(finding: Finding) -> Refusal:
    """Return what a request was refused with."""
    if finding.reply is None or finding.reply.status < HTTPStatus.BAD_REQUEST:
        return None
    return finding.operation, finding.reply.status, IDS.sub(b"", finding.reply.body)
