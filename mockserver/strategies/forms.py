"""One form of one operation's bodies, compiled: its kinds of events, its envelope, and every way to break either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeAlias

from mockserver.contract.schema import Schema
from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import non_schema_mutations, schema_mutations
from mockserver.strategies.diagnosis import Diagnosis
from mockserver.strategies.example_bodies import at_home, example_bodies
from mockserver.strategies.naming import IDENTITY, SENDER, Naming, identity, reserved
from mockserver.strategies.places import Tokens, apply, look, put
from mockserver.strategies.samples import CertificateError
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.strategies.values import TimeFrame, Values, inner

Sorted: TypeAlias = tuple[list[Mutation], list[Mutation]]
"""The mutations that break their rule alone, and those that other keywords shadow."""


class Kind:
    """One kind of event: its values, and the ways to break it, found when they are first asked for."""

    def __init__(self, name: str, values: Values, sort: Callable[[Kind], Sorted]) -> None:
        self.name = name
        self.values = values
        self._sort = sort

    @cached_property
    def _sorted(self) -> Sorted:
        return self._sort(self)

    @property
    def mutations(self) -> list[Mutation]:
        """What breaks events of this kind, each with the ways that break just one rule."""
        return self._sorted[0]

    @property
    def shadowed(self) -> list[Mutation]:
        """What breaks no event of this kind alone: another keyword is broken by every way too."""
        return self._sorted[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEvent:
    """One broken event of a batch: its number, the mutation, where its finding points."""

    index: int
    mutation: Mutation
    tokens: Tokens


class FormPlan:
    """A compiled form. `keys` are the places of credentials in its bodies, with their values.

    With `type` the events of a form with one schema for all are of that type.
    """

    def __init__(
        self, diagnosis: Diagnosis, time_frame: TimeFrame, keys: Iterable[tuple[Tokens, str]], type: str | None = None
    ) -> None:
        self.contract = diagnosis.contract
        self.form = form = diagnosis.form
        self.diagnosis = diagnosis
        self.time_frame = time_frame
        self.type = type
        self.naming = Naming(self.contract, diagnosis)
        measured = form.schema.name if form.single and form.schema is not None else None
        self.measures = [limit for limit in self.contract.member_limits.values() if limit.schema == measured]
        self.fixed: dict[Tokens, Json] = dict(keys)
        self.kinds = {kind.name: kind for kind in self._kinds()}
        self.envelope = None if form.request is None else self._values(form.request, self.fixed)
        if self.envelope is not None and form.events is not None:
            self.envelope.fixed[form.events] = [self.padding] * max(1, self.bounds[0])

    def _kinds(self) -> Iterator[Kind]:
        form = self.form
        if form.events is None:
            return
        if form.schema is not None:
            fixed = dict(self.fixed) if form.single else {}
            if self.type is not None:
                fixed[form.discriminator] = self.type
            yield Kind(form.type or form.schema.name, self._values(form.schema, fixed), self._sort_events)
            return
        for name, schema in form.schemas.items():
            yield Kind(name, self._values(schema, {form.discriminator: name}), self._sort_events)

    def _values(self, schema: Schema, fixed: dict[Tokens, Json]) -> Values:
        values = Values(schema.body, self.time_frame, dict(fixed), nulls_absent=self.contract.nulls_absent)
        if schema is self.form.schema:
            values.extra = {limit.tokens: non_schema_mutations.just_fitting(limit.max_bytes) for limit in self.measures}
            values.most_bytes = {limit.tokens: limit.max_bytes for limit in self.measures}
        return values

    @property
    def padding(self) -> Json:
        """The smallest event of the first kind."""
        return next(iter(self.kinds.values())).values.least

    def body(self, events: list[Json], envelope: Json = MISSING) -> Json:
        """Return a body with these events; the smallest envelope where none is given.

        Where the contract asks for more events than these, the smallest one fills the batch up.
        """
        if self.form.single:
            return events[0]
        least = self.bounds[0]
        if self.form.events is not None and len(events) < least:
            events = [*events, *[self.padding] * (least - len(events))]
        if self.envelope is not None:
            envelope = self.envelope.least if envelope is MISSING else envelope
        elif self.form.events is not None:
            envelope = {}
        return envelope if self.form.events is None else put(envelope, self.form.events, events)

    def mixed_body(self, events: list[Json], broken: Iterable[Mutation]) -> Json:
        """Return a body with broken events; where one wrongly names nobody, from a sender whose events must."""
        body = self.body(events)
        anonymous = any(mutation.rule == IDENTITY for mutation in broken)
        return put(body, (SENDER,), self.naming.per_event.senders[0]) if anonymous else body

    def events_in(self, body: Json) -> list[Json]:
        """Return the events of a body."""
        if self.form.events is None:
            return []
        events = [body] if self.form.single else look(body, self.form.events)
        return events if isinstance(events, list) else []

    @cached_property
    def bounds(self) -> tuple[int, int | None]:
        """The fewest and the most events a body may have; None where the contract says no limit."""
        if self.form.single:
            return 1, 1
        if self.envelope is None or self.form.events is None:
            return 0, None
        schema = self.envelope.root
        for token in self.form.events:
            schema = inner(schema, token)
        return schema.get("minItems", 0), schema.get("maxItems")

    def prefix(self, index: int) -> Tokens:
        """Return where an event stands in a body."""
        return () if self.form.single or self.form.events is None else (*self.form.events, index)

    @cached_property
    def examples(self) -> list[Json]:
        """The bodies of the contract's examples that this form takes."""
        written = example_bodies(self.contract, self.diagnosis.operation.name)
        bodies = (at_home(body, self.form, self.contract, self.fixed, self.time_frame.now_ms) for body in written)
        return [body for body in bodies if self._is_of_type(body) and not self.diagnosis.of(body)]

    def _is_of_type(self, body: Json) -> bool:
        return self.type is None or {self.form.type_of(event) for event in self.events_in(body)} == {self.type}

    def event_examples(self, kind: Kind) -> list[Json]:
        """Return the events of one kind in examples that are good in a batch of their own."""
        events = [event for body in self.examples for event in self.events_in(body) if self.kind_of(event) is kind]
        return [event for event in events if self.form.single or not self.diagnosis.of(self.body([event]))]

    def kind_of(self, event: Json) -> Kind | None:
        """Return the kind an event is of, or None where its type tells none."""
        if self.form.schema is not None:
            return next(iter(self.kinds.values()))
        return self.kinds.get(self.form.type_of(event) or "")

    def smallest(self) -> Json:
        """Return the smallest good body."""
        return self.body([self.padding] if self.kinds else [])

    def envelope_host(self, tokens: Tokens) -> Json:
        """Return the smallest good body that has the holder of a place of its envelope."""
        assert self.envelope is not None
        return self.envelope.host(tokens)

    def certify(self, body: Json, expected: Iterable[BrokenRule]) -> None:
        """Hold a body to what it was made to break. Raises CertificateError."""
        broken, intended = self.diagnosis.of(body), list(expected)
        if broken != intended:
            raise CertificateError(f"made to break {intended}, breaks {broken}: {body!r}"[:4000])

    def certify_bad(self, body: Json, bad: Iterable[BadEvent]) -> None:
        """Hold a body to breaking just this. Raises CertificateError."""
        self.certify(body, [self.broken(event.mutation, event.tokens, event.index) for event in bad])

    def broken(self, mutation: Mutation, tokens: Tokens, index: int) -> BrokenRule:
        """Return what an event breaks that was made by a mutation."""
        return BrokenRule(mutation.rule, tokens, None if self.form.single else index)

    @cached_property
    def _sorted_envelope(self) -> Sorted:
        drafts = () if self.envelope is None else schema_mutations.drafts(self.envelope)
        return _sort_out(drafts, self._envelope_breaks_alone)

    @property
    def envelope_mutations(self) -> list[Mutation]:
        """What breaks the envelope, each with the ways that break just one rule."""
        return self._sorted_envelope[0]

    @property
    def shadowed(self) -> list[Mutation]:
        """What breaks no envelope alone: another keyword is broken by every way too."""
        return self._sorted_envelope[1]

    def _sort_events(self, kind: Kind) -> Sorted:
        return _sort_out(self._event_drafts(kind), partial(self._event_breaks_alone, kind))

    def _event_breaks_alone(self, kind: Kind, mutation: Mutation, way: Way) -> bool:
        tokens, edit = way
        body = self.mixed_body([apply(kind.values.host(tokens), edit)], [mutation])
        return self.diagnosis.of(body) == [self.broken(mutation, tokens, 0)]

    def _envelope_breaks_alone(self, mutation: Mutation, way: Way) -> bool:
        tokens, edit = way
        return self.diagnosis.of(apply(self.envelope_host(tokens), edit)) == [BrokenRule(mutation.rule, tokens)]

    def _event_drafts(self, kind: Kind) -> Iterator[Mutation]:
        """Yield the mutations of one kind of event: its schema's, and those beside it."""
        picked = self.form.schema is None
        for mutation in schema_mutations.drafts(kind.values):
            if not (picked and mutation.ways and mutation.ways[0][0] == self.form.discriminator):
                yield mutation
        if picked:
            yield from non_schema_mutations.types(kind.name, self.form.discriminator)
        if not self.form.single:
            yield non_schema_mutations.not_an_object()
        yield from non_schema_mutations.windows(kind.values)
        yield from non_schema_mutations.measures(self.measures)
        yield from identity(self.naming, kind.values)
        yield from reserved(self.naming, kind.values)


def _sort_out(drafts: Iterable[Mutation], breaks_alone: Callable[[Mutation, Way], bool]) -> Sorted:
    """Keep of each mutation the ways that break just its rule."""
    tried = [replace(draft, ways=tuple(way for way in draft.ways if breaks_alone(draft, way))) for draft in drafts]
    return [mutation for mutation in tried if mutation.ways], [mutation for mutation in tried if not mutation.ways]
