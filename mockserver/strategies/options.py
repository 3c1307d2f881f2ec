"""What every strategy is asked for: a contract, a clock, credentials; an operation, a type of events."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypedDict, Unpack

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.errors import ContractError
from mockserver.strategies.bodies import Bodies
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.plans import NOW_MS, OperationPlan, Plan, plan_of


class Options(TypedDict, total=False):
    """What every strategy takes.

    `contract` is used as it is, else the protocol's `revision`, else its base. Times are offsets from `now_ms` and stay
    `slack_ms` clear of the ends of windows. `keys` gives credentials by their names in the contract.
    """

    revision: str | None
    contract: Contract | None
    now_ms: int
    slack_ms: int
    keys: Mapping[str, str]


def compiled(protocol: str, **options: Unpack[Options]) -> Plan:
    """Return the compiled plan of a contract. Raises ContractError, and TypeError for unknown options."""
    unknown = sorted(options.keys() - Options.__annotations__.keys())
    if unknown:
        raise TypeError(f"no option {unknown[0]!r} here; every strategy takes {', '.join(Options.__annotations__)}")
    times = options.get("now_ms", NOW_MS), options.get("slack_ms", 0)
    if not isinstance(protocol, str) or not all(type(time) is int for time in times):
        raise TypeError("a protocol is a name; now_ms and slack_ms are whole milliseconds, the first since 1970")
    contract = options.get("contract") or library().protocol(protocol).contract(options.get("revision"))
    if contract.name != protocol:
        raise ContractError(contract.name, "", f"is not the contract of {protocol}")
    keys = options.get("keys", {})
    for name in keys:
        if name not in contract.credentials:
            known = ", ".join(contract.credentials)
            raise ContractError(contract.name, "/protocol/credentials", f"no credential {name!r}; available: {known}")
    return plan_of(contract, *times, tuple(sorted(keys.items())))


@lru_cache(maxsize=512)
def bodies_of(form: FormPlan) -> Bodies:
    """Return the strategies of a form, built once."""
    return Bodies(form)


def operations_of(plan: Plan, operation: str | None) -> list[OperationPlan]:
    """Return all operations, or the one named. Raises ContractError for an unknown one."""
    if operation is None:
        return list(plan.operations.values())
    if not isinstance(operation, str) or operation not in plan.operations:
        problem = f"no operation {operation!r}; available: {', '.join(plan.operations)}"
        raise ContractError(plan.contract.name, "/protocol/operations", problem)
    return [plan.operations[operation]]


def forms_of(plan: Plan, operation: str | None, type: str | None) -> list[tuple[OperationPlan, FormPlan, list[Kind]]]:
    """Return the forms that hold events of a type, each with the kinds meant. Raises ContractError for none."""
    forms: list[tuple[OperationPlan, FormPlan, list[Kind]]] = []
    for owner in operations_of(plan, operation):
        every = [(form, list(form.kinds.values())) for form in owner.forms.values() if form.kinds]
        forms += [(owner, form, kinds) for form, kinds in (every if type is None else owner.of_type(type))]
    if not forms:
        subject = "no operation takes" if operation is None else f"operation {operation!r} does not take"
        events = "events" if type is None else f"events of type {type!r}"
        raise ContractError(plan.contract.name, "/events", f"{subject} {events}")
    return forms
