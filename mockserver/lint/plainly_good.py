"""Telling quickly that an event has neither errors nor warnings. Every doubt is a no: then the event is explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema, compile_schema, formats_as_keywords
from mockserver.contract.sections import Strip
from mockserver.core.adapter import EventRule, adapter_of
from mockserver.core.events import outside_window
from mockserver.core.model import Judged
from mockserver.core.stripping import removed_names
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS
from mockserver.lint.wire_requests import request_with_body


class PlainlyGood:
    """Looks at the events of one form of an operation, all that judges one of them in a single call of the engine."""

    def __init__(self, contract: Contract, operation: Operation, form: Form) -> None:
        self._contract, self._operation, self._form = contract, operation, form
        self._engines: dict[str | None, Callable[[Json], bool] | None] = {}

    def holds(self, body: Json, event: Json, judged: Judged | None = None) -> bool:
        """Tell whether an event of a body is plainly good; its times, if it is known when the request was sent."""
        if type(event) is not dict:
            return False
        type_ = self._form.type_of(event)
        kind = type_ if type_ in self._kinds else None
        if kind not in self._engines:
            self._engines[kind] = self._engine(kind)
        is_valid = self._engines[kind]
        try:
            if is_valid is None or not is_valid(event):
                return False
        except ValueError:  # a lone surrogate, which the engine cannot take
            return False
        if any(rule(body, event) is not None for rule in self._event_rules):
            return False
        if any(removed_names(event, strip) for strip in self._strips):
            return False
        if judged is None or not judged.terms.now_ms:
            return True
        return not any(next(outside_window(under, event), None) for under in self._under(judged))

    @cached_property
    def _newest(self) -> Contract | None:
        return self._contract.newest

    @cached_property
    def _newest_form(self) -> Form | None:
        if self._newest is None:
            return None
        target = request_with_body(self._operation, None).target
        operation = self._newest.locate(target).operations.get(self._operation.method)
        return None if operation is None else operation.forms.get(self._form.name)

    @cached_property
    def _kinds(self) -> frozenset[str]:
        """The event types that schemas or warnings name."""
        named = [rule.types or () for rule in self._contract.warnings.events]
        newest = self._newest_form.schemas if self._newest_form is not None else ()
        return frozenset((*self._form.schemas, *newest, *(type_ for types in named for type_ in types)))

    @cached_property
    def _event_rules(self) -> list[EventRule]:
        contracts = [self._contract] + ([self._newest] if self._newest_form is not None and self._newest else [])
        rules = [adapter_of(contract.adapter).event_rules(contract) for contract in contracts]
        return [rule for rule in rules if rule is not None]

    @cached_property
    def _strips(self) -> list[Strip]:
        return [strip for strip in self._contract.stored.strip.values() if strip.message]

    def _engine(self, type_: str | None) -> Callable[[Json], bool] | None:
        """Return what tells that an event of a type fits every schema it is looked at with; None if one is missing."""
        schemas = list(self._schemas(type_))
        if None in schemas:
            return None
        everything = {"allOf": [formats_as_keywords(schema.body) for schema in schemas if schema is not None]}
        return compile_schema(everything, FORMATS).is_valid

    def _schemas(self, type_: str | None) -> Iterator[Schema | None]:
        for form in filter(None, (self._form, self._newest_form)):
            yield form.schema or form.schemas.get(type_ or "")
        for rule in self._contract.warnings.events:
            applies = rule.is_about(self._operation.name, self._form.name)
            if rule.schema is not None and applies and (rule.types is None or type_ in rule.types):
                yield rule.schema

    def _under(self, judged: Judged) -> Iterator[Judged]:
        yield judged
        if self._newest_form is not None and self._newest is not None:
            yield structs.replace(judged, contract=self._newest)
