"""The first requests to a target: whether what answers there speaks the protocol, and takes the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.errors import SettingsError, UnreachableError
from mockserver.strategies.reading import Reading
from mockserver.strategies.samples import Request, parsed
from mockserver.verify.rule import Reply, Rule

FEW: Final = 4
"""How many operations may be asked in vain."""


def handshake(contract: Contract, rules: Iterable[Rule], send: Callable[[Request], Reply]) -> Request | None:
    """Send a good request for each kind of key; return one that was answered as this protocol does.

    Raises UnreachableError where none is, and SettingsError where a key is refused for being unknown.
    """
    answered: dict[tuple[str, ...], Request] = {}
    asked, told = set[str](), ""
    for rule in rules:
        operation = contract.operations.get(rule.operation or "")
        if operation is None or operation.name in asked or not rule.id.endswith("#accepted") or not rule.probes:
            continue
        keys = tuple(operation.credentials)
        if keys in answered or len(asked) - len(answered) == FEW:
            continue
        asked.add(operation.name)
        request = rule.probes[0].steps[0].request
        reply = send(request)
        said = f"{request.method} {request.path} was answered {_told(reply)}"
        if _refuses_key(contract, operation, reply):
            raise SettingsError(f"the target does not take the key for {', '.join(keys)}: {said}")
        if _looks_right(contract, reply):
            answered[keys] = request
        told = told or said
    if asked and not answered:
        text = f"what answers there does not speak {contract.name}: {told}. Check --target and --protocol"
        raise UnreachableError(text)
    return next(iter(answered.values()), None)


def _looks_right(contract: Contract, reply: Reply) -> bool:
    try:
        value = parsed(reply.body)
        return isinstance(value, dict) and any(schema.is_valid(value) for schema in contract.replies.values())
    except ValueError:
        return False


def _refuses_key(contract: Contract, operation: Operation, reply: Reply) -> bool:
    """Tell whether a reply says that a key is not known, and could say nothing else of a good request."""
    rules = [contract.protocol["gates"][gate.name] | {"name": gate.name} for gate in operation.gates]
    for rule in rules:
        if rule.get("check", rule["name"]) == "allowed_key":
            reason = rule.get("refusals", {}).get("unknown", "unknown")
            return not Reading(contract).refusal(operation.family, reason).differences(reply.status, reply.body)
    return False


def _told(reply: Reply) -> str:
    kind = reply.headers.get("content-type", "no content type")
    return f"{reply.status} ({kind}) with {reply.body[:80]!r}"
