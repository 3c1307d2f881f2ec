"""Findings, waits and sessions as text, for assertion errors and failure reports. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from mockserver.client.results import Counts, Delivery, Event, FaultStep, Request, Unseen, Waited
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

SHOWN_VALUE: Final = 120
SHOWN_SOURCE: Final = 60
SHOWN_ID: Final = 40
SHOWN_ROWS: Final = 20


def finding(found: Finding) -> str:
    """Describe a finding in one line: message, pointer, rule and source."""
    place = f" at {found.pointer}" if found.pointer else ""
    source = f"; {cut(found.source, SHOWN_SOURCE)}" if found.source else ""
    return f"{found.message}{place} [{found.rule}{source}]"


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
    for found in row.errors:
        yield f"  {finding(found)}"


def request(row: Request) -> str:
    """Describe a request in one line."""
    fault = (
        ""
        if row.fault is None
        else f", fault injected: {value({k: v for k, v in row.fault.items() if k != 'remaining'})}"
    )
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


def counts(seen: Counts) -> str:
    """Describe the counts of a session."""
    requests = counted(seen.requests, "request")
    return f"{requests}; events: {seen.accepted} accepted, {seen.duplicate} duplicate, {seen.rejected} rejected"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural where English has it."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def block(title: str, lines: Iterable[str]) -> list[str]:
    """Return a heading with lines below it, truncated if there are many; nothing without lines."""
    listed = list(lines)
    more = [f"  … and {len(listed) - SHOWN_ROWS} more"] if len(listed) > SHOWN_ROWS else []
    return [f"{title}:", *(f"  {line}" for line in listed[:SHOWN_ROWS]), *more] if listed else []


def wanted(request: Mapping[str, Json]) -> str:
    """Describe the events that a wait asked for."""
    match = {"verdict": "accepted", **request["match"]}
    number = f"exactly {request['exactly']}" if "exactly" in request else f"{request['count']}"
    verdict = "" if match["verdict"] == "any" else f" {match['verdict']}"
    of = f" {match['protocol']}" if "protocol" in match else ""
    through = f" {match['operation']}" if "operation" in match else ""
    kind = f" of type {match['type']}" if "type" in match else ""
    where = "".join(f", {place} {value(member)}" for place, member in match.get("where", {}).items())
    noun = "event" if number.split()[-1] == "1" else "events"
    return f"{number}{verdict}{of}{through} {noun}{kind}{where}"


def wait(request: Mapping[str, Json], waited: Waited, session: str, seen: Counts) -> str:
    """Explain why a wait was not satisfied, with a hint at the end."""
    seconds = f"{request['timeout_ms'] / 1000:g} s"
    outcome = {
        "timeout": f"{waited.matched} arrived within {seconds}",
        "too_many": f"{waited.matched} arrived",
        "not_quiet": f"the session was not quiet for {request.get('quiet_ms', 0) / 1000:g} s within {seconds}",
        "deleted": "the session was deleted during the wait",
        "evicted": "the session was evicted during the wait (see --max-sessions)",
    }.get(waited.reason, waited.reason)
    lines = [f"waited for {wanted(request)}: {outcome}", f"session {session}: {counts(seen)}"]
    if waited.reason == "too_many":
        lines += block("arrived", map(event, waited.events))
    lines += block("closest events", near_misses(waited))
    lines += block("refused events that match otherwise", flat(map(refused_event, waited.refused)))
    lines += block("pending fault steps", map(fault_step, waited.faults_pending))
    lines += block(
        "requests to other sessions",
        (f"{s.session}: {counted(s.requests, 'request')}" for s in waited.other_sessions),
    )
    lines += unseen(waited.unseen)
    return "\n".join([*lines, *_hints(waited, seen)])


def unseen(traffic: Unseen) -> list[str]:
    """Describe traffic that no session shows, in one line; nothing where there was none."""
    if not traffic.count:
        return []
    return [f"in no session: {counted(traffic.count, 'request')}, the last at {traffic.at}: {traffic.reason}"]


def near_misses(waited: Waited) -> Iterator[str]:
    """Describe the differences of each near miss."""
    for miss in waited.near_misses:
        for different in miss.differences:
            yield (
                f"{miss.event_id}: {different.pointer} expected {value(different.expected)}, got {value(different.got)}"
            )


def flat(groups: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of all groups."""
    for group in groups:
        yield from group


def _hints(waited: Waited, seen: Counts) -> Sequence[str]:
    if waited.reason != "timeout":
        return ()
    if waited.refused:
        return ("The events arrived but were refused; see the reasons above.",)
    if seen.requests == 0 and waited.other_sessions:
        return ("This session received nothing, but another session did: does the client use the key of this session?",)
    if seen.requests == 0 and not waited.unseen.count:
        return ("No requests arrived: does the client use the URL of this server, and was it flushed?",)
    return ()
