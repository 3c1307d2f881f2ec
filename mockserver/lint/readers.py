"""Reading the files that `check` is given: which format a file has, and the items in it. Nothing is judged here."""

from __future__ import annotations

import base64
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from mockserver.core.wire import WireReply
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, yamltext
from mockserver.jsonkit.filetext import NotUTF8Error, utf8, without_mark
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly
from mockserver.lint.case_reader import case_of, case_of_corpus_line
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.har import har_item
from mockserver.lint.items import BrokenItem, CaseItem, EmptyItem, Item, PatchItem, PayloadItem, RequestItem
from mockserver.lint.wire_requests import wire_request

STDIN: Final = Path("-")
LINES: Final = (".ndjson", ".jsonl")
YAML: Final = (".yaml", ".yml")
HAR: Final = ".har"
NOT_JSON: Final = "is not valid JSON"
CONTENT: Final = "a request body, an event, a list of these, or a HAR archive"
LINE_CONTENT: Final = "one request body, event or exchange per line"
CASE_KEYS: Final = frozenset({"case", "dossier", "steps"})
_TEXT: Final[Json] = {"type": "string"}
_BASE64: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_BODY: Final[Json] = {
    "type": "object",
    "if": {"required": ["base64"]},
    "then": {"properties": {"base64": {"type": "string", "pattern": _BASE64}}},
    "else": {"required": ["text"], "properties": {"text": _TEXT}},
}
_PAIR: Final[Json] = {"type": "array", "items": _TEXT, "minItems": 2, "maxItems": 2}
_EXPORTED_REQUEST: Final[Json] = {
    "type": "object",
    "required": ["headers", "body"],
    "properties": {"headers": {"type": "array", "items": _PAIR}, "body": _BODY},
}
_EXPORTED_REPLY: Final[Json] = {
    "type": ["object", "null"],
    "properties": {
        "headers": {"type": "array", "items": _PAIR},
        "body": {"if": {"type": "null"}, "else": _BODY},
    },
}
_EXPORTED: Final = DocumentSchema(
    {
        "properties": {
            "method": _TEXT,
            "path": _TEXT,
            "protocol": {"type": ["string", "null"]},
            "session_time": _TEXT,
            "request": _EXPORTED_REQUEST,
            "reply": _EXPORTED_REPLY,
        },
    }
)
_ENTRIES: Final[Json] = {"required": ["entries"], "properties": {"entries": {"type": "array"}}}
_HAR: Final = DocumentSchema(
    {"type": "object", "required": ["log"], "properties": {"log": {"type": "object", **_ENTRIES}}}
)

Part: TypeAlias = tuple[str, Callable[[], Item]]
"""A part of a file that can be read by itself: its place, and what reads it."""


def items_of(path: Path) -> Iterator[Item]:
    """Yield the items of a file. Whatever cannot be read, the file or a part of it, is a BrokenItem."""
    file = str(path)
    try:
        for place, read in _parts(path, file):
            try:
                item = read()
            except (FormatError, NotJSONError) as error:
                item = _broken(file, place, error)
            yield item
    except (FormatError, NotJSONError, NotUTF8Error, ContractError, OSError) as error:
        yield _broken(file, "", error)


def _broken(file: str, place: str, error: Exception) -> BrokenItem:
    match error:
        case FormatError():
            return BrokenItem(file=file, place=error.place, pointer=error.pointer, problem=error.problem)
        case NotJSONError() | NotUTF8Error():
            reason = str(error).replace(": line 1 column ", ": column ") if place.startswith("line ") else str(error)
            return BrokenItem(file=file, place=place, problem=f"{NOT_JSON}: {reason}")
        case ContractError():  # of the YAML loader
            return BrokenItem(file=file, place=place, problem=error.problem)
    return BrokenItem(file=file, place=place, problem=f"cannot be read: {getattr(error, 'strerror', error)}")


