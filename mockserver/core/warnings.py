"""Findings for readers of the journal: why events and requests were refused, and warnings about accepted ones.

All of this is worked out again, by the engine that can explain, and only where the fast one objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mockserver.contract.contract import Contract, Form
from mockserver.contract.schema import Schema, drop_nulls
from mockserver.core.credentials import credentials
from mockserver.core.events import event_violations, outside_window
from mockserver.core.explain import Violation, reference_spots, violations
from mockserver.core.model import Exchange, Finding, Judged
from mockserver.jsonkit import Json, jsontext, pointer

SERVER_NOTES: Mapping[str, Json] = {
    "long_credential": {
        "message": "the credential is longer than 200 bytes, so the request belongs to the session named default",
        "source": "assumed: this server's own limit for session names",
    },
    "long_session": {
        "message": "X-Mock-Session is longer than 200 bytes, so the request belongs to the session named default",
        "source": "assumed: this server's own limit for session names",
    },
}
"""Warnings of the server itself, apart from the contract."""


def event_errors(judged: Judged, event: Json) -> list[Finding]:
    """Return all errors of one event, found by the reference engine and the time windows."""
    form = judged.form
    if form is None:
        return []
    broken = _violations_under(judged, form, event, judged.contract)
    late = outside_window(judged, event)
    return [violation.finding() for violation in (*broken, *([late] if late else []))]


def _violations_under(judged: Judged, form: Form, event: Json, contract: Contract) -> Sequence[Violation]:
    schema = form.schema_for(event)
    if schema is None:
        return event_violations(judged, form, event)
    missing = contract.event_rule and contract.event_rule(judged.request_body.value, event)
    own = [missing] if missing else []
    value = judged.engine_view(event)
    if schema.is_valid(value):
        return own
    value = drop_nulls(value, schema.body) if contract.nulls_absent else value
    return [*violations(schema, value, reference_spots), *own]


def event_warnings(judged: Judged, event: Json) -> list[Finding]:
    """Return the warnings about an accepted event, and what the newest revision would refuse in it."""
    contract, form, operation = judged.contract, judged.form, judged.operation_name
    if form is None or operation is None:
        return []
    found: list[Finding] = []
    kind = form.type_of(event)
    for name, rule in contract.documents.get("warnings", {}).get("events", {}).items():
        if kind in rule.get("types", (kind,)) and operation in rule.get("operations", (operation,)):
            broken = _broken(judged, contract.warnings[f"events/{name}"], event)
            found += [_warning(f"/warnings/events/{pointer.escape(name)}", rule, violation) for violation in broken]
    return found + _newest_warnings(judged, form, event)


def _newest_warnings(judged: Judged, form: Form, event: Json) -> list[Finding]:
    newest = judged.contract.newest
    operation = None if newest is None else newest.operations.get(judged.operation_name or "")
    theirs = None if operation is None else operation.forms.get(form.name)
    if newest is None or theirs is None:
        return []
    found = [violation.finding("warning") for violation in _violations_under(judged, theirs, event, newest)]
    return [
        Finding(**{**finding.as_json(), "message": f"{newest.revision} refuses this: {finding.message}"})
        for finding in found
    ]


def _broken(judged: Judged, schema: Schema, value: Json) -> Sequence[Violation]:
    return () if schema.is_valid(judged.engine_view(value)) else violations(schema, value, reference_spots)


def request_warnings(exchange: Exchange, judged: Judged) -> list[Finding]:
    """Return the warnings about the transport of a request and, if accepted, about its body outside the events."""
    warnings = exchange.contract.documents.get("warnings", {})
    seen = [*_transport_notes(exchange, judged), *exchange.override.notes]
    transport = warnings.get("transport", {})
    found = [_warning(f"/warnings/transport/{name}", transport[name]) for name in seen if name in transport]
    found += [_warning(f"/server/{name}", SERVER_NOTES[name]) for name in seen if name in SERVER_NOTES]
    if judged.body is None or exchange.refused:
        return found
    for name, rule in warnings.get("requests", {}).items():
        if exchange.operation in rule.get("operations", (exchange.operation,)):
            broken = _broken(judged, exchange.contract.warnings[f"requests/{name}"], judged.body)
            found += [_warning(f"/warnings/requests/{pointer.escape(name)}", rule, violation) for violation in broken]
    return found


def _transport_notes(exchange: Exchange, judged: Judged) -> Iterator[str]:
    place = judged.place
    if place.leading_slashes:
        yield "leading_slashes"
    if place.trailing_slash:
        yield "trailing_slash"
    if exchange.receipt.over_rate:
        yield "over_rate"
    if judged.operation is not None:
        keys = credentials(judged.request_body, exchange.contract, place, judged.operation)
        if len({value for _, value in keys}) > 1:
            yield "two_credentials"
    if judged.body is not None:
        kind = (judged.request.header(b"content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            yield "content_type"
        twice: list[str] = []
        jsontext.parse_exactly(judged.request_body.text, twice)
        if twice:
            yield "duplicate_members"


def _warning(rule: str, spec: Mapping[str, Json], violation: Violation | None = None) -> Finding:
    return Finding(
        rule=rule,
        severity="warning",
        pointer="" if violation is None else violation.finding().pointer,
        expected=None if violation is None else violation.expected,
        got=None if violation is None else violation.got,
        source=spec["source"],
        message=spec["message"],
    )
