"""Trying rules against a target: failing requests sent again and made small, nothing that was found is lost."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.wording import counted
from mockserver.errors import UnreachableError
from mockserver.strategies.samples import Request, Sample
from mockserver.verify.evidence import Evidence
from mockserver.verify.families.sample_rules import NO_KEY
from mockserver.verify.handshake import Handshake
from mockserver.verify.probe_player import Player
from mockserver.verify.replies.reply_facts import ReplyFacts
from mockserver.verify.rule import (
    LARGE,
    MARK,
    Draft,
    Finding,
    Outcome,
    Probe,
    Random,
    Rule,
    Setup,
    Status,
    Transport,
)
from mockserver.verify.rules import chosen, in_scope, rules_of
from mockserver.verify.run_results import ENDED, narrowed, results
from mockserver.verify.search import search
from mockserver.verify.sender import RunEndedError, Sender

ENOUGH: Final = 3
"""After so many findings of its own fact, a rule's other probes are not sent."""
AGAIN: Final = 2
"""How often a failing probe is sent again, to tell a defect from a target that does not always do the same."""


class Runner:
    """Tries the rules of one contract, one after the other. What was found is there at any time: `results`."""

    def __init__(self, contract: Contract, setup: Setup, transport: Transport) -> None:
        self.contract = contract
        self.setup = setup
        self.transport = transport
        self.evidence = Evidence()
        self.began = False
        self.stopped = ""
        self.errors: list[str] = []
        self._sender = Sender(setup, transport)
        facts = ReplyFacts(contract)
        self._handshake = Handshake(contract, facts, self._sender)
        self._player = Player(contract, facts, self._sender, self._handshake)
        self._rules: Sequence[Rule] = ()
        self._outcomes: dict[str, Outcome] = {}
        self._large = 0

    @property
    def sent(self) -> int:
        """The number of requests so far."""
        return self._sender.sent

    @property
    def bytes(self) -> int:
        """The size of all bodies so far."""
        return self._sender.bytes

    def handshake(self, operations: Iterable[str]) -> None:
        """Send a good request to each operation, and keep one that is answered as this protocol does.

        Operations that the target does not serve are remembered, and their rules not tried. Raises UnreachableError
        where no request is answered well, and SettingsError where a key is refused for being unknown.
        """
        self._handshake.ask(operations, self.evidence)

    def run(self, rules: Sequence[Rule], progress: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Try rules; return the results. Where time has passed, the remaining rules are declared again.

        Raises UnreachableError where the target is gone; `results` then still has what was found before.
        """
        self._rules, self.began = rules, True
        declared, declared_at = {rule.id: rule for rule in rules}, self.transport.now_ms()
        try:
            for rule in rules:
                now = self.transport.now_ms()
                if self.contract.windows and self.setup.slack_ms and abs(now - declared_at) > self.setup.slack_ms // 2:
                    declared |= {fresh.id: fresh for fresh in self.declared()}
                    declared_at = now
                self._outcomes[rule.id] = self.try_rule(declared.get(rule.id, rule))
                progress()
        except RunEndedError as reason:
            self.stopped = str(reason)
        except UnreachableError as error:
            self.stopped = str(error)
            raise
        except KeyboardInterrupt:
            self.stopped = "it was interrupted"
            raise
        return self.results()

    def declared(self) -> list[Rule]:
        """Return the rules of the contract, whose checks keep the books of this run."""
        return rules_of(self.contract, self.setup, self.transport, self.evidence)

    def try_rule(self, rule: Rule) -> Outcome:
        """Try one rule with all its probes, so that no defect hides another."""
        if rule.idle is not None:
            return Outcome(rule=rule, status=rule.idle, why=rule.why)
        if rule.operation in self._handshake.unserved:
            return Outcome(rule=rule, status=Status.NOT_EXERCISED, why=f"the target does not serve {rule.operation}")
        before, own, skipped = self.sent, list[Finding](), ""
        known = set[tuple[object, ...] | None]()
        try:
            for draft in rule.drafts:
                probe = draft()
                why = "" if probe is None else self._unaffordable(probe)
                skipped = skipped or why
                if probe is None or why or (probe.signature is not None and probe.signature in known):
                    continue
                known.add(probe.signature)
                own += self._own(rule, draft, probe)
                if sum(finding.fact == rule.fact for finding in own) >= ENOUGH:
                    break
            if rule.random is not None and not own:
                own += self._try_drawn(rule, rule.random)
        except (RunEndedError, UnreachableError):
            self._outcomes[rule.id] = self._outcome(rule, before, own, ENDED)
            raise
        except KeyboardInterrupt:
            self._outcomes[rule.id] = self._outcome(rule, before, own, ENDED)
            raise
        except Exception as error:
            self.errors.append(f"{rule.id}: {traceback.format_exc()}")
            why = f"an error in mockserver: {type(error).__name__}: {error}"[:300]
            return replace(self._outcome(rule, before, own, why), why=why)
        return self._outcome(rule, before, own, skipped)

    def _outcome(self, rule: Rule, before: int, own: Sequence[Finding], why: str) -> Outcome:
        requests = self.sent - before
        if own:
            smallest = min(own, key=lambda finding: (finding.flaky, finding.probe.size))
            return Outcome(rule=rule, status=Status.FAILED, requests=requests, finding=smallest)
        if why.startswith("an error"):
            return Outcome(rule=rule, status=Status.ERROR, requests=requests, why=why)
        if why == ENDED or not requests:
            return Outcome(rule=rule, status=Status.NOT_EXERCISED, requests=requests, why=why or rule.why or NO_KEY)
        return Outcome(rule=rule, status=Status.PASSED, requests=requests, why=why)

    def _unaffordable(self, probe: Probe) -> str:
        """Return why a probe is not sent; empty where it is."""
        for name in self._handshake.unserved:
            if any(self._leads_to(step.request, name) for step in probe.steps):
                return f"the target does not serve {name}"
        longest = max(step.pause_ms for step in probe.steps)
        if longest > self.setup.max_wait_ms and not any(step.limited for step in probe.steps):
            return f"it would take {longest / 1000:g} seconds; --max-wait allows it"
        large = sum(len(step.request.body) for step in probe.steps if len(step.request.body) >= LARGE)
        if large and self._large + large > self.setup.volume:
            return f"its bodies are large; --volume allows more than {self.setup.volume / 1e6:.0f} MB of such"
        self._large += large
        return ""

    def _leads_to(self, request: Request, name: str) -> bool:
        """Tell whether a request is one to an operation, or to its path, where nothing else is served."""
        operations = self.contract.locate(request.path).operations
        own = operations.get(request.method)
        return own.name == name if own is not None else {each.name for each in operations.values()} == {name}

    def play(self, rule: Rule, probe: Probe) -> list[Finding]:
        """Send a probe; return how its replies deviate. It ends with the first that defeats what the probe tries."""
        return self._player.play(rule, probe)

    def _own(self, rule: Rule, draft: Draft | None, probe: Probe) -> list[Finding]:
        """Send a probe; keep what it finds. Return what defeats the rule itself, after the probe was sent again."""
        findings = self.play(rule, probe)
        own = [finding for finding in findings if not finding.aside]
        new = [finding for finding in own if finding.fact not in self.evidence]
        if new and draft is not None and not any(step.limited for step in probe.steps):
            own = [self._tried_again(rule, draft, finding) if finding in new else finding for finding in own]
        for finding in (*own, *(finding for finding in findings if finding.aside)):
            self.evidence.tell(finding)
        return own

    def _tried_again(self, rule: Rule, draft: Draft, finding: Finding) -> Finding:
        failed, tries = 1, 1
        for _ in range(AGAIN):
            probe = draft()
            if probe is not None:
                findings = self.play(rule, probe)
                tries += 1
                failed += any(again.fact == finding.fact for again in findings)
                self._tell_all(again for again in findings if again.aside)
        return replace(finding, failed=failed, tries=tries)

    def _try_drawn(self, rule: Rule, draws: Random) -> list[Finding]:
        """Draw examples, and keep the smallest of those that break a fact that nothing broke before."""
        found: list[tuple[Finding, Sample]] = []

        def play(sample: Sample) -> list[Finding]:
            played = self.play(rule, draws.probe(sample))
            self._tell_all(finding for finding in played if finding.aside)
            return [each for each in played if not each.aside and each.fact not in self.evidence]

        try:
            search(draws, self.setup, play, lambda: self.sent, found)
        except (Exception, KeyboardInterrupt):
            self._tell_all(finding for finding, _ in found)
            raise
        if not found:
            return []
        smallest, sample = min(found, key=lambda pair: pair[0].probe.size)
        finding = self._tried_again(rule, lambda: draws.probe(sample), smallest)
        self.evidence.tell(finding)
        return [finding]

    def _tell_all(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.evidence.tell(finding)

    def results(self) -> list[Outcome]:
        """Return the outcome of every rule, and of every fact that replies were compared with on the way."""
        unserved = self._handshake.unserved
        return results(self._rules, self._outcomes, unserved, self.evidence, self.setup, self.stopped)

    def notes(self) -> list[str]:
        """Return what a reader of the results should know beside them."""
        notes = []
        if self.stopped:
            notes.append(f"The run ended early: {self.stopped}.")
        if self._player.accepted:
            kept = counted(self._player.accepted, "accepted request")
            notes.append(
                f"Left on the target: what {kept} with a body sent, with {MARK} in the User-Agent; "
                f"ids of this run begin with {MARK}-{self.setup.nonce} where the contract lets them."
            )
        notes += self._sender.notes()
        if self.errors:
            notes.append(f"{len(self.errors)} rules were not tried to the end because of an error in mockserver.")
        return notes


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
    does not speak the protocol or is gone, SettingsError where it takes no key, or `only` or `skip` names no rule.
    """
    return narrowed(run(Runner(contract, setup, transport), only, skip, started), only, skip)


def run(
    runner: Runner,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    started: Callable[[int], Callable[[], None]] = lambda count: lambda: None,
) -> list[Outcome]:
    """Do the same with a runner, whose results are there also when this raises."""
    if not only and not skip:
        runner.handshake(runner.contract.operations if not runner.setup.operations else runner.setup.operations)
    rules = in_scope(runner.declared(), runner.contract, runner.setup)
    left = chosen(rules, only, skip)
    if only or skip:
        runner.handshake({rule.operation for rule in left if rule.operation is not None})
    return runner.run(left, started(len(left)))
