"""The corpus: samples without chance, so that its files stay the same byte for byte under every Hypothesis.

For each operation: the smallest good request of every kind of event, every edge of every member, every size and face of
a request; then every rule broken alone in the smallest request, and batches that mix. What stands in the contract once
is tried once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mockserver.contract.library import Library, Protocol
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.assembly import Parts
from mockserver.strategies.forms import Bad, FormPlan, Kind
from mockserver.strategies.gate_mutations import rule_id
from mockserver.strategies.named import name_all, nameless, nameless_kinds
from mockserver.strategies.naming import IDENTITY, SENDER
from mockserver.strategies.places import apply, put
from mockserver.strategies.plans import NOW_MS, OperationPlan, Plan, plan_of
from mockserver.strategies.request_variations import variations
from mockserver.strategies.samples import Sample
from mockserver.strategies.schema_mutations import Mutation, Way

WAYS: Final = 2
"""How many ways of breaking one rule are shown."""


def write(library: Library, folder: Path) -> list[Path]:
    """Write a file for each protocol; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for protocol in library.protocols.values():
        path = folder / f"{protocol.name}.ndjson"
        path.write_bytes(b"".join(lines(protocol)))
        written.append(path)
    return written


def lines(protocol: Protocol) -> Iterator[bytes]:
    """Yield the lines of one protocol's file: its base, then its other revisions."""
    for revision in protocol.revision_names():
        plan = plan_of(protocol.contract(revision), NOW_MS, 0, ())
        seen: set[bytes] = set()
        for sample in samples(plan):
            line = render(sample.as_json()) + b"\n"
            if line not in seen:
                seen.add(line)
                yield line


def samples(plan: Plan) -> Iterator[Sample]:
    """Yield the samples of one contract."""
    tried: set[str] = set()
    for one in plan.operations.values():
        yield from _good(one, tried)
        yield from _bad(one)
    yield from plan.unserved()


def _good(one: OperationPlan, tried: set[str]) -> Iterator[Sample]:
    if not one.forms:
        yield from _faces(one, one.parts(), ())
    for form in one.forms.values():
        for body in _good_bodies(form, tried):
            body = name_all(form, body)
            form.certify(body, [])
            yield one.good(one.parts(body), form.events_in(body))
        body = form.smallest()
        yield from _faces(one, one.parts(body), form.events_in(body))


def _faces(one: OperationPlan, parts: Parts, events: Sequence[Json]) -> Iterator[Sample]:
    """Yield one request in each of its forms; those whose bytes depend on a library or are long are left out."""
    yield one.good(parts, events)
    for change in variations(one):
        changed = change(parts)
        if not changed.compress and not changed.padded:
            yield one.good(changed, events)


def _good_bodies(form: FormPlan, tried: set[str]) -> Iterator[Json]:
    for kind in form.kinds.values():
        yield from (form.body([event]) for event in kind.values.variants(tried))
        for sender in (*form.naming.batch["sources"], *form.naming.per_event["sources"]):
            yield put(form.body([kind.values.least]), (SENDER,), sender)
    if form.envelope is not None and not form.form.single:
        for envelope in form.envelope.variants(tried):
            yield envelope if form.form.events is None else form.body([_first(form).values.least], envelope)
    yield from (form.body(events) for events in _sizes(form))
    yield from _longest(form)


def _first(form: FormPlan) -> Kind:
    return next(iter(form.kinds.values()))


def _sizes(form: FormPlan) -> Iterator[list[Json]]:
    """Yield as few and as many events as there may be, and the same event twice."""
    if form.form.events is None or form.form.single:
        return
    least, most = form.bounds()
    yield numbered(form, least)
    yield numbered(form, 2)
    if most is not None:
        yield numbered(form, most)
    yield [numbered(form, 1)[0]] * 2


