"""Which of two broken gates a reply names: the first in the contract's order. And keys that a target must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, islice, product
from typing import Final

from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.operation import BoundGate, Operation
from mockserver.lint.prediction import predict
from mockserver.strategies.assembly import Parts
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.gate_mutations import CHECKS, Change, GateMutation, changed
from mockserver.strategies.named import nameless, nameless_kinds
from mockserver.strategies.non_schema_mutations import MEASURED
from mockserver.strategies.places import Edit, apply
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request, Sample
from mockserver.verify.families.sample_rules import facts_of, plainest, with_bad_event
from mockserver.verify.rule import LARGE, Probe, Status
from mockserver.verify.rule_set import RuleSet, is_key_for

FEW: Final = 2
UNCHANGED: Final = changed()
NO_REVOKED: Final = "it takes a key that the target must refuse: --revoked-key"


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A request broken at one gate: the change of good parts that breaks it, and how its sample is made.

    Only what has a `large` body is made each time.
    """

    gate: BoundGate
    change: Change
    make: Callable[[], Sample]
    large: bool = False

    @property
    def sample(self) -> Sample:
        """The sample of the request."""
        return self.make()


def declare(rule_set: RuleSet) -> None:
    """Add a rule for each two gates of an operation that can refuse the same request, and for unknown keys."""
    for plan in rule_set.operations():
        spoiled = list(spoiled_requests(plan))
        for first, second in combinations(plan.operation.gates, 2):
            _add(rule_set, plan, _at(first, spoiled), _at(second, spoiled))
        _unknown_key(rule_set, plan, spoiled)


def _at(gate: BoundGate, spoiled: list[Spoiled]) -> list[Spoiled]:
    return [each for each in spoiled if each.gate is gate]


def spoiled_requests(plan: OperationPlan) -> Iterator[Spoiled]:
    """Yield requests that are each broken at one gate."""
    base, _ = plainest(plan)
    for mutation in plan.gate_mutations:
        gate = _gate_of(plan, mutation)
        if gate is not None:
            spoiled = (_spoiled(plan, gate, mutation, change, base) for change in _few(mutation))
            yield from sorted(spoiled, key=lambda each: each.large)
    for form in list(plan.forms.values())[:1]:
        yield from _spoiled_envelopes(plan, form)
        yield from _nameless(plan, form)
        yield from _spoiled_events(plan, form)


def _spoiled(plan: OperationPlan, gate: BoundGate, mutation: GateMutation, change: Change, base: Parts) -> Spoiled:
    parts = change(base)
    size = 0 if parts.compress else max(parts.padded, len(parts.raw or b""))
    if size >= LARGE:
        return Spoiled(gate, change, partial(plan.gated, parts, mutation), large=True)
    return Spoiled(gate, change, _always(plan.gated(parts, mutation)))


def _always(sample: Sample) -> Callable[[], Sample]:
    return lambda: sample


def _gate_of(plan: OperationPlan, mutation: GateMutation) -> BoundGate | None:
    """Return the gate that a mutation breaks; None where it is none, but the way to the operation."""
    kinds = {**BUILT_IN, **extension_of(plan.contract.adapter).checks}
    gates = (gate for gate in plan.operation.gates if gate.check in CHECKS)
    return next((gate for gate in gates if mutation.keyword in kinds[gate.check].outcomes), None)


def _spoiled_envelopes(plan: OperationPlan, form: FormPlan) -> Iterator[Spoiled]:
    gate = plan.operation.gate("envelope")
    if gate is not None:
        for mutation in form.envelope_mutations:
            tokens, edit = mutation.ways[0]
            sample = plan.refused(plan.parts(apply(form.envelope_host(tokens), edit)), mutation, tokens)
            yield Spoiled(gate, _edited(edit), _always(sample))


def _nameless(plan: OperationPlan, form: FormPlan) -> Iterator[Spoiled]:
    """Yield a batch of a sender that must name somebody and does not."""
    gate = plan.operation.gate("identity")
    if gate is not None:
        for kind in nameless_kinds(form)[:1]:
            body = nameless(form, form.body([kind.values.least]), form.naming.batch.senders[0])
            yield Spoiled(gate, changed(body=body), _always(plan.nobody(plan.parts(body))))


def _spoiled_events(plan: OperationPlan, form: FormPlan) -> Iterator[Spoiled]:
    """Yield a first event that breaks its schema, and one over a size, where either refuses the whole request."""
    for kind in list(form.kinds.values())[:1] if form.form.atomic else ():
        seen: set[str] = set()
        for mutation in kind.mutations:
            gate = plan.operation.gate("measures" if mutation.keyword == MEASURED else "events")
            tokens, edit = mutation.ways[0]
            if gate is not None and gate.name not in seen and tokens:
                seen.add(gate.name)
                body = form.body([apply(kind.values.host(tokens), edit)])
                sample = with_bad_event(plan, form, body, mutation, tokens)
                placed = _edited(tuple(((*form.prefix(0), *place), value) for place, value in edit))
                yield Spoiled(gate, placed, _always(sample))


