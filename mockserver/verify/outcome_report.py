"""The outcome of a run: as text, as JSON, as JUnit XML with one test case for each rule; requests as shell commands."""

from __future__ import annotations

import base64
import gzip
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from mockserver.client.junit import Case, CaseFailure, Suite, document
from mockserver.contract.fidelity import BASES
from mockserver.core.wording import counted
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable
from mockserver.strategies.samples import Request
from mockserver.verify.rule import Finding, Outcome, Reply, Status
from mockserver.verify.run_results import defects

SHOWN: Final = 600
OTHERS: Final = 4
FIRST: Final = 10
"""How many lines the summary at the beginning has."""
MOST_LINES: Final = 58
"""How many lines the text has; the files have everything."""
MOST_COMMANDS: Final = 8
MOST_REASONS: Final = 4
LONGEST_LINE: Final = 240
LONG: Final = 4000
SECRET_NAME: Final = re.compile("auth|cookie|credential|jwt|key|pass|secret|session|sign|token", re.IGNORECASE)
"""What the name of a header contains if its value is a secret."""
NO_TYPE: Final = "content-type:"
"""Without it, curl declares each body to be a form."""


class Report:
    """The outcomes of one run against one target.

    `keys` has the variable of each secret; `headers` are those that the transport added to each request; `notes` are
    sentences about the run, `bytes_sent` is the size of all bodies that were sent.
    """

    def __init__(
        self,
        target: str,
        name: str,
        outcomes: Sequence[Outcome],
        keys: Mapping[str, str],
        headers: Sequence[tuple[str, str]] = (),
        notes: Sequence[str] = (),
        bytes_sent: int = 0,
    ) -> None:
        self.target = target
        self.name = name
        self.outcomes = outcomes
        self.keys = keys
        self.headers = headers
        self.notes = notes
        self.bytes_sent = bytes_sent
        self.findings = sorted(defects(outcomes), key=_importance)

    @property
    def clean(self) -> bool:
        """Whether the target does all that the contract says, as far as was tried."""
        return not self.findings

    @property
    def checked(self) -> bool:
        """Whether at least one rule passed or failed."""
        return any(outcome.status in (Status.PASSED, Status.FAILED) for outcome in self.outcomes)

    def counts(self) -> dict[str, int]:
        """Return how many rules there are of each status."""
        return {status.value: sum(outcome.status is status for outcome in self.outcomes) for status in Status}

    def text(self) -> str:
        """Return the report for a reader: what is wrong in the first lines, then details as far as there is room."""
        head, tail = self._head(), self._tail()
        details, left = list[str](), 0
        room = MOST_LINES - len(head) - len(tail) - 2
        for finding, others in self.findings:
            lines = ["", *self._finding(finding, others)]
            if left or len(details) + len(lines) > room:
                left += 1
            else:
                details += lines
        more = ["", f"{counted(left, 'more deviation')} with commands: --json FILE or --junit FILE"] if left else []
        return "\n".join(map(printable, [*head, *details, *more, *tail]))

    def _head(self) -> list[str]:
        """Return what is wrong, one line for each broken fact, the most important first."""
        counts = ", ".join(f"{count} {name}" for name, count in self.counts().items() if count)
        what = counted(len(self.findings), "deviation") if self.findings else "no deviations"
        what = "nothing was checked" if not self.checked else what
        lines = [f"{self.name} at {self.target}: {what}; {counted(len(self.outcomes), 'rule')}: {counts}"]
        shown = self.findings if len(self.findings) < FIRST else self.findings[: FIRST - 2]
        for finding, _ in shown:
            text = f"  {finding.basis:<8} {finding.fact}: {finding.differences[0]}{_how_often(finding)}"
            lines.append(printable(text)[:LONGEST_LINE])
        rest = len(self.findings) - len(shown)
        return [*lines, f"  and {rest} more"] if rest else lines

    def _tail(self) -> list[str]:
        lines: list[str] = []
        for status in (Status.ERROR, Status.NOT_EXERCISED, Status.NOT_OBSERVABLE):
            idle = [outcome for outcome in self.outcomes if outcome.status is status]
            if idle:
                reasons = sorted(_by_reason(idle).items(), key=lambda pair: -len(pair[1]))
                lines += ["", f"{status.value.capitalize()}: {len(idle)}"]
                lines += [f"  {why}: {_few(rules)}" for why, rules in reasons[:MOST_REASONS]]
                others = sum(len(rules) for _, rules in reasons[MOST_REASONS:])
                lines += [f"  for other reasons: {others}"] if others else []
        partly = [outcome.rule.id for outcome in self.outcomes if outcome.status is Status.PASSED and outcome.why]
        if partly:
            why = next(outcome.why for outcome in self.outcomes if outcome.status is Status.PASSED and outcome.why)
            lines += ["", f"Some requests not sent: {_few(partly)}", f"  {why}"]
        secrets = [*self.keys.values(), *(variable_of(name) for name, _ in self.headers if SECRET_NAME.search(name))]
        if not self.clean and secrets:
            lines += ["", f"The commands take secrets from {' and '.join(secrets)}: export what they need."]
        return [*lines, "", *self.notes] if self.notes else lines

    @property
    def requests(self) -> int:
        """How many requests were sent for rules."""
        return sum(outcome.requests for outcome in self.outcomes)

    def _finding(self, finding: Finding, others: Sequence[str]) -> Iterator[str]:
        yield f"{finding.fact}{_how_often(finding)}"
        yield f"  source: {finding.source}"
        if finding.rule.partition("#")[0] != finding.fact:
            yield f"  seen in {finding.rule}"
        yield from (f"  {printable(text[:SHOWN])}" for text in finding.differences)
        for command in self.commands(finding):
            yield f"  {command}"
        if others:
            yield f"  also shown by {_few(others)}"

    def commands(self, finding: Finding) -> list[str]:
        """Return the commands that lead to the finding; equal ones in a row become one that repeats."""
        steps = finding.probe.steps[: finding.at + 1]
        commands = [
            _repeated(curl(self.target, request, self.keys, self.headers), len(list(same)), pause_ms)
            for (request, pause_ms), same in groupby(steps, lambda step: (step.request, step.pause_ms))
        ]
        return commands[-MOST_COMMANDS:]

    def as_json(self) -> Json:
        """Return the report as JSON."""
        return {
            "target": self.target,
            "contract": self.name,
            "clean": self.clean,
            "counts": self.counts(),
            "requests": self.requests,
            "bytes": self.bytes_sent,
            "notes": list(self.notes),
            "findings": [self._as_json(*defect) for defect in self.findings],
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
            "basis": finding.basis,
            "failed": finding.failed,
            "tries": finding.tries,
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
                kind=outcome.finding.basis,
                message=outcome.finding.differences[0][:SHOWN],
                text="\n".join(self._finding(outcome.finding, ())),
            )
        elif outcome.status is not Status.PASSED:
            skipped = f"{outcome.status.value}: {outcome.why}"
        return Case(classname=self.name, name=outcome.rule.id, failure=failure, skipped=skipped)


def _importance(defect: tuple[Finding, list[str]]) -> tuple[int, bool, int, str]:
    """Return what findings are sorted by: who states the fact, whether it is always broken, how many rules show it."""
    finding, others = defect
    basis = BASES.index(finding.basis) if finding.basis in BASES else -1
    return -1 if finding.basis == "patch" else basis, finding.flaky, -len(others), finding.fact


def _how_often(finding: Finding) -> str:
    if finding.failed == finding.tries:
        return ""
    return f" ({finding.failed} of {finding.tries} {'replies' if finding.aside else 'tries'})"


def _few(rules: Sequence[str]) -> str:
    more = f" and {len(rules) - OTHERS} more" if len(rules) > OTHERS else ""
    return f"{', '.join(rules[:OTHERS])}{more}"


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
