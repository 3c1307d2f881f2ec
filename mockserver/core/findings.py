"""Findings: what is wrong with, or worth a warning about, one event or one request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mockserver.jsonkit import Json

Severity: TypeAlias = Literal["error", "warning"]

MOST_FINDINGS: Final = 100
"""Findings that a row has: one event can break a rule with each of its members."""
MOST_EXPLAINED: Final = 200
"""Violations of one schema by one value that are worked out, which takes about 0.1 ms each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why something was refused, or warned about.

    `rule` is the pointer of the broken fact in the contract, `pointer` the place in the event (or in the body, where
    the finding is the request's), `expected` and `got` say it in values, `source` says who states the fact.
    """

    rule: str
    severity: Severity = "error"
    pointer: str = ""
    expected: Json = None
    got: Json = None
    source: str
    message: str

    def as_json(self) -> dict[str, Json]:
        """Return the finding as the control surface shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings without those that name the same rule at the same place as one before them."""
    first: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        first.setdefault((finding.rule, finding.pointer), finding)
    return list(first.values())


def as_rows(findings: Sequence[Finding]) -> list[dict[str, Json]]:
    """Return at most `MOST_FINDINGS` findings as the control surface shows them; the last one says how many more."""
    rows = [finding.as_json() for finding in findings[:MOST_FINDINGS]]
    if len(findings) > MOST_FINDINGS:
        at_least = "at least " if len(findings) >= MOST_EXPLAINED else ""
        rows[-1]["message"] += f" (and {at_least}{len(findings) - MOST_FINDINGS} more findings)"
    return rows
