"""Which refusals an operation can give: those of its gates, of its schemas and of the server's own deadline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mockserver.contract.contract import Contract
from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.operation import BoundGate, Operation
from mockserver.contract.schema import Schema, every_schema
from mockserver.contract.sections import RefusalTemplate
from mockserver.jsonkit import Json


def refusals(contract: Contract, operation: Operation) -> list[RefusalTemplate]:
    """Return each refusal that a request to the operation can get, in the order of its gates."""
    reasons = [reason for gate in operation.gates for reason in _reasons(contract, operation, gate)]
    if operation.lookup is not None:
        reasons.append("unknown_entity")
    return [*dict.fromkeys(map(operation.family.template, dict.fromkeys(reasons)))]


def _reasons(contract: Contract, operation: Operation, gate: BoundGate) -> Iterator[str]:
    """Yield the reasons of one gate, none where the contract leaves it nothing to refuse."""
    if not _can_refuse(contract, operation, gate.check):
        return
    if gate.check in ("envelope", "events"):
        yield from _reasons_of_schemas(contract, operation, gate)
    kinds = {**BUILT_IN, **extension_of(contract.adapter).checks}
    outcomes = kinds[gate.check].outcomes
    if gate.check == "key" and not any(credential.pattern for credential in operation.credentials):
        outcomes = tuple(outcome for outcome in outcomes if outcome != "malformed")
    yield from map(gate.reason, outcomes)


def _can_refuse(contract: Contract, operation: Operation, check: str) -> bool:
    types, forms = contract.content_types, operation.forms.values()
    idle: Mapping[str, bool] = {
        "content_type": types is None or types.anything,
        "rate": operation.rate_claim is None,
        "origin": operation.cors is None,
        "query": not operation.query,
        "envelope": all(form.request is None for form in forms),
        "events": all(form.events is None or not form.atomic for form in forms),
        "measures": not contract.member_limits or not any(form.single for form in forms),
    }
    return not idle.get(check, False)


def _reasons_of_schemas(contract: Contract, operation: Operation, gate: BoundGate) -> Iterator[str]:
    for form in operation.forms.values():
        if gate.check == "envelope" and form.request is not None:
            yield from _reasons_in(form.request)
        if gate.check == "events" and form.events is not None and form.atomic:
            for schema in [form.schema] if form.schema is not None else form.schemas.values():
                yield from _reasons_in(schema)
            yield from (window.refusal for window in contract.windows)


def _reasons_in(schema: Schema) -> Iterator[str]:
    for _, inner in every_schema(schema.body):
        refusal: Json = inner.get("refusal", {})
        yield from refusal.values() if isinstance(refusal, dict) else [refusal]
