"""What replies show of a target's memory: repeated ids and idempotency keys, entities that come into being."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from mockserver.contract.sections import Idempotency, Tokens
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.gate_mutations import changed
from mockserver.strategies.places import apply, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request, parsed
from mockserver.verify.rule import Check, Difference, Draft, Probe, Reply, Status, Step
from mockserver.verify.rule_set import RuleSet

DEDUP: Final = "/protocol/dedup"
ENTITIES: Final = "/protocol/entities"
COUNTS: Final = ("${accepted}", "${duplicates}")
"""What tells repeats from first events, where a reply has it."""


def declare(rule_set: RuleSet) -> None:
    """Add what can be seen of dedup, idempotency and entities, and what cannot."""
    for plan in rule_set.operations():
        _idempotency(rule_set, plan)
        _dedup(rule_set, plan)
        _entities(rule_set, plan)
    contract, hidden = rule_set.contract, Status.NOT_OBSERVABLE
    if contract.dedup is not None:
        rule_set.idle(f"{DEDUP}#repeats", None, hidden, "replies to a repeat are those to a first event")
    if contract.stored.fill or contract.stored.normalise or contract.stored.strip:
        rule_set.idle("/protocol/stored", None, hidden, "what is stored of an event is in no reply")
    if contract.delivery.retried:
        rule_set.idle("/protocol/delivery", None, hidden, "what clients do with replies is for clients")


def _idempotency(rule_set: RuleSet, plan: OperationPlan) -> None:
    rule = plan.operation.idempotency
    if rule is None:
        return
    fact, slack = f"/protocol/idempotency/{rule.name}", rule_set.setup.slack_ms
    inside, outside = max(0, rule.window_ms - 1 - slack), 1 + 2 * slack
    keyed = _Keyed(rule_set, plan, rule, fact)
    drafts: dict[str, Draft] = {
        f"{fact}#replayed": keyed.replayed,
        f"{fact}#other-key": keyed.with_other_key,
        f"{fact}#refused-claims-nothing": keyed.refused_before,
        f"{fact}/window_ms": partial(keyed.replayed, pause_ms=inside, over_ms=outside),
    }
    projects = rule_set.contract.projects
    if projects is not None and not projects.known:
        drafts[f"{fact}#scope"] = partial(keyed.in_other_scope, {projects.header: "prj_other"})
    replies = {plan.operation.replies.success.pointer, plan.operation.replies.replayed.pointer}
    for rule_id, draft in drafts.items():
        rule_set.add(rule_id, plan.operation.name, draft, replies)


class _Keyed:
    """Probes of requests with idempotency keys, a new key for each."""

    def __init__(self, rule_set: RuleSet, plan: OperationPlan, rule: Idempotency, fact: str) -> None:
        self.rule_set = rule_set
        self.plan = plan
        self.header = rule.header
        self.fact = fact
        self.body = next(iter(plan.forms.values())).smallest()

    def replayed(self, pause_ms: int = 0, over_ms: int | None = None) -> Probe:
        """Send a request, again after a pause, and once more when its key is forgotten."""
        request = self._request(self.rule_set.number())
        first, again = self._step(request), self._step(request, earlier=[request], pause_ms=pause_ms)
        return Probe((first, again) if over_ms is None else (first, again, replace(first, pause_ms=over_ms)))

    def with_other_key(self) -> Probe:
        """Send the same body under two keys."""
        first, second = (self._request(self.rule_set.number()) for _ in range(2))
        return Probe((self._step(first), self._step(second, earlier=[first])))

    def in_other_scope(self, headers: Mapping[str, str]) -> Probe:
        """Send the same key once more where it counts as another one."""
        key = self.rule_set.number()
        first, second = self._request(key), self._request(key, headers=headers)
        return Probe((self._step(first), self._step(second, earlier=[first])))

    def refused_before(self) -> Probe:
        """Send a request that is refused after its key was read, by its envelope, then a good one with that key."""
        key, form = self.rule_set.number(), next(iter(self.plan.forms.values()))
        mutation = form.envelope_mutations[0]
        tokens, edit = mutation.ways[0]
        refused, good = self._request(key, apply(form.envelope_host(tokens), edit)), self._request(key)
        return Probe((self.rule_set.step(refused, mutation.rule), self._step(good, earlier=[refused])))

    def _request(self, key: str, body: Json = MISSING, headers: Mapping[str, str] | None = None) -> Request:
        parts = self.plan.parts(self.body if body is MISSING else body)
        return self.plan.assembly.request(
            replace(parts, headers={**parts.headers, **(headers or {}), self.header: key})
        )

    def _step(self, request: Request, *, earlier: Sequence[Request] = (), pause_ms: int = 0) -> Step:
        return self.rule_set.step(request, self.fact, earlier=earlier, pause_ms=pause_ms)


def _dedup(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Try repeats where a reply names or counts events: a repeat is the same event, another id another one."""
    dedup, success = rule_set.contract.dedup, plan.operation.replies.success
    if dedup is None:
        return
    named = list(_places_of("${event_id}", success.body))
    counted = any(name in json.dumps(success.body) for name in COUNTS)
    for form in plan.forms.values():
        for kind in list(form.kinds.values())[:1]:
            holder = kind.values.host(dedup.tokens)
            if not isinstance(look(holder, dedup.tokens[:-1]), dict):
                continue
            if form.form.single and named:
                draft = partial(_named_repeats, rule_set, plan, form, holder, named[0])
                rule_set.add(f"{DEDUP}#repeats", plan.operation.name, draft, {success.pointer})
            elif counted and not form.form.single and not form.diagnosis.of(_repeats(rule_set, form, holder)):
                draft = partial(_counted_repeats, rule_set, plan, form, holder)
                rule_set.add(f"{DEDUP}#repeats", plan.operation.name, draft, {success.pointer})


