"""Whole bodies of one form as they are drawn: good ones, ones with broken events, ones with a broken envelope.

They are copies: whoever changes one changes no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.chance import Chance, Site
from mockserver.strategies.drawing import DIFFERENT, PLAIN, Drawing
from mockserver.strategies.forms import BadEvent, FormPlan, Kind
from mockserver.strategies.named import name_all, nameless, nameless_kinds, without_reserved
from mockserver.strategies.naming import IDENTITY, NAMES_NOBODY, RESERVED, SENDER
from mockserver.strategies.places import apply, fresh, look, put
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.strategies.values import inner

MANY: Final = 150
"""The most events in a batch of a form that says no limit."""
RARELY: Final = 10
"""One of so many values follows an example of the contract."""


@dataclass(frozen=True, slots=True)
class EventMutation:
    """One way to break one kind of event."""

    kind: Kind
    mutation: Mutation
    way: Way


class Followed:
    """Examples, of which one is followed now and then."""

    def __init__(self, examples: Sequence[Json]) -> None:
        self.examples = examples
        self.site = Site(RARELY * len(examples) or 1)

    def pick(self, chance: Chance) -> Json:
        """Return an example, or PLAIN more often than not."""
        number = chance.pick(self.site) if self.examples else 0
        return self.examples[number // RARELY] if number % RARELY == RARELY - 1 else PLAIN


class Bodies:
    """What draws the bodies of one form, and its events."""

    def __init__(self, form: FormPlan) -> None:
        self.form = form
        own = {name: form.event_examples(kind) for name, kind in form.kinds.items()}
        self.kinds = {name: Drawing(kind.values, own[name]) for name, kind in form.kinds.items()}
        self.envelope = None if form.envelope is None else Drawing(form.envelope, form.examples)
        self.whole = Followed(form.examples)
        self.single = {name: Followed(examples) for name, examples in own.items()}
        self.least, self.most = form.bounds
        self.sizes = sizes(self.least, MANY if self.most is None else self.most)
        self.size = Site(len(self.sizes))
        self.nameless = nameless_kinds(form)

    def draw_event(self, chance: Chance, name: str) -> Json:
        """Draw one good event of a kind, good in a batch of its own too."""
        event = self.kinds[name].draw(chance, self.single[name].pick(chance))
        self.form.certify(self.form.body([event]), [])
        return fresh(event)

    def draw_envelope(self, chance: Chance, example: Json = PLAIN) -> Json:
        """Draw what stands around the events."""
        return MISSING if self.envelope is None else self.envelope.draw(chance, example)

    def draw_events(self, chance: Chance, pick: Pick, size: int) -> list[Json]:
        """Draw so many good events; of long lists few differ in more than their ids."""
        drawn = [self._draw_any(chance, pick) for _ in range(min(size, DIFFERENT))]
        return [*drawn, *(self._again(drawn[index % DIFFERENT], index) for index in range(DIFFERENT, size))]

    def _again(self, event: Json, index: int) -> Json:
        """Return an event once more, under another id where the contract knows repeats by one."""
        dedup, kind = self.form.contract.dedup, self.form.kind_of(event)
        known = MISSING if dedup is None else look(event, dedup.tokens)
        if dedup is None or kind is None or not isinstance(known, str):
            return event
        schema = kind.values.root
        for token in dedup.tokens:
            schema = inner(schema, token)
        number = f"{index:04d}"
        for other in (known[: -len(number)] + number, f"{known}-{number}"):
            if kind.values.takes(schema, dedup.tokens, other):
                return put(event, dedup.tokens, other)
        return event

    def _draw_any(self, chance: Chance, pick: Pick) -> Json:
        name = pick.draw(chance)
        return self.kinds[name].draw(chance, self.single[name].pick(chance))

    def draw_good(self, chance: Chance, pick: Pick) -> Json:
        """Draw a good body."""
        form, example = self.form, self.whole.pick(chance) if pick.all else PLAIN
        if form.form.events is None:
            body = self.draw_envelope(chance, example)
        elif form.form.single:
            body = (
                form.body(self.draw_events(chance, pick, 1)) if example is PLAIN else self._followed(chance, example)[0]
            )
        else:
            size = self.sizes[chance.pick(self.size)]
            envelope = self.draw_envelope(chance, example)
            events = self.draw_events(chance, pick, size) if example is PLAIN else self._followed(chance, example)
            body = form.body(events, envelope)
        if form.form.events is not None:
            body = name_all(form, body, chance.choose)
        form.certify(body, [])
        return fresh(body)

    def _followed(self, chance: Chance, example: Json) -> list[Json]:
        """Draw the events of an example, each nearly always as it is."""
        drawn = []
        for event in self.form.events_in(example):
            kind = self.form.kind_of(event)
            assert kind is not None
            drawn.append(self.kinds[kind.name].draw(chance, event))
        return drawn

    def draw_bad_event(self, chance: Chance, broken: EventMutation) -> Json:
        """Draw an event of a kind and break it."""
        values, (tokens, edit) = broken.kind.values, broken.way
        event = values.steady(self.kinds[broken.kind.name].draw(chance))
        return apply(values.with_holder(event, tokens), edit)

    def draw_mixed(
        self, chance: Chance, slots: Sequence[EventMutation | None], pick: Pick
    ) -> tuple[Json, list[BadEvent]]:
        """Draw a body whose events are good where `slots` has None and broken where it says how."""
        form = self.form
        events = [
            self._draw_any(chance, pick) if broken is None else self.draw_bad_event(chance, broken) for broken in slots
        ]
        bad = [
            BadEvent(index=index, mutation=broken.mutation, tokens=broken.way[0])
            for index, broken in enumerate(slots)
            if broken is not None
        ]
        body = form.body(events, self.draw_envelope(chance))
        if any(event.mutation.rule == IDENTITY for event in bad):
            body = put(body, (SENDER,), chance.choose(form.naming.per_event.senders))
        if any(event.mutation.keyword == RESERVED for event in bad):
            assert form.envelope is not None
            body = form.envelope.steady(put(body, (SENDER,), MISSING))
        avoid = {event.index: () if event.mutation.rule == IDENTITY else event.tokens for event in bad}
        body = name_all(form, body, chance.choose, avoid)
        form.certify_bad(body, bad)
        return fresh(body), bad

    def draw_enveloped(self, chance: Chance, mutation: Mutation, way: Way, pick: Pick) -> Json:
        """Draw a body and break its envelope."""
        form, (tokens, edit) = self.form, way
        assert form.envelope is not None
        body = self.draw_envelope(chance)
        if form.form.events is not None:
            body = form.body(self.draw_events(chance, pick, max(self.least, 1)), body)
        body = form.envelope.steady(body)
        if form.naming.asks:
            body = put(body, (SENDER,), MISSING)
        body = without_reserved(form, apply(form.envelope.with_holder(body, tokens), edit))
        form.certify(body, [BrokenRule(mutation.rule, tokens)])
        return fresh(body)

    def draw_nameless(self, chance: Chance) -> Json:
        """Draw a batch that must name somebody and does not."""
        form = self.form
        events = [kind.values.least for kind in self.nameless]
        least = max(self.least, 1)
        size = chance.choose(range(least, min(least + 2, self.most or least + 2) + 1))
        chosen = [chance.choose(events) for _ in range(size)]
        body = form.body(chosen, self.draw_envelope(chance))
        body = nameless(form, body, chance.choose(form.naming.batch.senders))
        form.certify(body, [NAMES_NOBODY])
        return fresh(body)


class Pick:
    """Draws the kind of an event among some of a form's; `all` says that they are all there are."""

    def __init__(self, kinds: Mapping[str, Kind], names: Sequence[str]) -> None:
        self.names = names
        self.all = len(names) == len(kinds)
        self.site = Site(len(names))

    def draw(self, chance: Chance) -> str:
        """Draw the name of a kind."""
        return self.names[chance.pick(self.site)] if len(self.names) > 1 else self.names[0]


def sizes(least: int, most: int) -> list[int]:
    """Return how many events batches have: few, often; any other number, and as many as there may be, now and then."""
    few = [size for size in range(least, least + 4) if size <= most]
    few = [size for size in few if size] or few
    every = [*range(least, most + 1)]
    often = -(-12 * len(every) // len(few))
    return few * often + every + [least, most] * (len(every) // 4 + 1)
