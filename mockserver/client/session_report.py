"""The verdict for a session: refused events, deliveries and warnings, as text, JSON and JUnit XML.

Everything is read from the control surface over HTTP. Nothing is judged here: the server did that.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from difflib import get_close_matches
from itertools import chain
from typing import Any, Final, Literal, TypeVar

from mockserver.client import score_report, session_calls, text
from mockserver.client.calls import Steps
from mockserver.client.client import Session
from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.client.results import Conformance, Delivery, Event, Eviction, Exchange, Request, Unseen
from mockserver.client.session_calls import refused_whole, server_sessions
from mockserver.client.shareable import redactor, without_secrets
from mockserver.core import wording
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read
from mockserver.jsonkit.printable import printable, printable_json
from mockserver.recording.exporting import shown_name
from mockserver.sessions.session_name import shorten

R = TypeVar("R")

INJECTED: Final = "/fault"
"""The rule of events refused by a fault step, on purpose: they are no error of the client."""
DUPLICATES: Final = frozenset({"duplicate_delivery", "stored_twice"})
"""The flags of a delivery that the gate `duplicate` fails on."""
PLAIN_FATES: Final = frozenset({"accepted", "accepted_after_retry"})
SHOWN_FAILURES: Final = 100
"""Maximum number of failures shown per JUnit test case."""
READ_REQUESTS: Final = 1000
"""Maximum number of requests whose own findings are read, unless warnings fail the verdict; each needs a call."""
EVIDENCE: Final = ("session", "evidence")
"""The subject of failures that are about the session as a whole."""
FAULTS: Final = ("session", "faults")
"""The subject of failures that are about the fault steps of the session."""
SHOWN_SESSIONS: Final = 10


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

    kind: Literal["refused", "warning", "lost", "duplicate", "unused-fault", "broken-rule", "empty", "evicted"]
    case: tuple[str, str]
    lines: Sequence[str]


class Report:
    """The verdict for a session: failed by refused events and requests, by what the gates name, and without evidence.

    The gates are `warning`, `lost`, `duplicate` and `unused-fault`. With `final`, pending events count as lost. The
    With `conformance`, rules about clients are judged, and those of the level must that are broken fail it. The
    verdict needs `min_events` events, each counted once however often it was sent, and the requests that it is about:
    it fails when those were evicted. By default, it needs one event, and none with `allow_empty`. Raises
    UnreachableError, ControlError.
    """

    def __init__(
        self,
        session: Session,
        gates: Sequence[str] = (),
        *,
        final: bool = False,
        min_events: int | None = None,
        allow_empty: bool = False,
        conformance: bool = False,
    ) -> None:
        self.url = session.target.url
        run, name = session.connections.run, session.name
        self._server = run(server_sessions())  # before the calls that create the session
        hidden = run(redactor(name))

        def shareable(steps: Steps[R]) -> R:
            return run(without_secrets(steps, hidden))

        self.name = shown_name(name, hidden)
        self.state, self.requests = session.settings(), shareable(session_calls.requests(name))
        events = shareable(session_calls.events(name))
        shown = len(self.requests) if "warning" in gates else READ_REQUESTS
        exchanges = [shareable(session_calls.request(name, row.id)) for row in self.requests[:shown]]
        later = [shareable(session_calls.request(name, row.id)) for row in self.requests[shown:] if refused_whole(row)]
        rejected = [row for row in events if row.verdict == "rejected"]
        self.events = Counter(map(_case_of, events))
        self.verdicts = {(row.request_id, row.index): row.verdict for row in events}
        self.refused = [row for row in rejected if any(finding.rule != INJECTED for finding in row.errors)]
        self.refused_requests = [row for row in (*exchanges, *later) if refused_whole(row) and _errors(row)]
        self.injected = len(rejected) - len(self.refused)
        self.deliveries = shareable(session_calls.deliveries(name, final=final))
        self.score: Conformance | None = None
        if conformance:
            self.score = shareable(session_calls.conformance(name, final=final))
        self.fates = Counter(row.fate for row in self.deliveries)
        self.flags = Counter(flag for row in self.deliveries for flag in row.flags)
        self.warnings = _repeated_warnings(events, exchanges, self.requests)
        self.requests_read = len(exchanges)
        complete = not self.state.evicted  # else a use of an unlimited step may have been evicted
        steps = [step for step in shareable(session_calls.list_faults(name)) if complete or step.remaining is not None]
        self.unused_faults = [step for step in steps if step.unused(self.requests)]
        required = min_events if min_events is not None else 0 if allow_empty else 1
        self.failures = [*self._failures(gates), *self._missing_evidence(gates, required)]
        self.kinds = Counter(failure.kind for failure in self.failures)

    def _failures(self, gates: Sequence[str]) -> Iterator[Failure]:
        for row in self.refused:
            yield Failure(kind="refused", case=_case_of(row), lines=list(text.refused_event(row)))
        for exchange in self.refused_requests:
            yield Failure(kind="refused", case=_request_case(exchange), lines=list(_refused_request(exchange)))
        for delivery in self.deliveries:
            if "lost" in gates and delivery.fate == "lost":
                yield Failure(kind="lost", case=_case_of(delivery), lines=[text.delivery(delivery)])
            if "duplicate" in gates and not DUPLICATES.isdisjoint(delivery.flags):
                yield Failure(kind="duplicate", case=_case_of(delivery), lines=[text.delivery(delivery)])
        for warning in self.warnings if "warning" in gates else ():
            yield Failure(kind="warning", case=warning.case, lines=[_warning_line(warning)])

        for rule in self.score.failed if self.score is not None else ():
            if rule.level == "must":
                lines = [f"{rule.rule}: {rule.text}", score_report.evidence(rule)]
                yield Failure(kind="broken-rule", case=(rule.protocol, f"rule {rule.rule}"), lines=lines)
        for step in self.unused_faults if "unused-fault" in gates else ():
            yield Failure(kind="unused-fault", case=FAULTS, lines=[text.unused_fault(step)])

    def _missing_evidence(self, gates: Sequence[str], required: int) -> Iterator[Failure]:
        """Yield why the session does not support a verdict: too few events, or requests that are no longer there."""
        state = self.state
        received = max(len(self.deliveries), state.counts.accepted if state.evicted else 0)
        if received < required:
            few = f"{wording.counted(received, 'event')} received, {required} required (--min-events)"
            yield Failure(
                kind="empty", case=EVIDENCE, lines=[few if received else "no events received", *self._hints()]
            )
        if state.eviction is not None and state.eviction.lost:
            yield Failure(kind="evicted", case=EVIDENCE, lines=list(_evicted_session(state.eviction)))
        elif state.evicted_refused or (gates and state.evicted):
            requests = wording.counted(state.evicted, "request")
            lost = wording.counted(state.evicted_events, "event") if state.evicted_events else requests
            what = f"{requests}, of which {state.evicted_refused} with something refused"
            hint = f"the journal dropped {what}: raise the session's journal_limit or the server's --memory-limit"
            yield Failure(kind="evicted", case=EVIDENCE, lines=[f"cannot tell: {lost} evicted", hint])

    def _hints(self) -> Iterator[str]:
        """Yield what to check when events are missing: the key, the URL, and where requests went instead."""
        name, count = self.state.session, self.state.counts.requests
        others = {row["session"]: row["requests"] for row in self._server["sessions"] if row["requests"]}
        known = any(row["session"] == name for row in self._server["sessions"])
        others.pop(name, None)
        if count:
            yield f"the session received {wording.counted(count, 'request')}"
        else:
            state = "received no requests" if known else "does not exist"
            yield f"session {self.name} {state}: does the client use this key and the URL {self.url}?"
        nearest = get_close_matches(name, others, SHOWN_SESSIONS)
        for other in [*nearest, *(other for other in others if other not in nearest)][:SHOWN_SESSIONS]:
            yield f"another session: {shorten(other)} received {wording.counted(others[other], 'request')}"
        if len(others) > SHOWN_SESSIONS:
            yield f"… and {len(others) - SHOWN_SESSIONS} more sessions"
        yield from text.unseen(read(Unseen, self._server["unseen"]))
        if self._server["evicted"]:
            yield f"sessions that the server evicted (--max-sessions, --memory-limit): {self._server['evicted']}"

    def text(self) -> str:
        """Return the report as text; long lists are truncated."""
        lines = [f"session {self.name} on {self.url}: {text.counts(self.state.counts)}"]
        evicted, every = self.state.evicted, self.state.counts.requests - self.state.evicted
        if evicted:
            lines.append(f"the oldest requests ({evicted}) were evicted from the journal and are not in this report")
        if self.injected:
            lines.append(f"events refused by fault steps, not counted as refused: {self.injected}")
        lines += wording.block("refused events", chain.from_iterable(map(text.refused_event, self.refused)))
        lines += wording.block("refused requests", chain.from_iterable(map(_refused_request, self.refused_requests)))
        flags = f"; {_counted(self.flags)}" if self.flags else ""
        lines.append(f"deliveries: {_counted(self.fates) or 'none'}{flags}")
        odd = list(filter(is_odd, self.deliveries))
        lines += wording.block("deliveries with problems", map(text.delivery, odd))
        read = self.requests_read
        extent = "" if read >= every else f" (of all events, and of the first {read} of {every} requests)"
        lines += wording.block(f"warnings{extent}", map(_warning_line, self.warnings))
        lines += [text.unused_fault(step) for step in self.unused_faults]
        if self.score is not None:
            lines += score_report.text_lines(self.score)
        missing = [failure for failure in self.failures if failure.case == EVIDENCE]
        lines += wording.block("missing evidence", chain.from_iterable(failure.lines for failure in missing))
        return "\n".join(map(printable, [*lines, self.verdict]))

    @property
    def verdict(self) -> str:
        """The verdict in one line: passed, or failed and why."""
        missing = [failure for failure in self.failures if failure.case == EVIDENCE]
        found = Counter(failure.kind for failure in self.failures if failure.case != EVIDENCE)
        reasons = [_counted(found)] if found else []
        reasons += [failure.lines[0] for failure in missing]
        return f"failed: {'; '.join(reasons)}" if reasons else "passed"

    def json(self) -> str:
        """Return the complete report as JSON; rows are in the format of the control surface."""
        members = [*(member.name for member in fields(Request)), "findings"]
        whole = {
            "url": self.url,
            "session": self.name,
            "passed": not self.failures,
            "failures": self.kinds,
            "counts": self.state.counts,
            "evicted": self.state.evicted,
            "evicted_events": self.state.evicted_events,
            "missing_evidence": [
                line for failure in self.failures if failure.case == EVIDENCE for line in failure.lines
            ],
            "injected": self.injected,
            "refused": self.refused,
            "refused_requests": [{name: getattr(row, name) for name in members} for row in self.refused_requests],
            "fates": self.fates,
            "flags": self.flags,
            "deliveries": self.deliveries,
            "warnings": self.warnings,
            "requests_read": self.requests_read,
            "unused_faults": self.unused_faults,
            **({} if self.score is None else {"conformance": self.score.rules}),
        }
        return printable_json(json.dumps(whole, indent=2, default=_plain))

    def junit(self) -> bytes:
        """Return the report as JUnit XML: a test case per event type, so that names are the same in every run."""
        failures = [failure.case for failure in self.failures if failure.kind != score_report.BROKEN]
        names = {*self.events, *map(_case_of, self.deliveries), *failures}
        started = self.requests[0].received_at if self.requests else None
        cases = [self._junit_case(name) for name in sorted(names)]
        cases += [] if self.score is None else score_report.junit_cases(self.score)
        return document([Suite(name=f"mockserver session {self.name}", cases=cases, started=started)])

    def _junit_case(self, case: tuple[str, str]) -> Case:
        failed, failures = None, [failure for failure in self.failures if failure.case == case]
        if failures:
            lines = [line for failure in failures[:SHOWN_FAILURES] for line in failure.lines]
            if len(failures) > SHOWN_FAILURES:
                lines.append(f"… and {len(failures) - SHOWN_FAILURES} more")
            kinds = _counted(Counter(failure.kind for failure in failures))
            message = lines[0] if case == EVIDENCE else f"{kinds}: {lines[0]}"
            failed = CaseFailure(kind=failures[0].kind, message=message, text="\n".join(map(printable, lines)))
        protocol, name = case
        notes = "\n".join(map(printable, self._junit_notes(case)))
        return Case(classname=f"mockserver.{protocol}", name=name, failure=failed, output=notes)

    def _junit_notes(self, case: tuple[str, str]) -> Iterator[str]:
        """Describe the events of one type: their number, fates and warnings."""
        if case in self.events:
            yield f"events: {self.events[case]}"
        fates = Counter(row.fate for row in self.deliveries if _case_of(row) == case)
        yield from (f"{fate}: {count}" for fate, count in fates.items())
        for warning in self.warnings:
            if warning.case == case:
                yield f"warning: {warning.message} [{warning.rule}] ({warning.count})"


def is_odd(row: Delivery) -> bool:
    """Tell whether there is something to look at in a delivery."""
    return row.fate not in PLAIN_FATES or bool(row.flags)


def _evicted_session(eviction: Eviction) -> Iterator[str]:
    flag = f"--{eviction.limit.replace('_', '-')}"
    yield f"cannot tell: the session was evicted and lost its {', '.join(eviction.lost)}"
    yield f"later requests were answered by the server's defaults: raise the server's {flag}"


def _case_of(row: Event | Delivery) -> tuple[str, str]:
    return row.protocol, row.type or "no type"


def _request_case(row: Request) -> tuple[str, str]:
    return row.protocol or "unknown protocol", f"{row.method} {row.operation or 'unknown path'}"


def _errors(row: Exchange) -> list[Finding]:
    return [finding for finding in row.findings if finding.severity == "error" and finding.rule != INJECTED]


def _repeated_warnings(
    events: Sequence[Event], exchanges: Sequence[Exchange], requests: Sequence[Request]
) -> list[RepeatedWarning]:
    """Group warnings by rule and subject, the most frequent first.

    Events have the warnings of their request too, which count once for it. Of a request whose own findings were not
    read, those are its warnings that others have.
    """
    of_requests = [(finding, row) for row in exchanges for finding in row.findings if finding.severity == "warning"]
    warnings = [(finding, row.id, _request_case(row)) for finding, row in of_requests]
    counted = {(row.id, finding.rule, finding.pointer) for finding, row in of_requests}
    known = {(finding.rule, finding.pointer) for finding, _ in of_requests}
    not_read = {row.id: row for row in requests[len(exchanges) :]}
    for event in events:
        for finding in event.warnings:
            request, place = not_read.get(event.request_id), (finding.rule, finding.pointer)
            if (event.request_id, *place) in counted:
                continue
            if request is not None and place in known:
                counted.add((event.request_id, *place))
                warnings.append((finding, event.request_id, _request_case(request)))
            else:
                warnings.append((finding, event.id, _case_of(event)))
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
