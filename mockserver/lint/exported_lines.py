"""Reading the lines of an exported session: one exchange a line, as `mockserver.recording.export` writes it."""

from __future__ import annotations

import base64
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.lint.document_schema import DocumentSchema
from mockserver.lint.items import RequestItem
from mockserver.lint.wire_requests import wire_request

_BASE64: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_BODY: Final[Json] = {
    "type": "object",
    "if": {"required": ["base64"]},
    "then": {"properties": {"base64": {"type": "string", "pattern": _BASE64}}},
    "else": {"required": ["text"], "properties": {"text": {"type": "string"}}},
}
_HEADERS: Final[Json] = {
    "type": "array",
    "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
}
_LINE: Final = DocumentSchema(
    {
        "properties": {
            "method": {"type": "string"},
            "path": {"type": "string"},
            "protocol": {"type": ["string", "null"]},
            "session_time": {"type": "string"},
            "request": {
                "type": "object",
                "required": ["headers", "body"],
                "properties": {"headers": _HEADERS, "body": _BODY},
            },
        },
    }
)


def is_exported(value: Json) -> bool:
    """Tell whether a value is an exported exchange."""
    return isinstance(value, dict) and value.keys() >= {"method", "path", "request"}


def exported_item(line: Json, file: str, place: str) -> RequestItem:
    """Return the request of an exported exchange. Raises FormatError."""
    _LINE.check(line, file, place)
    sent, body = line["request"], line["request"]["body"]
    content = base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode("utf-8", "surrogatepass")
    return RequestItem(
        file=file,
        place=place,
        request=wire_request(line["method"], line["path"], [(name, value) for name, value in sent["headers"]], content),
        protocol=line.get("protocol"),
        now_ms=epoch_ms(line.get("session_time", "")),
    )
