"""One check carried out alone on a routed request, and what its refusal says."""

from __future__ import annotations

from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import BoundGate
from mockserver.core.findings import Finding
from mockserver.core.gates import CHECKS
from mockserver.core.model import Judged, Refusal, Terms
from mockserver.core.wire import WireRequest
from tests.judging import TERMS, routed

GATE: Final = BoundGate(name="door", check="", order=7, reasons={})
"""A gate of no contract: its name shows in rules that name nothing better."""


def checked(
    check: str,
    contract: Contract,
    request: WireRequest,
    *,
    body: Any = None,
    terms: Terms = TERMS,
    gate: BoundGate = GATE,
) -> tuple[Judged, Refusal | None]:
    """Carry out one check on a routed request; `body` is what the checks before it would have read."""
    judged = routed(contract, request)
    judged.terms, judged.body = terms, body
    if isinstance(body, dict):
        assert CHECKS["object"](judged, GATE) is None
    return judged, CHECKS[check](judged, gate)


def finding_of(refusal: Refusal | None) -> Finding:
    assert refusal is not None
    assert (refusal.order, refusal.finding.severity) == (7, "error")
    return refusal.finding


def facts_of(refusal: Refusal | None) -> tuple[str, str, str, Any, Any]:
    """Return the reason of a refusal and what its finding says."""
    finding = finding_of(refusal)
    assert refusal is not None
    return refusal.reason, finding.rule, finding.pointer, finding.expected, finding.got
