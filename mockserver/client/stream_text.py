"""Events of a stream as lines for a person. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from mockserver.client import text
from mockserver.client.results import Request
from mockserver.client.stream import StreamedEvent
from mockserver.core import wording
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read
from mockserver.jsonkit.printable import printable

Look = Literal["good", "odd", "bad", "note"]
"""How a line is to look: nothing to say, a warning or a duplicate, something refused, no request at all."""

LONGEST_LINE: Final = 600
"""Characters of a line; what a client sent decides how long it would be."""

REFUSING: Final = 400
REASONS: Final = {
    "journal": "requests were gone before they could be shown",
    "cursor": "so much has happened meanwhile that a part of it is not shown",
    "restart": "the server was started again: what it had received before is gone",
    "max_sessions": "the session was evicted (--max-sessions)",
    "memory_limit": "the session was evicted (--memory-limit)",
}


class Line(NamedTuple):
    """One line, and how it is to look."""

    text: str
    look: Look


def line_of(event: StreamedEvent) -> Line:
    """Describe an event of a stream in one line."""
    line = _request(event.data) if event.kind == "request" else Line(f"-- {_turning(event)}", "note")
    return Line(printable(wording.cut(line.text, LONGEST_LINE)), line.look)


def _turning(event: StreamedEvent) -> str:
    name, number = event.data.get("session"), event.data.get("requests")
    match event.kind:
        case "session" if event.data.get("eviction") is None:
            return f"new session {name}"
        case "session":
            return f"session {name} is there again after it was evicted"
        case "deleted":
            return f"session {name} was deleted"
        case "evicted":
            reason = str(event.data.get("reason"))
            what = REASONS.get(reason, reason)
            count = "" if number is None else f" ({number})"
            return f"{'' if name is None else f'session {name}: '}{what}{count}"
    return f"unknown event {event.kind}"


def _request(data: Mapping[str, Json]) -> Line:
    row, events = read(Request, data["request"]), data["events"]
    verdicts = Counter(event["verdict"] for event in events)
    names = text.labels(events).get(row.id)
    findings = list(_findings(data))
    errors = [finding for finding in findings if finding[1].severity == "error"]
    told = [f"{count} {verdict}" for verdict, count in verdicts.items()]
    told += [f"{data['left_out']} not shown"] if data["left_out"] else []
    shown = f"{row.received_at:%H:%M:%S.%f}"[:-3]
    line = f"{shown} {data['session']} {text.request(row, names)}"
    line += f" {', '.join(told)}" if told else ""
    for place, finding in (errors or findings)[:1]:
        line += f"; {place}{finding.message}{f' at {finding.pointer}' if finding.pointer else ''} [{finding.rule}]"
    others = len(errors or findings) - 1
    line += f" and {others} more" if others > 0 else ""
    if errors or "rejected" in verdicts or row.status is None or row.status >= REFUSING:
        return Line(line, "bad")
    return Line(line, "odd" if findings or "duplicate" in verdicts or row.fault is not None else "good")


def _findings(data: Mapping[str, Json]) -> Iterator[tuple[str, Finding]]:
    """Yield the findings of a request, and those of its events that it does not have, with the id of the event."""
    of_request = {row["rule"] for row in data["findings"]}
    for row in data["findings"]:
        yield "", read(Finding, row)
    for event in data["events"]:
        for row in event["findings"]:
            if row["rule"] not in of_request:
                yield f"{event['id']} ", read(Finding, row)
