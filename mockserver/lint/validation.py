"""Validate one event in this process, without a server: for tests of what builds events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.contract.operation import Form, Operation
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding
from mockserver.core.model import Judged, Terms
from mockserver.core.warnings import event_errors
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import parse
from mockserver.lint.wire_requests import request_with_body


def validate(
    protocol: str,
    event: Mapping[str, Json],
    *,
    operation: str | None = None,
    revision: str | None = None,
    patch: Mapping[str, Json] | None = None,
    now_ms: int | None = None,
) -> list[Finding]:
    """Return the errors of an event as the server would find them; an empty list for a good one.

    The event is judged for each `operation` that takes events, or for the one named; where it fits none, the errors are
    those of the one that it fits best. `now_ms` is the clock for time windows, by default that of the machine. Whom an
    event is about can depend on its request, and is not checked. Raises TypeError or ValueError for a value that is
    not JSON, ContractError for names that no contract has.
    """
    value, _ = parse(json.dumps(event, allow_nan=False).encode())
    patches = [] if not patch else [Patch(name="patch", patch=patch)]
    contract = library().protocol(protocol).contract(revision, patches)
    terms = Terms(now_ms=time.time_ns() // 1_000_000 if now_ms is None else now_ms)
    found = [_errors(contract, terms, *place, value) for place in _places(contract, operation)]
    return min(found, key=_misfit)


def _places(contract: Contract, operation: str | None) -> Iterator[tuple[Operation, Form]]:
    """Yield the forms that hold events. Raises ContractError where an operation has none."""
    taking = {
        each.name: each
        for each in contract.operations.values()
        if any(f.events is not None for f in each.forms.values())
    }
    if operation is not None and operation not in taking:
        problem = f"takes no events: {unknown('operation', str(operation), sorted(taking))}"
        raise ContractError(contract.name, "/protocol/operations", problem)
    for each in taking.values() if operation is None else [taking[operation]]:
        yield from ((each, form) for form in each.forms.values() if form.events is not None)


def _errors(contract: Contract, terms: Terms, operation: Operation, form: Form, event: Json) -> list[Finding]:
    request = request_with_body(operation, {})
    judged = Judged(
        request_body=RequestBody(request),
        contract=contract,
        terms=terms,
        place=contract.locate(request.target),
        operation=operation,
        form=form,
        _body={},
    )
    return event_errors(judged, event)


def _misfit(errors: list[Finding]) -> tuple[bool, int]:
    """Return how little an event looks like what it was judged as: one of no known type least of all."""
    return any(error.rule == "/events" for error in errors), len(errors)
