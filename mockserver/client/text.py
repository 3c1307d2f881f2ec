"""Findings, waits and sessions as text, for assertion errors and failure reports. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from mockserver.client.results import Attempt, Counts, Delivery, Event, FaultStep, Request, Waited
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

SHOWN_VALUE: Final = 120
SHOWN_SOURCE: Final = 60
SHOWN_ID: Final = 40
SHOWN_ROWS: Final = 20


def finding(row: Finding) -> str:
    """Describe a finding in one line: message, pointer, rule and source."""
    place = f" at {row.pointer}" if row.pointer else ""
    source = f"; {cut(row.source, SHOWN_SOURCE)}" if row.source else ""
    return f"{row.message}{place} [{row.rule}{source}]"


def value(shown: Json) -> str:
    """Format a JSON value in one line, truncated if it is long."""
    return cut(json.dumps(shown, ensure_ascii=False), SHOWN_VALUE)


def cut(text: str, limit: int) -> str:
    """Truncate a text to a number of characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def event(row: Event) -> str:
    """Describe an event in one line."""
    return f"{row.id} {row.protocol} {row.operation}: {row.type or 'no type'} {row.verdict}"


def refused_event(row: Event) -> Iterator[str]:
    """Describe a refused event, followed by one line per error."""
    yield f"{event(row)} {value(row.event)}"
    for error in row.errors:
        yield f"  {finding(error)}"


def request(row: Request) -> str:
    """Describe a request in one line."""
    shown = {name: member for name, member in (row.fault or {}).items() if name != "remaining"}
    fault = "" if row.fault is None else f", fault injected: {value(shown)}"
    events = counted(row.events, "event")
    return f"{row.id} {row.method} {cut(row.path, SHOWN_VALUE)} -> {row.status or 'no reply'} ({events}{fault})"


def fault_step(row: FaultStep) -> str:
    """Describe a fault step and its remaining uses."""
    return value(dict(row.step)) if row.remaining is None else f"{value(dict(row.step))}, {row.remaining} remaining"


def unused_fault(row: FaultStep) -> str:
    """Say that a fault step affected no request."""
    return f"fault never used: {value(dict(row.step))}"


def attempt(row: Attempt) -> str:
    """Describe an attempt to deliver an event: its request, the status that the client was told, how that was cut."""
    cut_by = (row.fault or {}).get("connection")
    return f"{row.request_id} {row.status or 'no reply'}{f' ({cut_by})' if row.status and cut_by else ''}"


def delivery(row: Delivery) -> str:
    """Describe the attempts to deliver one logical event, and its fate."""
    tries = ", ".join(map(attempt, row.attempts))
    flags = f" ({', '.join(row.flags)})" if row.flags else ""
    is_name = row.type is not None and row.label.endswith(f":{row.type}")  # the type alone tells events apart
    label = cut((row.type if is_name else row.label or row.type) or "no type", SHOWN_VALUE)
    return f"{row.protocol} {label} by {row.by} {cut(row.id, SHOWN_ID)}: {tries} -> {row.fate}{flags}"


def counts(row: Counts) -> str:
    """Describe the counts of a session."""
    requests = counted(row.requests, "request")
    return f"{requests}; events: {row.accepted} accepted, {row.duplicate} duplicate, {row.rejected} rejected"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where English has it."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def block(title: str, lines: Iterable[str]) -> list[str]:
    """Return a heading with lines below it, truncated if there are many; nothing without lines."""
    rows = list(lines)
    more = [f"  … and {len(rows) - SHOWN_ROWS} more"] if len(rows) > SHOWN_ROWS else []
    return [f"{title}:", *(f"  {line}" for line in rows[:SHOWN_ROWS]), *more] if rows else []


def wait_conditions(request: Mapping[str, Json]) -> str:
    """Describe the events that a wait asked for."""
    match = {"verdict": "accepted", **request["match"]}
    exactly = "exactly " if "exactly" in request else ""
    count = request.get("exactly", request["count"])
    words = [] if match["verdict"] == "any" else [match["verdict"]]
    words += [match[name] for name in ("protocol", "operation") if name in match]
    kind = f" of type {match['type']}" if "type" in match else ""
    where = "".join(f", {place} {value(member)}" for place, member in match.get("where", {}).items())
    return f"{exactly}{' '.join([str(count), *words])} {'event' if count == 1 else 'events'}{kind}{where}"


def wait(request: Mapping[str, Json], waited: Waited, session: str, session_counts: Counts) -> str:
    """Explain why a wait was not satisfied, with a hint at the end."""
    seconds = f"{request['timeout_ms'] / 1000:g} s"
    outcome = {
        "timeout": f"{waited.matched} arrived within {seconds}",
        "too_many": f"{waited.matched} arrived",
        "not_quiet": f"the session was not quiet for {request.get('quiet_ms', 0) / 1000:g} s within {seconds}",
        "deleted": "the session was deleted during the wait",
        "evicted": "the session was evicted during the wait (see --max-sessions)",
    }.get(waited.reason, waited.reason)
    lines = [f"waited for {wait_conditions(request)}: {outcome}", f"session {session}: {counts(session_counts)}"]
    if waited.reason == "too_many":
        lines += block("arrived", map(event, waited.events))
    lines += block("closest events", near_misses(waited))
    lines += block("refused events that match otherwise", chain.from_iterable(map(refused_event, waited.refused)))
    lines += block("pending fault steps", map(fault_step, waited.faults_pending))
    lines += block(
        "requests to other sessions", (f"{s.session}: {counted(s.requests, 'request')}" for s in waited.other_sessions)
    )
    return "\n".join([*lines, *_hints(waited, session_counts)])


def near_misses(waited: Waited) -> Iterator[str]:
    """Describe the differences of each near miss."""
    for miss in waited.near_misses:
        for different in miss.differences:
            yield (
                f"{miss.event_id}: {different.pointer} expected {value(different.expected)}, got {value(different.got)}"
            )


def _hints(waited: Waited, session_counts: Counts) -> Sequence[str]:
    if waited.reason != "timeout":
        return ()
    if waited.refused:
        return ("The events arrived but were refused; see the reasons above.",)
    if session_counts.requests == 0 and waited.other_sessions:
        return ("This session received nothing, but another session did: does the client use the key of this session?",)
    if session_counts.requests == 0:
        return ("No requests arrived: does the client use the URL of this server, and was it flushed?",)
    return ()
