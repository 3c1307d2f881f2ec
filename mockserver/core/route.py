"""Where a request leads under a contract, and which credential it carries. Nothing is judged yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qs

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.operation import Operation
from mockserver.contract.sections import Credential
from mockserver.core.body import RequestBody
from mockserver.core.fast_reader import read
from mockserver.core.findings import Finding
from mockserver.core.model import Judged, Refusal, Terms
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.wiretext import restored

ROUTING_ORDER: Final = 0
"""The place in the precedence of what routing refuses: before every gate."""
OPERATIONS: Final = "/protocol/operations"
SLASHES: Final = "/protocol/paths/extra_slashes"
NO_TERMS: Final = Terms(now_ms=0)
_WITHOUT_OPERATION: Final = frozenset({"header", "bearer", "query"})


def route(request_body: RequestBody, contract: Contract) -> Judged:
    """Return the judgement to be: the operation reached, or the refusal where none is, and the credential found."""
    place = contract.locate(request_body.request.target)
    judged = Judged(request_body=request_body, contract=contract, terms=NO_TERMS, place=place)
    method = judged.request.method
    judged.operation = place.operations.get(method)
    if judged.operation is None:
        if method == "OPTIONS" and place.cors is not None:
            judged.preflight = True
            judged.credential = place.key
            return judged
        judged.refusal = _refusal(judged)
    for credential, value in credentials(judged, judged.operation):
        judged.credential_name, judged.credential = credential.name, value
        break
    if judged.operation is None and judged.credential is None:
        judged.credential = place.key
    return judged


def _refusal(judged: Judged) -> Refusal:
    request, operations = judged.request, judged.place.operations
    rule = OPERATIONS
    if operations:
        reason, message = "method_not_allowed", f"{request.method} is not allowed for this path"
        expected, got = sorted(operations), request.method
    else:
        reason, message = "unknown_path", "unknown path"
        expected, got = sorted({operation.path for operation in judged.contract.operations.values()}), request.target
        if judged.place.refused_slashes:
            rule, message = SLASHES, "unknown path because of extra slashes"
    source = judged.contract.source_of(rule)
    finding = Finding(rule=rule, expected=expected, got=got, source=source, message=message)
    return Refusal(reason=reason, order=ROUTING_ORDER, finding=finding)


def credentials(judged: Judged, operation: Operation | None) -> Iterator[tuple[Credential, str]]:
    """Yield each credential a request carries where an operation looks for one, with its value.

    Where no operation is reached, headers and query are looked at. A key in a body that cannot be read is not seen.
    """
    if operation is not None:
        accepted: Iterable[Credential] = operation.credentials
    else:
        accepted = (spec for spec in judged.contract.credentials.values() if spec.place in _WITHOUT_OPERATION)
    for credential in accepted:
        value = _find(judged, credential)
        if value is not None:
            yield credential, value


def _find(judged: Judged, credential: Credential) -> str | None:
    request, request_body = judged.request, judged.request_body
    value: Json
    match credential.place:
        case "path":
            return judged.place.params.get(credential.parameter)
        case "header":
            value = request.header(credential.parameter.lower().encode())
        case "bearer":
            value = bearer(request)
        case "query":
            query = parse_qs(split_target(request.target)[1], errors="surrogateescape")
            value = restored(query.get(credential.parameter, [""])[0])
        case _:
            if read(judged):
                value = judged.text_at(credential.tokens)
                return None if value is None else value.strip() or None
            readable = request_body.parse(judged.contract.max_body) and isinstance(request_body.value, dict)
            value = pointer.get(request_body.value, credential.tokens) if readable else None
    return value.strip() or None if isinstance(value, str) else None


def bearer(request: WireRequest) -> str | None:
    """Return the bearer token of the Authorization header; the scheme's case does not matter (RFC 9110 §11.1)."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
