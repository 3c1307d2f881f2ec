"""Who events are about: every single way a contract lets a batch, or an event of it, name somebody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mockserver.contract.sections import IdentityRule
from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.named import name_all, nameless
from mockserver.strategies.naming import BATCH, IDENTITY, NAMES_NOBODY, PER_EVENT, RESERVED, SENDER
from mockserver.strategies.places import Tokens, apply, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.schema_mutations import drafts
from mockserver.verify.families.sample_rules import add_sample, with_bad_event
from mockserver.verify.rule_set import RuleSet

SOMEBODY: Final = "somebody@example.com"
NAMES: Final[tuple[Json, ...]] = (SOMEBODY, {"email": SOMEBODY}, {"customerId": SOMEBODY})


def declare(rule_set: RuleSet) -> None:
    """Add a rule for each place that names somebody: it alone is enough; and for members that only some can send."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            _declare_reserved(rule_set, plan, form)
            if form.naming.asks and not form.form.single:
                _declare_own(rule_set, plan, form)
                for rule in rule_set.contract.identity.values():
                    _declare_others(rule_set, plan, form, rule)
                    for place in rule.pointers:
                        _declare(rule_set, plan, form, rule, place)


def _declare(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, rule: IdentityRule, place: str) -> None:
    later = True
    for body in _bodies(form, _kinds(form, rule), rule, pointer.parse(place)):
        if form.diagnosis.of(body):
            continue
        for each in (body, _in_second_event(form, body)) if later and rule.name != BATCH else (body,):
            if not form.diagnosis.of(each):
                sample = plan.good(plan.parts(each), form.events_in(each))
                add_sample(rule_set, f"{rule.pointer}/pointers#{place}", sample, rule.pointer)
        later = False


def _in_second_event(form: FormPlan, body: Json) -> Json:
    """Return a batch whose first event names nobody, and the second one somebody."""
    event = form.events_in(body)[0]
    kind = form.kind_of(event)
    return body if kind is None else put(body, form.form.events or (), [_bare(form, kind), event])


def _declare_own(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    """Add, for each sender whose events name somebody themselves, that an event which does not is refused."""
    for sender in form.naming.per_event.senders:
        for kind in form.kinds.values():
            for mutation in (mutation for mutation in kind.mutations if mutation.rule == IDENTITY):
                tokens, edit = mutation.ways[0]
                body = put(form.body([apply(kind.values.host(tokens), edit)]), (SENDER,), sender)
                if form.diagnosis.of(body) == [BrokenRule(IDENTITY, tokens, 0)]:
                    sample = with_bad_event(plan, form, body, mutation, tokens)
                    add_sample(rule_set, f"{IDENTITY}/senders#{sender}", sample, IDENTITY)


def _declare_reserved(rule_set: RuleSet, plan: OperationPlan, form: FormPlan) -> None:
    """Add that each sender of a reserved member can send it, and that others cannot."""
    for kind in form.kinds.values():
        for mutation in (mutation for mutation in kind.mutations if mutation.keyword == RESERVED):
            for tokens in dict.fromkeys(tokens for tokens, _ in mutation.ways):
                event = next(apply(kind.values.host(at), edit) for at, edit in mutation.ways if at == tokens)
                body, place = form.body([event]), pointer.build(map(str, tokens))
                refused = with_bad_event(plan, form, body, mutation, tokens)
                add_sample(rule_set, f"{mutation.rule}/pointers#{place}", refused, mutation.rule)
                for sender in rule_set.contract.reserved[mutation.rule.rpartition("/")[2]].senders:
                    taken = name_all(form, put(body, (SENDER,), sender))
                    if not form.diagnosis.of(taken):
                        sample = plan.good(plan.parts(taken), form.events_in(taken))
                        add_sample(rule_set, f"{mutation.rule}/senders#{sender}", sample, mutation.rule)
                _declare_broken(rule_set, plan, form, kind, tokens)


def _declare_broken(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, kind: Kind, place: Tokens) -> None:
    """Add what is wrong with a reserved member of a sender that can send it: events of others break two rules."""
    sender = next(rule.senders[0] for rule in form.naming.reserved if form.naming.about(rule, kind.values.least))
    for mutation in drafts(kind.values):
        for tokens, edit in (way for way in mutation.ways if way[0][: len(place)] == place):
            event = apply(kind.values.host(tokens), edit)
            body = name_all(form, put(form.body([event]), (SENDER,), sender), avoid={0: tokens})
            if form.diagnosis.of(body) == [BrokenRule(mutation.rule, tokens, 0)]:
                add_sample(rule_set, mutation.id, with_bad_event(plan, form, body, mutation, tokens))
                break


def _declare_others(rule_set: RuleSet, plan: OperationPlan, form: FormPlan, rule: IdentityRule) -> None:
    """Add that a place names nobody in events of types that the rule is not about."""
    if rule.types is None or rule.name == PER_EVENT:
        return
    others = [kind for kind in form.kinds.values() if not form.naming.about(rule, kind.values.least)]
    for place in rule.pointers:
        for body in _nameless_bodies(plan, form, _bodies(form, others, rule, pointer.parse(place))):
            sample = plan.nobody(plan.parts(body))
            add_sample(rule_set, f"{rule.pointer}/types#{place}", sample, rule.pointer)


def _nameless_bodies(plan: OperationPlan, form: FormPlan, bodies: Iterable[Json]) -> list[Json]:
    """Return the bodies refused for naming nobody: for that alone, else those whose events would be refused later."""
    diagnosed = [(body, form.diagnosis.of(body)) for body in bodies]
    alone = [body for body, broken in diagnosed if broken == [NAMES_NOBODY]]
    if alone or not _before_events(plan):
        return alone
    return [body for body, broken in diagnosed if [rule for rule in broken if rule.index is None] == [NAMES_NOBODY]]


def _before_events(plan: OperationPlan) -> bool:
    """Tell whether identity is checked before the events are."""
    checks = [gate.check for gate in plan.operation.gates]
    return "identity" in checks and "events" in checks[checks.index("identity") :]


def _bodies(form: FormPlan, kinds: Iterable[Kind], rule: IdentityRule, tokens: Tokens) -> Iterator[Json]:
    """Yield batches that say only at one place who they are about."""
    naming = form.naming
    for kind in kinds:
        for sender in naming.per_event.senders if rule.name == PER_EVENT else naming.batch.senders:
            body = put(nameless(form, form.body([_bare(form, kind)]), sender), (SENDER,), sender)
            place = tokens if rule.name == BATCH else (*form.prefix(0), *tokens)
            yield from (_deep(body, place, name) for name in NAMES)


def _kinds(form: FormPlan, rule: IdentityRule) -> list[Kind]:
    return [kind for kind in form.kinds.values() if rule.name == BATCH or form.naming.about(rule, kind.values.least)]


def _bare(form: FormPlan, kind: Kind) -> Json:
    """Return the smallest event without what names somebody elsewhere."""
    event = kind.values.least
    for tokens in form.naming.own_places():
        event = put(event, tokens, MISSING)
    return event


def _deep(body: Json, tokens: Tokens, value: Json) -> Json:
    """Return the body with a value at a place; objects on the way are created."""
    for depth in range(1, len(tokens)):
        if look(body, tokens[:depth]) is MISSING:
            body = put(body, tokens[:depth], {})
    return put(body, tokens, value)
