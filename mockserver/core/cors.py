"""Cross-origin answers, as the contract's CORS rules have them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from mockserver.contract.sections import CorsRules
from mockserver.core.wire import WireRequest

HeaderPairs = tuple[tuple[str, str], ...]
VARY = ("Vary", "Origin")
SIMPLE_METHODS = ("GET", "HEAD", "POST")
"""Methods that a browser needs no permission for."""


def origin_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Tell whether an origin may call: any when the list is empty, else an exact one or a `*.` pattern of its host."""
    if not allowed:
        return True
    host = _host(origin)
    for entry in allowed:
        if entry.startswith("*."):
            if host.endswith(entry[1:].lower()):
                return True
        elif origin.lower() == entry.lower() or host == entry.lower():
            return True
    return False


def _host(origin: str) -> str:
    """Return the host of an origin in lower case, without its port; an IPv6 address keeps its brackets."""
    authority = origin.partition("://")[2].lower()
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def preflight_problem(rules: CorsRules, request: WireRequest) -> str | None:
    """Return why a browser does not send the request after a preflight; None where it does."""
    origin = request.header(b"origin")
    if origin is not None and not origin_allowed(origin, rules.allowed_origins):
        return f"the origin {origin} is not allowed"
    method = (request.header(b"access-control-request-method") or "").strip()
    methods = _names(rules.methods)
    if method and method not in SIMPLE_METHODS and method.lower() not in methods:
        return f"the method {method} is not allowed"
    allowed = _names(rules.headers)
    anything = "*" in allowed and not rules.credentials
    requested = _names(request.header(b"access-control-request-headers") or "")
    refused = [name for name in requested if name not in allowed and (name == "authorization" or not anything)]
    return f"the header {', '.join(refused)} is not allowed (allowed: {rules.headers})" if refused else None


def _names(listed: str) -> list[str]:
    return [name.strip().lower() for name in listed.split(",") if name.strip()]


@lru_cache(maxsize=1024)
def reply_headers(rules: CorsRules, origin: str | None) -> HeaderPairs:
    """Return the CORS headers of a reply; kept, because pages repeat themselves. A refused origin gets only `Vary`."""
    allow = _allow(rules, origin)
    if not allow:
        return (VARY,)
    expose = () if rules.expose is None else (("Access-Control-Expose-Headers", rules.expose),)
    return (*allow, VARY, *expose)


def preflight_headers(rules: CorsRules, origin: str | None) -> HeaderPairs:
    """Return the headers that answer a preflight. A refused origin gets only `Vary`."""
    allow = _allow(rules, origin)
    if not allow and origin is not None:
        return (VARY,)
    methods = (("Access-Control-Allow-Methods", rules.methods), ("Access-Control-Allow-Headers", rules.headers))
    max_age = () if rules.max_age is None else (("Access-Control-Max-Age", rules.max_age),)
    return (*allow, VARY, *methods, *max_age)


def _allow(rules: CorsRules, origin: str | None) -> HeaderPairs:
    if origin is None:
        return (("Access-Control-Allow-Origin", "*"),) if rules.without_origin == "*" else ()
    if not origin_allowed(origin, rules.allowed_origins):
        return ()
    credentials = (("Access-Control-Allow-Credentials", "true"),) if rules.credentials else ()
    return (("Access-Control-Allow-Origin", origin), *credentials)
