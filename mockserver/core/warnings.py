"""What a reader of the journal is told about events and requests: why they were refused, what is worth a warning.

All of this is worked out when somebody asks, by the engine that can explain, and only where the fast one objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form
from mockserver.contract.sections import WarningRule
from mockserver.contract.server_rules import SERVER_RULES, ServerRule
from mockserver.core.adapter import adapter_of
from mockserver.core.body import RequestBody
from mockserver.core.collect import broken_by_request
from mockserver.core.events import no_schema, outside_window
from mockserver.core.explain import Spots, Violation, reference_spots
from mockserver.core.findings import Finding
from mockserver.core.gates import CONTENT_TYPES, media_type
from mockserver.core.model import Judged
from mockserver.core.refusals import explained
from mockserver.core.route import credentials, route
from mockserver.core.stripping import removed_names
from mockserver.core.wording import abridged
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.jsonkit.patterns import bounded

CONTENT_TYPE: Final = "content_type"
"""The warning about a content type that the contract takes all the same."""
SERVER_NOTES: Final[Mapping[str, ServerRule]] = {
    name: SERVER_RULES[f"/server/{name}"]
    for name in ("invalid_credential", "invalid_session", "long_credential", "long_session", "repeated_header")
}
"""Warnings of the server itself, apart from the contract."""


@bounded()
def event_errors(judged: Judged, event: Json, spots: Spots = reference_spots) -> list[Finding]:
    """Return every error of one event, windows included; by default as the reference engine sees it."""
    if judged.form is None:
        return []
    broken = explained_violations(judged, judged.form, event, judged.contract, spots)
    return [violation.finding() for violation in (*broken, *outside_window(judged, event))]


def explained_violations(
    judged: Judged, form: Form, event: Json, contract: Contract, spots: Spots = reference_spots
) -> list[Violation]:
    """Return what an event breaks under a contract; windows are left out."""
    schema, under = form.schema_for(event), judged
    if contract is not judged.contract:
        under = structs.replace(judged, contract=contract)
    if schema is None:
        return [no_schema(under, form, event)]
    event_rule = adapter_of(contract.adapter).event_rules(contract)
    beside = None if event_rule is None else event_rule(judged.request_body.value, event)
    broken = explained(under, schema, event, nulls_absent=contract.nulls_absent, spots=spots)
    return broken if beside is None else [*broken, beside]


@bounded()
def event_warnings(judged: Judged, event: Json, spots: Spots = reference_spots) -> list[Finding]:
    """Return the warnings about an accepted event, and what the newest revision would refuse in it.

    Those of its request are left out, see `request_warnings`.
    """
    form, newest = judged.form, judged.contract.newest
    if form is None:
        return []
    type_ = form.type_of(event)
    rules = [rule for rule in judged.contract.warnings.events if rule.types is None or type_ in rule.types]
    findings = [*_rule_warnings(judged, rules, event, spots), *_removals(judged, event)]
    if newest is not None:
        operation = newest.locate(judged.request.target).operations.get(judged.request.method)
        newest_form = None if operation is None else operation.forms.get(form.name)
        if newest_form is not None:
            ahead = structs.replace(judged, contract=newest)
            broken = explained_violations(ahead, newest_form, event, newest, spots)
            broken += outside_window(ahead, event)
            findings += [_refused_by(newest, "this", violation.finding()) for violation in broken]
    return findings


def _refused_by(newest: Contract, what: str, finding: Finding) -> Finding:
    """Return a refusal by the newest revision as a warning."""
    return replace(finding, severity="warning", message=f"{newest.revision} refuses {what}: {finding.message}")


def _removals(judged: Judged, event: Json) -> Iterator[Finding]:
    """Yield a warning about each member that the vendor removes and asks not to send."""
    for name, strip in judged.contract.stored.strip.items():
        rule = f"/protocol/stored/strip/{name}/message"
        for removed in removed_names(event, strip) if strip.message else ():
            yield Finding(
                rule=rule,
                severity="warning",
                pointer=pointer.build((*strip.tokens, removed)),
                source=judged.contract.source_of(rule),
                message=strip.message,
            )


def _rule_warnings(
    judged: Judged, rules: Sequence[WarningRule], value: Json, spots: Spots = reference_spots
) -> list[Finding]:
    """Return the warnings of those rules about the request's operation and form that a value breaks."""
    form = None if judged.form is None else judged.form.name
    return [
        _warning(rule, violation)
        for rule in rules
        if rule.schema is not None and rule.is_about(judged.operation_name, form)
        for violation in explained(judged, rule.schema, value, nulls_absent=False, spots=spots)
    ]


