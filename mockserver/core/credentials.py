"""Whose request it is: the credential, which names the session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qs

from mockserver.contract.contract import Contract, Operation, Place, split_target
from mockserver.core.body import RequestBody
from mockserver.core.model import WireRequest
from mockserver.jsonkit import Json, pointer

_ANYWHERE: Final = frozenset({"header", "bearer", "query"})


def credentials(
    request_body: RequestBody, contract: Contract, place: Place, operation: Operation | None
) -> Iterable[tuple[str, str]]:
    """Yield each credential the request carries where the operation looks for one, as (name in the contract, value).

    Where no operation is reached, headers and query are looked at. A key in a body that cannot be read is not seen.
    """
    specs: Mapping[str, Json] = contract.protocol["credentials"]
    names = operation.credentials if operation is not None else specs
    for name in names:
        spec = specs[name]
        if operation is None and spec["in"] not in _ANYWHERE:
            continue
        value = _find(request_body, contract, place, spec)
        if value is not None:
            yield name, value


def _find(request_body: RequestBody, contract: Contract, place: Place, spec: Mapping[str, Json]) -> str | None:
    match spec["in"]:
        case "path":
            return place.params.get(spec["name"])
        case "header":
            return _present(request_body.request.header(spec["name"].lower().encode()))
        case "bearer":
            return bearer(request_body.request)
        case "query":
            return _present(parse_qs(split_target(request_body.request.target)[1]).get(spec["name"], [None])[0])
        case _:
            if not request_body.parse(contract.max_body) or not isinstance(request_body.value, dict):
                return None
            value = pointer.get(request_body.value, pointer.parse(spec["pointer"]))
            return _present(value) if isinstance(value, str) else None


def bearer(request: WireRequest) -> str | None:
    """Return the bearer token of the Authorization header; the scheme's case does not matter (RFC 9110 §11.1)."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    return _present(token) if scheme.lower() == "bearer" else None


def _present(value: str | None) -> str | None:
    return None if value is None or not value.strip() else value.strip()
