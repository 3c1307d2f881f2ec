"""CORS checks: preflights, accepted and refused requests from a page, foreign origins, operations without CORS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Final

from mockserver.contract.sections import CorsRules
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request, Sample
from mockserver.verify.families.sample_rules import compressed_refusals, facts_of, probe_of
from mockserver.verify.rule_set import RuleSet

ORIGIN: Final = "https://app.example.com"
FOREIGN: Final = "https://elsewhere.invalid"
MALFORMED: Final = "no_such_key"


def declare(rule_set: RuleSet) -> None:
    """Add the CORS rules of every operation, and of paths that nothing serves."""
    for plan in rule_set.plan.operations.values():
        operation = plan.operation
        if operation.cors is not None:
            for request in _preflights(plan, operation.cors):
                fact = f"/protocol/cors/{operation.cors.name}"
                rule_set.add(f"{fact}#preflight", operation.name, partial(rule_set.probe, request, fact))
        elif rule_set.contract.locate(operation.path).cors is None:
            refusals = {f"/protocol/refusals/{operation.family.name}"}
            draft = partial(rule_set.probe, _preflight(plan, ORIGIN), operation.pointer)
            rule_set.add(f"{operation.pointer}#no-preflight", operation.name, draft, refusals)
    _from_pages(rule_set)


def origins_of(rules: CorsRules) -> tuple[str, str | None]:
    """Return an origin that CORS rules allow, and one that they do not, if there is one."""
    if not rules.allowed_origins:
        return ORIGIN, None
    first = rules.allowed_origins[0].replace("*.", "app.")
    return (first if "://" in first else f"https://{first}"), FOREIGN


def with_header(request: Request, name: str, value: str) -> Request:
    """Return the request with one header set; `name` is lower case."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() != name)
    return replace(request, headers=(*kept, (name, value)))


def _preflights(plan: OperationPlan, rules: CorsRules) -> Iterator[Request]:
    """Yield preflights from each kind of origin, from none, and with a malformed key, which they do not look at."""
    allowed, foreign = origins_of(rules)
    asked = (("access-control-request-headers", "content-type"),)
    yield _preflight(plan, allowed, asked)
    if foreign is not None:
        yield _preflight(plan, foreign, asked)
    yield _preflight(plan, None, asked)
    yield _preflight(plan, allowed, asked, key=MALFORMED)
    yield _preflight(plan, allowed, (("access-control-request-headers", "content-type,x-requested-with"),))


def _preflight(
    plan: OperationPlan, origin: str | None, headers: tuple[tuple[str, str], ...] = (), key: str | None = None
) -> Request:
    path = plan.assembly.request(replace(plan.parts(), key=key)).path
    own = () if origin is None else (("origin", origin),)
    method = ("access-control-request-method", plan.operation.method)
    return Request(method="OPTIONS", path=path, headers=(*own, method, *headers), body=b"")


def _from_pages(rule_set: RuleSet) -> None:
    """Send one accepted request of each operation, and one for each reason to refuse, as a page sends it."""
    seen: set[tuple[str | None, str]] = set()
    compressed = (sample for plan in rule_set.operations() for sample in compressed_refusals(plan))
    for sample in chain(rule_set.samples, compressed):
        rules = _rules_of(rule_set, sample)
        outcome = (sample.operation, sample.breach.reason if sample.bad else "accepted")
        has_origin = any(name.lower() == "origin" for name, _ in sample.request.headers)
        if rules is not None and outcome not in seen and not has_origin:
            seen.add(outcome)
            request = with_header(sample.request, "origin", origins_of(rules)[0])
            rule = f"/protocol/cors/{rules.name}#{'refused' if sample.bad else 'accepted'}"
            draft = partial(probe_of, rule_set, sample, request)
            rule_set.add(rule, sample.operation, draft, facts_of(rule_set, sample))


def _rules_of(rule_set: RuleSet, sample: Sample) -> CorsRules | None:
    """Return the CORS rules for a sample; None where there are none, or its key was not given."""
    operation = rule_set.contract.operations.get(sample.operation or "")
    if operation is None:
        return rule_set.contract.prefix_of(sample.request.path).cors
    return operation.cors if rule_set.has_key(operation) else None
