"""Telling quickly that nothing is wrong with a request that was made up around a payload, apart from its events.

Every doubt is a no: then the request is judged and explained as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema, compile_schema, formats_as_keywords
from mockserver.core.adapter import adapter_of
from mockserver.core.body import RequestBody
from mockserver.core.events import events_of
from mockserver.core.gates import checks_of
from mockserver.core.model import Judged, Terms
from mockserver.core.route import credentials, route
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS
from mockserver.lint.payload_names import IN_BODY
from mockserver.lint.wire_requests import request_with_body

SETTLED: Final = frozenset({"encoding", "content_type", "json", "object", "allowed_key", "rate", "origin", "query"})
"""Checks that a request with our headers and a JSON object passes, or fails whatever the object is."""
ELSEWHERE: Final = frozenset({"size", "key", "envelope", "events"})
"""Checks that are carried out in here in another way."""


class PlainRequests:
    """Looks at the bodies of one operation, as its contract and the newest one do.

    The first body that passes is judged in full, for what is the same in all requests; `trusted` says that nothing was
    found then, and is None before.
    """

    def __init__(self, contract: Contract, operation: Operation) -> None:
        self._side = _Side(contract, operation)
        self._newest: _Side | None = None
        self._is_served = True
        if contract.newest is not None:
            target = self._side.template.request.target
            ahead = contract.newest.locate(target).operations.get(operation.method)
            self._is_served = ahead is not None
            self._newest = None if ahead is None else _Side(contract.newest, ahead)
        self._engines: dict[str, Callable[[Json], bool]] = {}
        self.trusted: bool | None = None

    def judged(self, form: Form, body: Json, terms: Terms) -> Judged:
        """Return the judgement of a body in which nothing was looked at yet."""
        return self._side.judged(form, body, terms)

    def holds(self, body: Json, size: int) -> Form | None:
        """Return the form of a body that has so many bytes; None if something may be wrong outside its events."""
        if type(body) is not dict or not self._is_served:
            return None
        form = self._side.form_of(body)
        if form is None:
            return None
        if form.name not in self._engines:
            self._engines[form.name] = self._engine(form)
        try:
            fits = self._engines[form.name](body)
        except ValueError:  # a lone surrogate, which the engine cannot take
            return None
        sides = (self._side, self._newest) if self._newest is not None else (self._side,)
        return form if fits and all(side.passes(form, body, size) for side in sides) else None

    def _engine(self, form: Form) -> Callable[[Json], bool]:
        """Return what tells that a body fits each schema of bodies: the contract's, the newest one's, the warnings'."""
        schemas = [formats_as_keywords(schema.body) for schema in self._schemas(form)]
        return compile_schema({"allOf": schemas} if schemas else {}, FORMATS).is_valid

    def _schemas(self, form: Form) -> Iterator[Schema]:
        newest = None if self._newest is None else self._newest.operation.forms.get(form.name)
        for known in filter(None, (form, newest)):
            if known.request is not None:
                yield known.request
        operation, contract = self._side.operation, self._side.contract
        for rule in contract.warnings.requests:
            if rule.schema is not None and (rule.operations is None or operation.name in rule.operations):
                yield rule.schema


class _Side:
    """The gates of one contract, as a request with our headers meets them."""

    def __init__(self, contract: Contract, operation: Operation) -> None:
        self.contract, self.operation = contract, operation
        self.template = route(RequestBody(request_with_body(operation, {})), contract)
        self._key_in_body = any(spec.place == IN_BODY for spec in operation.credentials)
        checks = checks_of(contract.adapter)
        self._checks = [(checks[gate.check], gate) for gate in operation.gates if gate.check not in SETTLED | ELSEWHERE]
        self._key = [(checks[gate.check], gate) for gate in operation.gates if gate.check == "key"]

    def form_of(self, body: Json) -> Form | None:
        return adapter_of(self.contract.adapter).choose_form(self.operation, body)

    def judged(self, form: Form, body: Json, terms: Terms) -> Judged:
        request_body = RequestBody.of_value(self.template.request, body, self.contract.max_body)
        return structs.replace(
            self.template, request_body=request_body, terms=terms, form=form, _body=body, _events=events_of(form, body)
        )

    def passes(self, form: Form, body: Json, size: int) -> bool:
        """Tell whether no gate refuses a body of this form that fits its schema."""
        if size > self.contract.max_body:
            return False
        own = self.form_of(body)
        if own is None or own.name != form.name:
            return False
        if not self._checks and not self._key_in_body:
            return True
        judged = self.judged(own, body, self.template.terms)
        gates = self._checks
        if self._key_in_body:
            found = list(credentials(judged, self.operation))
            if len(found) != 1:
                return False
            judged.credential_name, judged.credential = found[0][0].name, found[0][1]
            gates = [*self._key, *gates]
        return all(check(judged, gate) is None for check, gate in gates)
