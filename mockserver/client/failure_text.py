"""A session as text, for the report of a failed test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.client import steering_calls as steering
from mockserver.client import text
from mockserver.client.calls import Call, Steps, at
from mockserver.client.journal_calls import unseen_traffic
from mockserver.client.results import Delivery, Event, Request
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read

MOST_ROWS: Final = 200
"""Maximum number of rows to request; `text.block` shows fewer and counts the rest."""
MOST_DETAILS: Final = 5


def session(name: str) -> Steps[str]:
    """Describe a session: its requests, deliveries, refusals and unused fault steps."""
    seen = (yield from steering.settings(name)).counts
    requests = [read(Request, row) for row in (yield from _rows(name, "requests"))]
    ledger = [read(Delivery, row) for row in (yield from _rows(name, "deliveries"))]
    refused = [read(Event, row) for row in (yield from _rows(name, "events", verdict="rejected"))]
    pending = [step for step in (yield from steering.list_faults(name)) if step.remaining != 0]
    lines = [text.counts(seen)]
    lines += text.block("requests", map(text.request, requests))
    lines += text.block("deliveries", map(text.delivery, ledger))
    lines += text.block("refused events", text.flat(map(text.refused_event, refused)))
    lines += text.block("refused requests", (yield from _refused_requests(name, requests)))
    lines += text.block("pending fault steps", map(text.fault_step, pending))
    if not seen.requests:
        lines += text.unseen((yield from unseen_traffic()))
    return "\n".join(lines)


def _rows(name: str, what: str, **query: Json) -> Steps[Iterator[Json]]:
    page = yield Call(method="GET", path=at(name, what, limit=MOST_ROWS, **query))
    return iter(page[what])


def _refused_requests(name: str, requests: list[Request]) -> Steps[list[str]]:
    """Describe why requests without events were refused, which no event row shows."""
    lines: list[str] = []
    wanted = [row for row in requests if (row.status or 0) >= 400 and not row.events and row.fault is None]
    for row in wanted[:MOST_DETAILS]:
        detail = yield Call(method="GET", path=at(name, "requests", row.id))
        found = [text.finding(Finding(**finding)) for finding in detail["findings"] if finding["severity"] == "error"]
        lines += [f"{row.id}: {line}" for line in found]
    return lines
