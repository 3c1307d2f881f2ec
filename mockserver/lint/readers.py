"""Reading the files that `check` is given: which format a file has, and the items in it. Nothing is judged here."""

from __future__ import annotations

import base64
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from mockserver.core.wire import WireReply
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, jsontext, yamltext
from mockserver.jsonkit.filetext import NotUTF8Error, utf8
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly
from mockserver.lint.case_reader import CASE_KEYS, case_of, case_of_corpus_line, case_of_line, request_of
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.found_files import HAR, LINES, YAML, suffix_of
from mockserver.lint.har import har_item
from mockserver.lint.items import BrokenItem, CaseItem, EmptyItem, Item, PatchItem, PayloadItem, RequestItem
from mockserver.lint.recording_reader import RecordingReader
from mockserver.lint.source import LONGEST_LINE, STDIN, Source, UnreadableError, lines_of, opened
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.recordings import is_recording_line

NOT_JSON: Final = "is not valid JSON"
CONTENT: Final = "a request body, an event, a list of these, or a HAR archive"
LINE_CONTENT: Final = "one request body, event or exchange per line"
LOOKED_AT: Final = 1 << 20
"""Bytes at the beginning of a file that tell whether it is one document or has a document in each line."""
REQUEST_KEYS: Final = frozenset({"method", "path", "headers", "json", "text", "base64"})
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


def items_of(path: Path, on_open: Callable[[Source], None] = lambda source: None) -> Iterator[Item]:
    """Yield the items of a file. Whatever cannot be read, the file or a part of it, is a BrokenItem.

    `on_open` is called with the source of the file before it is read.
    """
    file = str(path)
    try:
        if suffix_of(path) in YAML:
            yield _yaml_item(path, file)
        else:
            with opened(path) as source:
                on_open(source)
                yield from _items(source, path, file)
    except (FormatError, NotJSONError, NotUTF8Error, UnreadableError, ContractError, OSError) as error:
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


def _yaml_item(path: Path, file: str) -> Item:
    document = yamltext.load(path)
    if document is None:
        return EmptyItem(file=file, problem="the file is empty; expected a golden case or a contract patch")
    if isinstance(document, dict) and document.keys() & CASE_KEYS:
        return CaseItem(file=file, case=case_of(document, path))
    if isinstance(document, dict) and "patch" in document:
        return PatchItem(file=file)
    raise FormatError(file, "", "", "is neither a golden case nor a contract patch")


def _items(source: Source, path: Path, file: str) -> Iterator[Item]:
    source.begin()
    suffix = suffix_of(path)
    has_lines = not _is_document(source) if suffix in LINES else suffix != HAR and _is_ndjson(source)
    found = False
    for item in _line_items(source, file) if has_lines else _document_items(source, suffix, file):
        found = True
        yield item
    if not found:
        holder = "stdin" if path == STDIN else "the file"
        problem = f"empty; expected {LINE_CONTENT}" if suffix in LINES else f"empty and {NOT_JSON}; expected {CONTENT}"
        yield EmptyItem(file=file, problem=f"{holder} is {problem}")


def _is_ndjson(source: Source) -> bool:
    """Tell whether a file has several JSON documents: its first line that is not empty is one, and more follows."""
    first, _, rest = source.peek(LOOKED_AT).strip().partition(b"\n")
    return bool(rest) and _is_json(first)


def _is_document(source: Source) -> bool:
    """Tell whether a file is one JSON document over several lines, though its name says NDJSON."""
    text = source.peek(LOOKED_AT + 1)
    first, _, rest = text.strip().partition(b"\n")
    return bool(rest) and len(text) <= LOOKED_AT and not _is_json(first) and _is_json(text)


def _is_json(text: bytes) -> bool:
    try:
        _parsed(text)
    except NotJSONError:
        return False
    return True


def _line_items(source: Source, file: str) -> Iterator[Item]:
    number, recordings = 0, RecordingReader(file)
    try:
        for number, line in lines_of(source.chunks()):
            if line is None:
                problem = f"longer than {LONGEST_LINE >> 20} MiB, which no request is"
                yield BrokenItem(file=file, place=f"line {number}", problem=problem)
                continue
            line = line.removeprefix(BOM_UTF8)  # of a file that was appended to another one
            if not line or line.isspace():
                continue
            place = f"line {number}"
            try:
                value = _parsed(line)
                if is_recording_line(value):
                    items: Iterable[Item] = (recordings.item(value, place),)
                elif type(value) is list:
                    items = _list_items(value, file, f"{place} ")
                else:
                    items = (_item(value, file, place),)
            except (FormatError, NotJSONError) as error:
                items = (_broken(file, place, error),)
            yield from items
    except UnreadableError as error:
        raise UnreadableError(f"{error}; the complete lines, {number}, were checked") from None


def _document_items(source: Source, suffix: str, file: str) -> Iterator[Item]:
    text = utf8(source.rest())
    if not text.strip():
        return
    document = _parsed(text)
    is_archive = isinstance(document, dict) and isinstance(document.get("log"), dict) and "entries" in document["log"]
    if suffix == HAR or is_archive:
        _HAR.check(document, file)
        for number, entry in enumerate(document["log"]["entries"]):
            yield _guarded(har_item, entry, file, f"entry {number}")
        if not document["log"]["entries"]:
            yield EmptyItem(file=file, problem="the archive has no entries")
    elif isinstance(document, list):
        yield from _list_items(document, file, "")
    else:
        yield _guarded(_item, document, file, "")


def _list_items(values: list[Json], file: str, place: str) -> Iterator[Item]:
    for number, value in enumerate(values):
        yield _guarded(_item, value, file, f"{place}item {number}")
    if not values:
        yield EmptyItem(file=file, place=place.strip(), problem="the list is empty")


def _guarded(read: Callable[[Json, str, str], Item], value: Json, file: str, place: str) -> Item:
    try:
        return read(value, file, place)
    except (FormatError, NotJSONError) as error:
        return _broken(file, place, error)


def _parsed(text: bytes) -> Json:
    """Parse JSON without loss, quickly where that is possible. Raises NotJSONError."""
    if jsontext.has_long_number(text):
        return parse_exactly(text)
    try:
        value, _ = jsontext.parse(text)
    except NotJSONError:
        return parse_exactly(text)  # its message names line and column
    return value


def _item(value: Json, file: str, place: str) -> Item:
    """Return a golden case, a corpus line, a request, an exported exchange, or a payload: what a value looks like."""
    if type(value) is dict:
        if "request" in value:
            if "expect" in value:
                return CaseItem(file=file, place=place, case=case_of_corpus_line(value, file, place))
            if "method" in value and "path" in value:
                return _exported_item(value, file, place)
        elif "steps" in value and "case" in value:
            return CaseItem(file=file, place=place, case=case_of_line(value, file, place))
        elif str(value.get("path")).startswith("/") and "path" in value and value.keys() <= REQUEST_KEYS:
            return RequestItem(file=file, place=place, request=request_of(value, file, place))
    return PayloadItem(file=file, place=place, payload=value)


def _exported_item(line: Json, file: str, place: str) -> RequestItem:
    """Return the request of an exchange as `mockserver.recording.exporting` writes it. Raises FormatError."""
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
