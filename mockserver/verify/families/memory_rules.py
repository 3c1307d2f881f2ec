"""What replies show of a target's memory: repeated ids and idempotency keys, entities that come into being."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.gate_mutations import changed
from mockserver.strategies.places import Tokens, apply, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request, parsed
from mockserver.verify.families.sample_rules import with_own_id
from mockserver.verify.rule import Check, Difference, Draft, Probe, Reply, Status, Step
from mockserver.verify.rule_set import RuleSet

DEDUP: Final = "/protocol/dedup"
ENTITIES: Final = "/protocol/entities"
UNLESS: Final = f"{ENTITIES}/unless"
NO_HEADERS: Final[Mapping[str, str]] = {}
COUNTS: Final = ("${accepted}", "${duplicates}")
"""What tells repeats from first events, where a reply has it."""
PROCESSED: Final = "${processed}"
"""What counts repeats as well."""
FEW: Final = 3
MANY: Final = 50
"""How many others come between an id, or a key, and its repeat: a short memory has forgotten it."""
SPELLINGS: Final[Mapping[str, tuple[str, str]]] = {
    "case": ("{lower}", "{upper}"),
    "padding": ("{lower}", " {lower} "),
    "long": ("{lower}" + "-more" * 30, "{lower}" + "-more" * 31),
}
"""Two ids made of one, which are not the same."""
NAMES: Final = ("${event_id}", "${delivery_id}")
"""What names an event in a reply, the same for its repeat."""


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
    rule, replies = plan.operation.idempotency, plan.operation.replies
    if rule is None:
        return
    fact, slack = f"/protocol/idempotency/{rule.name}", rule_set.setup.slack_ms
    inside, outside = max(0, rule.window_ms - 1 - slack), 1 + 2 * slack
    form, new_key = next(iter(plan.forms.values())), rule_set.number

    def keyed(key: str, body: Json = MISSING, headers: Mapping[str, str] = NO_HEADERS) -> Request:
        parts = plan.parts(form.smallest() if body is MISSING else body)
        return plan.assembly.request(replace(parts, headers={**parts.headers, **headers, rule.header: key}))

    def replayed() -> Probe:
        return rule_set.sequence(fact, *[keyed(new_key())] * 2)

    def replayed_until_forgotten() -> Probe:
        first, again = replayed().steps
        return Probe((first, replace(again, pause_ms=inside), replace(first, pause_ms=outside)))

    def accepted_after_refusal() -> Probe:
        key, mutation = new_key(), form.envelope_mutations[0]
        tokens, edit = mutation.ways[0]
        return rule_set.sequence(fact, keyed(key, apply(form.envelope_host(tokens), edit)), keyed(key))

    def accepted_in_other_scope(headers: Mapping[str, str]) -> Probe:
        key = new_key()
        return rule_set.sequence(fact, keyed(key), keyed(key, headers=headers))

    def replayed_after(others: int) -> Probe:
        """Return the probe of a key that is sent again after other ones."""
        first, again = replayed().steps
        return Probe((first, *(Step(request=keyed(new_key())) for _ in range(others)), again))

    def accepted_in_other_case() -> Probe:
        key = new_key()
        return rule_set.sequence(fact, keyed(key), keyed(key.upper()))

    def replayed_with_other_body() -> Probe | None:
        key, others = new_key(), [body for body in map(form.body, _others(form)) if not form.diagnosis.of(body)]
        return rule_set.sequence(fact, keyed(key), keyed(key, others[0])) if others else None

    drafts: dict[str, Draft] = {
        f"{fact}#replayed": replayed,
        f"{fact}#replayed-later": partial(replayed_after, MANY),
        f"{fact}#case": accepted_in_other_case,
        f"{fact}#other-body": replayed_with_other_body,
        f"{fact}#other-key": lambda: rule_set.sequence(fact, keyed(new_key()), keyed(new_key())),
        f"{fact}#refused-claims-nothing": accepted_after_refusal,
        f"{fact}/window_ms": replayed_until_forgotten,
    }
    projects = rule_set.contract.projects
    if projects is not None and not projects.known:
        drafts[f"{fact}#scope"] = partial(accepted_in_other_scope, {projects.header: "prj_other"})
    for rule_id, draft in drafts.items():
        rule_set.add(rule_id, plan.operation.name, draft, {replies.success.pointer, replies.replayed.pointer})


def _others(form: FormPlan) -> Iterator[list[Json]]:
    """Yield events that are not those of the smallest body: each with all that it may have."""
    for kind in form.kinds.values():
        for branch in kind.values.branches(kind.values.root):
            yield [kind.values.object_with(branch, (), branch.get("properties", {}))]


def _dedup(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Try repeats where a reply names or counts events: a repeat is the same event, another id another one."""
    dedup, success = rule_set.contract.dedup, plan.operation.replies.success
    if dedup is None:
        return
    named = [place for name in NAMES for place in _places_of(name, success.body)]
    counted = any(name in json.dumps(success.body) for name in COUNTS)
    for form in plan.forms.values():
        for kind in list(form.kinds.values())[:1]:
            event = kind.values.host(dedup.tokens)
            if not isinstance(look(event, dedup.tokens[:-1]), dict):
                continue
            events = partial(_repeated_events, rule_set, form, event, dedup.tokens)
            draft: Draft | None = None
            if form.form.single and named:
                draft = partial(_named_repeats, rule_set, plan, form, events, named)
                _remembered(rule_set, plan, form, events, dedup.tokens)
            elif counted and not form.form.single and not form.diagnosis.of(form.body(events())):
                draft = partial(_counted_repeats, rule_set, plan, form, events)
            if draft is not None:
                rule_set.add(f"{DEDUP}#repeats", plan.operation.name, draft, {success.pointer})
            if not form.form.single and PROCESSED in json.dumps(success.body):
                draft = partial(_processed_repeats, rule_set, plan, form, events)
                rule_set.add(f"{DEDUP}#processed", plan.operation.name, draft, {success.pointer})


