"""Trying rules against a target: failing requests made small, each broken fact reported once, nothing found is lost."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import Flaky, NoSuchExample

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.core.wording import counted
from mockserver.errors import SettingsError, UnreachableError
from mockserver.lint.prediction import predict
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.plans import OperationPlan, plan_of
from mockserver.strategies.samples import Request, Sample, parsed
from mockserver.verify.evidence import Evidence, Refusal, as_often, refusal_of
from mockserver.verify.expectations import content_differences
from mockserver.verify.reply_facts import ACCEPTED, ReplyFacts
from mockserver.verify.rule import (
    LARGE,
    MARK,
    NUMBER,
    Difference,
    Draft,
    Finding,
    Outcome,
    Probe,
    Random,
    Reply,
    Rule,
    Setup,
    Status,
    Step,
    Transport,
    basis_of,
)
from mockserver.verify.rule_set import keys_of
from mockserver.verify.rules import chosen, in_scope, is_named, rules_of
from mockserver.verify.sample_rules import NO_KEY, plainest

ENOUGH: Final = 3
"""After so many findings of its own fact, a rule's other probes are not sent."""
AGAIN: Final = 2
"""How often a failing probe is sent again, to tell a defect from a target that does not always do the same."""
FEW: Final = 4
"""How many operations may be asked in vain."""
SHRINKING: Final = 150
"""How many requests may be spent on making one failing request small."""
THROTTLED: Final = 3
"""How often a request is sent again that comes too fast for the target."""
SLOW_S: Final = 1.0
"""Replies that take longer are mentioned."""
NOT_SERVED: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
ENDED: Final = "the run ended before: {}"


class RunEndedError(Exception):
    """The run ends early for a reason that the report gives."""


class _StopSearch(BaseException):
    """Ends the search for a small example: Hypothesis would send the request again and again after an Exception."""