def numbered(form: FormPlan, count: int) -> list[Json]:
    """Return so many smallest events, each with an id of its own where the contract knows repeats by one."""
    values, place = _first(form).values, form.contract.dedup
    if place is None:
        return [values.least] * count
    known = [put(values.host(place), place, f"m-{index}") for index in range(count)]
    good = all(not form.diagnosis.breaks(_first(form).schema, event) for event in known[:1])
    return known if good else [values.least] * count


def _longest(form: FormPlan) -> Iterator[Json]:
    """Yield a body that is exactly as long as a body may be, by one long text."""
    for kind in form.kinds.values():
        for name, member in kind.values.root.get("properties", {}).items():
            if member.get("type") != "string" or (name,) in kind.values.fixed:
                continue
            empty = form.body([put(kind.values.least, (name,), "")])
            text = "x" * (form.contract.max_body - len(render(empty)))
            body = form.body([put(kind.values.least, (name,), text)])
            if not form.diagnosis.of(body, form.clock.now_ms):
                yield body
                return


def _bad(one: OperationPlan) -> Iterator[Sample]:
    for form in one.forms.values():
        shown: set[str] = set()
        for kind in form.kinds.values():
            for fault in kind.faults:
                if rule_id(fault) not in shown:
                    yield from (_broken_event(one, form, kind, fault, way) for way in fault.ways[:WAYS])
                shown.add(rule_id(fault))
        for fault in form.envelope_mutations:
            yield from (_broken_envelope(one, form, fault, way) for way in fault.ways[:WAYS])
        for kind in nameless_kinds(form):
            for sender in form.naming.batch["sources"]:
                yield one.nobody(one.parts(nameless(form, form.body([kind.values.least]), sender)))
        yield from _mixed(one, form)
    body = next((form.smallest() for form in one.forms.values()), MISSING)
    for gate in one.gate_mutations:
        for change in gate.changes:
            parts = change(one.parts(body))
            if not parts.compress and not parts.padded:
                yield one.gated(parts, gate)


def _broken(form: FormPlan, kind: Kind, way: Way) -> Json:
    tokens, edit = way
    return apply(kind.values.host(tokens), edit)


def _broken_event(one: OperationPlan, form: FormPlan, kind: Kind, fault: Mutation, way: Way) -> Sample:
    return _batch(one, form, [_broken(form, kind, way)], [Bad(index=0, fault=fault, tokens=way[0])])


def _batch(one: OperationPlan, form: FormPlan, events: list[Json], bad: list[Bad]) -> Sample:
    body = form.body(events)
    if any(one_bad.fault.rule == IDENTITY for one_bad in bad):
        body = put(body, (SENDER,), form.naming.per_event["sources"][0])
    form.certify_bad(body, bad)
    return one.mixed(form, one.parts(body), form.events_in(body), bad)


def _broken_envelope(one: OperationPlan, form: FormPlan, fault: Mutation, way: Way) -> Sample:
    tokens, edit = way
    body = apply(form.envelope_host(tokens), edit)
    form.certify(body, [(fault.rule, tokens, None)])
    return one.refused(one.parts(body), fault, tokens)


def _mixed(one: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    """Yield batches of good events and bad ones: one bad first, in the middle, last, and all bad."""
    if form.form.events is None or form.form.single:
        return
    kinds = list(form.kinds.values())
    for number, kind in enumerate(kinds):
        good = kinds[number - 1].values.least
        fault = next(fault for fault in kind.faults if fault.rule != IDENTITY)
        other = next(fault for fault in reversed(kind.faults) if fault.rule != IDENTITY)
        first, last = _broken(form, kind, fault.ways[0]), _broken(form, kind, other.ways[0])
        for events in ([first, good], [good, first, good, last], [good, last], [first, last]):
            broken = [
                (index, fault if event is first else other) for index, event in enumerate(events) if event is not good
            ]
            yield _batch(one, form, events, [Bad(index=at, fault=f, tokens=f.ways[0][0]) for at, f in broken])