def _processed_repeats(
    rule_set: RuleSet, plan: OperationPlan, form: FormPlan, events: Callable[[], list[Json]]
) -> Probe | None:
    """Return the probe of events that come twice in a batch and once more in the next one, which all count."""
    first, again, other = events()
    bodies = [form.body(batch) for batch in ([first, again, other], [other, first])]
    if any(form.diagnosis.of(body) for body in bodies):
        return None
    return rule_set.sequence(DEDUP, *(plan.assembly.request(plan.parts(body)) for body in bodies))


def _remembered(
    rule_set: RuleSet, plan: OperationPlan, form: FormPlan, events: Callable[[], list[Json]], place: Tokens
) -> None:
    """Try where replies tell a repeat: after others, by the case of the id, after a refusal, by another operation."""
    operation, pointer_of_reply = plan.operation.name, plan.operation.replies.success.pointer

    def request(event: Json) -> Request:
        return plan.assembly.request(plan.parts(form.body([event])))

    def repeated_after(others: int) -> Probe:
        first, again = rule_set.sequence(DEDUP, *map(request, events()[:2]), certain=True).steps
        return Probe((first, *(Step(request=request(events()[0])) for _ in range(others)), again))

    def written_otherwise(spellings: tuple[str, str]) -> Probe | None:
        event, _, _ = events()
        text = str(look(event, place))
        pair = [put(event, place, each.format(lower=text, upper=text.upper())) for each in spellings]
        if any(form.diagnosis.of(form.body([each])) for each in pair):
            return None
        return rule_set.sequence(DEDUP, *map(request, pair), certain=True)

    def after_refusal() -> Probe | None:
        first, _, _ = events()
        kind = next(iter(form.kinds.values()))
        required = (mutation for mutation in kind.mutations if mutation.keyword == "required")
        edits = (edit for mutation in required for tokens, edit in mutation.ways if tokens[:1] != place[:1])
        broken = next((apply(first, edit) for edit in edits), None)
        if broken is None:
            return None
        _, accepted = rule_set.sequence(DEDUP, request(broken), request(first), certain=True).steps
        return Probe((Step(request=request(broken)), accepted))

    def by_other_operation(other: OperationPlan, batches: FormPlan) -> Probe | None:
        first, _, _ = events()
        body = batches.body([first])
        if batches.diagnosis.of(body):
            return None
        return rule_set.sequence(DEDUP, other.assembly.request(other.parts(body)), request(first), certain=True)

    drafts: dict[str, Draft] = {what: partial(written_otherwise, pair) for what, pair in SPELLINGS.items()}
    drafts["refused-claims-nothing"] = after_refusal
    drafts |= {f"after-{others}": partial(repeated_after, others) for others in (FEW, MANY)}
    for other in rule_set.operations():
        for batches in other.forms.values():
            if not batches.form.single and batches.form.events is not None:
                drafts[f"across-{other.operation.name}"] = partial(by_other_operation, other, batches)
    for what, draft in drafts.items():
        rule_set.add(f"{DEDUP}#{what}", operation, draft, {pointer_of_reply})


