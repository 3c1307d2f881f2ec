"""What came of a run: as text, as JSON, as JUnit XML with one test case for each rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.jsonkit import Json
from mockserver.verify.curl import curl
from mockserver.verify.rule import Finding, Outcome, Reply, Status
from mockserver.verify.runner import defects

SHOWN: Final = 600
OTHERS: Final = 8


class Report:
    """The outcomes of one run against one target. `keys` are variables by the secret they stand for."""

    def __init__(self, target: str, name: str, outcomes: Sequence[Outcome], keys: Mapping[str, str]) -> None:
        self.target = target
        self.name = name
        self.outcomes = outcomes
        self.keys = keys
        found = list(defects(outcomes))
        self.documented = [one for one in found if not one[0].assumed]
        self.assumed = [one for one in found if one[0].assumed]

    @property
    def clean(self) -> bool:
        """Whether the target does all that the contract says, as far as was tried."""
        return not self.documented and not self.assumed

    def without_assumed(self) -> Report:
        """Return the report with deviations from assumed facts dropped."""
        kept = [
            Outcome(rule=one.rule, status=Status.PASSED, requests=one.requests)
            if one.finding is not None and one.finding.assumed
            else one
            for one in self.outcomes
        ]
        return Report(self.target, self.name, kept, self.keys)

    def counts(self) -> dict[str, int]:
        """Return how many rules there are of each status."""
        return {status.value: sum(one.status is status for one in self.outcomes) for status in Status}

    def text(self) -> str:
        """Return the report for a reader."""
        lines = [f"{self.name} at {self.target}"]
        for heading, found in (
            ("Deviations from documented facts", self.documented),
            ("Deviations from assumed facts (no source states them)", self.assumed),
        ):
            if found:
                lines += ["", f"{heading}: {len(found)}"]
                lines += [line for one, others in found for line in self._finding(one, others)]
        for status in (Status.NOT_EXERCISED, Status.NOT_OBSERVABLE):
            idle = [one for one in self.outcomes if one.status is status]
            if idle:
                lines += ["", f"{status.value.capitalize()}: {len(idle)}"]
                lines += [f"  {why}: {', '.join(rules)}" for why, rules in _by_reason(idle).items()]
        told = ", ".join(f"{count} {name}" for name, count in self.counts().items() if count)
        if not self.clean and self.keys:
            lines += ["", f"The commands take keys from {' and '.join(self.keys.values())}: export what they need."]
        return "\n".join([*lines, "", f"{len(self.outcomes)} rules: {told}; {self.requests} requests"])

    @property
    def requests(self) -> int:
        """How many requests were sent for rules."""
        return sum(one.requests for one in self.outcomes)

    def _finding(self, finding: Finding, others: Sequence[str]) -> Iterator[str]:
        yield ""
        yield f"  {finding.rule}"
        yield f"    source: {finding.source}"
        if finding.fact != finding.rule.partition("#")[0]:
            yield f"    fact: {finding.fact}"
        yield from (f"    {printable(text[:SHOWN])}" for text in finding.differences)
        for command in self.commands(finding):
            yield f"    {command}"
        if others:
            more = f" and {len(others) - OTHERS} more" if len(others) > OTHERS else ""
            yield f"    shown by {', '.join(others[:OTHERS])}{more} as well"

    def commands(self, finding: Finding) -> list[str]:
        """Return the commands that lead to the finding; equal ones in a row are one that repeats."""
        steps = finding.probe.steps[: finding.at + 1]
        made = [
            _repeated(curl(self.target, request, self.keys), len(list(same)), pause_ms)
            for (request, pause_ms), same in groupby(steps, lambda step: (step.request, step.pause_ms))
        ]
        return made[-OTHERS:]

    def as_json(self) -> Json:
        """Return the report as JSON."""
        return {
            "target": self.target,
            "contract": self.name,
            "clean": self.clean,
            "counts": self.counts(),
            "requests": self.requests,
            "findings": [self._as_json(*one) for one in (*self.documented, *self.assumed)],
            "rules": [
                {
                    "rule": one.rule.id,
                    "operation": one.rule.operation,
                    "source": one.rule.source,
                    "basis": one.rule.basis,
                    "status": one.status.value,
                    "requests": one.requests,
                    **({"why": one.why} if one.why else {}),
                }
                for one in self.outcomes
            ],
        }

    def _as_json(self, finding: Finding, others: Sequence[str]) -> Json:
        return {
            "rule": finding.rule,
            "operation": finding.operation,
            "fact": finding.fact,
            "source": finding.source,
            "assumed": finding.assumed,
            "differences": list(finding.differences),
            "curl": self.commands(finding),
            "reply": _replied(finding.reply),
            "also": list(others),
        }

    def junit(self) -> bytes:
        """Return the report as JUnit XML."""
        cases = [self._case(outcome) for outcome in self.outcomes]
        return document([Suite(name=f"mockserver verify {self.name}", cases=cases)])

    def _case(self, outcome: Outcome) -> Case:
        failure, skipped = None, None
        if outcome.finding is not None:
            failure = CaseFailure(
                kind="assumed" if outcome.finding.assumed else "documented",
                message=outcome.finding.differences[0][:SHOWN],
                text="\n".join(self._finding(outcome.finding, ())),
            )
        elif outcome.status is not Status.PASSED:
            skipped = f"{outcome.status.value}: {outcome.why}"
        return Case(classname=self.name, name=outcome.rule.id, failure=failure, skipped=skipped)


def _by_reason(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for one in outcomes:
        made.setdefault(one.why, []).append(one.rule.id)
    return made


def _repeated(command: str, times: int, pause_ms: int) -> str:
    once = f"sleep {pause_ms / 1000:g}; {command}" if pause_ms else command
    return once if times == 1 else f"for n in $(seq {times}); do {once}; done"


def _replied(reply: Reply | None) -> Json:
    if reply is None:
        return None
    return {"status": reply.status, "body": reply.body[:SHOWN].decode("utf-8", "replace")}


def printable(text: str) -> str:
    """Return a text that leaves a terminal alone."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
