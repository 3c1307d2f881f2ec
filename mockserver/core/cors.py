"""Cross-origin answers, as the contract's `cors` section has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mockserver.jsonkit import Json


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


def headers(rules: Mapping[str, Json], origin: str | None, *, preflight: bool = False) -> list[tuple[str, str]]:
    """Return the CORS headers of one reply; a refused origin gets none but `Vary`."""
    made: list[tuple[str, str]] = []
    if origin is None:
        if rules["without_origin"] == "*":
            made.append(("Access-Control-Allow-Origin", "*"))
        elif not preflight:
            return [("Vary", "Origin")]
    elif origin_allowed(origin, rules["allowed_origins"]):
        made.append(("Access-Control-Allow-Origin", origin))
        if rules["credentials"]:
            made.append(("Access-Control-Allow-Credentials", "true"))
    else:
        return [("Vary", "Origin")]
    made.append(("Vary", "Origin"))
    if preflight:
        made.append(("Access-Control-Allow-Methods", rules["methods"]))
        made.append(("Access-Control-Allow-Headers", rules["headers"]))
        if "max_age" in rules:
            made.append(("Access-Control-Max-Age", rules["max_age"]))
    elif "expose" in rules:
        made.append(("Access-Control-Expose-Headers", rules["expose"]))
    return made
