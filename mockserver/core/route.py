"""Where a request leads under a contract, and which credential it carries. Nothing is judged yet."""

from __future__ import annotations

from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.credentials import credentials
from mockserver.core.findings import Finding
from mockserver.core.model import Judged, Refusal, Terms
from mockserver.jsonkit import Json

ROUTING_ORDER: Final = 0
"""The place in the precedence of what routing refuses: before every gate."""
OPERATIONS: Final = "/protocol/operations"
NO_TERMS: Final = Terms(now_ms=0)


def route(request_body: RequestBody, contract: Contract) -> Judged:
    """Return the judgement to be: the operation reached, or the refusal where none is, and the credential found."""
    place = contract.locate(request_body.request.target)
    judged = Judged(request_body=request_body, contract=contract, terms=NO_TERMS, place=place)
    method = judged.request.method
    judged.operation = place.operations.get(method)
    if judged.operation is None:
        if method == "OPTIONS" and place.cors is not None:
            judged.preflight = True
            return judged
        judged.refusal = _refusal(judged)
    for credential, value in credentials(request_body, contract, place, judged.operation):
        judged.credential_name, judged.credential = credential.name, value
        break
    return judged


def _refusal(judged: Judged) -> Refusal:
    request, operations = judged.request, judged.place.operations
    if operations:
        text = f"{request.method} is not allowed for this path"
        return _routing_refusal(judged, "method_not_allowed", text, sorted(operations), request.method)
    served = sorted({operation.path for operation in judged.contract.operations.values()})
    return _routing_refusal(judged, "unknown_path", "unknown path", served, request.target)


def _routing_refusal(judged: Judged, reason: str, message: str, expected: Json, got: str) -> Refusal:
    finding = Finding(
        rule=OPERATIONS,
        severity="error",
        pointer="",
        expected=expected,
        got=got,
        source=judged.contract.source_of(OPERATIONS),
        message=message,
    )
    return Refusal(reason=reason, order=ROUTING_ORDER, finding=finding)
