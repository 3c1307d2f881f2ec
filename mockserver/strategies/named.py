"""Naming somebody where a batch, or an event of it, must: edits that a drawn body needs to be a good one."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.naming import NAMES_NOBODY, SENDER
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.samples import CertificateError
from mockserver.strategies.values import Schema, Values, inner

Choose = Callable[[list[Json]], Json]
"""Picks one of several; the first one where nothing is left to chance."""
NONE: Final[Mapping[int, Tokens]] = {}
ANYWHERE: Final = ((),)


def first(options: list[Json]) -> Json:
    """Choose without chance."""
    return options[0]


def name_all(form: FormPlan, body: Json, choose: Choose = first, avoid: Mapping[int, Tokens] = NONE) -> Json:
    """Return the body with somebody named wherever the contract asks for it, without what its sender cannot send.

    `avoid` gives the numbers of events that are broken on purpose, and where: there nothing is changed.
    """
    naming = form.naming
    body = without_reserved(form, body, avoid)
    events = look(body, naming.events) if naming.asks and isinstance(body, dict) else None
    if not isinstance(events, list):
        return body
    for index, event in enumerate(events):
        if naming.unnamed(body, event):
            ways = _own_ways(form, body, event, avoid.get(index))
            body = put(body, form.prefix(index), choose(ways)) if ways else body
    if not naming.nobody(body):
        return body
    ways = list(_batch_ways(form, body, avoid))
    return choose(ways) if ways else _with_introduction(form, body, choose, avoid)


def without_reserved(form: FormPlan, body: Json, avoid: Mapping[int, Tokens] = NONE) -> Json:
    """Return the body without the members of its events that its sender cannot send, but those broken on purpose."""
    events = look(body, form.naming.events) if form.naming.reserved else None
    for index, event in enumerate(events if isinstance(events, list) else ()):
        for place in form.naming.held_back(body, event):
            if avoid.get(index) != place:
                body = put(body, (*form.prefix(index), *place), MISSING)
    return body


def _own_ways(form: FormPlan, body: Json, event: Json, avoid: Tokens | None) -> list[Json]:
    """Return the event in several forms that name somebody; what is broken at one of the places stays broken."""
    kind, places = form.kind_of(event), form.naming.own_places()
    if kind is None or avoid in ANYWHERE:
        return []
    free = [place for place in places if avoid is None or avoid[: len(place)] != place[: len(avoid)]]
    named = (_filled(kind.values, event, place, lambda way: not form.naming.unnamed(body, way)) for place in free)
    return list(chain.from_iterable(named))


def _batch_ways(form: FormPlan, body: Json, avoid: Container[int]) -> Iterator[Json]:
    """Yield the body in several forms that identify a user, except changes of events to avoid."""
    naming, events = form.naming, look(body, form.naming.events)

    def named(envelope: Json, *chosen: Json) -> bool:
        return not naming.nobody(put(envelope, naming.events, list(chosen)))

    for tokens, index in naming.places(body):
        if index is None and form.envelope is not None:
            yield from _filled(form.envelope, body, tokens, named)
        elif index is not None and index not in avoid:
            kind, at = form.kind_of(events[index]), form.prefix(index)
            if kind is not None:
                ways = _filled(kind.values, events[index], tokens[len(at) :], partial(named, body))
                yield from (put(body, at, way) for way in ways)


def _filled(values: Values, value: Json, tokens: Tokens, named: Callable[[Json], bool]) -> Iterator[Json]:
    """Yield a value with something at a place that names somebody, two at most; none where there is no such place."""
    schema: Schema = values.root
    for token in tokens:
        if token not in schema.get("properties", {}) and schema.get("additionalProperties") is False:
            return
        schema = inner(schema, token)
    host = values.with_holder(value, tokens)
    yield from islice(filter(named, (put(host, tokens, edge) for edge in values.edges(schema, tokens))), 2)


def _with_introduction(form: FormPlan, body: Json, choose: Choose, avoid: Container[int]) -> Json:
    """Add an event that can name somebody to a batch whose events cannot; in a full one it takes another's place."""
    events, most = look(body, form.naming.events), form.bounds[1]
    places = [len(events)]
    if most is not None and len(events) >= most:
        places = [index for index in range(len(events)) if index not in avoid][-1:]
    options: list[Json] = []
    for kind in form.kinds.values():
        for place in places:
            others = [index for index in range(len(events)) if index != place]
            bigger = put(body, form.naming.events, [*events[:place], kind.values.least, *events[place + 1 :]])
            named = [bigger] if not form.naming.nobody(bigger) else list(_batch_ways(form, bigger, others))
            options += named[:1]
    if not options:
        raise CertificateError("no kind of event can name somebody in this batch")
    return choose(options)


def nameless(form: FormPlan, body: Json, sender: str) -> Json:
    """Return the body as one of a sender that names nobody, nor anywhere that only other servers may look at."""
    body = put(body, (SENDER,), sender)
    for tokens, _ in form.naming.places(body):
        body = put(body, tokens, MISSING)
    for name, member in tuple(body.items()):
        if isinstance(member, dict) and form.naming.words & member.keys():
            body = put(body, (name,), MISSING)
    return body


def nameless_kinds(form: FormPlan) -> list[Kind]:
    """Return the kinds of events that are good without naming anybody."""
    if not form.naming.batch.senders:
        return []
    sender = form.naming.batch.senders[0]
    bodies = {name: nameless(form, form.body([kind.values.least]), sender) for name, kind in form.kinds.items()}
    return [form.kinds[name] for name, body in bodies.items() if form.diagnosis.of(body) == [NAMES_NOBODY]]
