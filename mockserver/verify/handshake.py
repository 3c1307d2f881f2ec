"""The first requests to a target: whether it speaks the protocol, and whether it accepts the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.sections import Credential
from mockserver.errors import SettingsError, UnreachableError
from mockserver.strategies.prediction import predict
from mockserver.strategies.samples import Request, parsed
from mockserver.verify.expectations import content_differences
from mockserver.verify.rule import Reply, Rule

ACCEPTED: Final = "#accepted"
"""How the ids of rules end that good requests try."""
FEW: Final = 4
"""How many operations may be asked in vain."""


def handshake(
    contract: Contract, rules: Iterable[Rule], send: Callable[[Request], Reply], now_ms: int
) -> Request | None:
    """Send a good request for each set of credentials; return one that was answered as this protocol does.

    Raises UnreachableError where none is, and SettingsError where a key is refused for being unknown.
    """
    answered: dict[tuple[Credential, ...], Request] = {}
    asked, first_reply = set[str](), ""
    for rule in rules:
        operation = contract.operations.get(rule.operation or "")
        if operation is None or operation.name in asked or not rule.id.endswith(ACCEPTED) or not rule.drafts:
            continue
        if operation.credentials in answered or len(asked) - len(answered) == FEW:
            continue
        asked.add(operation.name)
        request = rule.probes()[0].steps[0].request
        reply = send(request)
        exchange = f"{request.method} {request.path} was answered {_shown(reply)}"
        if _refuses_key(contract, request, reply, now_ms):
            names = ", ".join(credential.name for credential in operation.credentials)
            raise SettingsError(f"the target does not take the key for {names}: {exchange}")
        if _looks_right(contract, reply):
            answered[operation.credentials] = request
        first_reply = first_reply or exchange
    if asked and not answered:
        text = f"what answers there does not speak {contract.name}: {first_reply}. Check --target and --protocol"
        raise UnreachableError(text)
    return next(iter(answered.values()), None)


def _looks_right(contract: Contract, reply: Reply) -> bool:
    try:
        value = parsed(reply.body)
        return isinstance(value, dict) and any(schema.is_valid(value) for schema in contract.reply_schemas.values())
    except ValueError:
        return False


def _refuses_key(contract: Contract, request: Request, reply: Reply, now_ms: int) -> bool:
    """Tell whether a reply to a good request is the one to an unknown key."""
    judged, prediction = predict(contract, [request.wire()], now_ms, keys=frozenset())
    return judged.refusal is not None and not content_differences(prediction, reply)


def _shown(reply: Reply) -> str:
    media_type = reply.headers.get("content-type", "no content type")
    return f"{reply.status} ({media_type}) with {reply.body[:80]!r}"
