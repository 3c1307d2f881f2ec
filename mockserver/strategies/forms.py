"""One form of one operation's bodies, compiled: its kinds of events, its envelope, and every way to break either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import non_schema_mutations as beside
from mockserver.strategies import schema_mutations as faults
from mockserver.strategies.diagnosis import Broken, Diagnosis
from mockserver.strategies.naming import IDENTITY, SENDER
from mockserver.strategies.places import Tokens, apply, look, put
from mockserver.strategies.samples import CertificateError
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.strategies.subschemas import inner
from mockserver.strategies.time_frame import Clock
from mockserver.strategies.values import Values

Works = Callable[[Mutation], Iterable[Way]]
"""Tells which of a fault's ways break just that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of event: its values, the ways to break it, and the rules that cannot be broken alone."""

    name: str
    values: Values
    schema: Schema
    faults: list[Mutation] = field(default_factory=list)
    hidden: list[Mutation] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One broken event of a batch: its number, the fault, where its finding points."""

    index: int
    fault: Mutation
    tokens: Tokens


class FormPlan:
    """A compiled form. `keys` are the places of credentials in its bodies, with their values.

    `measured` is the reason for refusing a member over its size. With `typed` the events of a form with one schema for
    all are of that type.
    """

    def __init__(
        self,
        contract: Contract,
        operation: Operation,
        form: Form,
        clock: Clock,
        keys: list[tuple[tuple[str, ...], str]],
        measured: str,
        typed: str | None = None,
    ) -> None:
        self.contract = contract
        self.form = form
        self.clock = clock
        self.measured = measured
        self.typed = typed
        self.diagnosis = Diagnosis(contract, operation, form, [tokens for tokens, _ in keys])
        self.naming = self.diagnosis.naming
        self.fixed: dict[Tokens, Json] = dict(keys)
        self.kinds = {kind.name: kind for kind in self._kinds()}
        self.envelope = self._envelope()
        if self.envelope is not None and form.events is not None:
            self.envelope.fixed[form.events] = [self.padding] * max(1, self.bounds()[0])
        self.envelope_mutations: list[Mutation] = []
        self.hidden: list[Mutation] = []
        if self.envelope is not None:
            self._settle(faults.drafts(self.envelope), self._try_envelope, self.envelope_mutations, self.hidden)
        for kind in self.kinds.values():
            self._settle(self._event_drafts(kind), partial(self._try_event, kind), kind.faults, kind.hidden)

    def _kinds(self) -> Iterator[Kind]:
        form = self.form
        if form.events is None:
            return
        if form.schema is not None:
            extra = dict(self.fixed) if form.single else {}
            if self.typed is not None:
                extra[form.discriminator] = self.typed
            yield self._kind(form.type or form.schema.name, form.schema, extra)
            return
        for name, schema in form.schemas.items():
            yield self._kind(name, schema, {form.discriminator: name})

    def _kind(self, name: str, schema: Schema, fixed: dict[Tokens, Json]) -> Kind:
        values = Values(schema.body, self.clock, fixed, nulls_absent=self.contract.nulls_absent)
        for limit in self.diagnosis.measures.values():
            values.extra[pointer.parse(limit["pointer"])] = [beside.sized(limit["max_bytes"])]
        return Kind(name=name, values=values, schema=schema)

    def _envelope(self) -> Values | None:
        form = self.form
        if form.request is None:
            return None
        return Values(form.request.body, self.clock, dict(self.fixed), nulls_absent=self.contract.nulls_absent)

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
        if self.form.events is not None and len(events) < self.bounds()[0]:
            events = [*events, *[self.padding] * (self.bounds()[0] - len(events))]
        if self.envelope is not None:
            envelope = self.envelope.least if envelope is MISSING else envelope
        elif self.form.events is not None:
            envelope = {}
        return envelope if self.form.events is None else put(envelope, self.form.events, events)

    def events_in(self, body: Json) -> list[Json]:
        """Return the events of a body."""
        if self.form.events is None:
            return []
        found = body if self.form.single else look(body, self.form.events)
        return [body] if self.form.single else found if isinstance(found, list) else []

    def bounds(self) -> tuple[int, int | None]:
        """Return the fewest and the most events a body may have; None where the contract says no limit."""
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

    def smallest(self) -> Json:
        """Return the smallest good body."""
        return self.body([self.padding] if self.kinds else [])

    def envelope_host(self, tokens: Tokens) -> Json:
        """Return the smallest good body that has the holder of a place of its envelope."""
        assert self.envelope is not None
        return self.envelope.host(tokens)

    def certify(self, body: Json, expected: Iterable[Broken]) -> None:
        """Hold a body to what it was made to break. Raises CertificateError."""
        found, wanted = self.diagnosis.of(body, self.clock.now_ms), list(expected)
        if found != wanted:
            raise CertificateError(f"made to break {wanted}, breaks {found}: {body!r}"[:4000])

    def certify_bad(self, body: Json, bad: Iterable[Bad]) -> None:
        """Hold a body to breaking just this. Raises CertificateError."""
        single = self.form.single
        self.certify(body, [(one.fault.rule, one.tokens, None if single else one.index) for one in bad])

    def _settle(self, drafted: Iterable[Mutation], works: Works, kept: list[Mutation], hidden: list[Mutation]) -> None:
        for draft in drafted:
            fault = replace(draft, ways=tuple(works(draft)))
            (kept if fault.ways else hidden).append(fault)

    def _try_event(self, kind: Kind, fault: Mutation) -> Iterator[Way]:
        for tokens, edit in fault.ways:
            body = self.body([apply(kind.values.host(tokens), edit)])
            if fault.rule == IDENTITY:
                body = put(body, (SENDER,), self.naming.per_event["sources"][0])
            if self.diagnosis.of(body, self.clock.now_ms) == [(fault.rule, tokens, None if self.form.single else 0)]:
                yield tokens, edit

    def _try_envelope(self, fault: Mutation) -> Iterator[Way]:
        assert self.envelope is not None
        for tokens, edit in fault.ways:
            if self.diagnosis.of(apply(self.envelope.host(tokens), edit), self.clock.now_ms) == [
                (fault.rule, tokens, None)
            ]:
                yield tokens, edit

    def _event_drafts(self, kind: Kind) -> Iterator[Mutation]:
        """Yield the faults of one kind of event: its schema's, and those beside it."""
        picked = self.form.schema is None
        for fault in faults.drafts(kind.values):
            if not (picked and fault.ways and fault.ways[0][0] == self.form.discriminator):
                yield fault
        if picked:
            yield from beside.types(kind.name, self.form.discriminator)
        if not self.form.single:
            yield beside.not_an_object()
        yield from beside.windows(self.contract, self.clock, kind.values)
        yield from beside.measures(self.diagnosis.measures, self.measured)
        yield from beside.identity(self.contract, self.naming, kind.values)
