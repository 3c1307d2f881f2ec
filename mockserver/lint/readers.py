"""Readers for the files to check: payloads, NDJSON, HAR, golden cases, corpora, patches. Nothing is judged here."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mockserver.contract.library import Library
from mockserver.core.wire import WireRequest
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, yamltext
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly
from mockserver.settings import RateMode

CREDENTIAL: Final = "<credential>"
CASE_CLOCK: Final = "2026-06-14T12:00:02.000Z"
"""The default clock of golden cases and corpora."""
IN_SESSION: Final = re.compile(r"^/_mock/s/[^/?]+(?=/)")
"""The path prefix of a session's own base URL."""
STDIN: Final = Path("-")
LINES: Final = (".ndjson", ".jsonl")
YAML: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item to check: a complete request, or a payload that is a body or an event.

    `status` is the expected status of a request; `problem` says why the item cannot be read.
    """

    file: str
    place: str = ""
    request: WireRequest | None = None
    payload: Json = None
    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    now_ms: int | None = None
    status: int | None = None
    session: str = ""
    patch: Json = None
    keys: frozenset[str] | None = None
    rate_mode: RateMode = "warn"
    problem: str = ""


def items_of(path: Path, library: Library) -> Iterator[Item]:
    """Yield the items of a file. Raises ContractError, ValueError or OSError if it cannot be read."""
    if path.suffix in YAML:
        yield from _guarded(path, "", partial(_yaml, library))
        return
    text = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    if path.suffix in LINES or (path == STDIN and _is_lines(text)):
        for number, line in enumerate(text.split(b"\n"), 1):
            if line.strip():
                yield from _guarded(path, f"line {number}", partial(_parsed_line, line))
        return
    document = parse_exactly(text)
    if isinstance(document, dict) and isinstance(document.get("log"), dict) and "entries" in document["log"]:
        for number, entry in enumerate(document["log"]["entries"] or ()):
            yield from _guarded(path, f"entry {number}", partial(_har, entry))
    elif isinstance(document, list):
        for number, entry in enumerate(document):
            yield from _guarded(path, f"item {number}", partial(_line, entry))
    else:
        yield from _guarded(path, "", partial(_line, document))


def _is_lines(text: bytes) -> bool:
    """Return whether a text is NDJSON: its first non-empty line is valid JSON and more follows."""
    first, _, rest = text.strip().partition(b"\n")
    try:
        parse_exactly(first)
    except NotJSONError:
        return False
    return bool(rest)


def _guarded(path: Path, place: str, read: Callable[[Path, str], Iterator[Item]]) -> Iterator[Item]:
    """Yield the items of one part of a file, or an item with a problem if it cannot be read."""
    try:
        yield from list(read(path, place))
    except NotJSONError as error:
        yield Item(file=str(path), place=place, problem=f"is not valid JSON: {error}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield Item(file=str(path), place=place, problem=f"cannot be read: {type(error).__name__}: {error}")


def _parsed_line(line: bytes, path: Path, place: str) -> Iterator[Item]:
    yield from _line(parse_exactly(line), path, place)


def _line(value: Json, path: Path, place: str) -> Iterator[Item]:
    """Yield a corpus line's requests, an exported exchange, or a payload."""
    if isinstance(value, dict) and "request" in value and "expect" in value:
        steps = [(one, None) for one in value.get("before", ())] + [(value["request"], value["expect"]["status"])]
        for request, status in steps:
            yield Item(
                file=str(path),
                place=place,
                request=_written(request),
                protocol=value.get("protocol"),
                operation=value.get("operation"),
                revision=value.get("revision"),
                now_ms=epoch_ms(CASE_CLOCK),
                status=status or ANY_STATUS,
                session=place,
            )
    elif isinstance(value, dict) and "request" in value and "method" in value and "path" in value:
        yield _exported(path, place, value)
    else:
        yield Item(file=str(path), place=place, payload=value)


ANY_STATUS: Final = -1
"""The expected status of a step that only prepares another one."""


