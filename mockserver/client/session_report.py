"""The verdict for a session: refused events, deliveries and warnings, as text, JSON and JUnit XML.

Everything is read from the control surface over HTTP. Nothing is judged here: the server did that.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from typing import Final, Literal

from mockserver.client import text
from mockserver.client.client import Session
from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.client.results import Counts, Delivery, Event, Exchange, Request
from mockserver.client.session_calls import refused_whole
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

Gate = Literal["warning", "lost", "duplicate"]
GATES: Final[tuple[Gate, ...]] = ("warning", "lost", "duplicate")
INJECTED: Final = "/fault"
"""The rule of events refused by a fault step, on purpose: they are no error of the client."""
DUPLICATE: Final = "duplicate_delivery"
PLAIN_FATES: Final = frozenset({"accepted", "accepted_after_retry"})
UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters from a client that should not be printed to a terminal."""
SHOWN_FAILURES: Final = 100
"""Maximum number of failures shown per JUnit test case."""
READ_REQUESTS: Final = 1000
"""Maximum number of requests whose own findings are read; each needs a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedWarning:
    """A warning with its number of occurrences and the first event or request that it is about."""

    rule: str
    message: str
    source: str
    count: int
    first: str
    case: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One reason for a failed verdict. `case` is its subject: a protocol, and an event type or a kind of request."""

    kind: Literal["refused", "warning", "lost", "duplicate"]
    case: tuple[str, str]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The data of a report. `requests_read` is the number of requests whose own findings are included."""

    url: str
    session: str
    counts: Counts
    evicted: int
    began: datetime | None
    events: Mapping[tuple[str, str], int]
    refused: Sequence[Event]
    refused_requests: Sequence[Exchange]
    injected: int
    deliveries: Sequence[Delivery]
    warnings: Sequence[RepeatedWarning]
    requests_read: int

    @property
    def fates(self) -> Mapping[str, int]:
        """The number of deliveries by fate."""
        return Counter(row.fate for row in self.deliveries)

    @property
    def flags(self) -> Mapping[str, int]:
        """The number of deliveries by flag."""
        return Counter(flag for row in self.deliveries for flag in row.flags)

    def failures(self, gates: Sequence[Gate] = ()) -> list[Failure]:
        """Return the failures of the session: always refused events and requests, and those that the gates name."""
        failures = [
            Failure(kind="refused", case=case_of(row), lines=tuple(text.refused_event(row))) for row in self.refused
        ]
        failures += [
            Failure(kind="refused", case=_request_case(row), lines=tuple(_refused_request(row)))
            for row in self.refused_requests
        ]
        for row in self.deliveries:
            if "lost" in gates and row.fate == "lost":
                failures.append(Failure(kind="lost", case=case_of(row), lines=(text.delivery(row),)))
            if "duplicate" in gates and DUPLICATE in row.flags:
                failures.append(Failure(kind="duplicate", case=case_of(row), lines=(text.delivery(row),)))
        if "warning" in gates:
            failures += [
                Failure(kind="warning", case=warning.case, lines=(_warning_line(warning),)) for warning in self.warnings
            ]
        return failures


def read_report(session: Session, *, final: bool = False) -> Report:
    """Read the data of a report from a server. Raises UnreachableError, ControlError."""
    state, requests, events = session.settings(), session.requests(), session.events()
    exchanges = [session.request(row.id) for row in requests[:READ_REQUESTS]]
    later = [session.request(row.id) for row in requests[READ_REQUESTS:] if refused_whole(row)]
    rejected = [row for row in events if row.verdict == "rejected"]
    refused = [row for row in rejected if any(found.rule != INJECTED for found in row.errors)]
    return Report(
        url=session.target.url,
        session=state.session,
        counts=state.counts,
        evicted=state.evicted,
        began=requests[0].received_at if requests else None,
        events=Counter(map(case_of, events)),
        refused=refused,
        refused_requests=[row for row in (*exchanges, *later) if refused_whole(row) and _errors(row)],
        injected=len(rejected) - len(refused),
        deliveries=session.deliveries(final=final),
        warnings=_repeated_warnings(events, exchanges),
        requests_read=len(exchanges),
    )


def case_of(row: Event | Delivery) -> tuple[str, str]:
    """Return the protocol and the type of an event."""
    return row.protocol, row.type or "no type"


def _request_case(row: Request) -> tuple[str, str]:
    return row.protocol or "unknown protocol", f"{row.method} {row.operation or 'unknown path'}"


def _errors(row: Exchange) -> list[Finding]:
    return [found for found in row.findings if found.severity == "error"]


def _repeated_warnings(events: Sequence[Event], exchanges: Sequence[Exchange]) -> list[RepeatedWarning]:
    """Group warnings by rule and subject, the most frequent first."""
    warnings = [(finding, row.id, case_of(row)) for row in events for finding in row.warnings]
    for row in exchanges:
        warnings += [(finding, row.id, _request_case(row)) for finding in row.findings if finding.severity == "warning"]
    groups: dict[tuple[str, str, tuple[str, str]], list[tuple[str, str]]] = defaultdict(list)
    for finding, id, case in warnings:
        groups[finding.rule, finding.message, case].append((finding.source, id))
    return [
        RepeatedWarning(rule=rule, message=message, source=same[0][0], count=len(same), first=same[0][1], case=case)
        for (rule, message, case), same in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]


def _refused_request(row: Exchange) -> Iterator[str]:
    yield text.request(row)
    for found in _errors(row):
        yield f"  {text.finding(found)}"


def _warning_line(warning: RepeatedWarning) -> str:
    times = "" if warning.count == 1 else f"{warning.count} times, first "
    return f"{' '.join(warning.case)}: {warning.message} [{warning.rule}] ({times}{warning.first})"


def kinds(failures: Sequence[Failure]) -> Mapping[str, int]:
    """Count failures by kind."""
    return Counter(str(failure.kind) for failure in failures)


def as_text(report: Report, failures: Sequence[Failure]) -> str:
    """Return the report as text; long lists are truncated."""
    lines = [f"session {report.session} on {report.url}: {text.counts(report.counts)}"]
    if report.evicted:
        lines.append(f"the oldest requests ({report.evicted}) were evicted from the journal and are not in this report")
    if report.injected:
        lines.append(f"events refused by fault steps, not counted as refused: {report.injected}")
    lines += text.block("refused events", chain.from_iterable(map(text.refused_event, report.refused)))
    lines += text.block("refused requests", chain.from_iterable(map(_refused_request, report.refused_requests)))
    lines.append(f"deliveries: {_counted(report.fates)}" + (f"; {_counted(report.flags)}" if report.flags else ""))
    odd = [row for row in report.deliveries if row.fate not in PLAIN_FATES or row.flags]
    lines += text.block("deliveries with problems", map(text.delivery, odd))
    lines += text.block(f"warnings{_extent(report)}", map(_warning_line, report.warnings))
    reasons = kinds(failures)
    lines.append(f"failed: {_counted(reasons)}" if reasons else "passed")
    return "\n".join(UNPRINTABLE.sub("\ufffd", line) for line in lines)


def _extent(report: Report) -> str:
    read, all = report.requests_read, report.counts.requests - report.evicted
    return "" if read >= all else f" (of all events, and of the first {read} of {all} requests)"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def as_json(report: Report, failures: Sequence[Failure]) -> str:
    """Return the complete report as JSON; rows are in the format of the control surface."""
    members = [*(member.name for member in fields(Request)), "findings"]
    whole = {
        "url": report.url,
        "session": report.session,
        "passed": not failures,
        "failures": kinds(failures),
        "counts": report.counts,
        "evicted": report.evicted,
        "injected": report.injected,
        "refused": report.refused,
        "refused_requests": [{name: getattr(row, name) for name in members} for row in report.refused_requests],
        "fates": report.fates,
        "flags": report.flags,
        "deliveries": report.deliveries,
        "warnings": report.warnings,
        "requests_read": report.requests_read,
    }
    return json.dumps(whole, indent=2, default=_plain)


def _plain(value: Json) -> Json:
    """Return a time or a row as JSON."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {member.name: getattr(value, member.name) for member in fields(value)}


