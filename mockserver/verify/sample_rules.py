"""Positive, negative and boundary checks: the samples of the strategies, sorted by the rule they try."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mockserver.contract.operation import Form, Operation
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import batches, invalid_events, invalid_requests, requests
from mockserver.strategies.corpus import samples
from mockserver.strategies.forms import Bad
from mockserver.strategies.places import apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.request_variations import variations
from mockserver.strategies.samples import Request, Sample
from mockserver.verify.rule import Probe, Random, Status, Step
from mockserver.verify.rule_set import RuleSet

PLAIN: Final = "key-1"
"""The idempotency key of generated requests; each probe gets one of its own in its place."""
NULLS: Final = "/protocol/nulls/members"
NO_KEY: Final = "no key was given for it"


def declare(rule_set: RuleSet) -> None:
    """Write down a rule for every fact that samples try."""
    for sample in samples(rule_set.plan):
        _add(rule_set, sample)
    for one in rule_set.operations():
        for sample in _bulky(one):
            _add(rule_set, sample)
        for sample in _nulls(one):
            dependencies = depends_on(rule_set, sample) | {NULLS}
            rule_set.add(f"{NULLS}#refused", one.operation.name, probe_of(rule_set, sample), dependencies)
        _by_chance(rule_set, one)


def _nulls(one: OperationPlan) -> Iterator[Sample]:
    """Yield, of each kind of event, one with a null that is refused, where nulls are."""
    for form in one.forms.values():
        for kind in form.kinds.values():
            for fault in kind.faults:
                way = next((way for way in fault.ways if way[1] == ((way[0], None),)), None)
                if fault.keyword == "type" and way is not None:
                    event = apply(kind.values.host(way[0]), way[1])
                    body = form.body([event])
                    bad = Bad(index=0, fault=fault, tokens=way[0])
                    yield one.mixed(form, one.parts(body), [event], [bad])
                    break


def _bulky(one: OperationPlan) -> Iterator[Sample]:
    """Yield what no corpus keeps: compressed requests, and ones as long as may be or longer."""
    form = next(iter(one.forms.values()), None)
    parts = one.parts(MISSING if form is None else form.smallest())
    events = [] if form is None else form.events_in(parts.body)
    for change in variations(one):
        changed = change(parts)
        if changed.compress or changed.padded:
            yield one.good(changed, events)
    for fault in one.gate_mutations:
        for change in fault.changes:
            changed = change(parts)
            if changed.compress or changed.padded:
                yield one.gated(changed, fault)


def _add(rule_set: RuleSet, sample: Sample) -> None:
    rule = rule_of(rule_set, sample)
    if sample.operation is not None and not rule_set.has_key(rule_set.contract.operations[sample.operation]):
        rule_set.idle(rule, sample.operation, Status.NOT_EXERCISED, NO_KEY)
        return
    rule_set.add(rule, sample.operation, probe_of(rule_set, sample), depends_on(rule_set, sample))


def rule_of(rule_set: RuleSet, sample: Sample) -> str:
    """Return the id of the rule that a sample tries: what it breaks, else what is taken."""
    if sample.bad:
        return sample.breach.id if len(sample.bad) == 1 else f"/protocol/operations/{sample.operation}#mixed"
    kind = kind_of(rule_set, sample)
    return f"/protocol/operations/{sample.operation}#accepted" if kind is None else f"/events/{kind}#accepted"


def form_of(rule_set: RuleSet, sample: Sample) -> Form | None:
    """Return the form of a sample's body."""
    if sample.operation is None:
        return None
    operation = rule_set.contract.operations[sample.operation]
    return rule_set.contract.adapter.choose_form(operation, body_of(sample.request))


def body_of(request: Request) -> Json:
    """Return the JSON of a request's body, or MISSING."""
    if request.json is not MISSING:
        return request.json
    try:
        return json.loads(request.body)
    except ValueError:
        return MISSING


def kind_of(rule_set: RuleSet, sample: Sample) -> str | None:
    """Return the one schema that all events of a sample have."""
    form = form_of(rule_set, sample)
    if form is None or form.events is None or not sample.events:
        return None
    if form.schema is not None:
        return form.schema.name
    kinds = {form.type_of(event) for event in sample.events}
    return kinds.pop() if len(kinds) == 1 else None


