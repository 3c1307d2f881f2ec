"""Whose request it is: the credential, which names the session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.operation import Operation, Place
from mockserver.contract.sections import Credential
from mockserver.core.body import RequestBody
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import pointer

_WITHOUT_OPERATION: Final = frozenset({"header", "bearer", "query"})


def credentials(
    request_body: RequestBody, contract: Contract, place: Place, operation: Operation | None
) -> Iterable[tuple[Credential, str]]:
    """Yield each credential the request carries where the operation looks for one, with its value.

    Where no operation is reached, headers and query are looked at. A key in a body that cannot be read is not seen.
    """
    if operation is not None:
        accepted: Iterable[Credential] = operation.credentials
    else:
        accepted = (spec for spec in contract.credentials.values() if spec.place in _WITHOUT_OPERATION)
    for credential in accepted:
        value = _find(request_body, contract, place, credential)
        if value is not None:
            yield credential, value


def _find(request_body: RequestBody, contract: Contract, place: Place, credential: Credential) -> str | None:
    match credential.place:
        case "path":
            return place.params.get(credential.parameter)
        case "header":
            return _present(request_body.request.header(credential.parameter.lower().encode()))
        case "bearer":
            return bearer(request_body.request)
        case "query":
            query = parse_qs(split_target(request_body.request.target)[1])
            return _present(query.get(credential.parameter, [None])[0])
        case _:
            if not request_body.parse(contract.max_body) or not isinstance(request_body.value, dict):
                return None
            value = pointer.get(request_body.value, credential.tokens)
            return _present(value) if isinstance(value, str) else None


def bearer(request: WireRequest) -> str | None:
    """Return the bearer token of the Authorization header; the scheme's case does not matter (RFC 9110 §11.1)."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    return _present(token) if scheme.lower() == "bearer" else None


def _present(value: str | None) -> str | None:
    return None if value is None or not value.strip() else value.strip()
