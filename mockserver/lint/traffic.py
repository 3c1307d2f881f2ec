"""Which protocol a recorded request belongs to: recordings of a browser hold requests of the page and of others too."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.ownership import longest_first, owner
from mockserver.core.body import RequestBody
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.lint.har import origin_of
from mockserver.lint.items import RequestItem

WEB: Final = ("http://", "https://")


class Skip(StrEnum):
    """Where a request went that is not checked."""

    HOST = "other hosts"
    PATH = "other paths"
    PROTOCOL = "other protocols"


def contract_of(item: RequestItem, contracts: Mapping[str, Contract]) -> Contract | Skip:
    """Return which of some contracts, by name, a request belongs to.

    At a vendor's host this is the vendor's, and at a mockserver the owner of the path. At any other host, which may be
    a proxy, a mock or the page's own, a request belongs to a protocol only if it reaches an operation; one of a page
    to its own host must carry a key as well.
    """
    origin = item.origin
    if item.protocol is not None:
        return contracts.get(item.protocol, Skip.PROTOCOL)
    if origin is not None and not origin.startswith(WEB):
        return Skip.HOST
    at_host = {name: contract for name, contract in contracts.items() if origin and _is_host(contract, origin)}
    candidates = at_host or contracts
    prefixes = longest_first(prefix for contract in candidates.values() for prefix in contract.prefixes)
    prefix = owner(prefixes, split_target(item.request.target)[0])
    if prefix is None:
        return Skip.HOST if origin is not None and not at_host else Skip.PATH
    contract = candidates[prefix.protocol]
    return contract if at_host or origin is None or _belongs(item.request, origin, contract) else Skip.HOST


def _is_host(contract: Contract, origin: str) -> bool:
    return urlsplit(contract.host).hostname == (urlsplit(origin).hostname or "").rstrip(".")


def _belongs(request: WireRequest, origin: str, contract: Contract) -> bool:
    """Tell whether a request to a host of nobody's is one of the protocol all the same."""
    judged = route(RequestBody(request), contract)
    if judged.preflight or judged.operation is None:
        return judged.preflight
    needs_key = not judged.operation.credentials or _from_own_page(request, origin)
    return judged.credential is not None or not needs_key


def _from_own_page(request: WireRequest, origin: str) -> bool:
    pages = filter(None, (request.header(b"origin"), request.header(b"referer")))
    return request.header(b"sec-fetch-site") == "same-origin" or origin in map(origin_of, pages)
