"""Golden exchanges: reading the files, spelling out their short forms, comparing with what came back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockserver.core.wire import WireRequest
from mockserver.jsonkit import yamltext
from mockserver.jsonkit.formats import epoch_ms

FIXTURES = Path(__file__).parent.parent / "fixtures"
CASE_MEMBERS = {"case", "dossier", "why", "revision", "patch", "settings", "clock", "steps", "stored"}
DEFAULT_CLOCK = "2026-06-14T12:00:02.000Z"


@dataclass(frozen=True)
class Case:
    """One file of golden exchanges; `clock` is in ms since 1970."""

    name: str
    protocol: str
    path: Path
    document: dict[str, Any]

    @property
    def clock(self) -> int:
        ms = epoch_ms(self.document.get("clock", DEFAULT_CLOCK))
        assert ms is not None, f"{self.path.name}: clock is no date-time"
        return ms

    def __str__(self) -> str:
        return f"{self.protocol}/{self.name}"


def load_all() -> list[Case]:
    """Return every case, checked for the members a case may have."""
    found = []
    for path in sorted(FIXTURES.glob("*/cases/*.yaml")):
        document = yamltext.load(path)
        assert not set(document) - CASE_MEMBERS, f"{path}: unknown members {set(document) - CASE_MEMBERS}"
        assert document["case"] == path.stem, f"{path}: case must be the file's name"
        assert document["dossier"], f"{path}: a case says where its expectation stands"
        found.append(Case(name=path.stem, protocol=path.parent.parent.name, path=path, document=document))
    return found


def spell_out(value: Any, index: int | None = None) -> Any:
    """Replace `$repeat` by what it stands for, and `${i}` by the copy's number."""
    if isinstance(value, str):
        return value if index is None else value.replace("${i}", str(index))
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], dict) and "$repeat" in value[0]:
            repeat = value[0]["$repeat"]
            return [spell_out(repeat["value"], i) for i in range(repeat["times"])]
        return [spell_out(item, index) for item in value]
    if isinstance(value, dict):
        if "$repeat" in value:
            return value["$repeat"]["text"] * value["$repeat"]["times"]
        return {name: spell_out(member, index) for name, member in value.items()}
    return value


def body_of(message: dict[str, Any]) -> bytes:
    """Return the bytes of a request's body."""
    if "json" in message:
        return json.dumps(spell_out(message["json"]), ensure_ascii=False, separators=(",", ":")).encode()
    if "text" in message:
        return str(spell_out(message["text"])).encode()
    return base64.b64decode(message.get("base64", ""))


def headers_of(message: dict[str, Any]) -> dict[str, str]:
    """Return the headers a request carries: those it names, else a JSON content type when it has JSON."""
    if "headers" in message:
        return dict(message["headers"])
    return {"content-type": "application/json"} if "json" in message else {}


def wire_request(request: dict[str, Any]) -> WireRequest:
    """Return a step's request as it arrives."""
    headers = tuple((name.encode(), value.encode()) for name, value in headers_of(request).items())
    return WireRequest(
        method=request.get("method", "POST"),
        target=request["path"],
        headers=headers,
        fields={name.lower(): value for name, value in headers},
        body=body_of(request),
    )


def differences(expected: Any, got: Any, place: str = "") -> Iterator[str]:
    """Yield each place where a value is not the expected one."""
    if isinstance(expected, dict) and set(expected) == {"$match"}:
        if not (isinstance(got, str) and re.fullmatch(expected["$match"], got, re.DOTALL)):
            yield f"{place}: expected text matching {expected['$match']!r}, got {got!r}"
    elif isinstance(expected, dict) and set(expected) == {"$number"}:
        if isinstance(got, bool) or not isinstance(got, int | float):
            yield f"{place}: expected a number, got {got!r}"
    elif isinstance(expected, dict) and isinstance(got, dict):
        for name in expected.keys() | got.keys():
            if name not in got:
                yield f"{place}/{name}: missing, expected {expected[name]!r}"
            elif name not in expected:
                yield f"{place}/{name}: not expected, got {got[name]!r}"
            else:
                yield from differences(expected[name], got[name], f"{place}/{name}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (left, right) in enumerate(zip(expected, got, strict=True)):
            yield from differences(left, right, f"{place}/{index}")
    elif type(expected) is not type(got) or expected != got:
        yield f"{place}: expected {expected!r}, got {got!r}"


def reply_differences(expect: dict[str, Any], status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    """Yield how a reply differs from a step's expectation; header names are lower case."""
    if status != expect["status"]:
        yield f"status: expected {expect['status']}, got {status} with {body[:300]!r}"
    for name, value in (expect.get("headers") or {}).items():
        got = headers.get(name.lower())
        if isinstance(value, dict):
            yield from differences(value, got, f"header {name}")
        elif got != value:
            yield f"header {name}: expected {value!r}, got {got!r}"
    if "json" in expect:
        try:
            yield from differences(spell_out(expect["json"]), json.loads(body), "body")
        except ValueError:
            yield f"body: expected JSON, got {body[:300]!r}"
    elif "text" in expect and body.decode() != expect["text"]:
        yield f"body: expected {expect['text']!r}, got {body[:300]!r}"


def row_differences(expected: list[dict[str, Any]], rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield how event rows differ from a step's expectation."""
    expected = spell_out(expected)
    if len(expected) != len(rows):
        yield f"events: expected {len(expected)} rows, got {len(rows)}"
        return
    for index, (wanted, row) in enumerate(zip(expected, rows, strict=True)):
        for name in ("type", "verdict", "stored"):
            if name in wanted:
                yield from differences(wanted[name], row[name], f"events/{index}/{name}")
        if "findings" in wanted:
            got = sorted({finding["pointer"] for finding in row["findings"] if finding["severity"] == "error"})
            yield from differences(sorted(wanted["findings"]), got, f"events/{index}/findings")
