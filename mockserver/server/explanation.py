"""Why a wait ended as it did, as text. It is part of the answer, so that every client can print it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Final

from mockserver.core.findings import Finding
from mockserver.core.model import Verdict
from mockserver.core.wording import (
    NOTHING_CAME,
    SHOWN_ROWS,
    SHOWN_VALUE,
    abridged,
    alike,
    block,
    counted,
    cut,
    finding,
    value,
)
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.printable import printable
from mockserver.recording.exporting import redacted_rows, shown_name
from mockserver.recording.redaction.redact import Redactor
from mockserver.server.waiting import DEFAULT_TIMEOUT_MS, NearMiss, Waiter
from mockserver.sessions.matcher import MOST_VALUES
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import DEFAULT_SESSION, shorten
from mockserver.sessions.views import View

Row = Mapping[str, Json]
OTHER_KEY: Final = (
    "This session received nothing, but another session did: does the client use the key of this session?"
)
NO_KEY: Final = "Requests arrived without a key, or with one that could not be read: they are in the session default."
WITHOUT_EVENTS: Final = "Requests arrived, but none of them has events."
NOT_READ: Final = "Requests reached this server that are in no session; see the reason above."
REFUSED: Final = "The events arrived but were refused; see the reasons above."
REFUSED_REQUEST: Final = "Requests arrived but were refused as a whole; see the reasons above."
UNDECIDED: Final = "the pattern takes too many steps on this text, which then does not match; make it simpler"

_LONG: Final = frozenset({"near_misses", "faults_pending", "fault"})
"""Members of an answer and of its rows that may be megabytes long, of which the text shows little or nothing."""


def explain(
    waiter: Waiter, asked: Row, answer: Row, session: Session, arrived: Sequence[Row], redactor: Redactor
) -> str:
    """Explain the answer of a wait, with a hint at the end if it failed; `asked` is the body of the call.

    `answer` is without the rows that matched; `arrived` are the first of them where too many did. The text is part of
    failure reports, which are shared: secrets are hidden in it.
    """
    others, pending = answer["other_sessions"], answer["faults_pending"]
    answer, arrived = (
        redacted_rows(_without(_LONG, answer), redactor),
        redacted_rows(_without(_LONG, arrived), redactor),
    )
    asked_for = conditions(asked, waiter.match, redactor)
    lines = [redactor.text(f"waited for {asked_for}: {_outcome(waiter, asked, answer)}")]
    if answer["satisfied"]:
        return printable(lines[0])
    counts = session.counts.as_json()
    by_verdict = ", ".join(f"{counts[name]} {name}" for name in ("accepted", "duplicate", "rejected"))
    lines.append(
        f"session {shown_name(session.name, redactor)}: {counted(counts['requests'], 'request')}; events: {by_verdict}"
    )
    if session.eviction is not None:
        lines.append(session.eviction.text())
    if waiter.for_requests:
        lines += block("arrived", alike(map(_request, arrived)))
    else:
        lines += block("arrived", alike(_events(arrived)))
    kind = "requests" if waiter.for_requests else "events"
    lines += block(f"closest {kind}", alike(_near_misses(waiter.near_misses, redactor), ": "))
    lines += block("refused events that match otherwise", alike(_events(answer["refused"])))
    lines += block("refused requests", alike(map(_request, answer["refused_requests"])))
    without_events = _without(_LONG, [View(exchange).request_row() for exchange in waiter.without_events])
    lines += block("requests without events", alike(map(_request, redacted_rows(without_events, redactor))))
    shown = [*map(partial(_fault_step, redactor), pending[:SHOWN_ROWS]), *repeat("", len(pending) - SHOWN_ROWS)]
    lines += block("pending fault steps", shown)
    lines += block(
        "requests to other sessions",
        (
            f"{shorten(row['session'])}: {counted(row['requests'], 'request')}, the latest {row['latest']}"
            for row in others
        ),
    )
    unseen = answer["unseen"]
    if unseen["count"]:
        seen = counted(unseen["count"], "request")
        lines.append(f"in no session: {seen}, the last at {unseen['at']}: {unseen['reason']}")
    return "\n".join(map(printable, [*lines, *_hints(waiter, answer, counts)]))


def _without(names: frozenset[str], rows: Json) -> Json:
    """Return an answer or rows without members of some names; what is below the members of a row stays as it is."""
    if isinstance(rows, list):
        return [{name: member for name, member in row.items() if name not in names} for row in rows]
    members = {name: member for name, member in rows.items() if name not in names}
    return {**members, "refused_requests": _without(names, rows["refused_requests"])}


def _shown(member: Json, redactor: Redactor) -> str:
    """Return what is shown of a value of any length, without secrets."""
    return value(redactor.json(abridged(member)))


def conditions(asked: Row, match: Row, redactor: Redactor) -> str:
    """Describe what a wait asked for."""
    exactly = "exactly " if "exactly" in asked else ""
    count = asked.get("exactly", asked.get("count", 1))
    verdict = match.get("verdict", "any")
    words = [] if verdict == "any" else [verdict]
    words += [match[name] for name in ("protocol", "operation") if name in match]
    noun = "request" if asked.get("for") == "requests" else "event"
    kind = f" of type {match['type']}" if "type" in match else ""
    request = dict(match.get("request") or {})
    headers = {f"header {name}": member for name, member in (request.pop("headers", None) or {}).items()}
    places = {**(match.get("where") or {}), **request, **headers}
    where = "".join(f", {place} {_shown(member, redactor)}" for place, member in places.items())
    return f"{exactly}{' '.join([str(count), *words])} {noun if count == 1 else noun + 's'}{kind}{where}"


def _outcome(waiter: Waiter, asked: Row, answer: Row) -> str:
    seconds = f"{asked.get('timeout_ms', DEFAULT_TIMEOUT_MS) / 1000:g} s"
    arrived = f"{answer['matched']} arrived"
    return {
        "ok": f"{arrived} within {seconds}" if waiter.whole_time else arrived,
        "timeout": f"{arrived} within {seconds}",
        "too_many": arrived,
        "not_quiet": f"the session was not quiet for {asked.get('quiet_ms', 0) / 1000:g} s within {seconds}",
        "deleted": "the session was deleted during the wait",
        "evicted": "the session was evicted during the wait (--max-sessions, --memory-limit), or the server stops",
    }[answer["reason"]]


def distinct(events: Sequence[Json]) -> list[Json]:
    """Return of each event what tells it from the others: the members that differ, by pointer, the shortest first.

    A single event is returned whole.
    """
    if len(events) < 2:
        return list(events)
    flat = [{pointer.build(tokens): leaf for tokens, leaf in pointer.leaves(event)} for event in events]
    common = {
        place for place, leaf in flat[0].items() if all(place in other and other[place] == leaf for other in flat)
    }
    differing = ([pair for pair in leaves.items() if pair[0] not in common] for leaves in flat)
    return [dict(sorted(pairs, key=lambda pair: len(str(pair[1])))) for pairs in differing]


def _events(rows: Sequence[Row]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the ids and lines of events; they show what tells the events apart, or the events where nothing does."""
    events = [row["event"] for row in rows]
    apart = distinct(events)
    for row, shown in zip(rows, apart if any(apart) else events, strict=True):
        what = f"{row['protocol']} {row['operation']}: {row['type'] or 'no type'} {row['verdict']} {value(shown)}"
        yield row["id"], [what, *(_errors(row) if row["verdict"] == Verdict.REJECTED else ())]


