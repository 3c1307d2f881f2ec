"""Which of two faults a reply names: the gates' order; and keys that a target must know to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.assembly import Parts
from mockserver.strategies.forms import Bad, FormPlan
from mockserver.strategies.gate_mutations import Change, GateMutation, changed
from mockserver.strategies.named import nameless, nameless_kinds
from mockserver.strategies.places import Edit, apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Expected, Request, Sample
from mockserver.verify.expectations import Wanted
from mockserver.verify.rule import Probe, Status
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import dependencies_of, depends_on

FEW: Final = 2
NO_REVOKED: Final = "it takes a key that the target must refuse: --revoked-key"


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A request broken at one gate: what makes it of good parts, and the sample of it alone."""

    gate: str
    change: Change
    sample: Sample


def declare(rule_set: RuleSet) -> None:
    """Write down a rule for each two gates of each operation that can refuse the same request, and for unknown keys."""
    for one in rule_set.operations():
        found = list(spoiled(one))
        order = [gate.name for gate in one.operation.gates]
        for first in found:
            for second in found:
                if first.gate in order and second.gate in order and order.index(first.gate) < order.index(second.gate):
                    _add(rule_set, one, first, second)
        _unknown_key(rule_set, one, found)


def plainest(one: OperationPlan) -> Parts:
    """Return the parts of an operation's smallest good request."""
    form = next(iter(one.forms.values()), None)
    return one.parts(MISSING if form is None else form.smallest())


def _gate_named(one: OperationPlan, check: str) -> str:
    rules = one.contract.protocol["gates"]
    return next((g.name for g in one.operation.gates if rules[g.name].get("check", g.name) == check), "")


CHECK_OF: Final = {
    "missing": "key",
    "malformed": "key",
    "body_too_large": "size",
    "broken_encoding": "encoding",
    "unsupported_encoding": "encoding",
    "content_type_invalid": "content_type",
    "invalid_json": "json",
    "not_an_object": "object",
    "origin_not_allowed": "origin",
    "invalid_request": "query",
    "unknown_project": "project",
    "project_required": "project",
}


def spoiled(one: OperationPlan) -> Iterator[Spoiled]:
    """Yield requests that are each broken at one gate."""
    base = plainest(one)
    for fault in one.gate_mutations:
        if fault.keyword in CHECK_OF:
            for change in _few(fault):
                yield Spoiled(_gate_named(one, CHECK_OF[fault.keyword]), change, one.gated(change(base), fault))
    for form in list(one.forms.values())[:1]:
        for broken in form.envelope_mutations:
            tokens, edit = broken.ways[0]
            sample = one.refused(one.parts(apply(form.envelope_host(tokens), edit)), broken, tokens)
            yield Spoiled(_gate_named(one, "envelope"), _edited(edit), sample)
        yield from _spoiled_names(one, form)
        yield from _spoiled_events(one, form)


def _spoiled_names(one: OperationPlan, form: FormPlan) -> Iterator[Spoiled]:
    """Yield a batch of a sender that must name somebody and does not."""
    gate = _gate_named(one, "identity")
    for kind in nameless_kinds(form)[:1] if gate else ():
        body = nameless(form, form.body([kind.values.least]), form.naming.batch["sources"][0])
        yield Spoiled(gate, changed(body=body), one.nobody(one.parts(body)))


def _spoiled_events(one: OperationPlan, form: FormPlan) -> Iterator[Spoiled]:
    """Yield a first event that breaks its schema, and one over a size, where either refuses the whole request."""
    if form.form.policy == "partial" and not form.form.single:
        return
    for kind in list(form.kinds.values())[:1]:
        seen: set[str] = set()
        for fault in kind.faults:
            gate = _gate_named(one, "measures" if fault.keyword == "max_bytes" else "events")
            tokens, edit = fault.ways[0]
            if gate in seen or not tokens:
                continue
            seen.add(gate)
            event = apply(kind.values.host(tokens), edit)
            bad = Bad(index=0, fault=fault, tokens=tokens)
            sample = one.mixed(form, one.parts(form.body([event])), [event], [bad])
            yield Spoiled(gate, _edited(tuple(((*form.prefix(0), *place), value) for place, value in edit)), sample)


