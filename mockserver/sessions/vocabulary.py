"""The names that a matcher may use in a session: protocols, operations and event types of the contracts in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.core.model import Verdict
from mockserver.errors import unknown
from mockserver.jsonkit import Json, pointer
from mockserver.sessions.matcher import ANY, about_events

PREFLIGHT: Final = "preflight"
"""The name of preflights among the operations."""


MAY_BE_UNKNOWN: Final = frozenset({str(Verdict.REJECTED), ANY})
"""Verdicts of matchers that may have any event type: the server refuses events of an unknown type."""


def name_problem(
    match: Mapping[str, Json], contracts: Mapping[str, Contract], *, of_events: bool
) -> tuple[str, str] | None:
    """Return the member of a matcher whose name no contract has, with the reason; None if all names are known.

    With `of_events`, an operation without events is refused too.
    """
    protocol, name, type_ = match.get("protocol"), match.get("operation"), match.get("type")
    if protocol is not None and protocol not in contracts:
        return "protocol", unknown("protocol", protocol, contracts)
    chosen = [contract for contract in contracts.values() if protocol in (None, contract.name)]
    operations = [operation for contract in chosen for operation in contract.operations.values()]
    of_protocol = "" if protocol is None else f" of {protocol}"
    if name is not None:
        names = [*dict.fromkeys(operation.name for operation in operations), PREFLIGHT]
        if name not in names:
            return "operation", unknown(f"operation{of_protocol}", name, names)
        operations = [operation for operation in operations if operation.name == name]
        if (of_events or about_events(match)) and not any(map(_has_events, operations)):
            return "operation", f'requests of the operation "{name}" have no events: match the request instead'
    if type_ is not None and match.get("verdict") not in MAY_BE_UNKNOWN:
        types = known_types(operations)
        if types is not None and type_ not in types:
            return "type", unknown(f"event type{of_protocol}", type_, types)
    return None


def _has_events(operation: Operation) -> bool:
    return any(form.events is not None for form in operation.forms.values())


def known_types(operations: Iterable[Operation]) -> list[str] | None:
    """Return the event types of operations; None if one of them takes events of any type."""
    types: dict[str, None] = {}
    for operation in operations:
        for form in operation.forms.values():
            of_form = _types_of(form)
            if of_form is None:
                return None
            types.update(dict.fromkeys(of_form))
    return list(types)


def _types_of(form: Form) -> Iterable[str] | None:
    """Return the event types of a form: its only one, those that select a schema, or those that its schema lists."""
    if form.type is not None:
        return [form.type]
    if form.events is None:
        return ()
    if form.schema is None:
        return form.types
    schema: Json = form.schema.body
    for token in form.discriminator:
        schema = pointer.get(schema, ("properties", token))
    options = pointer.get(schema, ("enum",))
    return [option for option in options if isinstance(option, str)] if isinstance(options, list) else None
