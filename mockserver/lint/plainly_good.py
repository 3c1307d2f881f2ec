"""Telling quickly that an event has neither errors nor warnings. Every doubt is a no: then the event is explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from typing import Final, TypeAlias

import jsonschema_rs
from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Engine, Schema, compile_schema, formats_as_keywords
from mockserver.contract.sections import Strip
from mockserver.core.adapter import EventRule, adapter_of
from mockserver.core.events import outside_window
from mockserver.core.findings import Finding
from mockserver.core.model import Judged
from mockserver.core.stripping import removed_names
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import FORMATS
from mockserver.lint.wire_requests import request_with_body

TRIED: Final = 400
"""Events after which it is told whether remembering findings is of use."""
MOST_KNOWN: Final = 4096
MOST_FAULTS: Final = 20

Findings: TypeAlias = tuple[Finding, ...]
Fault: TypeAlias = tuple[tuple[str | int, ...], tuple[str | int, ...], str, str]
Key: TypeAlias = tuple[str | None, tuple[Fault, ...]]


class PlainlyGood:
    """Looks at the events of one form of an operation, all that judges one of them in a single call of the engine."""

    def __init__(self, contract: Contract, operation: Operation, form: Form) -> None:
        self._contract, self._operation, self._form = contract, operation, form
        self._engines: dict[str | None, Engine | None] = {}
        self._known: dict[Key, Findings] = {}
        self._asked = self._answered = 0

    def holds(self, body: Json, event: Json, judged: Judged | None = None) -> bool:
        """Tell whether an event of a body is plainly good; its times, if it is known when the request was sent."""
        engine = self._engine_for(event)
        try:
            if engine is None or not engine.is_valid(event):
                return False
        except ValueError:  # a lone surrogate, which the engine cannot take
            return False
        if not self._only_schemas_judge(body, event):
            return False
        if judged is None or not judged.terms.now_ms:
            return True
        return not any(next(outside_window(under, event), None) for under in self._under(judged))

    def findings(self, judged: Judged, index: int, explain: Callable[[Judged, int], Findings]) -> Findings:
        """Return what `explain` finds in an event; it is not asked again about an event with the same faults.

        Where an event breaks the schemas is found in a tenth of the time that it takes to explain it.
        """
        key = None if judged.terms.now_ms or self._is_useless else self._key(judged, judged.events[index])
        if key is None:
            return explain(judged, index)
        self._asked += 1
        known = self._known.get(key)
        if known is not None:
            self._answered += 1
            return known
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        found = self._known[key] = explain(judged, index)
        return found

    @property
    def _is_useless(self) -> bool:
        """Whether hardly an event has the faults of another one: messages hold the values."""
        return self._asked >= TRIED and self._answered * 4 < self._asked

    def _key(self, judged: Judged, event: Json) -> Key | None:
        """Return all that what is found in an event depends on; None if that is more than the faults in schemas."""
        engine = self._engine_for(event)
        if engine is None or not self._only_schemas_judge(judged.request_body.value, event):
            return None
        try:
            faults = list(islice(engine.iter_errors(event), MOST_FAULTS + 1))
        except ValueError:  # a lone surrogate
            return None
        if len(faults) > MOST_FAULTS:
            return None
        return self._kind_of(event), tuple(_known_by(fault, event) for fault in faults)

    def _only_schemas_judge(self, body: Json, event: Json) -> bool:
        """Tell whether no rule beside the schemas says anything about an event."""
        if any(rule(body, event) is not None for rule in self._event_rules):
            return False
        return not any(removed_names(event, strip) for strip in self._strips)

    def _kind_of(self, event: Json) -> str | None:
        type_ = self._form.type_of(event)
        return type_ if type_ in self._kinds else None

    def _engine_for(self, event: Json) -> Engine | None:
        if type(event) is not dict:
            return None
        kind = self._kind_of(event)
        if kind not in self._engines:
            self._engines[kind] = self._engine(kind)
        return self._engines[kind]

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

    def _engine(self, type_: str | None) -> Engine | None:
        """Return the engine of all schemas that an event of a type is looked at with; None if one is missing."""
        schemas = list(self._schemas(type_))
        if None in schemas:
            return None
        everything = {"allOf": [formats_as_keywords(schema.body) for schema in schemas if schema is not None]}
        return compile_schema(everything, FORMATS)

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


def _known_by(fault: jsonschema_rs.ValidationError, event: Json) -> Fault:
    """Return what tells one fault from others: its places and its message, which tells names and values.

    That of a pattern which is no keyword of the engine does not tell the value, nor that of unknown members theirs.
    """
    place = tuple(fault.instance_path)
    value = pointer.get(event, map(str, place))
    text = "" if isinstance(value, dict | list) else repr(value)
    match fault.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names) if isinstance(value, dict):
            text = repr([value.get(name) for name in names])
    return tuple(fault.schema_path), place, fault.message, text
