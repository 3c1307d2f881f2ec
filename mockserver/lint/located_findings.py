"""The findings about a judged request that `check` reports: its errors, and the warnings about its good events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mockserver.core.findings import Finding
from mockserver.core.model import Judged
from mockserver.core.warnings import event_errors, event_warnings

WINDOWS: Final = "/protocol/windows/"


class LocatedFinding(NamedTuple):
    """A finding and the number of the event it is about; None for one about the request."""

    event: int | None
    finding: Finding


def errors_of(judged: Judged, *, single_event: bool = False) -> list[LocatedFinding]:
    """Return why a request is refused: what its events do not say themselves first, then the errors of each event.

    With `single_event` the request was only built around an event, so what is wrong with the request is left out.
    """
    errors = [
        LocatedFinding(_number(judged, index), finding)
        for index, event in enumerate(judged.events)
        for finding in event_errors(judged, event)
    ]
    refusal, named = judged.refusal, {error.finding.rule for error in errors}
    if refusal is not None and not single_event and refusal.finding.rule not in named:
        errors.insert(0, LocatedFinding(None, refusal.finding))
    return [error for error in errors if _applies(judged, error.finding)]


def warnings_of(judged: Judged, errors: Sequence[LocatedFinding]) -> Iterator[LocatedFinding]:
    """Yield the warnings about the events that have no errors; none if the request itself has errors."""
    invalid = {error.event for error in errors}
    if None in invalid:
        return
    for index, event in enumerate(judged.events):
        if index not in invalid:
            distinct = {(finding.rule, finding.pointer): finding for finding in event_warnings(judged, event)}
            for finding in distinct.values():
                if _applies(judged, finding):
                    yield LocatedFinding(_number(judged, index), finding)


def _number(judged: Judged, index: int) -> int | None:
    return None if judged.form is not None and judged.form.single else index


def _applies(judged: Judged, finding: Finding) -> bool:
    """Tell whether a finding holds: time windows only do where it is known when the request was sent."""
    return bool(judged.terms.now_ms) or not finding.rule.startswith(WINDOWS)
