"""Trying rules against a target: each until it fails, what fails made small, one defect told once."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from mockserver.contract.contract import Contract
from mockserver.errors import UnreachableError
from mockserver.jsonkit import Json
from mockserver.strategies.samples import Request
from mockserver.verify.handshake import handshake
from mockserver.verify.rule import NUMBER, Difference, Finding, Outcome, Probe, Reply, Rule, Setup, Status, Transport
from mockserver.verify.rule_set import source_of
from mockserver.verify.rules import chosen, rules_of
from mockserver.verify.sample_rules import NO_KEY

TOO_MANY: Final = 429
ACCEPTED: Final = "#accepted"
"""How the rules end that good requests try."""
IDS: Final = re.compile(rb"[0-9A-Za-z_-]{16,}")
SHRINKING: Final = 150
"""How many requests may go into making one failing request small."""


class Runner:
    """Tries the rules of one contract, one after the other."""

    def __init__(self, contract: Contract, setup: Setup, transport: Transport) -> None:
        self.contract = contract
        self.setup = setup
        self.transport = transport
        self.sent = 0
        self._answered: Request | None = None

    def handshake(self, rules: Iterable[Rule]) -> None:
        """Send a few good requests. Raises UnreachableError for a wrong target, SettingsError for a wrong key."""
        self._answered = handshake(self.contract, rules, self._send)

    def run(self, rules: Sequence[Rule], progress: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Try rules; return what became of each."""
        made, rule_set, written = [], list(rules), self.transport.now_ms()
        for position in range(len(rule_set)):
            now = self.transport.now_ms()
            if self.contract.windows and self.setup.slack_ms and abs(now - written) > self.setup.slack_ms // 2:
                rule_set, written = self._written_anew(rules), now
            made.append(self.try_rule(rule_set[position]))
            progress()
        return made

    def _written_anew(self, rules: Sequence[Rule]) -> list[Rule]:
        """Make the same rules with times near now."""
        fresh = {rule.id: rule for rule in rules_of(self.contract, self.setup, self.transport)}
        return [fresh.get(rule.id, rule) for rule in rules]

    def try_rule(self, rule: Rule) -> Outcome:
        """Try one rule, its smallest probe first; the first that fails is told."""
        if rule.idle is not None:
            return Outcome(rule=rule, status=rule.idle, why=rule.why)
        before, skipped = self.sent, ""
        for probe in rule.probes:
            longest = max(step.pause_ms for step in probe.steps)
            if longest > self.setup.max_wait_ms and not any(step.limited for step in probe.steps):
                skipped = f"it would take {longest / 1000:g} seconds"
                continue
            finding = self.play(rule, probe)
            if finding is not None:
                return self._failed(rule, finding, before)
        if rule.random is not None:
            finding = self._by_chance(rule)
            if finding is not None:
                return self._failed(rule, finding, before)
        if skipped and self.sent == before:
            return Outcome(rule=rule, status=Status.NOT_EXERCISED, why=skipped)
        if self.sent == before:
            return Outcome(rule=rule, status=Status.NOT_EXERCISED, why=rule.why or NO_KEY)
        return Outcome(rule=rule, status=Status.PASSED, requests=self.sent - before)

    def _failed(self, rule: Rule, finding: Finding, before: int) -> Outcome:
        return Outcome(rule=rule, status=Status.FAILED, requests=self.sent - before, finding=finding)

    def play(self, rule: Rule, probe: Probe) -> Finding | None:
        """Send a probe; return the first reply that is not as it must be."""
        replies: list[Reply] = []
        for at, step in enumerate(probe.steps):
            if step.pause_ms:
                self.transport.pause(step.pause_ms)
            try:
                reply = self._send(step.request, limited=step.limited)
            except UnreachableError as error:
                self._ask_again(error)
                return self._finding(rule, probe, at, None, [Difference(rule.fact, str(error))])
            found = list(step.check(reply, replies))
            replies.append(reply)
            if found:
                return self._finding(rule, probe, at, reply, found)
        return None

    def _ask_again(self, error: UnreachableError) -> None:
        """Send what was answered before. Raises UnreachableError where the target is gone, and not dumb just once."""
        if self._answered is None:
            raise error
        self._send(self._answered)

    def _finding(self, rule: Rule, probe: Probe, at: int, reply: Reply | None, found: Sequence[Difference]) -> Finding:
        fact = found[0].fact
        return Finding(
            rule=rule.id,
            operation=rule.operation,
            fact=fact,
            source=rule.source if fact == rule.fact else source_of(self.contract, fact),
            differences=tuple(one.text for one in found),
            probe=probe,
            at=at,
            reply=reply,
        )

    def _send(self, request: Request, *, limited: bool = False) -> Reply:
        """Send a request; one that comes too fast for the target comes again when the target says."""
        self.sent += 1
        reply = self.transport.send(request)
        if reply.status == TOO_MANY and not limited:
            told = reply.headers.get("retry-after", "")
            self.transport.pause(1000 * min(60, int(told) if NUMBER.fullmatch(told) else 1))
            self.sent += 1
            reply = self.transport.send(request)
        return reply

    def _by_chance(self, rule: Rule) -> Finding | None:
        """Draw examples; where one fails, let Hypothesis look for the smallest that does."""
        assert rule.random is not None
        make, budget, kept = rule.random.probe, self.sent + self.setup.examples + SHRINKING, list[Finding]()

        def fails(value: Json) -> bool:
            if self.sent > budget or (kept and kept[-1].reply is None):
                return False
            finding = self.play(rule, make(value))
            kept.extend([finding] if finding is not None else [])
            return finding is not None

        quiet = settings(
            max_examples=self.setup.examples,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        with suppress(NoSuchExample):
            find(rule.random.strategy, fails, settings=quiet, random=random.Random(self.setup.seed))
        return min(kept, key=lambda finding: finding.probe.size, default=None)


def verify(
    contract: Contract,
    setup: Setup,
    transport: Transport,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    started: Callable[[int], Callable[[], None]] = lambda count: lambda: None,
) -> list[Outcome]:
    """Hold a target to a contract.

    Raises UnreachableError where nothing of the kind is there, SettingsError where it takes no key, or `only` or `skip`
    names no rule.

    `started` is told how many rules there are and returns what to call after each.
    """
    rules = rules_of(contract, setup, transport)
    wanted = chosen(rules, only, skip)
    runner = Runner(contract, setup, transport)
    runner.handshake(rules)
    return runner.run(wanted, started(len(wanted)))


def defects(outcomes: Iterable[Outcome]) -> Iterator[tuple[Finding, list[str]]]:
    """Yield each defect once, by its smallest probe, with the other rules that show the same.

    Where good requests of an operation are refused, those that are bad in some way are refused with the same words:
    that is one defect.
    """
    every = [outcome.finding for outcome in outcomes if outcome.finding is not None]
    roots = {_refusal(one): _difference(one) for one in every if one.rule.endswith(ACCEPTED)}
    same: dict[tuple[str, tuple[str, ...]], list[Finding]] = {}
    for one in every:
        refusal = _refusal(one)
        same.setdefault(_difference(one) if refusal is None else roots.get(refusal, _difference(one)), []).append(one)
    for key, found in same.items():
        smallest = min(found, key=lambda one: (_difference(one) != key, one.probe.size))
        yield smallest, [finding.rule for finding in found if finding is not smallest]


def _difference(finding: Finding) -> tuple[str, tuple[str, ...]]:
    return finding.fact, finding.differences


def _refusal(finding: Finding) -> tuple[str | None, int, bytes] | None:
    """Return what a request was refused with, without ids that are new in each reply."""
    if finding.reply is None or finding.reply.status < HTTPStatus.BAD_REQUEST:
        return None
    return finding.operation, finding.reply.status, IDS.sub(b"", finding.reply.body)
