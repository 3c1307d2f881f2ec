"""Rows and sessions as text, for failure reports. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mockserver.client.results import Attempt, Counts, Delivery, Event, FaultStep, Request, Unseen
from mockserver.core.wording import SHOWN_VALUE, alike, counted, cut, finding, value
from mockserver.jsonkit import Json

SHOWN_ID: Final = 40


def event(row: Event) -> str:
    """Describe an event in one line."""
    return f"{row.id} {row.protocol} {row.operation}: {row.type or 'no type'} {row.verdict}"


def refused_event(row: Event) -> Iterator[str]:
    """Describe a refused event, followed by one line per error."""
    yield f"{event(row)} {value(row.event)}"
    for error in row.errors:
        yield f"  {finding(error)}"


def labels(rows: Iterable[Mapping[str, Json]]) -> dict[str, str]:
    """Return the names of the events of each request, from event rows as JSON."""
    names: dict[str, Counter[str]] = {}
    for row in rows:
        names.setdefault(row["request_id"], Counter())[row.get("label") or row["type"] or "no type"] += 1
    return {
        id: cut(", ".join(name if count == 1 else f"{name} ×{count}" for name, count in counts.items()), SHOWN_VALUE)
        for id, counts in names.items()
    }


def requests(rows: Iterable[Request], events: Mapping[str, str]) -> Iterator[str]:
    """Describe requests with the names of their events by id; successive requests that look alike share a line."""
    return alike((row.id, [request(row, events.get(row.id)).partition(" ")[2]]) for row in rows)


def request(row: Request, names: str | None = None) -> str:
    """Describe a request in one line, with the names of its events if they are known."""
    shown = {name: member for name, member in (row.fault or {}).items() if name != "remaining"}
    fault = "" if row.fault is None else f", fault injected: {value(shown)}"
    events = counted(row.events, "event") + (f": {names}" if names else "")
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


def unseen(traffic: Unseen) -> list[str]:
    """Describe traffic that no session shows, in one line; nothing where there was none."""
    if not traffic.count:
        return []
    return [f"in no session: {counted(traffic.count, 'request')}, the last at {traffic.at}: {traffic.reason}"]