def _edited(edit: Edit) -> Change:
    """Return a change of the body that parts already have; they stay as they are where it cannot be made."""

    def change(parts: Parts) -> Parts:
        try:
            return replace(parts, body=apply(parts.body, edit))
        except (KeyError, IndexError, TypeError):
            return parts

    return change


def _few(fault: GateMutation) -> tuple[Change, ...]:
    return fault.changes[-FEW:] + fault.changes[:FEW]


def _add(rule_set: RuleSet, one: OperationPlan, first: Spoiled, second: Spoiled) -> None:
    """Note a request broken at two gates; only where the contract itself says that the first one answers."""
    request = one.assembly.request(first.change(second.change(plainest(one))))
    for parts in (second.change(first.change(plainest(one))), first.change(second.change(plainest(one)))):
        request = one.assembly.request(parts)
        judged = judge(route(RequestBody(request.wire()), rule_set.contract), Terms(now_ms=rule_set.now_ms))
        if judged.refusal is not None and judged.refusal.reason == first.sample.breach.reason:
            break
    else:
        return
    wanted = rule_set.expectations.of(first.sample)
    rule = f"/protocol/gates/{first.gate}/order"
    step = rule_set.expectations.step(wanted, request, rule)
    dependencies = depends_on(rule_set, first.sample) | {f"/protocol/gates/{second.gate}"}
    rule_set.add(f"{rule}#before-{second.gate}", one.operation.name, Probe((step,)), dependencies)


def revoked_key(rule_set: RuleSet, one: OperationPlan) -> str | None:
    """Return a key for the operation's first credential that the target must refuse."""
    spec = rule_set.contract.protocol["credentials"][one.operation.credentials[0]]
    fits = (key for key in rule_set.setup.revoked if "pattern" not in spec or matches(spec["pattern"], key))
    return next(fits, None)


def unknown_key(rule_set: RuleSet, one: OperationPlan, gate: str) -> Iterator[tuple[str, Request, Wanted]]:
    """Yield a good request with a key that the target must refuse, if there is one."""
    key = revoked_key(rule_set, one)
    if key is not None:
        request = one.assembly.request(changed(key=key)(plainest(one)))
        yield gate, request, _unknown(rule_set, one, request)


def _unknown(rule_set: RuleSet, one: OperationPlan, request: Request) -> Wanted:
    reason = one.reason("allowed_key", "unknown")
    expect: Expected = rule_set.plan.reading.refusal(one.operation.family, reason)
    return rule_set.expectations.refusal(one.operation.family, reason, expect, one.operation, request.path)


def _unknown_key(rule_set: RuleSet, one: OperationPlan, found: list[Spoiled]) -> None:
    gate = _gate_named(one, "allowed_key")
    if not gate:
        return
    rule, key = f"/protocol/gates/{gate}#unknown-key", revoked_key(rule_set, one)
    if key is None:
        rule_set.idle(rule, one.operation.name, Status.NOT_EXERCISED, NO_REVOKED)
        return
    family, reason = one.operation.family, one.reason("allowed_key", "unknown")
    dependencies = {*dependencies_of(rule_set, one.operation), f"/protocol/refusals/{family}/{reason}"}
    for _, request, wanted in unknown_key(rule_set, one, gate):
        step = rule_set.expectations.step(wanted, request, rule.partition("#")[0])
        rule_set.add(rule, one.operation.name, Probe((step,)), dependencies)
    order = [bound.name for bound in one.operation.gates]
    for other in found:
        if other.gate in order and other.gate != gate and CHECK_OF.get(other.sample.breach.keyword) != "key":
            request = one.assembly.request(changed(key=key)(other.change(plainest(one))))
            first = order.index(gate) < order.index(other.gate)
            wanted = _unknown(rule_set, one, request) if first else rule_set.expectations.of(other.sample)
            place = f"/protocol/gates/{gate if first else other.gate}/order"
            probe = Probe((rule_set.expectations.step(wanted, request, place),))
            rule_set.add(f"{place}#before-{other.gate if first else gate}", one.operation.name, probe, dependencies)
