"""What replies show of a target's memory: repeats of ids and idempotency keys, entities that come into being."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from mockserver.core import pointer
from mockserver.core.model import Json
from mockserver.core.pointer import MISSING
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.gatefaults import changed
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Expected, parsed
from mockserver.verify.book import Book
from mockserver.verify.declared import touches_of
from mockserver.verify.expectations import Wanted
from mockserver.verify.model import Check, Difference, Probe, Reply, Status, Step

NO_HEADERS: Final[Mapping[str, str]] = {}
COUNTS: Final = ("${accepted}", "${duplicates}")
"""What tells repeats from first events, where a reply has it."""
HIDDEN: Final = {
    "stored": "what is stored of an event is in no reply",
    "delivery": "what clients do with replies is for clients",
}


def declare(book: Book) -> None:
    """Write down what can be seen of dedup, idempotency and entities, and what cannot."""
    for one in book.operations():
        _idempotency(book, one)
        _dedup(book, one)
        _entities(book, one)
    if "dedup" in book.contract.protocol:
        why = "replies to a repeat are those to a first event"
        book.idle("/protocol/dedup#repeats", None, Status.NOT_OBSERVABLE, why)
    for section, why in HIDDEN.items():
        if section in book.contract.protocol:
            book.idle(f"/protocol/{section}", None, Status.NOT_OBSERVABLE, why)


def _idempotency(book: Book, one: OperationPlan) -> None:
    name = one.operation.spec.get("idempotency")
    if name is None:
        return
    rule, operation = f"/protocol/idempotency/{name}", one.operation
    header, window_ms = (book.contract.protocol["idempotency"][name][member] for member in ("header", "window_ms"))

    def step(key: str, *, replayed: bool = False, pause_ms: int = 0, headers: Mapping[str, str] = NO_HEADERS) -> Step:
        return replace(_keyed(book, one, header, key, replayed=replayed, headers=headers), pause_ms=pause_ms)

    def refused(key: str) -> Step:
        return _keyed_refusal(book, one, header, key)

    touched = touches_of(book, operation)
    first, second, third, fourth, fifth = (book.number() for _ in range(5))
    slack = book.setup.slack_ms
    inside, outside = max(0, window_ms - 1 - slack), 1 + 2 * slack
    book.add(f"{rule}#replayed", operation.name, Probe((step(first), step(first, replayed=True))), touched)
    book.add(f"{rule}#other-key", operation.name, Probe((step(second), step(book.number()))), touched)
    book.add(f"{rule}#refused-claims-nothing", operation.name, Probe((refused(third), step(third))), touched)
    waits = step(fourth), step(fourth, replayed=True, pause_ms=inside), step(fourth, pause_ms=outside)
    book.add(f"{rule}/window_ms", operation.name, Probe(waits), touched)
    if "projects" in book.contract.protocol and not book.contract.protocol["projects"]["known"]:
        other = {book.contract.protocol["projects"]["header"]: "prj_other"}
        book.add(f"{rule}#scope", operation.name, Probe((step(fifth), step(fifth, headers=other))), touched)


def _parts(one: OperationPlan) -> tuple[FormPlan, Json]:
    form = next(iter(one.forms.values()))
    return form, form.smallest()


def _keyed(
    book: Book, one: OperationPlan, header: str, key: str, *, replayed: bool, headers: Mapping[str, str]
) -> Step:
    form, body = _parts(one)
    parts = changed(headers={header: key, **headers})(one.parts(body))
    request = one.assembly.request(parts)
    operation, names = one.operation, one.operation.spec["replies"]
    name = names.get("replayed", names["success"]) if replayed else names["success"]
    told = one.assembly.told(parts, request)
    spec = {**operation.spec, "replies": {"success": name}}
    expect = book.plan.reading.reply(replace(operation, spec=spec), told, form.events_in(body), ())
    rule = f"/protocol/idempotency/{operation.spec['idempotency']}"
    return book.expectations.step(book.expectations.success(operation, expect, name), request, rule)


def _keyed_refusal(book: Book, one: OperationPlan, header: str, key: str) -> Step:
    """Return a request that is refused after its key was read, by the last thing that can refuse all of it."""
    form, _ = _parts(one)
    fault = form.envelope_faults[0]
    tokens, edit = fault.ways[0]
    body = form.envelope_host(tokens)
    for place, value in edit:
        body = put(body, place, value)
    sample = one.refused(changed(headers={header: key})(one.parts(body)), fault, tokens)
    return book.expectations.step(book.expectations.of(sample), sample.request, fault.rule)


def _dedup(book: Book, one: OperationPlan) -> None:
    """Try repeats where a reply names the event: a repeat is the same event, another id another one."""
    place, operation = book.contract.dedup, one.operation
    if place is None:
        return
    spec = book.contract.protocol["replies"][operation.spec["replies"]["success"]]
    named = list(_places_of("${event_id}", spec.get("body", {})))
    counted = any(name in json.dumps(spec.get("body")) for name in COUNTS)
    for form in one.forms.values():
        for kind in list(form.kinds.values())[:1]:
            holder = kind.values.host(place)
            if not isinstance(look(holder, place[:-1]), dict):
                continue
            event, other = (_with_id(book, form, holder, place) for _ in range(2))
            events = [event, event, other]
            if form.form.single and named:
                _add_dedup(book, one, form, events, named[0])
            elif counted and not form.form.single and not form.diagnosis.of(form.body(events), book.now_ms):
                sample = one.good(one.parts(form.body(events)), events)
                step = book.expectations.step(book.expectations.of(sample), sample.request, "/protocol/dedup")
                book.add("/protocol/dedup#repeats", operation.name, Probe((step,)), touches_of(book, operation))


def _with_id(book: Book, form: FormPlan, event: Json, place: Tokens) -> Json:
    """Return the event with an id that no other has: a UUID where a plain text is no good one."""
    own = book.number()
    plain = put(event, place, own)
    good = not form.diagnosis.of(form.body([plain]), book.now_ms)
    return plain if good else put(event, place, str(uuid5(NAMESPACE_URL, own)))


def _add_dedup(book: Book, one: OperationPlan, form: FormPlan, events: list[Json], named: Tokens) -> None:
    steps = []
    for index, event in enumerate(events):
        sample = one.good(one.parts(form.body([event])), [event])
        step = book.expectations.step(book.expectations.of(sample), sample.request, "/protocol/dedup")
        steps.append(replace(step, check=_both(step.check, _compared(named, same=index == 1))) if index else step)
    book.add("/protocol/dedup#repeats", one.operation.name, Probe(tuple(steps)), touches_of(book, one.operation))


def _both(first: Check, second: Check) -> Check:
    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        yield from first(reply, earlier)
        yield from second(reply, earlier)

    return check


def _compared(place: Tokens, *, same: bool) -> Check:
    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        was, now = _value(earlier[0].body, place), _value(reply.body, place)
        if (was == now) != same:
            told = "the same as before" if same else "another one than before"
            text = f"body{pointer.build(place)}: expected {told}, got {now!r} after {was!r}"
            yield Difference("/protocol/dedup", text)

    return check


def _value(body: bytes, place: Tokens) -> Json:
    try:
        return look(parsed(body), place)
    except ValueError:
        return MISSING


def _places_of(name: str, template: Json, tokens: Tokens = ()) -> Iterator[Tokens]:
    if isinstance(template, dict):
        for member, value in template.items():
            yield from _places_of(name, value, (*tokens, member))
    elif template == name:
        yield tokens


def _entities(book: Book, one: OperationPlan) -> None:
    """Try that an entity is unknown until an event names it, and new only once."""
    place, operation = book.contract.entity, one.operation
    if place is None:
        return
    if "lookup" in operation.spec:
        _read_before_and_after(book, one)
    name = operation.spec["replies"]["success"]
    created = list(_places_of("${created}", book.contract.protocol["replies"][name].get("body", {})))
    for form in one.forms.values():
        if created and form.form.single:
            kind = next(iter(form.kinds.values()))
            event = put(kind.values.host(place), place, book.number())
            steps = tuple(_told_new(book, one, form, event, created[0], new=new) for new in (True, False))
            book.add("/protocol/entities#created", operation.name, Probe(steps), touches_of(book, operation))


def _told_new(book: Book, one: OperationPlan, form: FormPlan, event: Json, place: Tokens, *, new: bool) -> Step:
    sample = one.good(one.parts(form.body([event])), [event])
    expect = replace(sample.expect, body=put(sample.expect.body, place, new), history=())
    wanted: Wanted = book.expectations.success(one.operation, expect)
    return book.expectations.step(wanted, sample.request, "/protocol/entities")


def _read_before_and_after(book: Book, one: OperationPlan) -> None:
    operation, own = one.operation, book.number()
    parts = changed(params={operation.spec["lookup"]: own})(one.parts())
    request = one.assembly.request(parts)
    refused: Expected = book.plan.reading.refusal(operation.family, "unknown_entity", path=operation.path)
    gone = book.expectations.refusal(operation.family, "unknown_entity", refused, operation, request.path)
    sample = one.good(parts)
    steps = [book.expectations.step(gone, request, "/protocol/entities")]
    steps += [Step(request=before, check=lambda reply, earlier: ()) for before in sample.before]
    steps.append(book.expectations.step(book.expectations.of(sample), request, "/protocol/entities"))
    touched = {*touches_of(book, operation), f"/protocol/refusals/{operation.family}/unknown_entity"}
    book.add("/protocol/entities#known", operation.name, Probe(tuple(steps)), touched)
