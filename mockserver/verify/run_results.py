"""The results of a run: an outcome for each rule and each fact, and each broken fact once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mockserver.verify.evidence import Evidence, Refusal, as_often, refusal_of
from mockserver.verify.replies.reply_facts import ACCEPTED
from mockserver.verify.rule import Finding, Outcome, Rule, Setup, Status, basis_of
from mockserver.verify.rules import is_named

ENDED: Final = "the run ended before: {}"


def results(
    rules: Sequence[Rule],
    tried: Mapping[str, Outcome],
    unserved: Mapping[str, Finding],
    evidence: Evidence,
    setup: Setup,
    stopped: str,
) -> list[Outcome]:
    """Return the outcome of every rule, and of every fact that replies were compared with on the way.

    `tried` has the outcomes of rules by their ids, `unserved` the operations that the target does not serve; `stopped`
    is why the run ended early, if it did.
    """
    why = f"the run ended before: {stopped}" if stopped else "it was not reached"
    outcomes = [tried.get(rule.id) or _untried(rule, why) for rule in rules]
    outcomes = [replace(each, why=why) if each.why == ENDED else each for each in outcomes]
    outcomes = [_unserved_outcome(name, finding, setup) for name, finding in unserved.items()] + outcomes
    own = {outcome.finding.fact for outcome in outcomes if outcome.finding is not None}
    explained = {refusal_of(each.finding) for each in outcomes if each.finding and each.rule.id.endswith(ACCEPTED)}
    broken = {finding.fact: finding for finding in evidence.findings(explained - {None}) if finding.fact not in own}
    facts = [_outcome_of_fact(finding.fact, finding.source, finding) for finding in broken.values()]
    known = {outcome.rule.id for outcome in outcomes} | own | broken.keys()
    for fact, source in evidence.sources.items():
        if fact not in known and basis_of(source) in setup.bases:
            facts.append(_outcome_of_fact(fact, source, None))
    return outcomes + facts


def narrowed(outcomes: Iterable[Outcome], only: Sequence[str], skip: Sequence[str]) -> list[Outcome]:
    """Return the outcomes of the rules that were asked for, and the facts that their requests showed to be broken."""
    return [
        outcome
        for outcome in outcomes
        if not is_named(outcome.rule.id, skip)
        and (outcome.status is Status.FAILED or not only or is_named(outcome.rule.id, only))
    ]


def defects(outcomes: Iterable[Outcome]) -> Iterator[tuple[Finding, list[str]]]:
    """Yield each broken fact once, by its smallest probe, with the ids of the other rules that show the same.

    Where several good requests of an operation are refused with the same words, that is one defect.
    """
    findings = [outcome.finding for outcome in outcomes if outcome.finding is not None]
    roots: dict[Refusal, str] = {}
    same: dict[str, list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: finding.probe.size):
        refusal = refusal_of(finding) if finding.rule.endswith(ACCEPTED) else None
        root = finding.fact if refusal is None else roots.setdefault(refusal, finding.fact)
        same.setdefault(root, []).append(finding)
    for fact, group in same.items():
        smallest = min(group, key=lambda finding: (finding.fact != fact, finding.probe.size))
        tried = max((finding for finding in group if finding.fact == smallest.fact), key=lambda each: each.tries)
        group.remove(smallest)
        yield as_often(smallest, tried), [finding.rule for finding in group]


def _untried(rule: Rule, why: str) -> Outcome:
    if rule.idle is not None:
        return Outcome(rule=rule, status=rule.idle, why=rule.why)
    return Outcome(rule=rule, status=Status.NOT_EXERCISED, why=why)


def _outcome_of_fact(name: str, source: str, finding: Finding | None) -> Outcome:
    """Return the outcome of a fact that the replies to other rules' requests showed."""
    status = Status.PASSED if finding is None else Status.FAILED
    rule = Rule(id=name, operation=None if finding is None else finding.operation, source=source)
    return Outcome(rule=rule, status=status, finding=finding)


def _unserved_outcome(name: str, finding: Finding, setup: Setup) -> Outcome:
    rule = Rule(id=finding.rule, operation=name, source=finding.source)
    status = Status.FAILED if finding.basis in setup.bases else Status.NOT_EXERCISED
    found = finding if status is Status.FAILED else None
    return Outcome(rule=rule, status=status, requests=1, finding=found, why=f"the target does not serve {name}")
