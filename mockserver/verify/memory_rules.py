"""What replies show of a target's memory: repeats of ids and idempotency keys, entities that come into being."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.gate_mutations import changed
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Expected, parsed
from mockserver.verify.expectations import Wanted
from mockserver.verify.rule import Check, Difference, Probe, Reply, Status, Step
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import dependencies_of

NO_HEADERS: Final[Mapping[str, str]] = {}
COUNTS: Final = ("${accepted}", "${duplicates}")
"""What tells repeats from first events, where a reply has it."""
HIDDEN: Final = {
    "stored": "what is stored of an event is in no reply",
    "delivery": "what clients do with replies is for clients",
}


def declare(rule_set: RuleSet) -> None:
    """Write down what can be seen of dedup, idempotency and entities, and what cannot."""
    for one in rule_set.operations():
        _idempotency(rule_set, one)
        _dedup(rule_set, one)
        _entities(rule_set, one)
    if "dedup" in rule_set.contract.protocol:
        why = "replies to a repeat are those to a first event"
        rule_set.idle("/protocol/dedup#repeats", None, Status.NOT_OBSERVABLE, why)
    for section, why in HIDDEN.items():
        if section in rule_set.contract.protocol:
            rule_set.idle(f"/protocol/{section}", None, Status.NOT_OBSERVABLE, why)


def _idempotency(rule_set: RuleSet, one: OperationPlan) -> None:
    name = one.operation.spec.get("idempotency")
    if name is None:
        return
    rule, operation = f"/protocol/idempotency/{name}", one.operation
    header, window_ms = (rule_set.contract.protocol["idempotency"][name][member] for member in ("header", "window_ms"))

    def step(key: str, *, replayed: bool = False, pause_ms: int = 0, headers: Mapping[str, str] = NO_HEADERS) -> Step:
        return replace(_keyed(rule_set, one, header, key, replayed=replayed, headers=headers), pause_ms=pause_ms)

    def refused(key: str) -> Step:
        return _keyed_refusal(rule_set, one, header, key)

    dependencies = dependencies_of(rule_set, operation)
    first, second, third, fourth, fifth = (rule_set.number() for _ in range(5))
    slack = rule_set.setup.slack_ms
    inside, outside = max(0, window_ms - 1 - slack), 1 + 2 * slack
    rule_set.add(f"{rule}#replayed", operation.name, Probe((step(first), step(first, replayed=True))), dependencies)
    rule_set.add(f"{rule}#other-key", operation.name, Probe((step(second), step(rule_set.number()))), dependencies)
    rule_set.add(f"{rule}#refused-claims-nothing", operation.name, Probe((refused(third), step(third))), dependencies)
    waits = step(fourth), step(fourth, replayed=True, pause_ms=inside), step(fourth, pause_ms=outside)
    rule_set.add(f"{rule}/window_ms", operation.name, Probe(waits), dependencies)
    if "projects" in rule_set.contract.protocol and not rule_set.contract.protocol["projects"]["known"]:
        other = {rule_set.contract.protocol["projects"]["header"]: "prj_other"}
        rule_set.add(f"{rule}#scope", operation.name, Probe((step(fifth), step(fifth, headers=other))), dependencies)


def _parts(one: OperationPlan) -> tuple[FormPlan, Json]:
    form = next(iter(one.forms.values()))
    return form, form.smallest()


def _keyed(
    rule_set: RuleSet, one: OperationPlan, header: str, key: str, *, replayed: bool, headers: Mapping[str, str]
) -> Step:
    form, body = _parts(one)
    parts = changed(headers={header: key, **headers})(one.parts(body))
    request = one.assembly.request(parts)
    operation, names = one.operation, one.operation.spec["replies"]
    name = names.get("replayed", names["success"]) if replayed else names["success"]
    told = one.assembly.told(parts, request)
    spec = {**operation.spec, "replies": {"success": name}}
    expect = rule_set.plan.reading.reply(replace(operation, spec=spec), told, form.events_in(body), ())
    rule = f"/protocol/idempotency/{operation.spec['idempotency']}"
    return rule_set.expectations.step(rule_set.expectations.success(operation, expect, name), request, rule)


def _keyed_refusal(rule_set: RuleSet, one: OperationPlan, header: str, key: str) -> Step:
    """Return a request that is refused after its key was read, by the last thing that can refuse all of it."""
    form, _ = _parts(one)
    fault = form.envelope_mutations[0]
    tokens, edit = fault.ways[0]
    body = form.envelope_host(tokens)
    for place, value in edit:
        body = put(body, place, value)
    sample = one.refused(changed(headers={header: key})(one.parts(body)), fault, tokens)
    return rule_set.expectations.step(rule_set.expectations.of(sample), sample.request, fault.rule)


def _dedup(rule_set: RuleSet, one: OperationPlan) -> None:
    """Try repeats where a reply names the event: a repeat is the same event, another id another one."""
    place, operation = rule_set.contract.dedup, one.operation
    if place is None:
        return
    spec = rule_set.contract.protocol["replies"][operation.spec["replies"]["success"]]
    named = list(_places_of("${event_id}", spec.get("body", {})))
    counted = any(name in json.dumps(spec.get("body")) for name in COUNTS)
    for form in one.forms.values():
        for kind in list(form.kinds.values())[:1]:
            holder = kind.values.host(place)
            if not isinstance(look(holder, place[:-1]), dict):
                continue
            event, other = (_with_id(rule_set, form, holder, place) for _ in range(2))
            events = [event, event, other]
            if form.form.single and named:
                _add_dedup(rule_set, one, form, events, named[0])
            elif counted and not form.form.single and not form.diagnosis.of(form.body(events), rule_set.now_ms):
                sample = one.good(one.parts(form.body(events)), events)
                step = rule_set.expectations.step(rule_set.expectations.of(sample), sample.request, "/protocol/dedup")
                rule_set.add(
                    "/protocol/dedup#repeats", operation.name, Probe((step,)), dependencies_of(rule_set, operation)
                )


def _with_id(rule_set: RuleSet, form: FormPlan, event: Json, place: Tokens) -> Json:
    """Return the event with an id that no other has: a UUID where a plain text is no good one."""
    own = rule_set.number()
    plain = put(event, place, own)
    good = not form.diagnosis.of(form.body([plain]), rule_set.now_ms)
    return plain if good else put(event, place, str(uuid5(NAMESPACE_URL, own)))


def _add_dedup(rule_set: RuleSet, one: OperationPlan, form: FormPlan, events: list[Json], named: Tokens) -> None:
    steps = []
    for index, event in enumerate(events):
        sample = one.good(one.parts(form.body([event])), [event])
        step = rule_set.expectations.step(rule_set.expectations.of(sample), sample.request, "/protocol/dedup")
        steps.append(replace(step, check=_both(step.check, _compared(named, same=index == 1))) if index else step)
    rule_set.add(
        "/protocol/dedup#repeats", one.operation.name, Probe(tuple(steps)), dependencies_of(rule_set, one.operation)
    )


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


def _entities(rule_set: RuleSet, one: OperationPlan) -> None:
    """Try that an entity is unknown until an event names it, and new only once."""
    place, operation = rule_set.contract.entity, one.operation
    if place is None:
        return
    if "lookup" in operation.spec:
        _read_before_and_after(rule_set, one)
    name = operation.spec["replies"]["success"]
    created = list(_places_of("${created}", rule_set.contract.protocol["replies"][name].get("body", {})))
    for form in one.forms.values():
        if created and form.form.single:
            kind = next(iter(form.kinds.values()))
            event = put(kind.values.host(place), place, rule_set.number())
            steps = tuple(_told_new(rule_set, one, form, event, created[0], new=new) for new in (True, False))
            rule_set.add(
                "/protocol/entities#created", operation.name, Probe(steps), dependencies_of(rule_set, operation)
            )


def _told_new(rule_set: RuleSet, one: OperationPlan, form: FormPlan, event: Json, place: Tokens, *, new: bool) -> Step:
    sample = one.good(one.parts(form.body([event])), [event])
    expect = replace(sample.expect, body=put(sample.expect.body, place, new), history=())
    wanted: Wanted = rule_set.expectations.success(one.operation, expect)
    return rule_set.expectations.step(wanted, sample.request, "/protocol/entities")


def _read_before_and_after(rule_set: RuleSet, one: OperationPlan) -> None:
    operation, own = one.operation, rule_set.number()
    parts = changed(params={operation.spec["lookup"]: own})(one.parts())
    request = one.assembly.request(parts)
    refused: Expected = rule_set.plan.reading.refusal(operation.family, "unknown_entity", path=operation.path)
    gone = rule_set.expectations.refusal(operation.family, "unknown_entity", refused, operation, request.path)
    sample = one.good(parts)
    steps = [rule_set.expectations.step(gone, request, "/protocol/entities")]
    steps += [Step(request=before, check=lambda reply, earlier: ()) for before in sample.before]
    steps.append(rule_set.expectations.step(rule_set.expectations.of(sample), request, "/protocol/entities"))
    dependencies = {*dependencies_of(rule_set, operation), f"/protocol/refusals/{operation.family}/unknown_entity"}
    rule_set.add("/protocol/entities#known", operation.name, Probe(tuple(steps)), dependencies)
