"""The score of a client: each rule of a protocol with its verdict, over the traffic of one session or of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from mockserver.conformance import pause_checks, relation_checks, request_checks, retry_checks, session_checks
from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import Sent, Traffic, looked_at
from mockserver.contract.client_rules import EVERYTHING, ClientRule, LooksAt
from mockserver.jsonkit import Json
from mockserver.sessions.remains import Remains

Verdict = Literal["pass", "fail", "not_exercised"]
VERDICTS: Final[tuple[Verdict, ...]] = ("pass", "fail", "not_exercised")
MODULES: Final = (request_checks, relation_checks, session_checks, retry_checks, pause_checks)
CHECKS: Final[Mapping[str, type[Check]]] = MappingProxyType(
    {
        found.name: found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Check) and found is not Check
    }
)
"""The checks by the name that rules use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScore:
    """The verdict on one rule. `requests` are those that show a violation, `message` says it in one sentence.

    `cases` is how often the rule was exercised, `failures` how often it was broken.
    """

    rule: ClientRule
    verdict: Verdict
    requests: Sequence[str] = ()
    message: str = ""
    cases: int = 0
    failures: int = 0

    def as_json(self) -> dict[str, Json]:
        """Return it as the control surface shows it."""
        return {
            **self.rule.as_json(),
            "verdict": self.verdict,
            "message": self.message,
            "requests": list(self.requests),
            "cases": self.cases,
            "failures": self.failures,
        }


def score(rules: Iterable[ClientRule], traffic: Traffic) -> list[RuleScore]:
    """Return the verdict of each rule on the traffic, in their order. The time grows with the traffic."""
    scores: list[RuleScore] = []
    for piece in scoring(rules, traffic):
        scores = piece or scores
    return scores


def scoring(rules: Iterable[ClientRule], traffic: Traffic) -> Iterator[list[RuleScore] | None]:
    """Yield the verdict of each rule, and None after each other piece of work.

    To free what was looked at is work too, so the traffic is empty afterwards.
    """
    revisions = {exchange.contract.revision for exchange in traffic.exchanges}
    scopes: list[tuple[LooksAt, set[int], list[Check]]] = []
    checks: list[tuple[ClientRule, Check]] = []
    for rule in rules:
        scope = next((row for row in scopes if row[0] == rule.looks_at), None)
        if scope is None:
            scope = rule.looks_at, set(), []
            scopes.append(scope)
        check = CHECKS[rule.check](rule, scope[1])
        checks.append((rule, check))
        if not rule.revisions or revisions & rule.revisions:
            scope[2].append(check)
    for exchange in traffic.exchanges:
        yield from traffic.adding(exchange)
        sent = Sent(exchange)
        for looks_at, seen, of_scope in scopes:
            if of_scope and (looks_at == EVERYTHING or looked_at(sent, looks_at)):
                seen.add(exchange.seq)
                for check in of_scope:
                    check.see(sent)
        yield None
    for _, _, of_scope in scopes:
        for check in of_scope:
            check.end(traffic)
            yield None
    yield [_scored(rule, check) for rule, check in checks]
    remains = Remains()
    for _, check in checks:
        remains.add(check.held())
    traffic.leave_to(remains)
    checks.clear()
    scopes.clear()
    while remains.free_some():
        yield None


def _scored(rule: ClientRule, check: Check) -> RuleScore:
    verdict: Verdict = "fail" if check.failures else "pass" if check.cases else "not_exercised"
    return RuleScore(
        rule=rule,
        verdict=verdict,
        requests=tuple(check.shown),
        message=check.message,
        cases=check.cases,
        failures=check.failures,
    )


def counts(scores: Iterable[RuleScore]) -> dict[str, int]:
    """Return how many rules have each verdict."""
    counted = Counter(row.verdict for row in scores)
    return {verdict: counted[verdict] for verdict in VERDICTS}
