"""Playing a probe: its requests are sent one after the other, and each reply is checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus

from mockserver.contract.contract import Contract
from mockserver.errors import UnreachableError
from mockserver.verify.handshake import Handshake
from mockserver.verify.replies.reply_facts import ReplyFacts
from mockserver.verify.rule import Difference, Finding, Probe, Reply, Rule, Step, basis_of
from mockserver.verify.sender import Sender


class Player:
    """Plays probes to a target; `accepted` counts the requests with a body that the target took."""

    def __init__(self, contract: Contract, facts: ReplyFacts, sender: Sender, handshake: Handshake) -> None:
        self.contract = contract
        self.accepted = 0
        self._facts = facts
        self._sender = sender
        self._handshake = handshake

    def play(self, rule: Rule, probe: Probe) -> list[Finding]:
        """Send a probe; return how its replies deviate. It ends with the first that defeats what the probe tries."""
        replies: list[Reply] = []
        findings: list[Finding] = []
        for at, step in enumerate(probe.steps):
            if step.pause_ms:
                self._sender.transport.pause(step.pause_ms)
            reply, differences = self._exchange(rule, step, replies)
            differences = [self._stated(difference) for difference in differences]
            differences = [each for each in differences if basis_of(each.source) in self._sender.setup.bases]
            findings += self._findings(rule, probe, at, reply, differences)
            if reply is None or any(not difference.aside for difference in differences):
                break
            replies.append(reply)
        return findings

    def _exchange(self, rule: Rule, step: Step, earlier: Sequence[Reply]) -> tuple[Reply | None, list[Difference]]:
        try:
            reply = self._sender.send(step.request, limited=step.limited)
        except UnreachableError as error:
            if self._handshake.answered is None:
                raise
            # this raises UnreachableError where the target is gone, and not silent just once
            self._sender.send(self._handshake.answered)
            return None, [Difference(rule.fact, str(error), rule.source)]
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS and not step.limited:
            return None, [self._too_fast(rule)]
        differences = list(step.check(reply, earlier))
        self.accepted += reply.status < HTTPStatus.MULTIPLE_CHOICES and bool(step.request.body)
        return reply, differences

    def _too_fast(self, rule: Rule) -> Difference:
        operation = self.contract.operations.get(rule.operation or "")
        rate = None if operation is None else operation.rate
        text = f"429, though at most {self._sender.setup.rate:g} requests are sent in a second; see --rate"
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
