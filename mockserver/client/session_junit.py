"""The verdict for a session as JUnit XML: a test case per event type, so that names are the same in every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.client.session_report import Failure, Report, case_of, kinds

SHOWN: Final = 100
"""Maximum number of failures shown per test case."""


def junit(report: Report, failures: Sequence[Failure]) -> bytes:
    """Return a report as JUnit XML."""
    names = sorted({*report.events, *map(case_of, report.deliveries), *(failure.case for failure in failures)})
    cases = [_case(report, name, [failure for failure in failures if failure.case == name]) for name in names]
    return document([Suite(name=f"mockserver session {report.session}", cases=cases, started=report.began)])


def _case(report: Report, case: tuple[str, str], failures: Sequence[Failure]) -> Case:
    protocol, name = case
    return Case(
        classname=f"mockserver.{protocol}",
        name=name,
        failure=_failure(failures) if failures else None,
        output="\n".join(_notes(report, case)),
    )


def _failure(failures: Sequence[Failure]) -> CaseFailure:
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds(failures).items())
    return CaseFailure(
        kind=failures[0].kind, message=f"{counts}: {failures[0].lines[0]}", text="\n".join(_reasons(failures))
    )


def _reasons(failures: Sequence[Failure]) -> Iterator[str]:
    for failure in failures[:SHOWN]:
        yield from failure.lines
    if len(failures) > SHOWN:
        yield f"… and {len(failures) - SHOWN} more"


def _notes(report: Report, case: tuple[str, str]) -> Iterator[str]:
    """Describe the events of one type: their number, fates and warnings."""
    if case in report.events:
        yield f"events: {report.events[case]}"
    fates = [row.fate for row in report.deliveries if case_of(row) == case]
    yield from (f"{fate}: {fates.count(fate)}" for fate in dict.fromkeys(fates))
    for warning in report.warnings:
        if warning.case == case:
            yield f"warning: {warning.message} [{warning.rule}] ({warning.count})"