@bounded()
def request_warnings(judged: Judged, *, notes: Sequence[str], over_rate: bool, refused: bool) -> list[Finding]:
    """Return the warnings about how a request came and, where it was taken, about its body outside the events.

    They include what the newest revision would refuse: a gate, the envelope, an operation or a form that it does not
    have. `notes` are what the server noted on the way. The events of the request have these warnings too, so a long
    value is abridged.
    """
    rules, newest = judged.contract.warnings, judged.contract.newest
    refusals = [] if refused or newest is None else list(_newest_refusals(judged, newest))
    said = {CONTENT_TYPE} if any(refusal.rule == CONTENT_TYPES for refusal in refusals) else ()
    names = [name for name in (*_transport_notes(judged, over_rate=over_rate), *notes) if name not in said]
    findings = [_warning(rules.transport[name]) for name in names if name in rules.transport]
    findings += [_warning(SERVER_NOTES[name]) for name in names if name in SERVER_NOTES]
    if judged.body is not None and not refused:
        findings += _rule_warnings(judged, rules.requests, judged.body)
    return [replace(finding, got=abridged(finding.got)) for finding in (*findings, *refusals)]


def _newest_refusals(judged: Judged, newest: Contract) -> Iterator[Finding]:
    """Yield what the newest revision refuses in an accepted request, apart from its events."""
    same_limit = newest.max_body == judged.contract.max_body
    request_body = judged.request_body if same_limit else RequestBody(judged.request)
    ahead = route(request_body, newest)
    refusals = broken_by_request(ahead, judged.terms)
    if _is_read_otherwise(judged, ahead):
        refusals = [_unknown_form(judged, ahead)]
    for refusal in refusals:
        yield _refused_by(newest, "this request", refusal)


def _is_read_otherwise(judged: Judged, ahead: Judged) -> bool:
    """Tell whether the newest revision serves a request but does not read its body in the same form."""
    if judged.form is None or ahead.operation is None:
        return False
    name = judged.form.name
    return name not in ahead.operation.forms or (ahead.form is not None and ahead.form.name != name)


def _unknown_form(judged: Judged, ahead: Judged) -> Finding:
    operation, form = ahead.operation, judged.form
    assert operation is not None
    assert form is not None
    rule, known = f"{operation.pointer}/forms" if operation.forms else operation.pointer, list(operation.forms)
    text = f"the body has the form {form.name}, and {operation.name} takes {' or '.join(known) or 'no body'}"
    source = ahead.contract.source_of(rule)
    return Finding(rule=rule, expected=known, got=form.name, source=source, message=text)


def _transport_notes(judged: Judged, *, over_rate: bool) -> Iterator[str]:
    if judged.place.leading_slashes:
        yield "leading_slashes"
    if judged.place.trailing_slash:
        yield "trailing_slash"
    if over_rate:
        yield "over_rate"
    operation = judged.operation
    if operation is not None and len({value for _, value in credentials(judged, operation)}) > 1:
        yield "two_credentials"
    if judged.body is not None:
        if media_type(judged.request.header(b"content-type")) != "application/json":
            yield CONTENT_TYPE
        duplicates: list[str] = []
        jsontext.parse_exactly(judged.request_body.text, duplicates)
        if duplicates:
            yield "duplicate_members"


def _warning(rule: WarningRule | ServerRule, violation: Violation | None = None) -> Finding:
    if violation is None:
        return Finding(rule=rule.pointer, severity="warning", source=rule.source, message=rule.message)
    return replace(violation.finding("warning"), rule=rule.pointer, source=rule.source, message=rule.message)
