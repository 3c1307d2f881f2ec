"""Bodies as a recording has them: JSON where nothing is lost by it, else text, else only their size."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Final, TypeAlias

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render

RecordedBody: TypeAlias = Mapping[str, Json]
"""One of `{"json": value}`, `{"text": text}`, `{"base64": text}` and `{"left_out": reason, "bytes": size}`."""

TOO_LARGE: Final = "body too large"
NOT_JSON: Final = "not valid JSON"
FILLER: Final = b"\xff"
"""What a body that was left out is read as, over and over: it is neither UTF-8 nor JSON nor compressed."""
LARGE: Final = 256 * 1024
"""Bytes of a document from which on it is written piece by piece."""
GZIP: Final = frozenset({"gzip", "x-gzip"})
_GZIP_BITS: Final = 31
_DEFLATE_BITS: Final = 15


def left_out(reason: str, size: int) -> RecordedBody:
    """Return a body of which only the size in bytes is kept."""
    return {"left_out": reason.replace("_", " "), "bytes": size}


def stable(value: Json) -> str:
    """Return JSON on one line, with the members of objects in order.

    A large document is written piece by piece, so that other threads run meanwhile.
    """
    large = len(render(value)) > LARGE
    text = _written(value, ensure_ascii=False, large=large)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return _written(value, ensure_ascii=True, large=large)
    return text


def _written(value: Json, *, ensure_ascii: bool, large: bool) -> str:
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, sort_keys=True, separators=(",", ":"))
    return "".join(encoder.iterencode(value)) if large else encoder.encode(value)


def content_of(body: RecordedBody, encoding: str = "") -> bytes:
    """Return the bytes of a recorded body, compressed anew where the message has a content encoding.

    Raises ValueError for base64 that is not valid.
    """
    if "left_out" in body:
        size: int = body["bytes"]
        return packed(FILLER * size, encoding) if body["left_out"] in (TOO_LARGE, NOT_JSON) else FILLER * size
    if "base64" in body:
        return base64.b64decode(body["base64"], validate=True)
    text: str = stable(body["json"]) if "json" in body else body["text"]
    return packed(text.encode("utf-8", "surrogatepass"), encoding)


def packed(content: bytes, encoding: str) -> bytes:
    """Return content in a content encoding; as it is in one that is not known."""
    name = encoding.strip().lower()
    if name not in GZIP and name != "deflate":
        return content
    squeeze = zlib.compressobj(wbits=_DEFLATE_BITS if name == "deflate" else _GZIP_BITS)
    return squeeze.compress(content) + squeeze.flush()
