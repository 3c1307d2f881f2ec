"""Which origins of pages are answered: each scheme, each port, the `null` of pages without an origin, any case."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from mockserver.contract.sections import CorsRules
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request
from mockserver.verify.families.cors_rules import origins_of, with_header
from mockserver.verify.families.sample_rules import plainest
from mockserver.verify.rule import Probe
from mockserver.verify.rule_set import RuleSet

ORIGINS: Final = {
    "scheme": ("http://app.example.com", "capacitor://localhost", "chrome-extension://abcdefghijklmnop"),
    "port": ("https://app.example.com:8443", "http://localhost:3000"),
    "null": ("null",),
    "host": ("https://APP.example.com", "https://app.example.com.evil.example", "https://xn--mller-kva.example"),
    "address": ("http://127.0.0.1:5173", "http://[::1]:8080"),
}
"""Origins by what may be wrong with the way they are read."""


def declare(rule_set: RuleSet) -> None:
    """Add a rule for each kind of origin to the CORS rules of an operation: preflight, good request, bad request."""
    for plan in rule_set.operations():
        rules = plan.operation.cors
        if rules is not None:
            fact = f"/protocol/cors/{rules.name}/allowed_origins"
            for what, origins in ORIGINS.items():
                for origin in (*origins, *_beside(rules, what)):
                    draft = partial(_from_origin, rule_set, plan, origin, fact)
                    rule_set.add(f"{fact}#{what}", plan.operation.name, draft, {f"/protocol/cors/{rules.name}"})


def _beside(rules: CorsRules, what: str) -> Iterator[str]:
    """Yield an allowed origin with another port or scheme, where not every origin is allowed."""
    allowed, foreign = origins_of(rules)
    if foreign is not None and what == "port":
        yield f"{allowed}:8443"
    if foreign is not None and what == "scheme":
        yield f"http://{allowed.partition('://')[2]}"


def _from_origin(rule_set: RuleSet, plan: OperationPlan, origin: str, fact: str) -> Probe:
    good = plan.assembly.request(plainest(plan)[0])
    headers = (("origin", origin), ("access-control-request-method", plan.operation.method))
    preflight = Request(method="OPTIONS", path=good.path, headers=headers, body=b"")
    asked = with_header(good, "origin", origin)
    return Probe((rule_set.step(preflight, fact), rule_set.step(asked, fact)))
