"""Positive, negative and boundary checks: the samples of the strategies, sorted by the rule they try."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from hypothesis.strategies import SearchStrategy

from mockserver.contract.sections import RefusalFamily
from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import Options, batches, invalid_events, invalid_requests, requests
from mockserver.strategies.assembly import Parts
from mockserver.strategies.forms import BadEvent, FormPlan
from mockserver.strategies.places import Tokens, apply, look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.request_variations import variations
from mockserver.strategies.samples import Breach, Request, Sample
from mockserver.strategies.schema_mutations import Mutation, drafts
from mockserver.strategies.values import Values
from mockserver.verify.rule import Probe, Random, Status, Step, basis_of
from mockserver.verify.rule_set import PackedSample, RuleSet

IDEMPOTENCY_KEY: Final = "key-1"
"""The idempotency key of samples; each probe gets one of its own in its place."""
NULLS: Final = "/protocol/nulls/members"
NO_KEY: Final = "no key was given for it"
EVERYWHERE: Final = ("prefixes", "messages/default", "windows", "ids", "identity")
"""Sections of the protocol that the reply to any sample may be made of."""


def declare(rule_set: RuleSet) -> None:
    """Add a rule for every fact that samples try."""
    for sample in rule_set.samples:
        _add(rule_set, sample)
    for packed in rule_set.large_samples:
        if _has_key(rule_set, packed.sample):
            rule = rule_of(packed.sample)
            draft = partial(_large, rule_set, packed, rule.partition("#")[0])
            rule_set.add(rule, packed.sample.operation, draft, facts_of(rule_set, packed.sample))
    for plan in rule_set.operations():
        _bulky(rule_set, plan)
        for sample in _nulls(plan):
            add_sample(rule_set, f"{NULLS}#refused", sample)
        _random(rule_set, plan)
    for plan in rule_set.operations():
        for sample in _shadowed(plan):
            add_sample(rule_set, rule_of(sample), sample)


def _nulls(plan: OperationPlan) -> Iterator[Sample]:
    """Yield, of each kind of event, one with a null that is refused, where nulls are.

    The null stands for a member that may be left out, if there is one: as absent ones, others would be refused too.
    """
    for form in plan.forms.values():
        for kind in form.kinds.values():
            found = [
                (mutation, tokens)
                for mutation in kind.mutations
                for tokens, edit in mutation.ways
                if mutation.keyword == "type" and edit == ((tokens, None),)
            ]
            optional = (each for each in found if _may_be_left_out(kind.values, each[1]))
            for mutation, tokens in [next(optional, found[0])] if found else []:
                body = form.body([apply(kind.values.host(tokens), ((tokens, None),))])
                yield with_bad_event(plan, form, body, mutation, tokens)


def _may_be_left_out(values: Values, tokens: Tokens) -> bool:
    if not isinstance(tokens[-1], str):
        return False
    return values.fits(values.root, apply(values.host(tokens), ((tokens, MISSING),)))


def with_bad_event(plan: OperationPlan, form: FormPlan, body: Json, mutation: Mutation, tokens: Tokens) -> Sample:
    """Return the sample of a body whose first event a mutation broke at a place."""
    bad = BadEvent(index=0, mutation=mutation, tokens=tokens)
    return plan.mixed(plan.parts(body), form.events_in(body), [bad])


def plainest(plan: OperationPlan) -> tuple[Parts, list[Json]]:
    """Return the parts of an operation's smallest good request, and the events in it."""
    form = next(iter(plan.forms.values()), None)
    if form is None:
        return plan.parts(), []
    body = form.smallest()
    return plan.parts(body), form.events_in(body)


