"""The outcome of a run: as text, as JSON, as JUnit XML with one test case for each rule; requests as shell commands."""

from __future__ import annotations

import base64
import gzip
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable
from mockserver.strategies.samples import Request
from mockserver.verify.rule import Finding, Outcome, Reply, Status
from mockserver.verify.runner import defects

SHOWN: Final = 600
OTHERS: Final = 8
LONG: Final = 4000
SECRET_NAME: Final = re.compile("auth|cookie|credential|jwt|key|pass|secret|session|sign|token", re.IGNORECASE)
"""What the name of a header contains if its value is a secret."""
NO_TYPE: Final = "content-type:"
"""Without it, curl declares each body to be a form."""


class Report:
    """The outcomes of one run against one target.

    `keys` has the variable of each secret; `headers` are those that the transport added to each request.
    """

    def __init__(
        self,
        target: str,
        name: str,
        outcomes: Sequence[Outcome],
        keys: Mapping[str, str],
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.target = target
        self.name = name
        self.outcomes = outcomes
        self.keys = keys
        self.headers = headers
        every = list(defects(outcomes))
        self.documented = [defect for defect in every if not defect[0].assumed]
        self.assumed = [defect for defect in every if defect[0].assumed]

    @property
    def clean(self) -> bool:
        """Whether the target does all that the contract says, as far as was tried."""
        return not self.documented and not self.assumed

    def without_assumed(self) -> Report:
        """Return the report without deviations from assumed facts."""
        kept = [
            replace(outcome, status=Status.PASSED, finding=None)
            if outcome.finding is not None and outcome.finding.assumed
            else outcome
            for outcome in self.outcomes
        ]
        return Report(self.target, self.name, kept, self.keys, self.headers)

    def counts(self) -> dict[str, int]:
        """Return how many rules there are of each status."""
        return {status.value: sum(outcome.status is status for outcome in self.outcomes) for status in Status}

    def text(self) -> str:
        """Return the report for a reader."""
        lines = [f"{self.name} at {self.target}"]
        for heading, group in (
            ("Deviations from documented facts", self.documented),
            ("Deviations from assumed facts (no source states them)", self.assumed),
        ):
            if group:
                lines += ["", f"{heading}: {len(group)}"]
                lines += [line for finding, others in group for line in self._finding(finding, others)]
        for status in (Status.NOT_EXERCISED, Status.NOT_OBSERVABLE):
            idle = [outcome for outcome in self.outcomes if outcome.status is status]
            if idle:
                lines += ["", f"{status.value.capitalize()}: {len(idle)}"]
                lines += [f"  {why}: {', '.join(rules)}" for why, rules in _by_reason(idle).items()]
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items() if count)
        secrets = [*self.keys.values(), *(variable_of(name) for name, _ in self.headers if SECRET_NAME.search(name))]
        if not self.clean and secrets:
            lines += ["", f"The commands take secrets from {' and '.join(secrets)}: export what they need."]
        lines += ["", f"{len(self.outcomes)} rules: {counts}; {self.requests} requests"]
        return "\n".join(map(printable, lines))

    @property
    def requests(self) -> int:
        """How many requests were sent for rules."""
        return sum(outcome.requests for outcome in self.outcomes)

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
        """Return the commands that lead to the finding; equal ones in a row become one that repeats."""
        steps = finding.probe.steps[: finding.at + 1]
        commands = [
            _repeated(curl(self.target, request, self.keys, self.headers), len(list(same)), pause_ms)
            for (request, pause_ms), same in groupby(steps, lambda step: (step.request, step.pause_ms))
        ]
        return commands[-OTHERS:]

    def as_json(self) -> Json:
        """Return the report as JSON."""
        return {
            "target": self.target,
            "contract": self.name,
            "clean": self.clean,
            "counts": self.counts(),
            "requests": self.requests,
            "findings": [self._as_json(*defect) for defect in (*self.documented, *self.assumed)],
            "rules": [
                {
                    "rule": outcome.rule.id,
                    "operation": outcome.rule.operation,
                    "source": outcome.rule.source,
                    "basis": outcome.rule.basis,
                    "status": outcome.status.value,
                    "requests": outcome.requests,
                    **({"why": outcome.why} if outcome.why else {}),
                }
                for outcome in self.outcomes
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
            "reply": _shown(finding.reply),
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
    rules: dict[str, list[str]] = {}
    for outcome in outcomes:
        rules.setdefault(outcome.why, []).append(outcome.rule.id)
    return rules


def _repeated(command: str, times: int, pause_ms: int) -> str:
    once = f"sleep {pause_ms / 1000:g}; {command}" if pause_ms else command
    return once if times == 1 else f"for n in $(seq {times}); do {once}; done"


def _shown(reply: Reply | None) -> Json:
    if reply is None:
        return None
    return {"status": reply.status, "body": reply.body[:SHOWN].decode("utf-8", "replace")}


def variable_of(header: str) -> str:
    """Return the shell variable that stands for the value of a secret header."""
    return "HEADER_" + re.sub("[^A-Z0-9]", "_", header.upper())


def curl(target: str, request: Request, keys: Mapping[str, str], added_headers: Sequence[tuple[str, str]] = ()) -> str:
    """Return the command that sends a request with additional headers; `keys` has the variable of each secret."""
    words = ["curl", "-i", "--path-as-is", "-X", request.method, _quoted(target.rstrip("/") + request.path, keys)]
    for name, value in request.headers:
        words += ["-H", _quoted(f"{name}: {value}", keys)]
    for name, value in added_headers:
        masked = f'{shlex.quote(name)}": ${variable_of(name)}"'
        words += ["-H", masked if SECRET_NAME.search(name) else _quoted(f"{name}: {value}", keys)]
    if not request.body:
        return " ".join(words)
    if all(name.lower() != "content-type" for name, _ in request.headers):
        words += ["-H", NO_TYPE]
    text = _text(request.body)
    if text is not None:
        return " ".join([*words, "--data-binary", _quoted(text, keys)])
    packed = base64.b64encode(gzip.compress(request.body, mtime=0)).decode("ascii")
    return f"echo {packed} | base64 -d | gunzip | " + " ".join([*words, "--data-binary", "@-"])


def _text(body: bytes) -> str | None:
    """Return a body that can be an argument: short, in one printable line, without a leading @."""
    if len(body) > LONG or body.startswith(b"@"):
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if printable(text) == text else None


def _quoted(text: str, keys: Mapping[str, str]) -> str:
    quoted = shlex.quote(text)
    for key, variable in keys.items():
        if key and key in text:
            quoted = shlex.quote(text) if quoted.startswith("'") else f"'{text}'"
            quoted = quoted.replace(key, f"'\"${variable}\"'")
    return quoted