def _edited(edit: Edit) -> Change:
    """Return a change of the body that parts already have; they stay as they are where it cannot be made."""

    def change(parts: Parts) -> Parts:
        try:
            return replace(parts, body=apply(parts.body, edit))
        except (KeyError, IndexError, TypeError):
            return parts

    return change


def _few(mutation: GateMutation) -> list[Change]:
    return list(dict.fromkeys(mutation.changes[-FEW:] + mutation.changes[:FEW]))


def _add(rule_set: RuleSet, plan: OperationPlan, first: list[Spoiled], second: list[Spoiled]) -> None:
    """Add requests broken at two gates, where there is one that the first of them refuses.

    Of large ones there is just one, where small ones do not show the order: one that is small because it is compressed
    shows nothing of the order of size and encoding.
    """
    pairs = list(product(first, second))
    small = [pair for pair in pairs if not any(each.large for each in pair)]
    refused = any(_broken_twice(rule_set, plan, *pair) is not None for pair in small)
    chosen = small if refused else []
    if not refused or any("encoding" in (earlier.gate.check, later.gate.check) for earlier, later in pairs):
        large = (pair for pair in reversed(pairs) if pair not in small)
        chosen += islice((pair for pair in large if _broken_twice(rule_set, plan, *pair) is not None), 1)
    for earlier, later in chosen:
        draft = partial(_broken_twice, rule_set, plan, earlier, later)
        rule = f"{earlier.gate.pointer}/order#before-{later.gate.name}"
        facts = {*facts_of(rule_set, earlier.sample), f"{later.gate.pointer}/order"}
        rule_set.add(rule, plan.operation.name, draft, facts)


def _broken_twice(rule_set: RuleSet, plan: OperationPlan, first: Spoiled, second: Spoiled) -> Probe | None:
    """Return the probe of a request broken at two gates; None where the first one is not what refuses it."""
    parts, _ = plainest(plan)
    for change, other in ((first.change, second.change), (second.change, first.change)):
        request = plan.assembly.request(other(change(parts)))
        judged, prediction = predict(rule_set.contract, [request.wire()], rule_set.now_ms)
        if judged.refusal is not None and judged.refusal.order == first.gate.order:
            return rule_set.probe(request, f"{first.gate.pointer}/order", prediction)
    return None


def revoked_key(rule_set: RuleSet, operation: Operation) -> str | None:
    """Return a key for the operation's first credential that the target must refuse."""
    return next((key for key in rule_set.setup.revoked if is_key_for(operation.credentials[0], key)), None)


def revoked_request(rule_set: RuleSet, plan: OperationPlan, change: Change = UNCHANGED) -> Request | None:
    """Return a good, or changed, request with a key that the target must refuse, if there is one."""
    key = revoked_key(rule_set, plan.operation)
    return None if key is None else plan.assembly.request(changed(key=key)(change(plainest(plan)[0])))


def _unknown_key(rule_set: RuleSet, plan: OperationPlan, spoiled: list[Spoiled]) -> None:
    gate, operation = plan.operation.gate("allowed_key"), plan.operation
    if gate is None:
        return
    if revoked_key(rule_set, operation) is None:
        rule_set.idle(f"{gate.pointer}#unknown-key", operation.name, Status.NOT_EXERCISED, NO_REVOKED)
        return
    facts = {f"/protocol/refusals/{operation.family.name}/{gate.reason('unknown')}"}
    draft = partial(_with_revoked_key, rule_set, plan, UNCHANGED, gate.pointer)
    rule_set.add(f"{gate.pointer}#unknown-key", operation.name, draft, facts)
    facts |= {f"{gate.pointer}/order"}
    gates_of_small = {each.gate.name for each in spoiled if not each.large}
    for other in (each for each in spoiled if not (each.large and each.gate.name in gates_of_small)):
        if other.gate.check not in ("key", "allowed_key"):
            facts.add(f"{other.gate.pointer}/order")
            first, second = sorted((gate, other.gate), key=operation.gates.index)
            draft = partial(_with_revoked_key, rule_set, plan, other.change, f"{first.pointer}/order")
            rule_set.add(f"{first.pointer}/order#before-{second.name}", operation.name, draft, facts)


def _with_revoked_key(rule_set: RuleSet, plan: OperationPlan, change: Change, fact: str) -> Probe | None:
    request = revoked_request(rule_set, plan, change)
    return None if request is None else rule_set.probe(request, fact, rule_set.predict(request, all_keys=False))
