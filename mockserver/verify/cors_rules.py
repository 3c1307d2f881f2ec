"""CORS checks: preflights, accepted and refused requests from a page, foreign origins, operations without CORS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from mockserver.contract.operation import Operation
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Expected, Request, Sample
from mockserver.verify.expectations import Expectations, with_header
from mockserver.verify.rule import Check, Difference, Probe, Reply, Step
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import dependencies_of, depends_on, probe_of

ORIGIN: Final = "https://app.example.com"
FOREIGN: Final = "https://elsewhere.invalid"
MALFORMED: Final = "no_such_key"


def declare(rule_set: RuleSet) -> None:
    """Write down the CORS rules of every operation, and of paths that nothing serves."""
    for one in rule_set.plan.operations.values():
        name = one.operation.spec.get("cors")
        if name is not None:
            for probe in _preflights(rule_set, one, name):
                rule_set.add(
                    f"/protocol/cors/{name}#preflight",
                    one.operation.name,
                    probe,
                    dependencies_of(rule_set, one.operation),
                )
        elif not any("cors" in other.operation.spec for other in _neighbours(rule_set, one.operation)):
            rule = f"/protocol/operations/{one.operation.name}#no-preflight"
            dependencies = {*dependencies_of(rule_set, one.operation), f"/protocol/refusals/{one.operation.family}"}
            rule_set.add(rule, one.operation.name, _no_preflight(rule_set, one), dependencies)
    _from_pages(rule_set)


def _neighbours(rule_set: RuleSet, operation: Operation) -> Iterator[OperationPlan]:
    return (one for one in rule_set.plan.operations.values() if one.operation.path == operation.path)


def origins_of(rule_set: RuleSet, name: str) -> tuple[str, str | None]:
    """Return an origin that a set of CORS rules allows, and one that they do not, if there is one."""
    allowed: list[str] = rule_set.contract.protocol["cors"][name]["allowed_origins"]
    if not allowed:
        return ORIGIN, None
    first = allowed[0].replace("*.", "app.")
    return (first if "://" in first else f"https://{first}"), FOREIGN


def _preflights(rule_set: RuleSet, one: OperationPlan, name: str) -> Iterator[Probe]:
    """Yield preflights from each origin, from none, and with a key that is none: nobody looks at it."""
    path, (allowed, foreign) = one.assembly.request(one.parts()).path, origins_of(rule_set, name)
    broken = one.assembly.request(replace(one.parts(), key=MALFORMED)).path
    method = ("access-control-request-method", one.operation.method)
    asked = (method, ("access-control-request-headers", "content-type"))
    for target, origin in ((path, allowed), (path, foreign), (path, None), (broken, allowed)):
        if origin is not None or target is path:
            headers = asked if origin is None else (("origin", origin), *asked)
            request = Request(method="OPTIONS", path=target, headers=headers, body=b"")
            yield Probe((Step(request=request, check=_preflight_check(rule_set.expectations, name, origin)),))


def _preflight_check(expectations: Expectations, name: str, origin: str | None) -> Check:
    status, fact = expectations.protocol["cors"][name]["preflight_status"], f"/protocol/cors/{name}"

    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        if reply.status != status:
            yield Difference(fact, f"status: expected {status}, got {reply.status} with {reply.body[:300]!r}")
        else:
            yield from expectations.cors_headers(name, origin, reply, preflight=True)

    return check


def _no_preflight(rule_set: RuleSet, one: OperationPlan) -> Probe:
    """Return the request that shows that a path answers no preflight."""
    operation = one.operation
    headers = (("origin", ORIGIN), ("access-control-request-method", operation.method))
    request = Request(method="OPTIONS", path=one.assembly.request(one.parts()).path, headers=headers, body=b"")
    expect: Expected = rule_set.plan.reading.refusal(operation.family, "method_not_allowed", path=operation.path)
    allow = rule_set.expectations.allow(operation)
    wanted = rule_set.expectations.refusal(operation.family, "method_not_allowed", expect, None, operation.path, allow)
    return Probe((rule_set.expectations.step(wanted, request, f"/protocol/operations/{operation.name}"),))


def _from_pages(rule_set: RuleSet) -> None:
    """Send one accepted request of each operation, and one for each reason to refuse, as a page sends it."""
    seen: set[tuple[str | None, str]] = set()
    for sample in samples(rule_set.plan):
        if any(name.lower() == "origin" for name, _ in sample.request.headers):
            continue
        cors = _cors_of(rule_set, sample)
        why = sample.breach.reason if sample.bad else "accepted"
        known = sample.operation is None or rule_set.has_key(rule_set.contract.operations[sample.operation])
        if cors is None or (sample.operation, why) in seen or not known:
            continue
        seen.add((sample.operation, why))
        rule = f"/protocol/cors/{cors}#{'refused' if sample.bad else 'accepted'}"
        allowed, _ = origins_of(rule_set, cors)
        request = with_header(sample.request, "origin", allowed)
        rule_set.add(
            rule, sample.operation, probe_of(rule_set, replace(sample, request=request)), depends_on(rule_set, sample)
        )


def _cors_of(rule_set: RuleSet, sample: Sample) -> str | None:
    if sample.operation is None:
        return rule_set.expectations.cors_at(sample.request.path)
    found: str | None = rule_set.contract.operations[sample.operation].spec.get("cors")
    return found