def probe_of(rule_set: RuleSet, sample: Sample) -> Probe:
    """Return the probe of a sample: what comes before it, then itself."""
    sample = _with_own_key(rule_set, sample)
    before = [Step(request=request, check=lambda reply, earlier: ()) for request in sample.before]
    wanted = rule_set.expectations.of(sample)
    return Probe(
        (*before, rule_set.expectations.step(wanted, sample.request, rule_of(rule_set, sample).partition("#")[0]))
    )


def _with_own_key(rule_set: RuleSet, sample: Sample) -> Sample:
    """Give a request with an idempotency key one that no request had before."""
    if all(value != PLAIN for _, value in sample.request.headers):
        return sample
    own = rule_set.number()
    headers = tuple((name, own if value == PLAIN else value) for name, value in sample.request.headers)
    expect = replace(sample.expect, body=_replaced(sample.expect.body, own))
    return replace(sample, request=replace(sample.request, headers=headers), expect=expect)


def _replaced(value: Json, own: str) -> Json:
    if isinstance(value, dict):
        return {name: _replaced(member, own) for name, member in value.items()}
    return own if value == PLAIN else value


def depends_on(rule_set: RuleSet, sample: Sample) -> set[str]:
    """Return the pointers of the facts that the expectation of a sample is made of."""
    protocol = rule_set.contract.protocol
    found = {rule_set.expectations.of(sample).fact, "/protocol/shapes", "/protocol/prefixes"}
    for breach in sample.bad:
        found |= {breach.rule, breach.rule.rpartition("/")[0]}
        found |= {f"/protocol/messages/{breach.keyword}", "/protocol/messages/default"}
    if sample.operation is None:
        return found
    operation = rule_set.contract.operations[sample.operation]
    found |= {f"/protocol/refusals/{operation.family}/{breach.reason}" for breach in sample.bad}
    found |= {f"/protocol/refusals/{operation.family}/default", *dependencies_of(rule_set, operation)}
    form = form_of(rule_set, sample)
    if form is not None:
        found |= set() if form.request is None else {f"/requests/{form.request.name}"}
        found |= {"/events/shared", f"/events/{kind_of(rule_set, sample)}"} if form.events is not None else set()
    return found | {f"/protocol/{section}" for section in ("windows", "ids", "identity") if section in protocol}


def dependencies_of(rule_set: RuleSet, operation: Operation) -> set[str]:
    """Return the pointers of what an operation is made of."""
    spec = operation.spec
    found = {f"/protocol/operations/{operation.name}", "/protocol/nulls", "/protocol/content_types"}
    found |= {f"/protocol/credentials/{name}" for name in operation.credentials}
    found |= {f"/protocol/gates/{gate.name}" for gate in operation.gates}
    found |= {f"/protocol/replies/{name}" for name in spec["replies"].values()}
    found |= {f"/protocol/{section}/{spec[member]}" for section, member in SECTIONS if member in spec}
    return found | {"/protocol/limits/body", "/protocol/projects"}


SECTIONS: Final = (("cors", "cors"), ("limits", "rate"), ("idempotency", "idempotency"))


def _by_chance(rule_set: RuleSet, one: OperationPlan) -> None:
    if not rule_set.setup.examples:
        return
    name, operation, contract = rule_set.contract.name, one.operation.name, rule_set.contract
    slack, now = rule_set.setup.slack_ms, rule_set.now_ms
    keys = {credential: key for credential, key in rule_set.keys.items() if key is not None}
    place = f"/protocol/operations/{operation}"

    def probe(sample: Sample) -> Probe:
        return probe_of(rule_set, sample)

    good = requests(name, operation=operation, contract=contract, now_ms=now, slack_ms=slack, keys=keys)
    bad = invalid_requests(name, operation=operation, contract=contract, now_ms=now, slack_ms=slack, keys=keys)
    rule_set.draw(f"{place}#random-accepted", operation, Random(good, probe))
    rule_set.draw(f"{place}#random-refused", operation, Random(bad, probe))
    forms = one.operation.forms.values()
    if any(form.events is not None for form in forms):
        broken = invalid_events(name, operation=operation, contract=contract, now_ms=now, slack_ms=slack, keys=keys)
        rule_set.draw(f"{place}#random-events", operation, Random(broken, probe))
    if any(form.events is not None and not form.single for form in forms):
        mixed = batches(name, operation=operation, contract=contract, now_ms=now, slack_ms=slack, keys=keys)
        rule_set.draw(f"{place}#random-batches", operation, Random(mixed, probe))
