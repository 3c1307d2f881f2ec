"""A second reading of a contract's CORS rules, written from the rules alone: a witness for those of `core.answer`."""

from __future__ import annotations

from typing import Final

from mockserver.contract.sections import CorsRules

CORS: Final = "access-control-"


def cors_headers(rules: CorsRules, origin: str | None, *, preflight: bool = False) -> dict[str, str]:
    """Return the headers that a reply must have beside its own, by lower-case name."""
    headers = {"vary": "Origin"}
    if origin is None:
        if rules.without_origin == "*":
            headers[f"{CORS}allow-origin"] = "*"
        elif not preflight:
            return headers
    elif rules.allowed_origins and not any(_matches(entry, origin) for entry in rules.allowed_origins):
        return headers
    else:
        headers[f"{CORS}allow-origin"] = origin
        if rules.credentials:
            headers[f"{CORS}allow-credentials"] = "true"
    if preflight:
        headers |= {f"{CORS}allow-methods": rules.methods, f"{CORS}allow-headers": rules.headers}
        headers |= {} if rules.max_age is None else {f"{CORS}max-age": rules.max_age}
    elif rules.expose is not None:
        headers[f"{CORS}expose-headers"] = rules.expose
    return headers


def _matches(entry: str, origin: str) -> bool:
    host = origin.partition("://")[2].partition(":")[0].lower()
    if entry.startswith("*."):
        return host.endswith(entry[1:].lower())
    return entry.lower() in (origin.lower(), host)
