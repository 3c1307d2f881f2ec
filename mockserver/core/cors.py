"""Cross-origin answers, as the contract's CORS rules have them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from mockserver.contract.sections import CorsRules

HeaderPairs = tuple[tuple[str, str], ...]
VARY = ("Vary", "Origin")


def origin_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Tell whether an origin may call: any when the list is empty, else an exact one or a `*.` pattern of its host."""
    if not allowed:
        return True
    host = origin.partition("://")[2].partition(":")[0].lower()
    for entry in allowed:
        if entry.startswith("*."):
            if host.endswith(entry[1:].lower()):
                return True
        elif origin.lower() == entry.lower() or host == entry.lower():
            return True
    return False


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
