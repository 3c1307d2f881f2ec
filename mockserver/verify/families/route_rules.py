"""What is not served: other methods of a path that is, HEAD among them, and paths in another case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from mockserver.contract.ownership import owner
from mockserver.lint.prediction import Prediction
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request
from mockserver.verify.families.sample_rules import plainest
from mockserver.verify.rule import Check, Difference, Probe, Reply, Step
from mockserver.verify.rule_set import RuleSet

METHODS: Final = ("GET", "HEAD", "PATCH", "PURGE")
"""Methods that a server of a posted path may answer by mistake; PURGE is one that most do not know."""


def declare(rule_set: RuleSet) -> None:
    """Add, for each operation, that its path has no other methods and is not served in another case."""
    contract = rule_set.contract
    for plan in rule_set.operations():
        operation = plan.operation
        served = {other.method for other in contract.operations.values() if other.path == operation.path}
        for method in (method for method in METHODS if method not in served):
            draft = partial(_with_method, rule_set, plan, method)
            reason = f"/protocol/refusals/{operation.family.name}/method_not_allowed"
            rule_set.add(f"{reason}#{method}", operation.name, draft, {"/protocol/operations"})
        reason = f"/protocol/refusals/{operation.family.name}/unknown_path"
        for path in _paths(rule_set, plan):
            draft = partial(_at_path, rule_set, plan, path, reason)
            rule_set.add(f"{reason}#like-{operation.name}", operation.name, draft, {"/protocol/prefixes"})


def _good(plan: OperationPlan) -> Request:
    return plan.assembly.request(plainest(plan)[0])


def _with_method(rule_set: RuleSet, plan: OperationPlan, method: str) -> Probe:
    """Return the probe of a request with another method; without a body where that may have none."""
    good = _good(plan)
    bodiless = replace(good, method=method, body=b"", headers=_without_type(good))
    request = replace(good, method=method) if method == "PATCH" else bodiless
    prediction = rule_set.predict(request)
    if method == "HEAD":
        return Probe((Step(request=request, check=_status(prediction)),))
    return rule_set.probe(request, prediction.fact, prediction)


def _without_type(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in request.headers if pair[0].lower() != "content-type")


def _status(prediction: Prediction) -> Check:
    """Return a check of the status alone: a reply to HEAD has no body, and need not have the headers of one."""

    def run(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        if reply.status != prediction.status:
            yield Difference(prediction.fact, f"status: expected {prediction.status}, got {reply.status}")

    return run


def _paths(rule_set: RuleSet, plan: OperationPlan) -> Iterator[str]:
    """Yield the path in another case, below the prefix that owns it, and with a part too many; where neither is served.

    A path below no prefix is another server's business.
    """
    good = _good(plan).path
    prefix = rule_set.contract.prefix_of(good).path
    rest, question, query = good.removeprefix(prefix).partition("?")
    fixed = [segment for segment in plan.operation.segments if not segment.startswith("{")]
    parts = rest.split("/")
    upper = "/".join(part.upper() if part in fixed else part for part in parts)
    for path in (upper, f"{rest}/more", f"{rest}.json"):
        target = f"{prefix}{path}{question}{query}"
        owned = owner(rule_set.contract.prefixes, target.partition("?")[0]) is not None
        if target != good and owned and not rule_set.contract.locate(target).operations:
            yield target


def _at_path(rule_set: RuleSet, plan: OperationPlan, path: str, fact: str) -> Probe:
    return rule_set.probe(replace(_good(plan), path=path), fact)
