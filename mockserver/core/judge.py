"""The path of a request through a contract, top-down: where it leads, what refuses it, what becomes of its events.

Nothing here changes anything. What has to be claimed (a rate slot, dedup and idempotency keys) is only named; the
store claims it.
"""

from __future__ import annotations

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.credentials import credentials
from mockserver.core.events import events_of, id_key
from mockserver.core.model import Finding, Judged, Refusal, Terms
from mockserver.jsonkit import Json

ROUTING_ORDER = 0
REQUEST_TIMEOUT = 408
NO_TERMS = Terms(now_ms=0)


def route(request_body: RequestBody, contract: Contract) -> Judged:
    """Say where a request leads under a contract and which credential it carries; nothing is judged yet."""
    judged = Judged(
        request_body=request_body, contract=contract, terms=NO_TERMS, place=contract.locate(request_body.request.target)
    )
    _route(judged)
    if not judged.preflight:
        for name, value in credentials(request_body, contract, judged.place, judged.operation):
            judged.credential_name, judged.credential = name, value
            break
    return judged


def judge(judged: Judged, terms: Terms) -> Judged:
    """Decide what should happen to a routed request under the terms of its session."""
    judged.terms = terms
    operation = judged.operation
    if judged.preflight or judged.refusal is not None or operation is None:
        return judged
    judged.rate = operation.rate
    if judged.request.late:
        judged.refusal = _late_refusal(len(judged.request.body))
        return judged
    for gate in operation.gates:
        judged.refusal = gate.check(judged, gate)
        if judged.refusal is not None:
            _see_events(judged)
            break
    if "lookup" in operation.spec:
        judged.lookup = id_key(judged.place.params[operation.spec["lookup"]])
    return judged


def _see_events(judged: Judged) -> None:
    """Find the events of a refused request all the same: each gets a row that says it was rejected."""
    if judged.events or judged.operation is None or not judged.operation.forms:
        return
    if judged.request_body.parse(judged.contract.max_body) and isinstance(judged.request_body.value, dict):
        judged.form = judged.contract.adapter.choose_form(judged.operation, judged.request_body.value)
        judged.events = [] if judged.form is None else events_of(judged.form, judged.request_body.value)


def _route(judged: Judged) -> None:
    operations, method = judged.place.operations, judged.request.method
    judged.operation = operations.get(method)
    if judged.operation is not None:
        return
    if method == "OPTIONS" and any("cors" in operation.spec for operation in operations.values()):
        judged.preflight = True
    elif operations:
        judged.refusal = _routing_refusal(
            judged, "method_not_allowed", f"{method} is not allowed for this path", sorted(operations), method
        )
    else:
        served = sorted({operation.path for operation in judged.contract.operations.values()})
        judged.refusal = _routing_refusal(judged, "unknown_path", "unknown path", served, judged.request.target)


def _routing_refusal(judged: Judged, reason: str, message: str, expected: Json, got: str) -> Refusal:
    rule = "/protocol/operations"
    finding = Finding(
        rule=rule,
        severity="error",
        pointer="",
        expected=expected,
        got=got,
        source=judged.contract.source_of(rule),
        message=message,
    )
    return Refusal(reason=reason, order=ROUTING_ORDER, finding=finding, detail=message)


def _late_refusal(size: int) -> Refusal:
    finding = Finding(
        rule="/server/body_timeout",
        severity="error",
        pointer="",
        expected="the complete body",
        got=f"{size} bytes",
        source="assumed: this server's own limit for slow clients",
        message="the body did not arrive before the deadline",
    )
    return Refusal(
        reason="request_timeout", order=ROUTING_ORDER, finding=finding, detail=finding.message, status=REQUEST_TIMEOUT
    )