def _exported(path: Path, place: str, line: Mapping[str, Json]) -> Item:
    sent = line["request"]
    headers = [(str(name), str(value)) for name, value in sent["headers"]]
    body = sent["body"]
    content = base64.b64decode(body["base64"]) if "base64" in body else body["text"].encode()
    return Item(
        file=str(path),
        place=place,
        request=_wire(line["method"], line["path"], headers, content),
        protocol=line.get("protocol"),
        operation=line.get("operation"),
        now_ms=epoch_ms(line["session_time"]) if "session_time" in line else None,
    )


def _har(entry: Mapping[str, Json], path: Path, place: str) -> Iterator[Item]:
    sent = entry["request"]
    url = urlsplit(sent["url"])
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = [(header["name"], header["value"]) for header in sent.get("headers", ())]
    body = (sent.get("postData") or {}).get("text", "").encode()
    headers = [(name, value) for name, value in headers if name.lower() != "content-encoding"]
    yield Item(
        file=str(path),
        place=place,
        request=_wire(str(sent["method"]), target, headers, body),
        now_ms=epoch_ms(entry.get("startedDateTime", "")),
    )


def _yaml(library: Library, path: Path, place: str) -> Iterator[Item]:
    document = yamltext.load(path)
    if not isinstance(document, dict):
        raise ContractError(str(path), "", "is neither a golden case nor a contract patch")
    if "steps" in document:
        yield from _case(path, document, library)
    elif "patch" in document and "revision" in document:
        library.protocol(document["protocol"]).contract(document["revision"])
    elif "patch" in document:
        name, patch = library.load_patch(path)
        library.protocol(name).contract(None, [patch])
    else:
        raise ContractError(str(path), "", "is neither a golden case nor a contract patch")


def _case(path: Path, document: Mapping[str, Json], library: Library) -> Iterator[Item]:
    protocol = path.resolve().parent.parent.name
    if protocol not in library.protocols:
        raise ContractError(str(path), "", "a golden case must be in fixtures/<protocol>/cases")
    now, settings = epoch_ms(document.get("clock", CASE_CLOCK)), document.get("settings", {})
    keys = settings.get("keys")
    for number, step in enumerate(document["steps"]):
        if "advance_ms" in step:
            now = (now or 0) + step["advance_ms"]
            continue
        yield Item(
            file=str(path),
            place=f"step {number}",
            request=_written(step["request"]),
            protocol=protocol,
            revision=document.get("revision"),
            now_ms=now,
            status=step["expect"]["status"],
            session="case",
            patch=document.get("patch"),
            keys=None if keys is None else frozenset(keys),
            rate_mode=settings.get("rate_limits", "warn"),
        )


def _written(request: Mapping[str, Json]) -> WireRequest:
    """Return a request from the notation of golden cases and corpora."""
    if "json" in request:
        body = json.dumps(_spelled_out(request["json"]), ensure_ascii=False, separators=(",", ":")).encode()
    elif "text" in request:
        body = str(_spelled_out(request["text"])).encode()
    else:
        body = base64.b64decode(request.get("base64", ""))
    typed = {"content-type": "application/json"} if "json" in request else {}
    headers = request.get("headers", typed)
    return _wire(request.get("method", "POST"), request["path"], list(headers.items()), body)


def _spelled_out(value: Json, index: int | None = None) -> Json:
    """Expand `$repeat`, and replace `${i}` by the number of the copy."""
    if isinstance(value, str):
        return value if index is None else value.replace("${i}", str(index))
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], dict) and "$repeat" in value[0]:
            repeat = value[0]["$repeat"]
            return [_spelled_out(repeat["value"], number) for number in range(repeat["times"])]
        return [_spelled_out(item, index) for item in value]
    if isinstance(value, dict):
        if "$repeat" in value:
            return value["$repeat"]["text"] * value["$repeat"]["times"]
        return {name: _spelled_out(member, index) for name, member in value.items()}
    return value


def _wire(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> WireRequest:
    target = IN_SESSION.sub("", target)
    pairs = tuple((name.encode(), value.encode()) for name, value in headers)
    fields = {name.lower(): value for name, value in reversed(pairs)}
    return WireRequest(method=method, target=target, headers=pairs, fields=fields, body=body)
