"""The verdict for a session: refused events, deliveries and warnings, as text and JSON.

Everything is read from the control surface over HTTP. Nothing is judged here: the server did that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from mockserver.client import text
from mockserver.client.client import Session
from mockserver.client.results import Counts, Delivery, Event, Exchange, Request
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Gate = Literal["warning", "lost", "duplicate"]
GATES: Final[tuple[Gate, ...]] = ("warning", "lost", "duplicate")
INJECTED: Final = "/fault"
"""The rule of events refused by a fault step, on purpose: they are no error of the client."""
DUPLICATE: Final = "duplicate_delivery"
PLAIN_FATES: Final = frozenset({"accepted", "accepted_after_retry"})
UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters from a client that should not be printed to a terminal."""
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
        found = [
            Failure(kind="refused", case=case_of(row), lines=tuple(text.refused_event(row))) for row in self.refused
        ]
        found += [
            Failure(kind="refused", case=_request_case(row), lines=tuple(_refused_request(row)))
            for row in self.refused_requests
        ]
        for row in self.deliveries:
            if "lost" in gates and row.fate == "lost":
                found.append(Failure(kind="lost", case=case_of(row), lines=(text.delivery(row),)))
            if "duplicate" in gates and DUPLICATE in row.flags:
                found.append(Failure(kind="duplicate", case=case_of(row), lines=(text.delivery(row),)))
        if "warning" in gates:
            found += [Failure(kind="warning", case=one.case, lines=(_warning_line(one),)) for one in self.warnings]
        return found


def read_report(session: Session, *, final: bool = False) -> Report:
    """Read the data of a report from a server. Raises UnreachableError, ControlError."""
    state, requests, events = session.settings(), session.requests(), session.events()
    exchanges = [session.request(row.id) for row in requests[:READ_REQUESTS]]
    later = [session.request(row.id) for row in requests[READ_REQUESTS:] if _without_events(row)]
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
        refused_requests=[row for row in (*exchanges, *later) if _without_events(row) and _errors(row)],
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


def _without_events(row: Request) -> bool:
    """Return whether a request was refused as a whole; otherwise the rows of its events show why."""
    return row.events == 0 and row.fault is None and (row.status or 0) >= 400


def _errors(row: Exchange) -> list[Finding]:
    return [found for found in row.findings if found.severity == "error"]


def _repeated_warnings(events: Sequence[Event], exchanges: Sequence[Exchange]) -> list[RepeatedWarning]:
    """Group warnings by rule and subject, the most frequent first."""
    given = [(found, row.id, case_of(row)) for row in events for found in row.warnings]
    given += [(f, row.id, _request_case(row)) for row in exchanges for f in row.findings if f.severity == "warning"]
    counted = Counter((found.rule, found.message, case) for found, _, case in given)
    first: dict[tuple[str, str, tuple[str, str]], tuple[Finding, str]] = {}
    for found, id, case in given:
        first.setdefault((found.rule, found.message, case), (found, id))
    return [
        RepeatedWarning(
            rule=key[0], message=key[1], source=first[key][0].source, count=count, first=first[key][1], case=key[2]
        )
        for key, count in counted.most_common()
    ]


def _refused_request(row: Exchange) -> Iterator[str]:
    yield text.request(row)
    for found in _errors(row):
        yield f"  {text.finding(found)}"


def _warning_line(one: RepeatedWarning) -> str:
    times = "" if one.count == 1 else f"{one.count} times, first "
    return f"{' '.join(one.case)}: {one.message} [{one.rule}] ({times}{one.first})"


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
    lines += text.block("refused events", text.flat(map(text.refused_event, report.refused)))
    lines += text.block("refused requests", text.flat(map(_refused_request, report.refused_requests)))
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


def as_json(report: Report, failures: Sequence[Failure]) -> dict[str, Json]:
    """Return the complete report as JSON."""
    requests = [{**_members(row, Request), "findings": _plain(row.findings)} for row in report.refused_requests]
    return {
        "url": report.url,
        "session": report.session,
        "passed": not failures,
        "failures": dict(kinds(failures)),
        "counts": _plain(report.counts),
        "evicted": report.evicted,
        "injected": report.injected,
        "refused": _plain(report.refused),
        "refused_requests": requests,
        "fates": dict(report.fates),
        "flags": dict(report.flags),
        "deliveries": _plain(report.deliveries),
        "warnings": _plain(report.warnings),
        "requests_read": report.requests_read,
    }


def _plain(value: Json) -> Json:
    """Return rows in the format of the control surface."""
    if is_dataclass(value):
        return _members(value, type(value))  # type: ignore[arg-type]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value


def _members(row: Json, kind: type[DataclassInstance]) -> dict[str, Json]:
    return {member.name: _plain(getattr(row, member.name)) for member in fields(kind)}
