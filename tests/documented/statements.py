"""The statements of the pages that the project was started from: a table for each protocol, read into values.

A file is a map of `page` (the page's title), `path` (where requests go unless they say otherwise), `headers` (those of
requests without their own, a JSON Content-Type unless given), `bodies` (request bodies by name, with the text `$event`
in the place of an event) and `statements`, a list of entries:

    where         the heading of the page
    statement     what the page says, in our words; "by choice" where it leaves open what this server does
    request       method, path, headers, and json or text, as in a golden case; or in place of it:
    event         an event, put into the first of the `bodies`, or into the one that `in` names
    earlier       what the same session is sent before: a list of entries with `request`, or `event` and `in`, that are
                  accepted, and `then_ms`, the milliseconds that pass before the next request
    documented    what the revision `documented` does
    default       what the base contract does
    elsewhere     the source that names what the page does not, where the base contract takes it without a warning

Both answers have a `status` and, where they are given, `json` (the complete reply), `error` (the pointer of an error in
the event, or in the body), `warning` (a part of a warning's message, or a list of them), and of the last event of the
request the `verdict` and what is `stored`: values by JSON Pointer, null for a member that is absent. An answer without
`warning` has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json, pointer, yamltext
from mockserver.lint.case_reader import expand
from mockserver.lint.golden_cases import AdvanceStep, Case, ExchangeStep, Step
from mockserver.lint.playback import play
from mockserver.lint.wire_requests import wire_request
from tests.judging import NOW

TABLES: Final = Path(__file__).parent
EVENT: Final = "$event"
ENTRY: Final = {"where", "statement", "request", "event", "in", "earlier", "documented", "default", "elsewhere"}
EARLIER: Final = {"request", "event", "in", "then_ms"}
ANSWER: Final = {"status", "json", "error", "warning", "verdict", "stored"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one revision does with the request of a statement.

    `warnings` are parts of messages; `verdict` and `stored`, values by pointer, are of the request's last event.
    """

    status: int
    json: Json
    error: str | None
    warnings: tuple[str, ...]
    verdict: str | None = None
    stored: Mapping[str, Json] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether nothing in the request is refused."""
        return 200 <= self.status < 300 and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a page, with a request that shows it; `earlier` are the steps before it."""

    protocol: str
    where: str
    text: str
    request: WireRequest
    earlier: tuple[Step, ...]
    documented: Expected
    default: Expected
    elsewhere: str | None

    def __str__(self) -> str:
        return f"{self.protocol}: {self.where}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a contract did with a request: the pointers of its errors, the messages of its warnings, its last event."""

    status: int
    json: Json
    errors: list[str]
    warnings: list[str]
    verdict: str | None
    stored: Json

    def kept(self, place: str) -> Json:
        """Return the stored event's value at a pointer, None if there is none."""
        value = pointer.get(self.stored, pointer.parse(place))
        return None if value is pointer.MISSING else value


def load_all() -> list[Statement]:
    """Return the statements of every table."""
    return [statement for path in sorted(TABLES.glob("*.yaml")) for statement in load(path)]


def load(path: Path) -> Iterator[Statement]:
    """Yield the statements of one table."""
    table: Any = yamltext.load(path)
    for entry in table["statements"]:
        unknown = entry.keys() - ENTRY | ({*entry["documented"], *entry["default"]} - ANSWER)
        assert not unknown, f"{path.name}: {entry.get('statement')}: {unknown}"
        yield Statement(
            protocol=path.stem,
            where=entry["where"],
            text=entry["statement"],
            request=_request(table, entry),
            earlier=tuple(_earlier(table, entry.get("earlier", []))),
            documented=_expected(entry["documented"]),
            default=_expected(entry["default"]),
            elsewhere=entry.get("elsewhere"),
        )


def _request(table: Mapping[str, Any], entry: Mapping[str, Any]) -> WireRequest:
    request = entry.get("request", {})
    if "event" in entry:
        bodies = table["bodies"]
        request = {"json": _around(bodies[entry.get("in", next(iter(bodies)))], entry["event"])}
    content = request.get("text", "").encode()
    if "json" in request:
        content = json.dumps(expand(request["json"])).encode()
    headers = request.get("headers", table.get("headers", {"content-type": "application/json"}))
    return wire_request(request.get("method", "POST"), request.get("path", table["path"]), headers.items(), content)


def _earlier(table: Mapping[str, Any], entries: list[dict[str, Any]]) -> Iterator[Step]:
    for entry in entries:
        assert entry.keys() <= EARLIER, entry.keys() - EARLIER
        yield ExchangeStep(place="earlier", request=_request(table, entry), expect=None)
        if "then_ms" in entry:
            yield AdvanceStep(place="earlier", ms=entry["then_ms"])


def _around(body: Json, event: Json) -> Json:
    if isinstance(body, dict):
        return {name: _around(member, event) for name, member in body.items()}
    if isinstance(body, list):
        return [_around(item, event) for item in body]
    return event if body == EVENT else body


def _expected(answer: Mapping[str, Any]) -> Expected:
    warning = answer.get("warning", [])
    warnings = tuple(warning) if isinstance(warning, list) else (warning,)
    return Expected(
        status=answer["status"],
        json=answer.get("json"),
        error=answer.get("error"),
        warnings=warnings,
        verdict=answer.get("verdict"),
        stored=answer.get("stored", {}),
    )


async def answer(request: WireRequest, contract: Contract, earlier: tuple[Step, ...] = ()) -> Answer:
    """Return what a contract does with a request, in a session of its own, after the steps of `earlier`."""
    step = ExchangeStep(place="the statement", request=request, expect=None)
    case = Case(name="statement", protocol=contract.name, file="", steps=(*earlier, step), clock_ms=NOW)
    *before, played = (await play(case, contract)).exchanges
    assert [exchange.reply.body for exchange in before if exchange.reply.status // 100 != 2] == []
    rows = list(played.view.event_rows())
    findings = [finding for row in rows for finding in row["findings"]]
    findings += played.view.request_detail()["findings"]
    body = played.reply.body
    return Answer(
        status=played.reply.status,
        json=json.loads(body) if body[:1] in (b"{", b"[") else None,
        errors=[finding["pointer"] for finding in findings if finding["severity"] == "error"],
        warnings=[finding["message"] for finding in findings if finding["severity"] == "warning"],
        verdict=rows[-1]["verdict"] if rows else None,
        stored=rows[-1]["stored"] if rows else None,
    )


def mismatches(got: Answer, expected: Expected) -> list[str]:
    """Return how an answer differs from the one expected."""
    found = [] if got.status == expected.status else [f"status {got.status} instead of {expected.status}"]
    if expected.json is not None and got.json != expected.json:
        found.append(f"reply {got.json} instead of {expected.json}")
    if expected.error is None and got.errors and expected.accepted:
        found.append(f"errors at {got.errors}")
    if expected.error is not None and expected.error not in got.errors:
        found.append(f"errors at {got.errors} instead of {expected.error!r}")
    found += [
        f"no warning {part!r} in {got.warnings}" for part in expected.warnings if part not in " ".join(got.warnings)
    ]
    if got.warnings and not expected.warnings:
        found.append(f"warnings {got.warnings}")
    if expected.verdict not in (None, got.verdict):
        found.append(f"verdict {got.verdict}")
    kept = {place: got.kept(place) for place in expected.stored}
    if kept != expected.stored:
        found.append(f"stored {kept}")
    return found
