"""Everything a body breaks, not only what would be refused first: what certificates are made of. The core says it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.core.body import RequestBody
from mockserver.core.collect import BrokenRule, everything_broken
from mockserver.core.gates import checks_of
from mockserver.core.model import Judged, Terms
from mockserver.core.route import OPERATIONS, route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json

OTHER_FORM: Final = BrokenRule(OPERATIONS, ())
"""What a body breaks that another form of the operation takes."""
ELSEWHERE: Final = (
    "size",
    "encoding",
    "content_type",
    "allowed_key",
    "origin",
    "rate",
    "idempotency",
    "query",
    "project",
)
"""Checks that look at other parts of a request than the value of its body."""


class Diagnosis:
    """Finds what bodies of one form break. `request` is a good request of the operation, whatever its body."""

    def __init__(self, contract: Contract, operation: Operation, form: Form, request: WireRequest, now_ms: int) -> None:
        self.contract = contract
        self.form = form
        self.request = request
        self.terms = Terms(now_ms=now_ms)
        self._keyed = any(credential.place == "body" for credential in operation.credentials)
        left_out = ELSEWHERE if self._keyed else (*ELSEWHERE, "key")
        gates = tuple(gate for gate in operation.gates if gate.check not in left_out)
        self.operation = replace(operation, gates=gates)
        self._place = contract.locate(request.target)

    def of(self, body: Json) -> list[BrokenRule]:
        """Return what a body breaks, in the order of the gates and of its events."""
        judged = self._routed(body)
        broken = everything_broken(judged, self.terms)
        return broken if judged.form is self.form else [OTHER_FORM]

    def names_nobody(self, body: Json) -> bool:
        """Tell whether a batch that must name somebody names nobody."""
        gate = self.operation.gate("identity")
        if gate is None or not isinstance(body, dict):
            return False
        judged = self._routed(body)
        judged.body, judged.form = body, self.form
        return checks_of(self.contract.adapter)[gate.check](judged, gate) is not None

    def _routed(self, body: Json) -> Judged:
        """Return the judgement to be of a request with this body; routing finds nothing new but a key in the body."""
        request_body, contract = RequestBody.of_value(self.request, body, self.contract.max_body), self.contract
        if not self._keyed:
            place, operation = self._place, self.operation
            return Judged(
                request_body=request_body, contract=contract, terms=self.terms, place=place, operation=operation
            )
        judged = route(request_body, contract)
        judged.operation, judged.terms = self.operation, self.terms
        return judged
