"""Findings, waits and sessions in words, for assertion errors and failure reports. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from mockserver.client.results import Counts, Delivery, Event, FaultStep, Request, Waited
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

SHOWN_VALUE: Final = 120
SHOWN_SOURCE: Final = 60
SHOWN_ID: Final = 40
SHOWN_ROWS: Final = 20


def finding(found: Finding) -> str:
    """Say in one line what is wrong, where, which rule says so and who states it."""
    place = f" at {found.pointer}" if found.pointer else ""
    source = f"; {cut(found.source, SHOWN_SOURCE)}" if found.source else ""
    return f"{found.message}{place} [{found.rule}{source}]"


def value(shown: Json) -> str:
    """Write a JSON value in one line, long ones cut."""
    return cut(json.dumps(shown, ensure_ascii=False), SHOWN_VALUE)


def cut(text: str, limit: int) -> str:
    """Cut a text to so many characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def event(row: Event) -> str:
    """Name an event in one line."""
    return f"{row.id} {row.protocol} {row.operation}: {row.type or 'no type'} {row.verdict}"


def refused_event(row: Event) -> Iterator[str]:
    """Name a refused event and say why, a line for each reason."""
    yield f"{event(row)} {value(row.event)}"
    for found in row.refusals:
        yield f"  {finding(found)}"


def request(row: Request) -> str:
    """Name a request in one line."""
    fault = (
        ""
        if row.fault is None
        else f", fault injected: {value({k: v for k, v in row.fault.items() if k != 'remaining'})}"
    )
    number = "1 event" if row.events == 1 else f"{row.events} events"
    return f"{row.id} {row.method} {cut(row.path, SHOWN_VALUE)} -> {row.status or 'cut off'} ({number}{fault})"


def fault_step(row: FaultStep) -> str:
    """Say what a fault step does and how often it still will."""
    return value(dict(row.step)) if row.remaining is None else f"{value(dict(row.step))}, {row.remaining} left"


def delivery(row: Delivery) -> str:
    """Say how one logical event fared over its attempts."""
    tries = ", ".join(f"{tried.request_id} {tried.status or 'cut off'}" for tried in row.attempts)
    flags = f" ({', '.join(row.flags)})" if row.flags else ""
    return f"{row.protocol} {row.type or 'no type'} by {row.by} {cut(row.id, SHOWN_ID)}: {tries} -> {row.fate}{flags}"


def counts(seen: Counts) -> str:
    """Say what a session has seen."""
    return (
        f"{_number(seen.requests, 'request')}; {_number(seen.accepted, 'event')} accepted, "
        f"{seen.duplicate} duplicate, {seen.rejected} rejected"
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def block(title: str, lines: Iterable[str]) -> list[str]:
    """Return a heading with lines under it, long lists cut; nothing without lines."""
    listed = list(lines)
    more = [f"  … and {len(listed) - SHOWN_ROWS} more"] if len(listed) > SHOWN_ROWS else []
    return [f"{title}:", *(f"  {line}" for line in listed[:SHOWN_ROWS]), *more] if listed else []


def wanted(spec: Mapping[str, Json]) -> str:
    """Say what a wait asked for."""
    match = {"verdict": "accepted", **spec["match"]}
    number = f"exactly {spec['exactly']}" if "exactly" in spec else f"{spec['count']}"
    verdict = "" if match["verdict"] == "any" else f" {match['verdict']}"
    of = f" {match['protocol']}" if "protocol" in match else ""
    through = f" {match['operation']}" if "operation" in match else ""
    kind = f" of type {match['type']}" if "type" in match else ""
    where = "".join(f", {place} {value(member)}" for place, member in match.get("where", {}).items())
    noun = "event" if number.split()[-1] == "1" else "events"
    return f"{number}{verdict}{of}{through} {noun}{kind}{where}"


def wait(spec: Mapping[str, Json], waited: Waited, session: str, seen: Counts) -> str:
    """Explain a wait that was not satisfied, ending with what to look at."""
    seconds = f"{spec['timeout_ms'] / 1000:g} s"
    outcome = {
        "timeout": f"{waited.matched} came within {seconds}",
        "too_many": f"{waited.matched} came",
        "not_quiet": f"the session was not quiet for {spec.get('quiet_ms', 0) / 1000:g} s within {seconds}",
        "deleted": "the session was deleted meanwhile",
        "evicted": "the session was evicted meanwhile: the server holds too many",
    }.get(waited.reason, waited.reason)
    lines = [f"waited for {wanted(spec)}: {outcome}", f"session {session}: {counts(seen)}"]
    if waited.reason == "too_many":
        lines += block("came", map(event, waited.events))
    lines += block("nearest misses", near_misses(waited))
    lines += block("refused, else they would have matched", flat(map(refused_event, waited.refused)))
    lines += block("faults still pending", map(fault_step, waited.faults_pending))
    lines += block(
        "meanwhile, in other sessions",
        (f"{s.session}: {_number(s.requests, 'request')}" for s in waited.other_sessions),
    )
    return "\n".join([*lines, *_hints(waited, seen)])


def near_misses(waited: Waited) -> Iterator[str]:
    """Say of each near miss where it differs."""
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
        return ("The events came and were refused: see the reasons above.",)
    if seen.requests == 0 and waited.other_sessions:
        return (
            "Nothing came to this session but another session got requests: is the client given this session's key?",
        )
    if seen.requests == 0:
        return ("No request came at all: is the client given this server's URL, and was it flushed?",)
    return ()