def _parts(path: Path, file: str) -> Iterator[Part]:
    suffix = path.suffix.lower()
    if suffix in YAML:
        document = yamltext.load(path)
        if document is None:
            yield "", partial(_empty, file, "the file is empty; expected a golden case or a contract patch")
        else:
            yield "", partial(_yaml_item, document, path)
        return
    text = without_mark(sys.stdin.buffer.read() if path == STDIN else path.read_bytes())
    if not text.strip():
        holder = "stdin" if path == STDIN else "the file"
        problem = f"empty; expected {LINE_CONTENT}" if suffix in LINES else f"empty and {NOT_JSON}; expected {CONTENT}"
        yield "", partial(_empty, file, f"{holder} is {problem}")
    elif suffix in LINES or (path == STDIN and _is_lines(text)):
        for number, line in enumerate(text.split(b"\n"), 1):
            line = line.removeprefix(BOM_UTF8)  # of a file that was appended to another one
            if line.strip():
                yield f"line {number}", partial(_line_item, line, file, f"line {number}")
    else:
        document = parse_exactly(utf8(text))
        if suffix == HAR:
            _HAR.check(document, file)
        yield from _document_parts(document, file)


def _document_parts(document: Json, file: str) -> Iterator[Part]:
    if isinstance(document, dict) and isinstance(document.get("log"), dict) and "entries" in document["log"]:
        _HAR.check(document, file)
        for number, entry in enumerate(document["log"]["entries"]):
            yield f"entry {number}", partial(har_item, entry, file, f"entry {number}")
        if not document["log"]["entries"]:
            yield "", partial(_empty, file, "the archive has no entries")
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield f"item {number}", partial(_value_item, value, file, f"item {number}")
        if not document:
            yield "", partial(_empty, file, "the list is empty")
    else:
        yield "", partial(_value_item, document, file, "")


def _empty(file: str, problem: str) -> EmptyItem:
    return EmptyItem(file=file, problem=problem)


def _is_lines(text: bytes) -> bool:
    """Tell whether a text is NDJSON: its first line that is not empty is valid JSON, and more follows."""
    first, _, rest = text.strip().partition(b"\n")
    try:
        parse_exactly(first)
    except NotJSONError:
        return False
    return bool(rest)


def _yaml_item(document: Json, path: Path) -> Item:
    if isinstance(document, dict) and document.keys() & CASE_KEYS:
        return CaseItem(file=str(path), case=case_of(document, path))
    if isinstance(document, dict) and "patch" in document:
        return PatchItem(file=str(path))
    raise FormatError(str(path), "", "", "is neither a golden case nor a contract patch")


def _line_item(line: bytes, file: str, place: str) -> Item:
    return _value_item(parse_exactly(line), file, place)


def _value_item(value: Json, file: str, place: str) -> Item:
    """Return a corpus line, an exported exchange, or a payload, whichever a value looks like."""
    if isinstance(value, dict) and value.keys() >= {"request", "expect"}:
        return CaseItem(file=file, place=place, case=case_of_corpus_line(value, file, place))
    if isinstance(value, dict) and value.keys() >= {"method", "path", "request"}:
        return _exported_item(value, file, place)
    return PayloadItem(file=file, place=place, payload=value)


def _exported_item(line: Json, file: str, place: str) -> RequestItem:
    """Return the request of an exchange as `mockserver.recording.export` writes it. Raises FormatError."""
    _EXPORTED.check(line, file, place)
    sent = line["request"]
    headers = [(name, value) for name, value in sent["headers"]]
    return RequestItem(
        file=file,
        place=place,
        request=wire_request(line["method"], line["path"], headers, _content(sent["body"])),
        protocol=line.get("protocol"),
        now_ms=epoch_ms(line.get("session_time", "")),
        reply=_exported_reply(line),
    )


def _exported_reply(line: Mapping[str, Json]) -> WireReply | None:
    """Return the reply of an exchange; None if a fault step made it, or if the client got no complete one."""
    reply, status = line.get("reply") or {}, line.get("status")
    if line.get("fault") is not None or not reply.get("body") or not isinstance(status, int):
        return None
    headers = tuple((name, value) for name, value in reply.get("headers", ()))
    return WireReply(status=status, headers=headers, body=_content(reply["body"]))


def _content(body: Mapping[str, Json]) -> bytes:
    text: str = body.get("text", "")
    return base64.b64decode(body["base64"]) if "base64" in body else text.encode("utf-8", "surrogatepass")
