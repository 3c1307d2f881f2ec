"""The path of a request through a contract, top-down: where it leads, what refuses it, what becomes of its events.

Nothing here changes anything. What has to be claimed (a rate slot, dedup and idempotency keys) is only named; the
store claims it.
"""

from __future__ import annotations

from mockserver.contract.operation import Operation
from mockserver.contract.server_rules import BODY_TIMEOUT, REQUEST_TIMEOUT, SERVER_RULES
from mockserver.core.adapter import adapter_of
from mockserver.core.events import events_of, id_key
from mockserver.core.findings import Finding
from mockserver.core.gates import checks_of
from mockserver.core.model import Judged, Refusal, Terms
from mockserver.core.route import ROUTING_ORDER
from mockserver.jsonkit.patterns import bounded


def judge(judged: Judged, terms: Terms) -> Judged:
    """Say what should happen to a routed request under a session's terms."""
    judged.terms = terms
    operation = judged.operation
    if judged.preflight or judged.refusal is not None or operation is None:
        return judged
    judged.rate = operation.rate_claim
    if judged.request.late:
        judged.refusal = _late_refusal(len(judged.request.body))
        return judged
    judged.refusal = _refusal(judged, operation)
    if judged.refusal is not None:
        _see_events(judged, operation)
    if operation.lookup is not None:
        judged.lookup = id_key(judged.place.params[operation.lookup])
    return judged


@bounded()
def _refusal(judged: Judged, operation: Operation) -> Refusal | None:
    """Return what the first gate that refuses the request says."""
    checks = checks_of(judged.contract.adapter)
    for gate in operation.gates:
        refusal = checks[gate.check](judged, gate)
        if refusal is not None:
            return refusal
    return None


def _see_events(judged: Judged, operation: Operation) -> None:
    """Find the events of a refused request all the same: each gets a row that says it was rejected."""
    body = judged.request_body
    if judged.decoded is not None:
        return
    if operation.forms and not judged.events and body.parse(judged.contract.max_body) and isinstance(body.value, dict):
        judged.form = adapter_of(judged.contract.adapter).choose_form(operation, body.value)
        judged.events = [] if judged.form is None else events_of(judged.form, body.value)


def _late_refusal(size: int) -> Refusal:
    rule = SERVER_RULES[BODY_TIMEOUT]
    expected, got = "the complete body", f"{size} bytes"
    finding = Finding(rule=rule.pointer, expected=expected, got=got, source=rule.source, message=rule.message)
    return Refusal(reason="request_timeout", order=ROUTING_ORDER, finding=finding, status=REQUEST_TIMEOUT)
