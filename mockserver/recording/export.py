"""A session's exchanges as lines that can be kept: credentials become stable placeholders."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable
from typing import Final

from mockserver.core.body import RequestBody
from mockserver.core.route import credentials, route
from mockserver.jsonkit import Json
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.views import View, body_view

PLACEHOLDER: Final = "<credential>"
_SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key", "cookie", "set-cookie", "proxy-authorization"})
_WITH_SCHEME: Final = frozenset({"authorization", "proxy-authorization"})
_NAMED_BY_CLIENTS: Final = frozenset({"event", "stored", "got", "expected", "fault"})
"""Members of a line below which the names, too, are what somebody sent."""

_SHORT: Final = 4
"""A shorter credential is taken for one only where it stands alone, or half the line would be replaced."""

_MAY_BE_ESCAPED: Final = '"\\/'
_GZIP_BITS: Final = 31
_DEFLATE_BITS: Final = 15


class Scrubber:
    """Replaces credentials however they are spelt: plainly, percent-encoded or with JSON escapes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted({secret for secret in secrets if secret}, key=lambda secret: (-len(secret), secret))
        self._pattern = re.compile("|".join(map(_spellings, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Return a text without credentials."""
        return text if self._pattern is None else self._pattern.sub(PLACEHOLDER, text)

    def json(self, value: Json, *, names: bool = False) -> Json:
        """Return a value without credentials; member names of ours are left as they are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item, names=names) for item in value]
        if isinstance(value, dict):
            return {
                self.text(name) if names else name: self.json(item, names=names or name in _NAMED_BY_CLIENTS)
                for name, item in value.items()
            }
        return value

    def body(self, body: bytes) -> bytes:
        """Return the bytes of a body without credentials."""
        return self.text(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def secrets_of(exchange: Exchange) -> set[str]:
    """Return every credential that a request carries where credentials are looked for."""
    judged = route(RequestBody(exchange.request), exchange.contract)
    return {value for _, value in (*credentials(judged, judged.operation), *credentials(judged, None))}


def export_line(view: View, scrub: Scrubber) -> dict[str, Json]:
    """Return one exchange; a credential reads `<credential>` wherever it stood."""
    detail = view.request_detail()
    detail["session"] = view.exchange.receipt.session
    detail["events_detail"] = list(view.event_rows())
    detail["request"]["body"] = body_view(_body_without_credentials(view.exchange, scrub))
    for headers in (detail["request"]["headers"], detail["reply"]["headers"]):
        for pair in headers:
            if pair[0].lower() in _SECRET_HEADERS:
                pair[1] = _without_secret(*pair)
    line: dict[str, Json] = scrub.json(detail)
    return line


def _without_secret(name: str, value: str) -> str:
    """Return what is left of a header that holds a secret: nothing but the scheme of an authentication."""
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {PLACEHOLDER}" if space and name.lower() in _WITH_SCHEME else PLACEHOLDER


def _body_without_credentials(exchange: Exchange, scrub: Scrubber) -> bytes:
    """Look inside a compressed body too, and compress it again only where that changed it."""
    request, request_body = exchange.request, RequestBody(exchange.request)
    if request_body.decode(exchange.contract.max_body) is not None or request_body.text is request.body:
        return scrub.body(request.body)
    clean = scrub.body(request_body.text)
    if clean == request_body.text:
        return request.body
    encoding = (request.header(b"content-encoding") or "").strip().lower()
    squeeze = zlib.compressobj(wbits=_DEFLATE_BITS if encoding == "deflate" else _GZIP_BITS)
    return squeeze.compress(clean) + squeeze.flush()


def _spellings(secret: str) -> str:
    pattern = "".join(map(_spellings_of_one, secret))
    return pattern if len(secret) >= _SHORT else f"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"


def _spellings_of_one(character: str) -> str:
    percent = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    units = base64.b16encode(character.encode("utf-16-be", "surrogatepass")).decode("ascii")
    escaped = "".join(rf"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
    plain = rf"\\?{re.escape(character)}" if character in _MAY_BE_ESCAPED else re.escape(character)
    return f"(?:{plain}|(?i:{percent})|(?i:{escaped}))"
