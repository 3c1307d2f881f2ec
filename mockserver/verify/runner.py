"""Trying rules against a target: each until it fails, failing requests made small, one defect reported once."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Final

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from mockserver.contract.contract import Contract
from mockserver.contract.sections import Credential
from mockserver.errors import SettingsError, UnreachableError
from mockserver.lint.prediction import predict
from mockserver.strategies.samples import Request, Sample, parsed
from mockserver.verify.expectations import content_differences
from mockserver.verify.rule import (
    NUMBER,
    Difference,
    Finding,
    Outcome,
    Probe,
    Random,
    Reply,
    Rule,
    Setup,
    Status,
    Transport,
)
from mockserver.verify.rules import chosen, rules_of
from mockserver.verify.sample_rules import NO_KEY

ACCEPTED: Final = "#accepted"
"""How the ids of rules end that good requests try."""
FEW: Final = 4
"""How many operations may be asked in vain."""
IDS: Final = re.compile(rb"[0-9A-Za-z_-]{16,}")
SHRINKING: Final = 150
"""How many requests may be spent on making one failing request small."""


class _TargetGone(BaseException):
    """Ends the search for a small example: Hypothesis would send the request again and again after an Exception."""


class Runner:
    """Tries the rules of one contract, one after the other."""

    def __init__(self, contract: Contract, setup: Setup, transport: Transport) -> None:
        self.contract = contract
        self.setup = setup
        self.transport = transport
        self.sent = 0
        self._answered: Request | None = None

    def handshake(self, rules: Iterable[Rule]) -> None:
        """Send a good request for each set of credentials, and keep one that is answered as this protocol does.

        Raises UnreachableError where none is, and SettingsError where a key is refused for being unknown.
        """
        answered: dict[tuple[Credential, ...], Request] = {}
        asked, first_reply, now_ms = set[str](), "", self.transport.now_ms()
        for rule in rules:
            operation = self.contract.operations.get(rule.operation or "")
            if operation is None or operation.name in asked or not rule.id.endswith(ACCEPTED) or not rule.drafts:
                continue
            if operation.credentials in answered or len(asked) - len(answered) == FEW:
                continue
            asked.add(operation.name)
            request = rule.probes()[0].steps[0].request
            reply = self._send(request)
            exchange = f"{request.method} {request.path} was answered {_shown(reply)}"
            if _refuses_key(self.contract, request, reply, now_ms):
                names = ", ".join(credential.name for credential in operation.credentials)
                raise SettingsError(f"the target does not take the key for {names}: {exchange}")
            if _looks_right(self.contract, reply):
                answered[operation.credentials] = request
            first_reply = first_reply or exchange
        if asked and not answered:
            text = f"this does not look like {self.contract.name}: {first_reply}."
            raise UnreachableError(f"{text} Check --target and --protocol")
        self._answered = next(iter(answered.values()), None)

    def run(self, rules: Sequence[Rule], progress: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Try rules; return the outcome of each. Where time has passed, the remaining rules are declared again."""
        outcomes: list[Outcome] = []
        declared, declared_at = {rule.id: rule for rule in rules}, self.transport.now_ms()
        for rule in rules:
            now = self.transport.now_ms()
            if self.contract.windows and self.setup.slack_ms and abs(now - declared_at) > self.setup.slack_ms // 2:
                declared |= {fresh.id: fresh for fresh in rules_of(self.contract, self.setup, self.transport)}
                declared_at = now
            outcomes.append(self.try_rule(declared[rule.id]))
            progress()
        return outcomes

    def try_rule(self, rule: Rule) -> Outcome:
        """Try one rule, its smallest probe first; the first that fails is reported."""
        if rule.idle is not None:
            return Outcome(rule=rule, status=rule.idle, why=rule.why)
        before, skipped = self.sent, ""
        for probe in rule.probes():
            longest = max(step.pause_ms for step in probe.steps)
            if longest > self.setup.max_wait_ms and not any(step.limited for step in probe.steps):
                skipped = f"it would take {longest / 1000:g} seconds"
                continue
            finding = self.play(rule, probe)
            if finding is not None:
                break
        else:
            finding = None if rule.random is None else self._try_drawn(rule, rule.random)
        if finding is not None:
            return Outcome(rule=rule, status=Status.FAILED, requests=self.sent - before, finding=finding)
        if self.sent == before:
            return Outcome(rule=rule, status=Status.NOT_EXERCISED, why=skipped or rule.why or NO_KEY)
        return Outcome(rule=rule, status=Status.PASSED, requests=self.sent - before)

    def play(self, rule: Rule, probe: Probe) -> Finding | None:
        """Send a probe; return the first reply that is not as it must be."""
        replies: list[Reply] = []
        for at, step in enumerate(probe.steps):
            if step.pause_ms:
                self.transport.pause(step.pause_ms)
            try:
                reply = self._send(step.request, limited=step.limited)
            except UnreachableError as error:
                if self._answered is None:
                    raise
                self._send(self._answered)  # raises UnreachableError where the target is gone, not silent just once
                return self._finding(rule, probe, at, None, [Difference(rule.fact, str(error))])
            differences = list(step.check(reply, replies))
            replies.append(reply)
            if differences:
                return self._finding(rule, probe, at, reply, differences)
        return None

    def _finding(
        self, rule: Rule, probe: Probe, at: int, reply: Reply | None, differences: Sequence[Difference]
    ) -> Finding:
        fact = differences[0].fact
        return Finding(
            rule=rule.id,
            operation=rule.operation,
            fact=fact,
            source=rule.source if fact == rule.fact else self.contract.source_of(fact),
            differences=tuple(difference.text for difference in differences),
            probe=probe,
            at=at,
            reply=reply,
        )

    def _send(self, request: Request, *, limited: bool = False) -> Reply:
        """Send a request; one that comes too fast for the target comes again when the target says."""
        self.sent += 1
        reply = self.transport.send(request)
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS and not limited:
            wait = reply.headers.get("retry-after", "")
            self.transport.pause(1000 * min(60, int(wait) if NUMBER.fullmatch(wait) else 1))
            self.sent += 1
            reply = self.transport.send(request)
        return reply

    def _try_drawn(self, rule: Rule, draws: Random) -> Finding | None:
        """Draw examples; where one fails, let Hypothesis look for the smallest that does."""
        budget, findings = self.sent + self.setup.examples + SHRINKING, list[Finding]()

        def fails(sample: Sample) -> bool:
            if self.sent > budget or (findings and findings[-1].reply is None):
                return False
            try:
                finding = self.play(rule, draws.probe(sample))
            except UnreachableError as error:
                raise _TargetGone from error
            findings.extend([finding] if finding is not None else [])
            return finding is not None

        quiet = settings(
            max_examples=self.setup.examples,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        try:
            find(draws.strategy(), fails, settings=quiet, random=random.Random(self.setup.seed))
        except NoSuchExample:
            pass
        except _TargetGone as gone:
            raise gone.__cause__ or gone from None
        return min(findings, key=lambda finding: finding.probe.size, default=None)


def verify(
    contract: Contract,
    setup: Setup,
    transport: Transport,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    started: Callable[[int], Callable[[], None]] = lambda count: lambda: None,
) -> list[Outcome]:
    """Verify a target against a contract.

    `started` gets the number of rules and returns what to call after each. Raises UnreachableError where the target
    does not speak the protocol, SettingsError where it takes no key, or `only` or `skip` names no rule.
    """
    rules = rules_of(contract, setup, transport)
    left = chosen(rules, only, skip)
    runner = Runner(contract, setup, transport)
    runner.handshake(rules)
    return runner.run(left, started(len(left)))


def defects(outcomes: Iterable[Outcome]) -> Iterator[tuple[Finding, list[str]]]:
    """Yield each defect once, by its smallest probe, with the ids of the other rules that show the same.

    Where good requests of an operation are refused, and bad ones with the same words, that is one defect.
    """
    findings = [outcome.finding for outcome in outcomes if outcome.finding is not None]
    roots = {_refusal(finding): _difference(finding) for finding in findings if finding.rule.endswith(ACCEPTED)}
    same: dict[tuple[str, tuple[str, ...]], list[Finding]] = {}
    for finding in findings:
        refusal, difference = _refusal(finding), _difference(finding)
        same.setdefault(difference if refusal is None else roots.get(refusal, difference), []).append(finding)
    for difference, group in same.items():
        smallest = min(group, key=lambda finding: (_difference(finding) != difference, finding.probe.size))
        yield smallest, [finding.rule for finding in group if finding is not smallest]


def _difference(finding: Finding) -> tuple[str, tuple[str, ...]]:
    return finding.fact, finding.differences


def _refusal(finding: Finding) -> tuple[str | None, int, bytes] | None:
    """Return what a request was refused with, without ids that are new in each reply."""
    if finding.reply is None or finding.reply.status < HTTPStatus.BAD_REQUEST:
        return None
    return finding.operation, finding.reply.status, IDS.sub(b"", finding.reply.body)


def _looks_right(contract: Contract, reply: Reply) -> bool:
    try:
        value = parsed(reply.body)
        return isinstance(value, dict) and any(schema.is_valid(value) for schema in contract.reply_schemas.values())
    except ValueError:
        return False


def _refuses_key(contract: Contract, request: Request, reply: Reply, now_ms: int) -> bool:
    """Tell whether a reply to a good request is the one to an unknown key."""
    judged, prediction = predict(contract, [request.wire()], now_ms, keys=frozenset())
    return judged.refusal is not None and not content_differences(prediction, reply)


def _shown(reply: Reply) -> str:
    media_type = reply.headers.get("content-type", "no content type")
    return f"{reply.status} ({media_type}) with {reply.body[:80].decode('utf-8', 'replace')!r}"
