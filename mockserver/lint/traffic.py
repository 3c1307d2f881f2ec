"""Which protocol a recorded request belongs to: recordings of a browser hold requests of the page and of others too."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.ownership import longest_first, owner
from mockserver.contract.sections import Credential
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import credentials, route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit.patterns import matches
from mockserver.lint.har import origin_of
from mockserver.lint.items import RequestItem
from mockserver.lint.replies import reply_findings
from mockserver.recording.redaction.find_secrets import key_prefixes

WEB: Final = ("http://", "https://")
OWN_PLACES: Final = ("path", "body")
"""Places of a key where other APIs hardly have theirs. Headers such as `X-API-Key` and `?key=` are common."""


class Skip(StrEnum):
    """Where a request went that is not checked."""

    HOST = "other hosts"
    PATH = "other paths"
    PROTOCOL = "other protocols"


def contract_of(item: RequestItem, contracts: Mapping[str, Contract]) -> Contract | Skip:
    """Return which of some contracts, by name, a request belongs to.

    At a vendor's host this is the vendor's, except for what its own pages ask without a key or from other paths, and at
    a mockserver the owner of the path. At any other host, which may be that of a proxy, a mock, a page or another
    API, a request belongs to a protocol only if it reaches an operation, and a key or the reply shows that it is meant
    for it. Where there is one contract only, that is needed only of requests of a page to its own host.
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
    if origin is None:
        return contract
    routed = route(RequestBody(item.request), contract)
    if at_host:
        is_call = routed.operation is not None and routed.credential is not None
        return contract if is_call or not _from_own_page(item.request, origin) else Skip.PATH
    certain = len(contracts) == 1 and not _from_own_page(item.request, origin)
    return contract if _belongs(item, routed, certain=certain) else Skip.HOST


def _is_host(contract: Contract, origin: str) -> bool:
    return urlsplit(contract.host).hostname == (urlsplit(origin).hostname or "").rstrip(".")


def _belongs(item: RequestItem, routed: Judged, *, certain: bool) -> bool:
    """Tell whether a request to a host of nobody's is one of the protocol all the same.

    If it is `certain` which protocol is meant, reaching an operation is enough.
    """
    if routed.preflight:
        return certain or routed.credential is not None or _announces_key(routed)
    if routed.operation is None or not routed.operation.credentials:
        return False
    return certain or _has_key(routed) or _is_answered(item, routed.contract)


def _announces_key(preflight: Judged) -> bool:
    """Tell whether a preflight asks for the header of a key."""
    asked = (preflight.request.header(b"access-control-request-headers") or "").lower().split(",")
    specs = (spec for operation in preflight.place.operations.values() for spec in operation.credentials)
    return any(spec.place == "header" and spec.parameter.lower() in map(str.strip, asked) for spec in specs)


def _has_key(routed: Judged) -> bool:
    """Tell whether a request has a key that cannot be that of another API with the same path."""
    return any(_is_own(spec, key, routed.contract) for spec, key in credentials(routed, routed.operation))


def _is_own(spec: Credential, key: str, contract: Contract) -> bool:
    if spec.place in OWN_PLACES:
        return True
    return matches(spec.pattern, key) if spec.pattern else key.startswith(tuple(key_prefixes(contract)))


def _is_answered(item: RequestItem, contract: Contract) -> bool:
    """Tell whether the recorded reply is one that the contract gives."""
    if item.reply is None:
        return False
    judged = judge(route(RequestBody(item.request), contract), Terms(now_ms=item.now_ms or 0))
    return reply_findings(judged, item.reply) == []


def _from_own_page(request: WireRequest, origin: str) -> bool:
    pages = filter(None, (request.header(b"origin"), request.header(b"referer")))
    return request.header(b"sec-fetch-site") == "same-origin" or origin in map(origin_of, pages)