def _bulky(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Add what no corpus keeps: compressed requests, and ones of the maximum length or longer, made when sent."""
    parts, events = plainest(plan)
    plain = plan.good(parts, events)
    for change in variations(plan):
        changed = change(parts)
        if changed.compress or changed.padded:
            make = partial(plan.good, changed, events)
            rule_set.add(rule_of(plain), plan.operation.name, partial(_made, rule_set, make), facts_of(rule_set, plain))
    for mutation in plan.gate_mutations:
        for change in mutation.changes:
            changed = change(parts)
            if changed.compress or changed.padded:
                make = partial(plan.gated, changed, mutation)
                facts = facts_of_refusal(plan.operation.family, mutation.rule, mutation.keyword, mutation.reason)
                rule_set.add(mutation.id, plan.operation.name, partial(_made, rule_set, make), facts)


def compressed_refusals(plan: OperationPlan) -> Iterator[Sample]:
    """Yield a request of each kind that is refused for its size, and small because it is compressed."""
    parts, _ = plainest(plan)
    for mutation in plan.gate_mutations:
        for changed in (change(parts) for change in mutation.changes):
            if changed.compress and changed.padded:
                yield plan.gated(changed, mutation)


def _made(rule_set: RuleSet, make: Callable[[], Sample]) -> Probe:
    return probe_of(rule_set, make())


def _large(rule_set: RuleSet, packed: PackedSample, fact: str) -> Probe:
    return probe_of(rule_set, packed.sample, packed.request(), fact)


def _has_key(rule_set: RuleSet, sample: Sample) -> bool:
    operation = rule_set.contract.operations.get(sample.operation or "")
    return operation is None or rule_set.has_key(operation)


def _add(rule_set: RuleSet, sample: Sample) -> None:
    if _has_key(rule_set, sample):
        add_sample(rule_set, rule_of(sample), sample)
    else:
        rule_set.idle(rule_of(sample), sample.operation, Status.NOT_EXERCISED, NO_KEY)


def add_sample(rule_set: RuleSet, rule_id: str, sample: Sample, fact: str = "") -> None:
    """Add the probe of a sample to a rule; `fact` is what it tries, if that is not what the sample breaks."""
    facts = facts_of(rule_set, sample) | ({fact} if fact else set())
    rule_set.add(rule_id, sample.operation, partial(probe_of, rule_set, sample, fact=fact), facts)


def rule_of(sample: Sample) -> str:
    """Return the id of the rule that a sample tries: what it breaks, else what is accepted."""
    if len(sample.bad) == 1:
        return sample.breach.id
    operation = f"/protocol/operations/{sample.operation}"
    if sample.bad:
        return f"{operation}#mixed"
    kind = kind_of(sample)
    return f"{operation}#accepted" if kind is None else f"/events/{kind}#accepted"


def kind_of(sample: Sample) -> str | None:
    """Return the schema that all events of a sample have, None where they have several or there are none."""
    form = sample.form
    if form is None or form.events is None or not sample.events:
        return None
    if form.schema is not None:
        return form.schema.name
    types = {form.type_of(event) for event in sample.events}
    return types.pop() if len(types) == 1 else None


def probe_of(rule_set: RuleSet, sample: Sample, request: Request | None = None, fact: str = "") -> Probe:
    """Return the probe of a sample: what comes before it, then itself, or a changed `request` in its place.

    `fact` is what it tries: what the sample breaks, unless given.
    """
    changed = _with_own_key(rule_set, request or sample.request)
    same = changed is sample.request
    prediction = sample.prediction if same else rule_set.predict(changed, sample.before)
    step = rule_set.step(changed, fact or _tried(rule_set, sample), prediction)
    if len(sample.bad) > 1 and any(True for _ in _uncounted(rule_set, sample)):
        step = Step(request=changed)  # which of its events must be refused cannot be told
    return Probe((*(Step(request=with_own_id(rule_set, each)) for each in sample.before), step))


def _tried(rule_set: RuleSet, sample: Sample) -> str:
    """Return the pointer of the fact that a sample tries: what it breaks, else what is accepted.

    Of several broken facts it is one that does not count, if there is any: a target need not refuse it.
    """
    rule = rule_of(sample).partition("#")[0]
    if not sample.bad or sample.request.json is MISSING:
        return rule
    if len(sample.bad) == 1:
        return _broken(rule_set, sample, sample.breach)
    return next(_uncounted(rule_set, sample), rule)


def _uncounted(rule_set: RuleSet, sample: Sample) -> Iterator[str]:
    """Yield the facts that a sample breaks and that do not count in this run: a target need not refuse what does."""
    facts = (_broken(rule_set, sample, breach) for breach in sample.bad if sample.request.json is not MISSING)
    yield from (fact for fact in facts if basis_of(rule_set.contract.source_of(fact)) not in rule_set.setup.bases)


def _broken(rule_set: RuleSet, sample: Sample, breach: Breach) -> str:
    """Return the pointer of the fact that a sample breaks at one place.

    A null is refused because nulls are, and a member that an alternative asks for, and that is there, for its value.
    """
    form, rule = sample.form, breach.id.partition("#")[0]
    place: Tokens = () if form is None or form.single or breach.index is None else (*(form.events or ()), breach.index)
    value = look(sample.request.json, (*place, *_tokens_of(breach.pointer)))
    if value is None and breach.keyword != "required":
        return NULLS
    if breach.keyword == "anyOf":
        holder = look(sample.request.json, place)
        return next(_refused_members(rule_set, rule, holder), rule)
    return rule


def _tokens_of(place: str) -> Tokens:
    return tuple(int(token) if token.isdigit() else token for token in pointer.parse(place))


def _refused_members(rule_set: RuleSet, rule: str, holder: Json) -> Iterator[str]:
    """Yield the pointers of what alternatives say of members that an object has."""
    branches = look(rule_set.contract.documents, tuple(pointer.parse(rule)))
    for number, branch in enumerate(branches if isinstance(branches, list) else ()):
        for name, member in branch.get("properties", {}).items() if isinstance(branch, Mapping) else ():
            if look(holder, (name,)) is not MISSING:
                keyword = next((word for word in member if word not in ("source", "sources")), "")
                yield f"{rule}/{number}/properties/{pointer.escape(name)}/{keyword}"


def with_own_id(rule_set: RuleSet, request: Request) -> Request:
    """Return a request whose events have ids that none had before: as repeats of others they might do nothing."""
    dedup, body = rule_set.contract.dedup, request.json
    if dedup is None or body is MISSING:
        return request
    for place in _places_of_events(rule_set, body):
        if look(body, (*place, *dedup.tokens)) is not MISSING:
            body = put(body, (*place, *dedup.tokens), rule_set.number())
    return replace(request, body=render(body), json=body)


def _places_of_events(rule_set: RuleSet, body: Json) -> Iterator[Tokens]:
    """Yield where a body may have events: itself, and in the arrays that forms have them in."""
    yield ()
    forms = (form.form for plan in rule_set.operations() for form in plan.forms.values())
    for tokens in {form.events for form in forms if form.events}:
        events = look(body, tokens)
        yield from ((*tokens, index) for index in range(len(events) if isinstance(events, list) else 0))


def _with_own_key(rule_set: RuleSet, request: Request) -> Request:
    """Give a request with an idempotency key one that no request had before."""
    if all(value != IDEMPOTENCY_KEY for _, value in request.headers):
        return request
    key = rule_set.number()
    headers = tuple((name, key if value == IDEMPOTENCY_KEY else value) for name, value in request.headers)
    return replace(request, headers=headers)


def facts_of(rule_set: RuleSet, sample: Sample) -> set[str]:
    """Return the pointers of the facts that the prediction for a sample depends on, beside those of its operation."""
    facts = {sample.prediction.fact, *(f"/protocol/{section}" for section in EVERYWHERE)}
    operation = rule_set.contract.operations.get(sample.operation or "")
    family = operation.family if operation else rule_set.contract.prefix_of(sample.request.path).family
    for breach in sample.bad:
        facts |= facts_of_refusal(family, breach.rule, breach.keyword, breach.reason)
    if sample.form is not None:
        facts |= set() if sample.form.request is None else {f"/requests/{sample.form.request.name}"}
        facts |= set() if sample.form.events is None else {"/events/shared", f"/events/{kind_of(sample)}"}
    return facts


def facts_of_refusal(family: RefusalFamily, rule: str, keyword: str, reason: str) -> set[str]:
    """Return the pointers of the facts that a refusal for a broken rule depends on."""
    refusal = family.template(reason)
    facts = {
        rule,
        rule.rpartition("/")[0],
        f"/protocol/messages/{keyword}",
        *(f"/protocol/{each}" for each in EVERYWHERE),
    }
    return facts | {family.default.pointer, refusal.pointer, f"/protocol/shapes/{refusal.shape.name}"}


def _random(rule_set: RuleSet, plan: OperationPlan) -> None:
    """Add rules that are tried with drawn samples: good requests, bad ones, and batches of events."""
    if not rule_set.setup.examples:
        return
    name, operation = rule_set.contract.name, plan.operation.name
    options: Options = {
        "contract": rule_set.contract,
        "now_ms": rule_set.now_ms,
        "slack_ms": rule_set.setup.slack_ms,
        "keys": rule_set.known_keys,
    }
    forms = [form for form in plan.operation.forms.values() if form.events is not None]
    strategies: dict[str, Callable[..., SearchStrategy[Sample]]]
    strategies = {"accepted": requests, "refused": invalid_requests}
    strategies |= {"events": invalid_events} if forms else {}
    strategies |= {"batches": batches} if any(not form.single for form in forms) else {}
    for what, strategy in strategies.items():
        draws = Random(partial(strategy, name, operation=operation, **options), partial(probe_of, rule_set))
        rule_set.rule(f"{plan.operation.pointer}#random-{what}", operation).random = draws


def _shadowed(plan: OperationPlan) -> Iterator[Sample]:
    """Yield, for each keyword that no value breaks alone, samples that break it first of all.

    Such a value breaks another keyword of the same schema too, which comes second.
    """
    for form in plan.forms.values():
        yield from _envelopes(plan, form)
        yield from _events(plan, form)


def _envelopes(plan: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    if form.envelope is not None:
        for mutation, tokens, body in _drafted(form.envelope, form.shadowed):
            if _is_first(form.diagnosis.of(body), BrokenRule(mutation.rule, tokens)):
                yield plan.refused(plan.parts(body), mutation, tokens)


def _events(plan: OperationPlan, form: FormPlan) -> Iterator[Sample]:
    for kind in form.kinds.values():
        for mutation, tokens, event in _drafted(kind.values, kind.shadowed):
            body = form.body([event])
            broken = BrokenRule(mutation.rule, tokens, None if form.form.single else 0)
            if _is_first(form.diagnosis.of(body), broken):
                yield with_bad_event(plan, form, body, mutation, tokens)


def _drafted(values: Values, shadowed: Iterable[Mutation]) -> Iterator[tuple[Mutation, Tokens, Json]]:
    """Yield each shadowed mutation with the place and the value of every way to break it."""
    rules = {mutation.rule for mutation in shadowed}
    for mutation in drafts(values) if rules else ():
        if mutation.rule in rules:
            for tokens, edit in mutation.ways:
                yield mutation, tokens, apply(values.host(tokens), edit)


def _is_first(broken: list[BrokenRule], rule: BrokenRule) -> bool:
    """Tell whether a rule comes first of the broken ones, which are all at its place."""
    return broken[:1] == [rule] and all((each.tokens, each.index) == (rule.tokens, rule.index) for each in broken)
