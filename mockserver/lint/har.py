"""Reading HAR archives: one request an entry."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.items import RequestItem
from mockserver.lint.wire_requests import wire_request

_ARCHIVE: Final = DocumentSchema({"properties": {"log": {"properties": {"entries": {"type": "array"}}}}})
_HEADER: Final[Json] = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
}
_ENTRY: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["request"],
        "properties": {
            "startedDateTime": {"type": "string"},
            "request": {
                "type": "object",
                "required": ["method", "url"],
                "properties": {
                    "method": {"type": "string"},
                    "url": {"type": "string"},
                    "headers": {"type": "array", "items": _HEADER},
                    "postData": {"type": ["object", "null"], "properties": {"text": {"type": "string"}}},
                },
            },
        },
    }
)


def is_har(document: Json) -> bool:
    """Tell whether a document is a HAR archive."""
    return isinstance(document, dict) and isinstance(document.get("log"), dict) and "entries" in document["log"]


def har_entries(document: Json, file: str) -> list[Json]:
    """Return the entries of an archive. Raises FormatError."""
    _ARCHIVE.check(document, file)
    entries: list[Json] = document["log"]["entries"]
    return entries


def har_item(entry: Json, file: str, place: str) -> RequestItem:
    """Return the request of an entry; its body is decoded already, whatever its headers say. Raises FormatError."""
    _ENTRY.check(entry, file, place)
    sent = entry["request"]
    pairs = [(header["name"], header["value"]) for header in sent.get("headers", ())]
    headers = [(name, value) for name, value in pairs if name.lower() != "content-encoding"]
    body = (sent.get("postData") or {}).get("text", "").encode("utf-8", "surrogatepass")
    return RequestItem(
        file=file,
        place=place,
        request=wire_request(sent["method"], _target(sent["url"], file, place), headers, body),
        now_ms=epoch_ms(entry.get("startedDateTime", "")),
    )


def _target(url: str, file: str, place: str) -> str:
    """Return the path and query of a URL."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise FormatError(file, place, "/request/url", f"is not a valid URL: {error}") from None
    return parts.path + (f"?{parts.query}" if parts.query else "")
