"""Findings: what is wrong with, or worth a warning about, one event or one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mockserver.jsonkit import Json

Severity: TypeAlias = Literal["error", "warning"]


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
