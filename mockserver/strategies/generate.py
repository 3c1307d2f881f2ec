"""The strategies: good events and requests, requests that break exactly one rule, batches that mix good events and bad.

What a protocol's adapter checks in code, and no contract says, is not known here and never broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import TypedDict, Unpack

from hypothesis.strategies import SearchStrategy

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.strategies.bodies import Pick
from mockserver.strategies.chance import Chance, Site, Turns, composed
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.naming import NOBODY
from mockserver.strategies.plans import NOW_MS, OperationPlan, Plan, plan_of
from mockserver.strategies.request_variations import transports
from mockserver.strategies.samples import Sample
from mockserver.strategies.targets import (
    Build,
    Choice,
    Events,
    Rules,
    batch_builds,
    bodies_of,
    event_targets,
    in_turn,
    request_targets,
)

Samples = SearchStrategy[Sample]
PATCH = "patch"
"""The name of a patch that a caller gives, in errors."""


class Options(TypedDict, total=False):
    """What every strategy takes.

    `contract` is used as it is, else the protocol's `revision`, else its base; `patch` is a merge patch over it, as
    `contract_patch` takes it elsewhere. Times are offsets from `now_ms` and stay `slack_ms` clear of the ends of
    windows. `keys` gives credentials by their names in the contract.
    """

    revision: str | None
    patch: Mapping[str, Json] | None
    contract: Contract | None
    now_ms: int
    slack_ms: int
    keys: Mapping[str, str]


def compiled(protocol: str, **options: Unpack[Options]) -> Plan:
    """Return the compiled plan of a contract. Raises ContractError, and TypeError for unknown options."""
    for name in options:
        if name not in Options.__annotations__:
            others = [other for other in ("operation", "type", "rules") if other != name]
            raise TypeError(unknown("option", name, [*Options.__annotations__, *others]))
    times = options.get("now_ms", NOW_MS), options.get("slack_ms", 0)
    if not isinstance(protocol, str) or not all(type(time) is int for time in times):
        raise TypeError("a protocol is a name; now_ms and slack_ms are whole milliseconds, the first since 1970")
    contract = options.get("contract") or _contract(protocol, options.get("revision"), options.get("patch"))
    if options.get("contract") and (options.get("revision") or options.get("patch")):
        raise TypeError("a contract has its revision and patches already; give either it or them")
    if contract.name != protocol:
        raise ContractError(contract.name, "", f"is not the contract of {protocol}")
    keys = options.get("keys", {})
    for name in keys:
        if name not in contract.credentials:
            known = ", ".join(contract.credentials)
            raise ContractError(contract.name, "/protocol/credentials", f"no credential {name!r}; available: {known}")
    return plan_of(contract, *times, tuple(sorted(keys.items())))


def _contract(protocol: str, revision: str | None, patch: Mapping[str, Json] | None) -> Contract:
    patches = [] if not patch else [Patch(name=PATCH, patch=patch)]
    return library().protocol(protocol).contract(revision, patches)


def operations_of(plan: Plan, operation: str | None) -> list[OperationPlan]:
    """Return all operations, or the one named. Raises ContractError for an unknown one."""
    if operation is None:
        return list(plan.operations.values())
    if not isinstance(operation, str) or operation not in plan.operations:
        problem = f"no operation {operation!r}; available: {', '.join(plan.operations)}"
        raise ContractError(plan.contract.name, "/protocol/operations", problem)
    return [plan.operations[operation]]


def events_of(plan: Plan, operation: str | None, type: str | None) -> list[Events]:
    """Return the events of a type, or of all, by the forms that hold them. Raises ContractError for none."""
    found: list[Events] = []
    for owner in operations_of(plan, operation):
        every = [(form, list(form.kinds.values())) for form in owner.forms.values() if form.kinds]
        found += [Events(owner, form, kinds) for form, kinds in (every if type is None else owner.of_type(type))]
    if not found:
        subject = "no operation takes" if operation is None else f"operation {operation!r} does not take"
        events = "events" if type is None else f"events of type {type!r}"
        known = {name for owner in plan.operations.values() for form in owner.forms.values() for name in form.kinds}
        hint = "" if type is None or type in known else f": {unknown('event type', str(type), sorted(known))}"
        raise ContractError(plan.contract.name, "/events", f"{subject} {events}{hint}")
    return found


def events(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> SearchStrategy[Json]:
    """Return good events as plain JSON: of every type, or of one; for every operation that takes events, or one."""
    found = [
        (each.form, kind) for each in events_of(compiled(protocol, **options), operation, type) for kind in each.kinds
    ]
    site = Site(len(found), range(len(found)))
    drawn = [(bodies_of(form), kind.name) for form, kind in found]

    def build(chance: Chance) -> Json:
        bodies, name = drawn[chance.pick(site) if len(drawn) > 1 else 0]
        return bodies.draw_event(chance, name)

    return composed(build, Turns())


def requests(
    protocol: str, *, operation: str | None = None, type: str | None = None, **options: Unpack[Options]
) -> Samples:
    """Return good requests of every operation, or of one, each with the reply it must get."""
    plan = compiled(protocol, **options)
    if type is None:
        builds = [build for owner in operations_of(plan, operation) for build in _good(owner)]
    else:
        builds = [GoodRequest(each.owner, each.form, each.kinds) for each in events_of(plan, operation, type)]
    return composed(Choice(builds, in_turn=True), Turns())


def _good(owner: OperationPlan) -> Sequence[Build]:
    if owner.forms:
        return [GoodRequest(owner, form, list(form.kinds.values())) for form in owner.forms.values()]
    return [GoodRequest(owner)]


class GoodRequest:
    """Draws good requests of one form of an operation, or of an operation that takes no body, in all their faces."""

    def __init__(self, owner: OperationPlan, form: FormPlan | None = None, kinds: Sequence[Kind] = ()) -> None:
        self.owner = owner
        self.form = form
        self.bodies = None if form is None else bodies_of(form)
        self.pick = None if form is None else Pick(form.kinds, [kind.name for kind in kinds])
        self.changes = transports(owner)
        self.change = Site(len(self.changes))

    def __call__(self, chance: Chance) -> Sample:
        """Draw a request."""
        change = self.changes[chance.pick(self.change)]
        if self.form is None or self.bodies is None or self.pick is None:
            return self.owner.good(change(self.owner.parts()))
        body = self.bodies.draw_good(chance, self.pick)
        return self.owner.good(change(self.owner.parts(body)), self.form.events_in(body))


def invalid_events(
    protocol: str,
    *,
    operation: str | None = None,
    type: str | None = None,
    rules: Rules = None,
    **options: Unpack[Options],
) -> Samples:
    """Return requests in which one event breaks exactly one rule; the others in its batch are good.

    `rules` are ids of rules as `breaches` lists them; only those are broken. Each rule comes in turn.
    """
    plan = compiled(protocol, **options)
    targets = event_targets(events_of(plan, operation, type), rules)
    _check_rules(targets, plan, rules)
    return composed(in_turn(targets), Turns())


def batches(protocol: str, *, operation: str | None = None, rules: Rules = None, **options: Unpack[Options]) -> Samples:
    """Return batches of good and bad events, in any order, at least one of them bad."""
    plan = compiled(protocol, **options)
    builds = batch_builds(events_of(plan, operation, None), rules)
    _check_rules(builds, plan, rules)
    return composed(Choice(builds), Turns())


def invalid_requests(
    protocol: str, *, operation: str | None = None, rules: Rules = None, **options: Unpack[Options]
) -> Samples:
    """Return requests that break exactly one rule beside those of events: envelope, size, JSON, credential, path."""
    plan = compiled(protocol, **options)
    targets = request_targets(plan, operations_of(plan, operation), rules, unserved=operation is None)
    _check_rules(targets, plan, rules)
    return composed(in_turn(targets), Turns())


def invalid(protocol: str, *, operation: str | None = None, rules: Rules = None, **options: Unpack[Options]) -> Samples:
    """Return requests that break exactly one rule of any kind: `invalid_events` and `invalid_requests` together."""
    plan = compiled(protocol, **options)
    owners = operations_of(plan, operation)
    targets = request_targets(plan, owners, rules, unserved=operation is None)
    if any(form.kinds for owner in owners for form in owner.forms.values()):
        for rule, builds in event_targets(events_of(plan, operation, None), rules).items():
            targets.setdefault(rule, []).extend(builds)
    _check_rules(targets, plan, rules)
    return composed(in_turn(targets), Turns())


def breaches(protocol: str, *, operation: str | None = None, **options: Unpack[Options]) -> list[str]:
    """Return the id of every rule that the strategies can break alone, for all operations or one."""
    return breaches_of(compiled(protocol, **options), operation)


def breaches_of(plan: Plan, operation: str | None) -> list[str]:
    """Return the ids of a plan."""
    ids: list[str] = []
    for owner in operations_of(plan, operation):
        for form in owner.forms.values():
            ids += [mutation.id for mutation in form.envelope_mutations]
            ids += [mutation.id for kind in form.kinds.values() for mutation in kind.mutations]
            ids += [NOBODY.id] if bodies_of(form).nameless else []
        ids += [mutation.id for mutation in owner.gate_mutations if mutation.changes]
    ids += [] if operation else [sample.breach.id for sample in plan.unserved()]
    return list(dict.fromkeys(ids))


def _check_rules(found: Sized, plan: Plan, rules: Rules) -> None:
    """Raise ContractError where there is nothing to break, or a rule is unknown."""
    known = breaches_of(plan, None) if rules else []
    unknown = [rules] if isinstance(rules, str) else [rule for rule in rules or () if rule not in known]
    if unknown or not found:
        subject = f"no rule {unknown[0]!r}" if unknown else "no rule of this kind"
        problem = f"{subject} can be broken here; rules are given as a list of ids that breaches() has"
        raise ContractError(plan.contract.name, "", problem)
