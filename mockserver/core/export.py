"""A session's exchanges as lines that can be kept: credentials become stable placeholders."""

from __future__ import annotations

from mockserver.core.model import Json
from mockserver.core.views import View

_SECRET_HEADERS = frozenset({"authorization", "x-api-key", "cookie", "set-cookie", "proxy-authorization"})


def export_line(view: View) -> dict[str, Json]:
    """Return one exchange; the credential reads `<credential>` wherever it stood."""
    detail = view.request_detail()
    secret = view.judged.credential
    detail["session"] = "<credential>" if view.exchange.receipt.session == secret else view.exchange.receipt.session
    detail["events_detail"] = list(view.event_rows())
    for headers in (detail["request"]["headers"], detail["reply"]["headers"]):
        for pair in headers:
            if pair[0].lower() in _SECRET_HEADERS:
                scheme, space, _ = pair[1].partition(" ")
                pair[1] = f"{scheme} <credential>" if space else "<credential>"
    return detail if secret is None else _scrub(detail, secret)


def _scrub(value: Json, secret: str) -> Json:
    if isinstance(value, str):
        return value.replace(secret, "<credential>")
    if isinstance(value, list):
        return [_scrub(item, secret) for item in value]
    if isinstance(value, dict):
        return {_scrub(name, secret): _scrub(item, secret) for name, item in value.items()}
    return value
