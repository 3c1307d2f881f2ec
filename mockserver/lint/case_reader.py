"""The reader of golden cases and corpus lines. Their format is `case.schema.json`; `fixtures/README.md` explains it.

Everything is validated against the schema before it is read, so that nothing in here meets a key that is missing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json, jsontext, pointer, yamltext
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.golden_cases import (
    AdvanceStep,
    Case,
    CaseSettings,
    ExchangeStep,
    ExpectedEvent,
    ExpectedReply,
    Step,
)
from mockserver.lint.wire_requests import wire_request

REPEAT: Final = "$repeat"
COPY_NUMBER: Final = "${i}"
SCHEMA_FILE: Final = Path(__file__).with_name("case.schema.json")
DEFAULT_CLOCK: Final = "2026-06-14T12:00:02.000Z"
CASE_KEYS: Final = frozenset({"case", "dossier", "steps"})
"""Members that only a golden case has."""

_SCHEMA: Final[Mapping[str, Json]] = jsontext.parse_exactly(SCHEMA_FILE.read_bytes())
_CASE: Final = DocumentSchema(_SCHEMA)
_CORPUS_LINE: Final = DocumentSchema({"$ref": "#/$defs/corpus_line", "$defs": _SCHEMA["$defs"]})
_REQUEST: Final = DocumentSchema({"$ref": "#/$defs/request", "$defs": _SCHEMA["$defs"]})


def read_case(path: Path) -> Case:
    """Read a golden case from `<protocol>/cases/<name>.yaml`.

    Raises ContractError for a text that is not YAML, and FormatError for a document that does not follow the format.
    """
    return case_of(yamltext.load(path), path)


def case_of(document: Json, path: Path) -> Case:
    """Return the golden case that a file's document holds. Raises FormatError."""
    file = str(path)
    violation = _CASE.violation(document)
    if violation is not None:
        raise _error(file, *violation)
    if document["case"] != path.stem:
        raise FormatError(file, "", "/case", f'must be the name of the file, "{path.stem}"')
    return _case(document, file, document.get("protocol") or path.resolve().parent.parent.name)


def case_of_line(document: Json, file: str, place: str) -> Case:
    """Return a golden case that is a line of a file, and so names its protocol itself. Raises FormatError."""
    _CASE.check(document, file, place)
    if "protocol" not in document:
        raise FormatError(file, place, "/protocol", "is required, because no folder names the protocol")
    return _case(document, file, document["protocol"])


def request_of(document: Json, file: str, place: str) -> WireRequest:
    """Return a request as golden cases have it. Raises FormatError."""
    _REQUEST.check(document, file, place)
    return _exchange(place, document, None).request


def _case(document: Mapping[str, Json], file: str, protocol: str) -> Case:
    try:
        return _built_case(document, file, protocol)
    except RecursionError:
        raise FormatError(file, "", "/steps", "nested too deeply") from None


def _built_case(document: Mapping[str, Json], file: str, protocol: str) -> Case:
    return Case(
        name=document["case"],
        protocol=protocol,
        file=file,
        steps=tuple(_step(f"step {number}", step) for number, step in enumerate(document["steps"])),
        dossier=document["dossier"],
        why=document.get("why", ""),
        revision=document.get("revision"),
        patch=document.get("patch"),
        settings=_settings(document.get("settings", {})),
        clock_ms=_clock_ms(document.get("clock", DEFAULT_CLOCK)),
        stored=document.get("stored"),
    )


def case_of_corpus_line(line: Json, file: str, place: str) -> Case:
    """Return a corpus line as a case of its own. Raises FormatError."""
    _CORPUS_LINE.check(line, file, place)
    before = [_exchange(place, request, None) for request in line.get("before", ())]
    return Case(
        name=place,
        protocol=line["protocol"],
        file=file,
        steps=(*before, _exchange(place, line["request"], line["expect"])),
        revision=line.get("revision"),
        clock_ms=_clock_ms(DEFAULT_CLOCK),
    )


def _error(file: str, tokens: list[str | int], problem: str) -> FormatError:
    """Name the step that a violation is in, and the place in that step."""
    if tokens[:1] == ["steps"] and len(tokens) > 1:
        return FormatError(file, f"step {tokens[1]}", pointer.build(tokens[2:]), problem)
    return FormatError(file, "", pointer.build(tokens), problem)


def _settings(settings: Mapping[str, Json]) -> CaseSettings:
    keys = settings.get("keys")
    return CaseSettings(
        rate_limits=settings.get("rate_limits", "warn"),
        keys=None if keys is None else frozenset(keys),
        credentials=tuple(settings.get("credentials", ())),
    )


def _clock_ms(clock: str) -> int:
    clock_ms = epoch_ms(clock)
    assert clock_ms is not None, "the schema asks for a date-time"
    return clock_ms


def _step(place: str, step: Mapping[str, Json]) -> Step:
    if "advance_ms" in step:
        return AdvanceStep(place=place, ms=step["advance_ms"])
    return _exchange(place, step["request"], step["expect"])


def _exchange(place: str, request: Mapping[str, Json], expect: Mapping[str, Json] | None) -> ExchangeStep:
    body = expand(request["json"]) if "json" in request else MISSING
    return ExchangeStep(
        place=place,
        request=_request(request, body),
        expect=None if expect is None else _expected_reply(expect),
        json=body,
    )


def _request(request: Mapping[str, Json], body: Json) -> WireRequest:
    headers = request.get("headers", {} if body is MISSING else {"content-type": "application/json"})
    if body is not MISSING:
        content = _compact(body)
    elif "text" in request:
        content = expand(request["text"]).encode("utf-8", "surrogatepass")
    else:
        content = base64.b64decode(request.get("base64", ""))
    return wire_request(request.get("method", "POST"), request["path"], headers.items(), content)


def _compact(value: Json) -> bytes:
    """Write JSON without spaces; a lone surrogate, which UTF-8 cannot hold, becomes an escape."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _expected_reply(expect: Mapping[str, Json]) -> ExpectedReply:
    return ExpectedReply(
        status=expect["status"],
        headers=expect.get("headers", {}),
        json=expand(expect["json"]) if "json" in expect else MISSING,
        text=expand(expect.get("text")),
        events=tuple(map(_expected_event, expand(expect["events"]))) if "events" in expect else None,
    )


def _expected_event(row: Mapping[str, Json]) -> ExpectedEvent:
    findings = row.get("findings")
    return ExpectedEvent(
        type=row["type"],
        verdict=row["verdict"],
        stored=row.get("stored", MISSING),
        findings=None if findings is None else tuple(findings),
    )


def expand(value: Json, copy: int | None = None) -> Json:
    """Replace every `$repeat` by its repetitions, and `${i}` in repeated texts by the number of the copy.

    `{$repeat: {times, text}}` is a text; as the only item of a list, `{$repeat: {times, value}}` is so many items.
    """
    if isinstance(value, str):
        return value if copy is None else value.replace(COPY_NUMBER, str(copy))
    if isinstance(value, list):
        return _items(value, copy)
    if isinstance(value, dict):
        if REPEAT in value:
            return value[REPEAT]["text"] * value[REPEAT]["times"]
        return {name: expand(member, copy) for name, member in value.items()}
    return value


def _items(items: list[Json], copy: int | None) -> list[Json]:
    if len(items) == 1 and isinstance(items[0], dict) and "value" in items[0].get(REPEAT, ()):
        repeat = items[0][REPEAT]
        return [expand(repeat["value"], number) for number in range(repeat["times"])]
    return [expand(item, copy) for item in items]
