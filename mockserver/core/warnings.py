"""What a reader of the journal is told about events and requests: why they were refused, what is worth a warning.

All of this is worked out when somebody asks, by the engine that can explain, and only where the fast one objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mockserver.contract.sections import WarningRule
from mockserver.contract.server_rules import SERVER_RULES, ServerRule
from mockserver.core.collect import explained, explained_violations
from mockserver.core.credentials import credentials
from mockserver.core.events import outside_window
from mockserver.core.explain import Violation
from mockserver.core.findings import Finding
from mockserver.core.gates import media_type
from mockserver.core.model import Judged
from mockserver.jsonkit import Json, jsontext

SERVER_NOTES: Final[Mapping[str, ServerRule]] = {
    name: SERVER_RULES[f"/server/{name}"] for name in ("long_credential", "long_session", "repeated_header")
}
"""Warnings of the server itself, apart from the contract."""


def event_errors(judged: Judged, event: Json) -> list[Finding]:
    """Return every error of one event, as the reference engine sees it; windows included."""
    if judged.form is None:
        return []
    broken = explained_violations(judged, judged.form, event, judged.contract)
    late = outside_window(judged, event)
    return [violation.finding() for violation in (*broken, *([late] if late else []))]


def event_warnings(judged: Judged, event: Json) -> list[Finding]:
    """Return the warnings about an accepted event, and what the newest revision would refuse in it."""
    form, operation = judged.form, judged.operation_name
    if form is None or operation is None:
        return []
    findings: list[Finding] = []
    type_ = form.type_of(event)
    for rule in judged.contract.warnings.events:
        if (rule.types is None or type_ in rule.types) and (rule.operations is None or operation in rule.operations):
            findings += [_warning(rule, violation) for violation in _broken(judged, rule, event)]
    return findings + _newest_warnings(judged, event)


def _newest_warnings(judged: Judged, event: Json) -> list[Finding]:
    newest = judged.contract.newest
    operation = None if newest is None else newest.operations.get(judged.operation_name or "")
    form = None if operation is None or judged.form is None else operation.forms.get(judged.form.name)
    if newest is None or form is None:
        return []
    findings = [violation.finding("warning") for violation in explained_violations(judged, form, event, newest)]
    return [
        Finding(**{**finding.as_json(), "message": f"{newest.revision} refuses this: {finding.message}"})
        for finding in findings
    ]


def _broken(judged: Judged, rule: WarningRule, value: Json) -> Sequence[Violation]:
    return () if rule.schema is None else explained(judged, rule.schema, value, nulls_absent=False)


def request_warnings(judged: Judged, *, notes: Sequence[str], over_rate: bool, refused: bool) -> list[Finding]:
    """Return the warnings about how a request came and, where it was taken, about its body outside the events.

    `notes` are what the server noted on the way.
    """
    rules = judged.contract.warnings
    names = [*_transport_notes(judged, over_rate=over_rate), *notes]
    findings = [_warning(rules.transport[name]) for name in names if name in rules.transport]
    findings += [_warning(SERVER_NOTES[name]) for name in names if name in SERVER_NOTES]
    if judged.body is None or refused:
        return findings
    for rule in rules.requests:
        if rule.operations is None or judged.operation_name in rule.operations:
            findings += [_warning(rule, violation) for violation in _broken(judged, rule, judged.body)]
    return findings


def _transport_notes(judged: Judged, *, over_rate: bool) -> Iterator[str]:
    place = judged.place
    if place.leading_slashes:
        yield "leading_slashes"
    if place.trailing_slash:
        yield "trailing_slash"
    if over_rate:
        yield "over_rate"
    if judged.operation is not None:
        keys = credentials(judged.request_body, judged.contract, place, judged.operation)
        if len({value for _, value in keys}) > 1:
            yield "two_credentials"
    if judged.body is not None:
        if media_type(judged.request.header(b"content-type")) != "application/json":
            yield "content_type"
        duplicates: list[str] = []
        jsontext.parse_exactly(judged.request_body.text, duplicates)
        if duplicates:
            yield "duplicate_members"


def _warning(rule: WarningRule | ServerRule, violation: Violation | None = None) -> Finding:
    return Finding(
        rule=rule.pointer,
        severity="warning",
        pointer="" if violation is None else violation.finding().pointer,
        expected=None if violation is None else violation.expected,
        got=None if violation is None else violation.got,
        source=rule.source,
        message=rule.message,
    )
