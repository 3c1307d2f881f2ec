"""Findings: what is wrong with, or worth a warning about, one event or one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mockserver.jsonkit import Json

Severity: TypeAlias = Literal["error", "warning"]

MOST_FINDINGS: Final = 100
"""Findings that a row has: one event can break a rule with each of its members."""


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


def as_rows(findings: Sequence[Finding]) -> list[dict[str, Json]]:
    """Return at most `MOST_FINDINGS` findings as the control surface shows them; the last one says how many more."""
    rows = [finding.as_json() for finding in findings[:MOST_FINDINGS]]
    if len(findings) > MOST_FINDINGS:
        rows[-1]["message"] += f" (and {len(findings) - MOST_FINDINGS} more findings)"
    return rows
