"""Rows and sessions as text, for failure reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.client.results import Counts, Delivery, Event, FaultStep, Request
from mockserver.core.wording import SHOWN_VALUE, counted, cut, finding, value

SHOWN_ID: Final = 40


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


def delivery(row: Delivery) -> str:
    """Describe the attempts to deliver one logical event, and its fate."""
    tries = ", ".join(f"{tried.request_id} {tried.status or 'no reply'}" for tried in row.attempts)
    flags = f" ({', '.join(row.flags)})" if row.flags else ""
    return f"{row.protocol} {row.type or 'no type'} by {row.by} {cut(row.id, SHOWN_ID)}: {tries} -> {row.fate}{flags}"


def counts(row: Counts) -> str:
    """Describe the counts of a session."""
    requests = counted(row.requests, "request")
    return f"{requests}; events: {row.accepted} accepted, {row.duplicate} duplicate, {row.rejected} rejected"
