"""Who events are about: every single way a contract lets a batch, or an event of it, name somebody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.forms import Bad, FormPlan, Kind
from mockserver.strategies.named import nameless
from mockserver.strategies.naming import BATCH, IDENTITY, PER_EVENT, SENDER, applies
from mockserver.strategies.places import Tokens, apply, look, put
from mockserver.strategies.plans import NOBODY, OperationPlan
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import depends_on

SOMEBODY = "somebody@example.com"
NOBODY_BROKEN: Final = (NOBODY.rule, (), None)
"""What is broken by a batch that must name somebody and does not."""


def declare(rule_set: RuleSet) -> None:
    """Write down a rule for each place that names somebody: it alone must do."""
    rules: Mapping[str, Json] = rule_set.contract.protocol.get("identity", {})
    for one in rule_set.operations():
        for form in one.forms.values():
            if form.naming.asks and not form.form.single:
                _declare_own(rule_set, one, form)
                for name, rule in rules.items():
                    _declare_others(rule_set, one, form, name, rule)
                    for place in rule.get("pointers", ()):
                        _declare(rule_set, one, form, name, rule, place)


def _declare(
    rule_set: RuleSet, one: OperationPlan, form: FormPlan, name: str, rule: Mapping[str, Json], place: str
) -> None:
    tokens: Tokens = pointer.parse(place)
    for body in _bodies(form, name, rule, tokens):
        if not form.diagnosis.of(body, rule_set.now_ms):
            sample = one.good(one.parts(body), form.events_in(body))
            wanted = rule_set.expectations.of(sample)
            fact = f"/protocol/identity/{name}"
            probe = Probe((rule_set.expectations.step(wanted, sample.request, fact),))
            rule_set.add(f"{fact}/pointers#{place}", one.operation.name, probe, depends_on(rule_set, sample) | {fact})


def _declare_own(rule_set: RuleSet, one: OperationPlan, form: FormPlan) -> None:
    """Write down, for each sender whose events name somebody themselves, that one which does not is refused."""
    for sender in form.naming.per_event["sources"]:
        for kind in form.kinds.values():
            for fault in kind.faults:
                if fault.rule == IDENTITY:
                    tokens, edit = fault.ways[0]
                    body = put(form.body([apply(kind.values.host(tokens), edit)]), (SENDER,), sender)
                    bad = Bad(index=0, fault=fault, tokens=tokens)
                    if form.diagnosis.of(body, rule_set.now_ms) == [(IDENTITY, tokens, 0)]:
                        sample = one.mixed(form, one.parts(body), form.events_in(body), [bad])
                        probe = Probe(
                            (rule_set.expectations.step(rule_set.expectations.of(sample), sample.request, IDENTITY),)
                        )
                        dependencies = depends_on(rule_set, sample) | {IDENTITY}
                        rule_set.add(f"{IDENTITY}/sources#{sender}", one.operation.name, probe, dependencies)


def _declare_others(rule_set: RuleSet, one: OperationPlan, form: FormPlan, name: str, rule: Mapping[str, Json]) -> None:
    """Write down that a place names nobody in events of types that the rule is not about."""
    if "types" not in rule or name == PER_EVENT:
        return
    others = [kind for kind in form.kinds.values() if not applies(rule, kind.values.least)]
    for place in rule["pointers"]:
        for body in _nameless_bodies(rule_set, one, form, list(_bodies_of(form, others, name, pointer.parse(place)))):
            sample = one.nobody(one.parts(body))
            fact = f"/protocol/identity/{name}"
            probe = Probe((rule_set.expectations.step(rule_set.expectations.of(sample), sample.request, fact),))
            rule_set.add(f"{fact}/types#{place}", one.operation.name, probe, depends_on(rule_set, sample) | {fact})


def _nameless_bodies(rule_set: RuleSet, one: OperationPlan, form: FormPlan, bodies: list[Json]) -> list[Json]:
    """Return the bodies refused for naming nobody: for that alone, else those whose events would be refused later."""
    found = [(body, form.diagnosis.of(body, rule_set.now_ms)) for body in bodies]
    alone = [body for body, broken in found if broken == [NOBODY_BROKEN]]
    if alone or not _before_events(one):
        return alone
    return [body for body, broken in found if [fault for fault in broken if fault[2] is None] == [NOBODY_BROKEN]]


def _before_events(one: OperationPlan) -> bool:
    """Tell whether who is named is looked at before the events are."""
    names = [gate.name for gate in one.operation.gates]
    checks = [one.contract.protocol["gates"][name].get("check", name) for name in names]
    return "identity" in checks and "events" in checks[checks.index("identity") :]


def _bodies(form: FormPlan, name: str, rule: Mapping[str, Json], tokens: Tokens) -> Iterator[Json]:
    yield from _bodies_of(form, _kinds(form, rule, name), name, tokens)


def _bodies_of(form: FormPlan, kinds: Iterable[Kind], name: str, tokens: Tokens) -> Iterator[Json]:
    senders = form.naming.per_event["sources"] if name == PER_EVENT else form.naming.batch["sources"]
    for kind in kinds:
        for sender in senders:
            body = nameless(form, form.body([_bare(form, kind)]), sender)
            at = tokens if name == BATCH else (*form.prefix(0), *tokens)
            for value in (SOMEBODY, {"email": SOMEBODY}, {"customerId": SOMEBODY}):
                yield _deep(put(body, (SENDER,), sender), at, value)


def _kinds(form: FormPlan, rule: Mapping[str, Json], name: str) -> list[Kind]:
    return [kind for kind in form.kinds.values() if name == BATCH or applies(rule, kind.values.least)]


def _bare(form: FormPlan, kind: Kind) -> Json:
    """Return the smallest event without what names somebody elsewhere."""
    event = kind.values.least
    for tokens in form.naming.own_places():
        event = put(event, tokens, MISSING)
    return event


def _deep(body: Json, tokens: Tokens, value: Json) -> Json:
    """Return the body with a value at a place; objects on the way are made."""
    for depth in range(1, len(tokens)):
        if look(body, tokens[:depth]) is MISSING:
            body = put(body, tokens[:depth], {})
    return put(body, tokens, value)
