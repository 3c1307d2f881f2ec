"""The verdict for a session: refused events, deliveries and warnings, as text, JSON and JUnit XML.

Everything is read from the control surface over HTTP. Nothing is judged here: the server did that.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal

from mockserver.client import text
from mockserver.client.client import Session
from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.client.results import Delivery, Event, Exchange, Request
from mockserver.client.session_calls import refused_whole
from mockserver.core import wording
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json

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
    lines: Sequence[str]


class Report:
    """The verdict for a session: failed by refused events and requests, and by what the gates name.

    The gates are `warning`, `lost` and `duplicate`. With `final`, pending events count as lost. Raises
    UnreachableError, ControlError.
    """

    def __init__(self, session: Session, gates: Sequence[str] = (), *, final: bool = False) -> None:
        self.url = session.target.url
        self.state, self.requests, events = session.settings(), session.requests(), session.events()
        exchanges = [session.request(row.id) for row in self.requests[:READ_REQUESTS]]
        later = [session.request(row.id) for row in self.requests[READ_REQUESTS:] if refused_whole(row)]
        rejected = [row for row in events if row.verdict == "rejected"]
        self.events = Counter(map(_case_of, events))
        self.refused = [row for row in rejected if any(finding.rule != INJECTED for finding in row.errors)]
        self.refused_requests = [row for row in (*exchanges, *later) if refused_whole(row) and _errors(row)]
        self.injected = len(rejected) - len(self.refused)
        self.deliveries = session.deliveries(final=final)
        self.fates = Counter(row.fate for row in self.deliveries)
        self.flags = Counter(flag for row in self.deliveries for flag in row.flags)
        self.warnings = _repeated_warnings(events, exchanges)
        self.requests_read = len(exchanges)
        self.failures = list(self._failures(gates))
        self.kinds = Counter(failure.kind for failure in self.failures)

    def _failures(self, gates: Sequence[str]) -> Iterator[Failure]:
        for row in self.refused:
            yield Failure(kind="refused", case=_case_of(row), lines=list(text.refused_event(row)))
        for exchange in self.refused_requests:
            yield Failure(kind="refused", case=_request_case(exchange), lines=list(_refused_request(exchange)))
        for delivery in self.deliveries:
            if "lost" in gates and delivery.fate == "lost":
                yield Failure(kind="lost", case=_case_of(delivery), lines=[text.delivery(delivery)])
            if "duplicate" in gates and DUPLICATE in delivery.flags:
                yield Failure(kind="duplicate", case=_case_of(delivery), lines=[text.delivery(delivery)])
        for warning in self.warnings if "warning" in gates else ():
            yield Failure(kind="warning", case=warning.case, lines=[_warning_line(warning)])

    def text(self) -> str:
        """Return the report as text; long lists are truncated."""
        lines = [f"session {self.state.session} on {self.url}: {text.counts(self.state.counts)}"]
        evicted, every = self.state.evicted, self.state.counts.requests - self.state.evicted
        if evicted:
            lines.append(f"the oldest requests ({evicted}) were evicted from the journal and are not in this report")
        if self.injected:
            lines.append(f"events refused by fault steps, not counted as refused: {self.injected}")
        lines += wording.block("refused events", chain.from_iterable(map(text.refused_event, self.refused)))
        lines += wording.block("refused requests", chain.from_iterable(map(_refused_request, self.refused_requests)))
        flags = f"; {_counted(self.flags)}" if self.flags else ""
        lines.append(f"deliveries: {_counted(self.fates) or 'none'}{flags}")
        odd = [row for row in self.deliveries if row.fate not in PLAIN_FATES or row.flags]
        lines += wording.block("deliveries with problems", map(text.delivery, odd))
        read = self.requests_read
        extent = "" if read >= every else f" (of all events, and of the first {read} of {every} requests)"
        lines += wording.block(f"warnings{extent}", map(_warning_line, self.warnings))
        lines.append(f"failed: {_counted(self.kinds)}" if self.kinds else "passed")
        return "\n".join(UNPRINTABLE.sub("\ufffd", line) for line in lines)

    def json(self) -> str:
        """Return the complete report as JSON; rows are in the format of the control surface."""
        members = [*(member.name for member in fields(Request)), "findings"]
        whole = {
            "url": self.url,
            "session": self.state.session,
            "passed": not self.failures,
            "failures": self.kinds,
            "counts": self.state.counts,
            "evicted": self.state.evicted,
            "injected": self.injected,
            "refused": self.refused,
            "refused_requests": [{name: getattr(row, name) for name in members} for row in self.refused_requests],
            "fates": self.fates,
            "flags": self.flags,
            "deliveries": self.deliveries,
            "warnings": self.warnings,
            "requests_read": self.requests_read,
        }
        return json.dumps(whole, indent=2, default=_plain)

    def junit(self) -> bytes:
        """Return the report as JUnit XML: a test case per event type, so that names are the same in every run."""
        names = {*self.events, *map(_case_of, self.deliveries), *(failure.case for failure in self.failures)}
        started = self.requests[0].received_at if self.requests else None
        cases = [self._junit_case(name) for name in sorted(names)]
        return document([Suite(name=f"mockserver session {self.state.session}", cases=cases, started=started)])

    def _junit_case(self, case: tuple[str, str]) -> Case:
        failed, failures = None, [failure for failure in self.failures if failure.case == case]
        if failures:
            lines = [line for failure in failures[:SHOWN_FAILURES] for line in failure.lines]
            if len(failures) > SHOWN_FAILURES:
                lines.append(f"… and {len(failures) - SHOWN_FAILURES} more")
            message = f"{_counted(Counter(failure.kind for failure in failures))}: {lines[0]}"
            failed = CaseFailure(kind=failures[0].kind, message=message, text="\n".join(lines))
        protocol, name = case
        return Case(
            classname=f"mockserver.{protocol}", name=name, failure=failed, output="\n".join(self._junit_notes(case))
        )

    def _junit_notes(self, case: tuple[str, str]) -> Iterator[str]:
        """Describe the events of one type: their number, fates and warnings."""
        if case in self.events:
            yield f"events: {self.events[case]}"
        fates = Counter(row.fate for row in self.deliveries if _case_of(row) == case)
        yield from (f"{fate}: {count}" for fate, count in fates.items())
        for warning in self.warnings:
            if warning.case == case:
                yield f"warning: {warning.message} [{warning.rule}] ({warning.count})"


def _case_of(row: Event | Delivery) -> tuple[str, str]:
    return row.protocol, row.type or "no type"


def _request_case(row: Request) -> tuple[str, str]:
    return row.protocol or "unknown protocol", f"{row.method} {row.operation or 'unknown path'}"


def _errors(row: Exchange) -> list[Finding]:
    return [finding for finding in row.findings if finding.severity == "error"]


def _repeated_warnings(events: Sequence[Event], exchanges: Sequence[Exchange]) -> list[RepeatedWarning]:
    """Group warnings by rule and subject, the most frequent first."""
    warnings = [(finding, row.id, _case_of(row)) for row in events for finding in row.warnings]
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
    for finding in _errors(row):
        yield f"  {wording.finding(finding)}"


def _warning_line(warning: RepeatedWarning) -> str:
    times = "" if warning.count == 1 else f"{warning.count} times, first "
    return f"{' '.join(warning.case)}: {warning.message} [{warning.rule}] ({times}{warning.first})"


def _counted(counts: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _plain(value: Json) -> Json:
    """Return a time or a row as JSON."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {member.name: getattr(value, member.name) for member in fields(value)}
