"""The corpus: samples without chance, so that its files are the same bytes with every version of Hypothesis and orjson.

For each operation: the examples of the contract; the smallest good request of every kind of event, every edge of every
member, every size and face of a request; then every rule broken alone in the smallest request, and batches that mix.
What stands in the contract once is tried once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from mockserver.contract.library import Library, Protocol
from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render, render_stable
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.assembly import Parts
from mockserver.strategies.forms import BadEvent, FormPlan, Kind
from mockserver.strategies.named import name_all, nameless, nameless_kinds
from mockserver.strategies.naming import IDENTITY, SENDER
from mockserver.strategies.places import apply, put
from mockserver.strategies.plans import NOW_MS, OperationPlan, Plan, plan_of
from mockserver.strategies.request_variations import variations
from mockserver.strategies.samples import Sample
from mockserver.strategies.schema_mutations import Mutation, Way

WAYS: Final = 2
"""How many ways of breaking one rule are shown, beside near misses."""
LINE_ENDS: Final = "\x85\u2028\u2029"
NEAR: Final[Mapping[str, int]] = {
    "pattern": 16,
    "format": 8,
    "enum": 4,
    "type": 3,
    "required": 2,
    "unknown_type": 3,
    "additionalProperties": 2,
}
"""How many near misses are shown, by keyword. They are the last ways of a mutation."""


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
            line = _on_one_line(render_stable(sample.as_json())) + b"\n"
            if line not in seen:
                seen.add(line)
                yield line


def _on_one_line(text: bytes) -> bytes:
    """Return JSON with escapes for the characters that some readers take for the end of a line."""
    for character in LINE_ENDS:
        text = text.replace(character.encode(), f"\\u{ord(character):04x}".encode())
    return text


def samples(plan: Plan) -> Iterator[Sample]:
    """Yield the samples of one contract."""
    tried: set[str] = set()
    for owner in plan.operations.values():
        yield from _good(owner, tried)
        yield from _bad(owner)
    yield from plan.unserved()


def _good(owner: OperationPlan, tried: set[str]) -> Iterator[Sample]:
    if not owner.forms:
        yield from _faces(owner, owner.parts(), ())
    for form in owner.forms.values():
        for body in form.examples:
            yield owner.good(owner.parts(body), form.events_in(body))
        for body in _good_bodies(form, tried):
            body = name_all(form, body)
            form.certify(body, [])
            yield owner.good(owner.parts(body), form.events_in(body))
        body = form.smallest()
        yield from _faces(owner, owner.parts(body), form.events_in(body))


def _faces(owner: OperationPlan, parts: Parts, events: Sequence[Json]) -> Iterator[Sample]:
    """Yield one request in each of its forms; those whose bytes depend on a library or are long are left out."""
    yield owner.good(parts, events)
    for change in variations(owner):
        changed = change(parts)
        if not changed.compress and not changed.padded:
            yield owner.good(changed, events)


def _good_bodies(form: FormPlan, tried: set[str]) -> Iterator[Json]:
    for kind in form.kinds.values():
        yield from (form.body([event]) for event in kind.values.variants(tried))
        for sender in (*form.naming.batch.senders, *form.naming.per_event.senders):
            yield put(form.body([kind.values.least]), (SENDER,), sender)
    if form.envelope is not None and not form.form.single:
        for envelope in form.envelope.variants(tried):
            yield envelope if form.form.events is None else form.body([form.padding], envelope)
    yield from (form.body(events) for events in _sizes(form))
    yield from _longest(form)


def _sizes(form: FormPlan) -> Iterator[list[Json]]:
    """Yield as few and as many events as there may be, and the same event twice."""
    if form.form.events is None or form.form.single:
        return
    least, most = form.bounds
    yield numbered(form, least)
    yield numbered(form, 2)
    if most is not None:
        yield numbered(form, most)
    yield [numbered(form, 1)[0]] * 2


def numbered(form: FormPlan, count: int) -> list[Json]:
    """Return so many smallest events, each with an id of its own where the contract knows repeats by one."""
    values, dedup = next(iter(form.kinds.values())).values, form.contract.dedup
    if dedup is None:
        return [values.least] * count
    events = [put(values.host(dedup.tokens), dedup.tokens, f"m-{index}") for index in range(count)]
    good = not form.diagnosis.of(form.body(events[:1]))
    return events if good else [values.least] * count


def _longest(form: FormPlan) -> Iterator[Json]:
    """Yield a body that is exactly as long as a body may be, by one long text."""
    for kind in form.kinds.values():
        for name, member in kind.values.root.get("properties", {}).items():
            if member.get("type") != "string" or (name,) in kind.values.fixed:
                continue
            empty = form.body([put(kind.values.least, (name,), "")])
            text = "x" * (form.contract.max_body - len(render(empty)))
            body = form.body([put(kind.values.least, (name,), text)])
            if not form.diagnosis.of(body):
                yield body
                return


def _bad(owner: OperationPlan) -> Iterator[Sample]:
    for form in owner.forms.values():
        shown: set[str] = set()
        for kind in form.kinds.values():
            for mutation in kind.mutations:
                if mutation.id not in shown:
                    yield from (_bad_event(owner, form, kind, mutation, way) for way in _shown(mutation))
                shown.add(mutation.id)
        for mutation in form.envelope_mutations:
            yield from (_broken_envelope(owner, form, mutation, way) for way in _shown(mutation))
        for kind in nameless_kinds(form):
            for sender in form.naming.batch.senders:
                yield owner.nobody(owner.parts(nameless(form, form.body([kind.values.least]), sender)))
        yield from _mixed(owner, form)
    body = next((form.smallest() for form in owner.forms.values()), MISSING)
    for gate in owner.gate_mutations:
        for change in gate.changes:
            parts = change(owner.parts(body))
            if not parts.compress and not parts.padded:
                yield owner.gated(parts, gate)


def _shown(mutation: Mutation) -> Sequence[Way]:
    near = max(WAYS, len(mutation.ways) - NEAR.get(mutation.keyword, 0))
    return (*mutation.ways[:WAYS], *mutation.ways[near:])


def _broken(kind: Kind, way: Way) -> Json:
    tokens, edit = way
    return apply(kind.values.host(tokens), edit)


def _bad_event(owner: OperationPlan, form: FormPlan, kind: Kind, mutation: Mutation, way: Way) -> Sample:
    return _batch(owner, form, [_broken(kind, way)], [BadEvent(index=0, mutation=mutation, tokens=way[0])])


def _batch(owner: OperationPlan, form: FormPlan, events: list[Json], bad: list[BadEvent]) -> Sample:
    body = form.mixed_body(events, [event.mutation for event in bad])
    form.certify_bad(body, bad)
    return owner.mixed(owner.parts(body), form.events_in(body), bad)


def _broken_envelope(owner: OperationPlan, form: FormPlan, mutation: Mutation, way: Way) -> Sample:
    tokens, edit = way
    body = apply(form.envelope_host(tokens), edit)
    form.certify(body, [BrokenRule(mutation.rule, tokens)])
    return owner.refused(owner.parts(body), mutation, tokens)


def _mixed(owner: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    """Yield batches of good events and bad ones: one bad first, in the middle, last, and all bad."""
    if form.form.events is None or form.form.single:
        return
    kinds = list(form.kinds.values())
    for number, kind in enumerate(kinds):
        good = kinds[number - 1].values.least
        usable = [mutation for mutation in kind.mutations if mutation.rule != IDENTITY]
        first, last = (_broken(kind, mutation.ways[0]) for mutation in (usable[0], usable[-1]))
        for events in ([first, good], [good, first, good, last], [good, last], [first, last]):
            broken = [
                (index, usable[0 if event is first else -1]) for index, event in enumerate(events) if event is not good
            ]
            bad = [BadEvent(index=index, mutation=mutation, tokens=mutation.ways[0][0]) for index, mutation in broken]
            yield _batch(owner, form, events, bad)
