"""The findings about a judged request that `check` reports: its errors, and the warnings about it and its events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from mockserver.core.findings import Finding
from mockserver.core.model import Judged
from mockserver.core.refusals import quicker_spots
from mockserver.core.warnings import event_errors, event_warnings, request_warnings

WINDOWS: Final = "/protocol/windows/"


class LocatedFinding(NamedTuple):
    """A finding and the number of the event it is about; None for one about the request."""

    event: int | None
    finding: Finding


def errors_of(judged: Judged, suspects: Collection[int], *, single_event: bool = False) -> list[LocatedFinding]:
    """Return why a request is refused: what its events do not say themselves first, then the errors of each event.

    `suspects` are the positions of the events to look at. With `single_event` the request was only built around an
    event, so what is wrong with the request is left out.
    """
    spots = partial(quicker_spots, judged)
    errors = [
        LocatedFinding(_number(judged, index), finding)
        for index in suspects
        for finding in event_errors(judged, judged.events[index], spots)
    ]
    refusal, named = judged.refusal, {error.finding.rule for error in errors}
    if refusal is not None and not single_event and refusal.finding.rule not in named:
        errors.insert(0, LocatedFinding(None, refusal.finding))
    return [error for error in errors if _applies(judged, error.finding)]


def warnings_of(
    judged: Judged, errors: Sequence[LocatedFinding], suspects: Collection[int], *, single_event: bool = False
) -> Iterator[LocatedFinding]:
    """Yield the warnings about a request and about its events that have no errors; none if it has errors itself.

    `suspects` are the positions of the events to look at. With `single_event` the request was only built around an
    event, so the warnings about it are left out.
    """
    invalid = {error.event for error in errors}
    if None in invalid:
        return
    of_request = [] if single_event else request_warnings(judged, notes=(), over_rate=False, refused=False)
    warnings = [LocatedFinding(None, finding) for finding in of_request]
    for index in suspects:
        number = _number(judged, index)
        if number not in invalid:
            event = judged.events[index]
            findings = event_warnings(judged, event, partial(quicker_spots, judged))
            warnings += [LocatedFinding(number, finding) for finding in findings]
    named: dict[tuple[int | None, str, str], LocatedFinding] = {}
    for warning in warnings:
        named.setdefault((warning.event, warning.finding.rule, warning.finding.pointer), warning)
    yield from (warning for warning in named.values() if _applies(judged, warning.finding))


def _number(judged: Judged, index: int) -> int | None:
    return None if judged.form is not None and judged.form.single else index


def _applies(judged: Judged, finding: Finding) -> bool:
    """Tell whether a finding holds: time windows only do where it is known when the request was sent."""
    return bool(judged.terms.now_ms) or not finding.rule.startswith(WINDOWS)
