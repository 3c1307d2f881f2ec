"""Guessing the operation that a payload without a request belongs to: the one that fits it best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.jsonkit import Json
from mockserver.lint.located_findings import LocatedFinding, errors_of
from mockserver.lint.wire_requests import request_with_body

UNLIKELY: Final = 10
"""What it costs a guess, in errors, that the payload does not look like the operation's."""
LIKELY: Final = 5
"""What it gains a guess that the body has a key, or an event has a type that only one protocol has."""
WRAPPED: Final = 2
"""What it costs a guess that the payload is an event and not a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A payload judged as the body of one operation, or `wrapped` in a body as an event. The lowest score is best."""

    judged: Judged
    wrapped: bool
    score: int

    @property
    def likely(self) -> bool:
        """Whether the payload looks like what it was taken for."""
        return self.score < UNLIKELY


def guesses(payload: Json, contract: Contract, operation: str | None, terms: Terms) -> Iterator[Guess]:
    """Yield the guesses under one contract: for each operation that takes a body, or only for the one that is named."""
    for candidate in contract.operations.values():
        if candidate.forms and operation in (None, candidate.name):
            yield _guess(payload, contract, candidate, terms, wrapped=False)
            for form in candidate.forms.values():
                if form.events and len(form.events) == 1:
                    yield _guess({form.events[0]: [payload]}, contract, candidate, terms, wrapped=True)


def _guess(body: Json, contract: Contract, operation: Operation, terms: Terms, *, wrapped: bool) -> Guess:
    judged = judge(route(RequestBody(request_with_body(operation, body)), contract), terms)
    judged.body = judged.body if judged.body is not None else body
    errors = errors_of(judged, single_event=wrapped)
    score = len(errors) + WRAPPED * wrapped - LIKELY * _has_key(judged) + _misfit(judged, body, errors)
    return Guess(judged=judged, wrapped=wrapped, score=score)


def _has_key(judged: Judged) -> bool:
    """Tell whether the credential is part of the body."""
    name = judged.credential_name
    return name is not None and judged.contract.credentials[name].place == "body"


def _misfit(judged: Judged, body: Json, errors: list[LocatedFinding]) -> int:
    """Return how little a body looks like one of the form that it was judged by.

    A form that asks for no member takes every body, and is no sign of one; not even together with a key.
    """
    form = judged.form
    if form is None or not isinstance(body, dict):
        return UNLIKELY
    if form.events is None:
        asks = form.request is not None and bool(form.request.body.get("required"))
        return UNLIKELY * (_lacks_member(errors) + (judged.refusal is not None) + 2 * (not asks))
    return _misfit_of_events(judged, form, body) if form.discriminator else UNLIKELY * _lacks_member(errors)


def _lacks_member(errors: list[LocatedFinding]) -> bool:
    """Tell whether a required member is missing at the top."""
    return any("/required/" in finding.rule and finding.pointer.count("/") < 2 for _, finding in errors)


def _misfit_of_events(judged: Judged, form: Form, body: Json) -> int:
    known = [form.schema_for(event) is not None for event in judged.events]
    score = UNLIKELY * sum(form.type_of(event) is None for event in judged.events)
    score += UNLIKELY * (not known or (form.single and "events" in body)) + 3 * known.count(False)
    return score - LIKELY * (form.schema is None and any(known))