def as_junit(report: Report, failures: Sequence[Failure]) -> bytes:
    """Return a report as JUnit XML: a test case per event type, so that names are the same in every run."""
    names = sorted({*report.events, *map(case_of, report.deliveries), *(failure.case for failure in failures)})
    cases = [_junit_case(report, name, [failure for failure in failures if failure.case == name]) for name in names]
    return document([Suite(name=f"mockserver session {report.session}", cases=cases, started=report.began)])


def _junit_case(report: Report, case: tuple[str, str], failures: Sequence[Failure]) -> Case:
    failed = None
    if failures:
        lines = [line for failure in failures[:SHOWN_FAILURES] for line in failure.lines]
        if len(failures) > SHOWN_FAILURES:
            lines.append(f"… and {len(failures) - SHOWN_FAILURES} more")
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds(failures).items())
        failed = CaseFailure(kind=failures[0].kind, message=f"{counts}: {lines[0]}", text="\n".join(lines))
    protocol, name = case
    output = "\n".join(_notes(report, case))
    return Case(classname=f"mockserver.{protocol}", name=name, failure=failed, output=output)


def _notes(report: Report, case: tuple[str, str]) -> Iterator[str]:
    """Describe the events of one type: their number, fates and warnings."""
    if case in report.events:
        yield f"events: {report.events[case]}"
    fates = [row.fate for row in report.deliveries if case_of(row) == case]
    yield from (f"{fate}: {fates.count(fate)}" for fate in dict.fromkeys(fates))
    for warning in report.warnings:
        if warning.case == case:
            yield f"warning: {warning.message} [{warning.rule}] ({warning.count})"