def _events(rule_set: RuleSet, form: FormPlan, event: Json) -> list[Json]:
    """Return an event, its repeat, and another one: with new ids, which are UUIDs where plain texts are invalid."""
    events: list[Json] = []
    dedup = rule_set.contract.dedup
    assert dedup is not None
    for text in (rule_set.number(), rule_set.number()):
        plain = put(event, dedup.tokens, text)
        good = not form.diagnosis.of(form.body([plain]))
        events.append(plain if good else put(event, dedup.tokens, str(uuid5(NAMESPACE_URL, text))))
    return [events[0], *events]


def _repeats(rule_set: RuleSet, form: FormPlan, event: Json) -> Json:
    return form.body(_events(rule_set, form, event))


def _counted_repeats(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, event: Json) -> Probe:
    request = plan.assembly.request(plan.parts(_repeats(rule_set, form, event)))
    return rule_set.probe(request, DEDUP)


def _named_repeats(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, event: Json, place: Tokens) -> Probe:
    events = _events(rule_set, form, event)
    requests = [plan.assembly.request(plan.parts(form.body([each]))) for each in events]
    first, again, other = (rule_set.step(request, DEDUP) for request in requests)
    again = replace(again, check=_both(again.check, _compared(place, same=True)))
    return Probe((first, again, replace(other, check=_both(other.check, _compared(place, same=False)))))


def _both(first: Check, second: Check) -> Check:
    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        yield from first(reply, earlier)
        yield from second(reply, earlier)

    return check


def _compared(place: Tokens, *, same: bool) -> Check:
    """Return the check that a member of a reply is, or is not, that of the probe's first reply."""

    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        before, now = _value(earlier[0].body, place), _value(reply.body, place)
        if (before == now) != same:
            expected = "the same as before" if same else "another one than before"
            yield Difference(DEDUP, f"body{pointer.build(place)}: expected {expected}, got {now!r} after {before!r}")

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


def _entities(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Try that an entity is unknown until an event names it, and new only once."""
    entity, operation = rule_set.contract.entity, plan.operation
    if entity is None:
        return
    if operation.lookup is not None:
        draft = partial(_read_before_and_after, rule_set, plan, operation.lookup)
        refusal = f"/protocol/refusals/{operation.family.name}/{UNKNOWN_ENTITY}"
        rule_set.add(f"{ENTITIES}#known", operation.name, draft, {refusal, operation.replies.success.pointer})
    for form in plan.forms.values():
        if form.form.single and list(_places_of("${created}", operation.replies.success.body)):
            event = next(iter(form.kinds.values())).values.host(entity)
            draft = partial(_created_once, rule_set, plan, form, event, entity)
            rule_set.add(f"{ENTITIES}#created", operation.name, draft, {operation.replies.success.pointer})


def _created_once(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, event: Json, place: Tokens) -> Probe:
    body = form.body([put(event, place, rule_set.number())])
    request = plan.assembly.request(plan.parts(body))
    predictions = [rule_set.predict(request, earlier) for earlier in ((), (request,))]
    certain = [replace(prediction, history=()) for prediction in predictions]
    return Probe(tuple(rule_set.step(request, ENTITIES, prediction) for prediction in certain))


def _read_before_and_after(rule_set: RuleSet, plan: OperationPlan, parameter: str) -> Probe:
    parts = changed(params={parameter: rule_set.number()})(plan.parts())
    sample = plan.good(parts)
    before = rule_set.step(sample.request, ENTITIES)
    after = rule_set.step(sample.request, ENTITIES, sample.prediction)
    return Probe((before, *(Step(request=request) for request in sample.before), after))
