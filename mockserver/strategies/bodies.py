"""Strategies for whole bodies of one form: good ones, ones with broken events, ones with a broken envelope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.drawing import DIFFERENT, ODDS, Draw, Drawing, Strategy
from mockserver.strategies.forms import BadEvent, FormPlan, Kind
from mockserver.strategies.named import Choose, name_all, nameless, nameless_kinds, without_reserved
from mockserver.strategies.naming import IDENTITY, NAMES_NOBODY, RESERVED, SENDER
from mockserver.strategies.places import apply, put
from mockserver.strategies.schema_mutations import Mutation, Way

MANY: Final = 150
"""The most events in a batch of a form that says no limit."""


@dataclass(frozen=True, slots=True)
class EventMutation:
    """One way to break one kind of event."""

    kind: Kind
    mutation: Mutation
    way: Way


class Bodies:
    """The strategies of one form."""

    def __init__(self, form: FormPlan) -> None:
        self.form = form
        self.kinds = {name: Drawing(kind.values) for name, kind in form.kinds.items()}
        self.envelope = None if form.envelope is None else Drawing(form.envelope)
        self.least, self.most = form.bounds
        few = [size for size in range(self.least, self.least + 4) if self.most is None or size <= self.most]
        few = [size for size in few if size] or few
        self.sizes = few * ODDS + [self.least, MANY if self.most is None else self.most] * 2
        self.nameless = nameless_kinds(form)

    def event(self, names: Sequence[str]) -> Strategy:
        """Return the strategy of one good event of the kinds named."""
        return st.one_of([self.kinds[name].whole() for name in names]).map(self._certified)

    def _certified(self, event: Json) -> Json:
        self.form.certify(self.form.body([event]), [])
        return event

    def draw_envelope(self, draw: Draw) -> Json:
        """Draw what stands around the events."""
        return MISSING if self.envelope is None else draw(self.envelope.whole())

    def draw_events(self, draw: Draw, names: Sequence[str], size: int) -> list[Json]:
        """Draw so many good events; of long lists few are different."""
        kinds = st.sampled_from(list(names))
        drawn = [draw(self.kinds[draw(kinds)].whole()) for _ in range(min(size, DIFFERENT))]
        return [drawn[index % DIFFERENT] for index in range(size)]

    def draw_good(self, draw: Draw, names: Sequence[str]) -> Json:
        """Draw a good body."""
        form = self.form
        if form.form.events is None:
            body = self.draw_envelope(draw)
        else:
            size = 1 if form.form.single else draw(st.sampled_from(self.sizes))
            body = form.body(self.draw_events(draw, names, size), self.draw_envelope(draw))
            body = name_all(form, body, chooser(draw))
        form.certify(body, [])
        return body

    def draw_bad_event(self, draw: Draw, broken: EventMutation) -> Json:
        """Draw an event of a kind and break it."""
        values, (tokens, edit) = broken.kind.values, broken.way
        event = values.steady(draw(self.kinds[broken.kind.name].whole()))
        return apply(values.with_holder(event, tokens), edit)

    def draw_mixed(
        self, draw: Draw, slots: Sequence[EventMutation | None], names: Sequence[str]
    ) -> tuple[Json, list[BadEvent]]:
        """Draw a body whose events are good where `slots` has None and broken where it says how."""
        form, kinds = self.form, st.sampled_from(list(names))
        events = [
            draw(self.kinds[draw(kinds)].whole()) if broken is None else self.draw_bad_event(draw, broken)
            for broken in slots
        ]
        bad = [
            BadEvent(index=index, mutation=broken.mutation, tokens=broken.way[0])
            for index, broken in enumerate(slots)
            if broken is not None
        ]
        body = form.body(events, self.draw_envelope(draw))
        if any(event.mutation.rule == IDENTITY for event in bad):
            body = put(body, (SENDER,), draw(st.sampled_from(form.naming.per_event.senders)))
        if any(event.mutation.keyword == RESERVED for event in bad):
            assert form.envelope is not None
            body = form.envelope.steady(put(body, (SENDER,), MISSING))
        avoid = {event.index: () if event.mutation.rule == IDENTITY else event.tokens for event in bad}
        body = name_all(form, body, chooser(draw), avoid)
        form.certify_bad(body, bad)
        return body, bad

    def draw_enveloped(self, draw: Draw, mutation: Mutation, way: Way, names: Sequence[str]) -> Json:
        """Draw a body and break its envelope."""
        form, (tokens, edit) = self.form, way
        assert form.envelope is not None
        body = self.draw_envelope(draw)
        if form.form.events is not None:
            body = form.body(self.draw_events(draw, names, max(self.least, 1)), body)
        body = form.envelope.steady(body)
        if form.naming.asks:
            body = put(body, (SENDER,), MISSING)
        body = without_reserved(form, apply(form.envelope.with_holder(body, tokens), edit))
        form.certify(body, [BrokenRule(mutation.rule, tokens)])
        return body

    def draw_nameless(self, draw: Draw) -> Json:
        """Draw a batch that must name somebody and does not."""
        form = self.form
        events = [kind.values.least for kind in self.nameless]
        least = max(self.least, 1)
        size = draw(st.integers(least, min(least + 2, self.most or least + 2)))
        chosen = [draw(st.sampled_from(events)) for _ in range(size)]
        body = form.body(chosen, self.draw_envelope(draw))
        body = nameless(form, body, draw(st.sampled_from(form.naming.batch.senders)))
        form.certify(body, [NAMES_NOBODY])
        return body


def chooser(draw: Draw) -> Choose:
    """Return a function that draws one of several."""
    return lambda options: draw(st.sampled_from(range(len(options))).map(lambda number: options[number]))