def _request(row: Row) -> tuple[str, Sequence[str]]:
    what = f"{row['method']} {cut(row['path'], SHOWN_VALUE)} -> {row['status'] or 'no reply'}"
    return row["id"], [what, *_errors(row)]


def _errors(row: Row) -> Iterator[str]:
    findings = (Finding(**members) for members in row.get("findings", ()))
    yield from (f"  {finding(error)}" for error in findings if error.severity == "error")


def _near_misses(misses: Sequence[NearMiss], redactor: Redactor) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each miss with its differences; no more of them than a block has lines."""
    shown = distinct([miss.shown for miss in misses]) if len(misses) > 1 else [None for _ in misses]
    for miss, apart in zip(misses, shown, strict=True):
        lines = []
        for number, different in enumerate(miss.differences[: SHOWN_ROWS + 1]):
            expected, got = _shown(different.expected, redactor), _shown(different.got, redactor)
            label = f" ({_shown(apart, redactor)})" if apart and not number else ""
            rest = f", but only {MOST_VALUES} values were compared" if different.cut else ""
            rest += f": {UNDECIDED}" if different.undecided else ""
            head = "  " if number else ""
            lines.append(f"{head}{redactor.text(different.pointer)} expected {expected}, got {got}{rest}{label}")
        yield miss.id, lines


def _fault_step(redactor: Redactor, step: Row) -> str:
    script = _shown({name: member for name, member in step.items() if name != "remaining"}, redactor)
    return script if step["remaining"] is None else f"{script}, {step['remaining']} remaining"


def _hints(waiter: Waiter, answer: Row, counts: Mapping[str, int]) -> Sequence[str]:
    if answer["reason"] != "timeout":
        return ()
    if answer["refused"]:
        return (REFUSED,)
    if answer["refused_requests"] and not waiter.near_misses:
        return (REFUSED_REQUEST,)
    if waiter.without_events:
        return (WITHOUT_EVENTS,)
    if counts["requests"]:
        return ()
    return (_nothing_here(answer),)


def _nothing_here(answer: Row) -> str:
    """Return the hint where the session received nothing."""
    others = {row["session"] for row in answer["other_sessions"]}
    if others - {DEFAULT_SESSION}:
        return OTHER_KEY
    if answer["unseen"]["count"]:
        return NOT_READ
    return NO_KEY if others else NOTHING_CAME
