"""Everything a body breaks, not only what would be refused first: what certificates are made of.

The validator is the judging engine; windows, identity and measures are read from the contract a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema, drop_nulls
from mockserver.core.explain import judge_spots, violations
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.naming import PER_EVENT, Naming
from mockserver.strategies.places import Tokens, look

Broken: TypeAlias = tuple[str, Tokens, int | None]
"""A rule, the place in the event or body, and the event's number."""


class Diagnosis:
    """Finds what bodies of one form break."""

    def __init__(self, contract: Contract, operation: Operation, form: Form, keys: Sequence[tuple[str, ...]]) -> None:
        self.contract = contract
        self.operation = operation
        self.form = form
        self.naming = Naming(contract.protocol, form.events)
        self.measures = {
            name: limit
            for name, limit in contract.protocol["limits"].items()
            if form.single and form.schema is not None and limit.get("schema") == form.schema.name
        }
        gates = [contract.protocol["gates"][gate.name].get("check", gate.name) for gate in operation.gates]
        self.keys = list(keys) if "key" in gates else []

    def of(self, body: Json, now_ms: int) -> list[Broken]:
        """Return what a body breaks, in the order of its events."""
        if self.contract.adapter.choose_form(self.operation, body) is not self.form:
            return [("/protocol/operations", (), None)]
        found = [*self._envelope(body), *self._events(body, now_ms), *self._measured(body)]
        if not self.keys or any(_is_key(look(body, place)) for place in self.keys):
            return found
        there = [broken for broken in found if broken[1] not in self.keys]
        return [(f"/protocol/credentials/{self.operation.credentials[0]}", (), None), *there]

    def _envelope(self, body: Json) -> Iterator[Broken]:
        if self.form.request is not None:
            yield from ((rule, tokens, None) for rule, tokens in self.breaks(self.form.request, body))
        if self.naming.nobody(body):
            yield "/protocol/identity/batch", (), None

    def _events(self, body: Json, now_ms: int) -> Iterator[Broken]:
        if self.form.events is None:
            return
        if self.form.single:
            yield from ((rule, tokens, None) for rule, tokens in self.event(body, body, now_ms))
            return
        events = look(body, self.form.events)
        for index, event in enumerate(events if isinstance(events, list) else ()):
            yield from ((rule, tokens, index) for rule, tokens in self.event(body, event, now_ms))

    def event(self, body: Json, event: Json, now_ms: int) -> list[tuple[str, Tokens]]:
        """Return what one event of a body breaks."""
        schema = self._schema_of(event)
        if schema is None:
            tokens = self.form.discriminator if isinstance(event, dict) else ()
            return [("/events", tokens)]
        found = self.breaks(schema, event)
        if self.naming.unnamed(body, event):
            found.append((f"/protocol/identity/{PER_EVENT}", self.naming.own_places()[0]))
        return found + list(self.late(event, now_ms))

    def _schema_of(self, event: Json) -> Schema | None:
        if not isinstance(event, dict):
            return None
        if self.form.schema is not None:
            return self.form.schema
        kind = look(event, self.form.discriminator)
        return self.form.schemas.get(kind) if isinstance(kind, str) else None

    def breaks(self, schema: Schema, value: Json) -> list[tuple[str, Tokens]]:
        """Return the rules of a schema that a value breaks, each with its place."""
        if schema.is_valid(value):
            return []
        if self.contract.nulls_absent:
            value = drop_nulls(value, schema.body)
        return [(found.rule, tuple(found.tokens)) for found in violations(schema, value, judge_spots)]

    def late(self, event: Mapping[str, Json], now_ms: int) -> Iterator[tuple[str, Tokens]]:
        """Yield the windows that an event's times are outside of."""
        for name, window in self.contract.windows:
            text = look(event, window.tokens)
            moment = epoch_ms(text) if isinstance(text, str) else None
            if moment is not None and moment > now_ms + window.future_ms:
                yield f"/protocol/windows/{name}/future_ms", window.tokens
            elif moment is not None and moment < now_ms - window.past_ms:
                yield f"/protocol/windows/{name}/past_ms", window.tokens

    def _measured(self, body: Json) -> Iterator[Broken]:
        for name, limit in self.measures.items():
            tokens = pointer.parse(limit["pointer"])
            value = look(body, tokens)
            if value is not MISSING and len(render(value)) > limit["max_bytes"]:
                yield f"/protocol/limits/{name}/max_bytes", tokens, None


def _is_key(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())