class Runner:
    """Tries the rules of one contract, one after the other. What was found is there at any time: `results`."""

    def __init__(self, contract: Contract, setup: Setup, transport: Transport) -> None:
        self.contract = contract
        self.setup = setup
        self.transport = transport
        self.evidence = Evidence()
        self.sent = 0
        self.accepted = 0
        self.bytes = 0
        self.began = False
        self.stopped = ""
        self.errors: list[str] = []
        self._facts = ReplyFacts(contract)
        self._answered: Request | None = None
        self._unserved: dict[str, Finding] = {}
        self._rules: Sequence[Rule] = ()
        self._outcomes: dict[str, Outcome] = {}
        self._large = 0
        self._throttled = 0
        self._slow = 0
        self._slowest = 0.0, ""

    def handshake(self, operations: Iterable[str]) -> None:
        """Send a good request to each operation, and keep one that is answered as this protocol does.

        Operations that the target does not serve are remembered, and their rules not tried. Raises UnreachableError
        where no request is answered well, and SettingsError where a key is refused for being unknown.
        """
        plans = self._plans(operations)
        first_reply, now_ms = "", self.transport.now_ms()
        for number, plan in enumerate(plans):
            if number == FEW and self._answered is None:
                break
            sample = plan.good(*plainest(plan))
            for before in sample.before:
                self._send(before)
            request, reply = sample.request, self._send(sample.request)
            exchange = f"{request.method} {request.path} was answered {_shown(reply)}"
            if _refuses_key(self.contract, request, reply, now_ms):
                names = ", ".join(credential.name for credential in plan.operation.credentials)
                raise SettingsError(f"the target does not take the key for {names}: {exchange}")
            if _serves_not(self.contract, sample, reply, now_ms):
                self._unserved[plan.operation.name] = _not_served(self._facts, plan.operation, sample, reply)
            elif reply.status < HTTPStatus.MULTIPLE_CHOICES:
                self.evidence.accepted.setdefault(id(request), request)
            if self._answered is None and self._looks_right(plan.operation, reply):
                self._answered = request
            first_reply = first_reply or exchange
        if plans and self._answered is None:
            text = f"this does not look like {self.contract.name}: {first_reply}."
            raise UnreachableError(f"{text} Check --target and --protocol")

    def _plans(self, operations: Iterable[str]) -> list[OperationPlan]:
        """Return the operations whose keys were given, those with bodies first: their replies tell a protocol best."""
        keys = {name: key for name, key in keys_of(self.contract, self.setup).items() if key is not None}
        plan = plan_of(self.contract, self.transport.now_ms(), self.setup.slack_ms, tuple(sorted(keys.items())))
        wanted = set(operations)
        plans = [each for each in plan.operations.values() if each.operation.name in wanted]
        known = [each for each in plans if all(spec.name in keys for spec in each.operation.credentials)]
        return sorted(known, key=lambda each: (not each.operation.credentials, not each.takes_body))

    def _looks_right(self, operation: Operation, reply: Reply) -> bool:
        """Tell whether a reply is one of this protocol: any success, where none is documented at the chosen bases."""
        template = operation.replies.success
        places = [self._facts.given(template, operation), self._facts.fact(f"{template.pointer}/body")]
        if reply.status < HTTPStatus.MULTIPLE_CHOICES and not all(fact.basis in self.setup.bases for fact in places):
            return True
        try:
            value = parsed(reply.body)
        except ValueError:
            return False
        return isinstance(value, dict) and any(
            schema.is_valid(value) for schema in self.contract.reply_schemas.values()
        )

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
        if rule.operation in self._unserved:
            return Outcome(rule=rule, status=Status.NOT_EXERCISED, why=f"the target does not serve {rule.operation}")
        before, own, skipped = self.sent, list[Finding](), ""
        try:
            for draft in rule.drafts:
                probe = draft()
                why = "" if probe is None else self._unaffordable(probe)
                skipped = skipped or why
                if probe is None or why:
                    continue
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
        for name in self._unserved:
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
        replies: list[Reply] = []
        findings: list[Finding] = []
        for at, step in enumerate(probe.steps):
            if step.pause_ms:
                self.transport.pause(step.pause_ms)
            reply, differences = self._exchange(rule, step, replies)
            differences = [self._stated(difference) for difference in differences]
            differences = [each for each in differences if basis_of(each.source) in self.setup.bases]
            findings += self._findings(rule, probe, at, reply, differences)
            if reply is None or any(not difference.aside for difference in differences):
                break
            replies.append(reply)
        return findings

    def _exchange(self, rule: Rule, step: Step, earlier: Sequence[Reply]) -> tuple[Reply | None, list[Difference]]:
        try:
            reply = self._send(step.request, limited=step.limited)
        except UnreachableError as error:
            if self._answered is None:
                raise
            self._send(self._answered)  # raises UnreachableError where the target is gone, not silent just once
            return None, [Difference(rule.fact, str(error), rule.source)]
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS and not step.limited:
            return None, [self._too_fast(rule)]
        differences = list(step.check(reply, earlier))
        self.accepted += reply.status < HTTPStatus.MULTIPLE_CHOICES and bool(step.request.body)
        return reply, differences

    def _too_fast(self, rule: Rule) -> Difference:
        operation = self.contract.operations.get(rule.operation or "")
        rate = None if operation is None else operation.rate
        text = f"429, though at most {self.setup.rate:g} requests are sent in a second; see --rate"
        if rate is not None:
            return self._facts.fact(rate.pointer).broken(text)
        place = rule.fact if operation is None else operation.pointer
        return Difference(f"{place}#rate", text, "inferred: no rate is known to be limited here", aside=True)

    def _stated(self, difference: Difference) -> Difference:
        """Return a difference with who states the fact."""
        if difference.source:
            return difference
        return replace(difference, source=self.contract.source_of(difference.fact.partition("#")[0]))

    def _findings(
        self, rule: Rule, probe: Probe, at: int, reply: Reply | None, differences: Sequence[Difference]
    ) -> Iterator[Finding]:
        """Yield a finding for each fact that a reply breaks."""
        by_fact: dict[str, list[Difference]] = {}
        for difference in differences:
            by_fact.setdefault(difference.fact, []).append(difference)
        for fact, broken in by_fact.items():
            yield Finding(
                rule=rule.id,
                operation=rule.operation,
                fact=fact,
                source=broken[0].source,
                differences=tuple(difference.text for difference in broken),
                probe=probe,
                at=at,
                reply=reply,
                aside=all(difference.aside for difference in broken),
            )

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

    def _send(self, request: Request, *, limited: bool = False) -> Reply:
        """Send a request; one that comes too fast for the target comes again when the target says."""
        for attempt in range(THROTTLED + 1):
            if self.setup.max_requests is not None and self.sent >= self.setup.max_requests:
                raise RunEndedError(f"--max-requests {self.setup.max_requests} was reached")
            self.sent += 1
            self.bytes += len(request.body)
            began = time.monotonic()
            reply = self.transport.send(request)
            self._timed(time.monotonic() - began, request)
            if reply.status != HTTPStatus.TOO_MANY_REQUESTS or limited or attempt == THROTTLED:
                break
            self._throttled += 1
            wait = reply.headers.get("retry-after", "")
            self.transport.pause(1000 * min(60, int(wait) if NUMBER.fullmatch(wait) else 1))
        return reply

    def _timed(self, seconds: float, request: Request) -> None:
        self._slow += seconds > SLOW_S
        self._slowest = max(self._slowest, (seconds, f"{request.method} {request.path[:80]}"))

    def _try_drawn(self, rule: Rule, draws: Random) -> list[Finding]:
        """Draw examples; where one breaks a fact that nothing broke before, let Hypothesis look for the smallest."""
        began, known = self.sent, dict[bytes, bool]()
        budget = began + self.setup.examples + SHRINKING
        found: list[tuple[Finding, Sample]] = []

        def fails(sample: Sample) -> bool:
            key = repr(sample.request.path).encode() + repr(sample.request.headers).encode() + sample.request.body
            if key in known or self.sent > budget or (found and found[-1][0].reply is None):
                return known.get(key, False)
            if len(sample.request.body) >= LARGE and self.sent > began:  # rules about sizes send such bodies
                return False
            try:
                played = self.play(rule, draws.probe(sample))
            except (Exception, KeyboardInterrupt) as error:
                raise _StopSearch from error
            self._tell_all(finding for finding in played if finding.aside)
            new = [each for each in played if not each.aside and each.fact not in self.evidence]
            found.extend((finding, sample) for finding in new)
            known[key] = bool(new)
            return bool(new)

        quiet = settings(
            max_examples=self.setup.examples,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        try:
            find(draws.strategy(), fails, settings=quiet, random=random.Random(self.setup.seed))
        except (NoSuchExample, Flaky):
            pass  # no example fails, or one does not fail again: `found` has what was seen
        except _StopSearch as gone:
            self._tell_all(finding for finding, _ in found)
            raise (gone.__cause__ or gone) from None
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
        why = f"the run ended before: {self.stopped}" if self.stopped else "it was not reached"
        outcomes = [self._outcomes.get(rule.id) or _untried(rule, why) for rule in self._rules]
        outcomes = [replace(each, why=why) if each.why == ENDED else each for each in outcomes]
        outcomes = [self._unserved_outcome(name, finding) for name, finding in self._unserved.items()] + outcomes
        own = {outcome.finding.fact for outcome in outcomes if outcome.finding is not None}
        explained = {refusal_of(each.finding) for each in outcomes if each.finding and each.rule.id.endswith(ACCEPTED)}
        broken = {
            finding.fact: finding for finding in self.evidence.findings(explained - {None}) if finding.fact not in own
        }
        facts = [_outcome_of_fact(finding.fact, finding.source, finding) for finding in broken.values()]
        known = {outcome.rule.id for outcome in outcomes} | own | broken.keys()
        for fact, source in self.evidence.sources.items():
            if fact not in known and basis_of(source) in self.setup.bases:
                facts.append(_outcome_of_fact(fact, source, None))
        return outcomes + facts

    def _unserved_outcome(self, name: str, finding: Finding) -> Outcome:
        rule = Rule(id=finding.rule, operation=name, source=finding.source)
        status = Status.FAILED if finding.basis in self.setup.bases else Status.NOT_EXERCISED
        found = finding if status is Status.FAILED else None
        return Outcome(rule=rule, status=status, requests=1, finding=found, why=f"the target does not serve {name}")

    def notes(self) -> list[str]:
        """Return what a reader of the results should know beside them."""
        notes = []
        if self.stopped:
            notes.append(f"The run ended early: {self.stopped}.")
        if self.accepted:
            kept = counted(self.accepted, "accepted request")
            notes.append(
                f"Left on the target: what {kept} with a body sent, with {MARK} in the User-Agent; "
                f"ids of this run begin with {MARK}-{self.setup.nonce} where the contract lets them."
            )
        if self._throttled:
            notes.append(f"{self._throttled} requests were answered 429 and sent again; a lower --rate avoids that.")
        if self._slow:
            seconds, request = self._slowest
            notes.append(
                f"{self._slow} replies took longer than {SLOW_S:g} s; the slowest, {seconds:.1f} s, to {request}."
            )
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


def _serves_not(contract: Contract, sample: Sample, reply: Reply, now_ms: int) -> bool:
    """Tell whether a reply to a good request says that there is no such operation."""
    if reply.status not in NOT_SERVED:
        return False
    operation = contract.operations[sample.operation or ""]
    if operation.lookup is None or operation.family.template(UNKNOWN_ENTITY).reason != UNKNOWN_ENTITY:
        return True
    unknown = predict(contract, [sample.request.wire()], now_ms)[1]
    return bool(content_differences(unknown, reply))


def _not_served(facts: ReplyFacts, operation: Operation, sample: Sample, reply: Reply) -> Finding:
    fact = facts.fact(operation.pointer)
    return Finding(
        rule=fact.name,
        operation=operation.name,
        fact=fact.name,
        source=fact.source,
        differences=(f"not served: a good request was answered {_shown(reply)}",),
        probe=Probe((*(Step(request=each) for each in sample.before), Step(request=sample.request))),
        at=len(sample.before),
        reply=reply,
    )


def _refuses_key(contract: Contract, request: Request, reply: Reply, now_ms: int) -> bool:
    """Tell whether a reply to a good request is the one to an unknown key."""
    judged, prediction = predict(contract, [request.wire()], now_ms, keys=frozenset())
    return judged.refusal is not None and not content_differences(prediction, reply)


def _shown(reply: Reply) -> str:
    media_type = reply.headers.get("content-type", "no content type")
    return f"{reply.status} ({media_type}) with {reply.body[:80].decode('utf-8', 'replace')!r}"
