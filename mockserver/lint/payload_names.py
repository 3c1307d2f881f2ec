"""The names that the operations of a contract know, level by level: in the body, and in each event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.jsonkit import Json

IN_BODY: Final = "body"
"""The place of a credential that is a member of the body."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Names:
    """What one level of a payload is made of.

    `known` are the schemas of its members, `required` the members that it must have, and of each of `either` one.
    """

    known: Mapping[str, Mapping[str, Json]]
    required: tuple[str, ...]
    either: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """One way to read a payload: as the body of an operation, or `wrapped` in a body, as its only event.

    `body` are the names of the body, None where the payload is the event; `events` those of an event by its type,
    `""` for an event of an unknown type or where all types have the same.
    """

    contract: Contract
    operation: Operation
    form: Form
    wrapped: bool
    body: Names | None
    events: Mapping[str, Names]

    @property
    def name(self) -> str:
        """The protocol and the operation, as users write them."""
        return f"{self.contract.name}/{self.operation.name}"

    @property
    def of_one_event(self) -> bool:
        """Whether the payload is one event."""
        return self.wrapped or self.form.single

    @property
    def by_type(self) -> bool:
        """Whether the type of an event picks the schema that judges it."""
        return len(self.events) > 1

    def levels(self) -> Iterator[Names]:
        """Yield the names of the body and of the events."""
        yield from filter(None, (self.body, *self.events.values()))

    def decides_like(self, other: Reading) -> bool:
        """Tell whether the same schema judges the payload in both readings."""
        both_events = self.of_one_event and other.of_one_event
        return both_events and self.form.schema is not None and self.form.schema is other.form.schema


def readings_of(contract: Contract) -> Iterator[Reading]:
    """Yield each way to read a payload under a contract."""
    for operation in contract.operations.values():
        for form in operation.forms.values():
            events, body = _event_names(form), _body_names(operation, form)
            yield Reading(
                contract=contract,
                operation=operation,
                form=form,
                wrapped=False,
                body=None if form.single else body,
                events=events,
            )
            if form.events and len(form.events) == 1:
                yield Reading(contract=contract, operation=operation, form=form, wrapped=True, body=body, events=events)


def _event_names(form: Form) -> Mapping[str, Names]:
    if form.schema is not None:
        return {"": _names(form.schema.body)}
    if form.events is None or not form.discriminator:
        return {}
    by_type = {name: _names(schema.body) for name, schema in form.schemas.items()}
    every = list(by_type.values())
    required = set(every[0].required).intersection(*(names.required for names in every))
    known = {name: schema for names in every for name, schema in names.known.items()}
    common = Names(known=known, required=tuple(name for name in every[0].required if name in required))
    return {**by_type, "": common}


def _body_names(operation: Operation, form: Form) -> Names:
    schema: Mapping[str, Json] = {} if form.request is None else form.request.body
    keys = [spec.parameter for spec in operation.credentials if spec.place == IN_BODY]
    return _names(schema, [*keys, *(form.events or ())[:1]])


def _names(schema: Mapping[str, Json], more: Sequence[str] = ()) -> Names:
    branches = [tuple(branch.get("required", ())) for branch in schema.get("anyOf", ())]
    either = tuple(branch[0] for branch in branches if branch) if all(branches) else ()
    known: dict[str, Mapping[str, Json]] = {name: {} for name in more}
    known |= schema.get("properties", {})
    return Names(known=known, required=tuple(schema.get("required", ())), either=(either,) if either else ())


def weights_of(readings: Iterable[Reading]) -> Mapping[str, float]:
    """Return how much each name tells: 2 for a name of one protocol only, 1 for one that several have."""
    owners = Counter(
        name for _, name in {(reading.contract.name, name) for reading in readings for name in names_of(reading)}
    )
    return {name: 2 if count == 1 else 1 for name, count in owners.items()}


def names_of(reading: Reading) -> set[str]:
    """Return the names that a reading knows, at any level."""
    return {name for level in reading.levels() for name in level.known}


def telling_names(readings: Iterable[Reading]) -> frozenset[str]:
    """Return the names whose values tell protocols apart: those of event types, and those with a list of values."""
    told: set[str] = set()
    for reading in readings:
        if reading.by_type:
            told.add(reading.form.discriminator[-1])
        told |= {name for level in reading.levels() for name, schema in level.known.items() if "enum" in schema}
    return frozenset(told)