def _repeated_events(rule_set: RuleSet, form: FormPlan, event: Json, place: Tokens) -> list[Json]:
    """Return an event, its repeat, and another one: with new ids, which are UUIDs where plain texts are invalid."""
    events: list[Json] = []
    for text in (rule_set.number(), rule_set.number()):
        plain = put(event, place, text)
        good = not form.diagnosis.of(form.body([plain]))
        events.append(plain if good else put(event, place, str(uuid5(NAMESPACE_URL, text))))
    return [events[0], *events]


def _counted_repeats(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, events: Callable[[], list[Json]]) -> Probe:
    return rule_set.sequence(DEDUP, plan.assembly.request(plan.parts(form.body(events()))))


def _named_repeats(
    rule_set: RuleSet, plan: OperationPlan, form: FormPlan, events: Callable[[], list[Json]], places: Sequence[Tokens]
) -> Probe:
    requests = [plan.assembly.request(plan.parts(form.body([event]))) for event in events()]
    first, again, other = rule_set.sequence(DEDUP, *requests, certain=True).steps
    for place in places:
        again = replace(again, check=_compared(again.check, place, same=True))
        other = replace(other, check=_compared(other.check, place, same=False))
    return Probe((first, again, other))


def _compared(check: Check, place: Tokens, *, same: bool) -> Check:
    """Return a check with one more: that a member of a reply is, or is not, that of the probe's first reply."""

    def run(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        yield from check(reply, earlier)
        before, now = _value(earlier[0].body, place), _value(reply.body, place)
        if MISSING not in (before, now) and (before == now) != same:
            expected = "the same as before" if same else "another one than before"
            got = f"got {json.dumps(now)} after {json.dumps(before)}"
            yield Difference(DEDUP, f"body{pointer.build(place)}: expected {expected}, {got}")

    return run


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
    facts = {operation.replies.success.pointer}
    if operation.lookup is not None:
        draft = partial(_read_before_and_after, rule_set, plan, operation.lookup)
        refusal = f"/protocol/refusals/{operation.family.name}/{UNKNOWN_ENTITY}"
        rule_set.add(f"{ENTITIES}#known", operation.name, draft, {*facts, refusal})
        if rule_set.contract.no_entity is not None and plan.creating("somebody", marked=True):
            draft = partial(_read_after_marked, rule_set, plan, operation.lookup)
            rule_set.add(UNLESS, operation.name, draft, {*facts, refusal})
    for form in plan.forms.values():
        if form.form.single and list(_places_of("${created}", operation.replies.success.body)):
            draft = partial(_created_once, rule_set, plan, form, entity)
            rule_set.add(f"{ENTITIES}#created", operation.name, draft, facts)


def _created_once(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, place: Tokens) -> Probe:
    event = put(next(iter(form.kinds.values())).values.host(place), place, rule_set.number())
    request = plan.assembly.request(plan.parts(form.body([event])))
    return rule_set.sequence(ENTITIES, request, request, certain=True)


def _read_after_marked(rule_set: RuleSet, plan: OperationPlan, parameter: str) -> Probe:
    name = rule_set.number()
    read = plan.assembly.request(changed(params={parameter: name})(plan.parts()))
    return rule_set.sequence(UNLESS, *plan.creating(name, marked=True), read, certain=True)


def _read_before_and_after(rule_set: RuleSet, plan: OperationPlan, parameter: str) -> Probe:
    sample = plan.good(changed(params={parameter: rule_set.number()})(plan.parts()))
    before = rule_set.step(sample.request, ENTITIES)
    after = rule_set.step(sample.request, ENTITIES, sample.prediction)
    return Probe((before, *(Step(request=with_own_id(rule_set, each)) for each in sample.before), after))
