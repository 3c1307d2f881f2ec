"""The first requests of a run: does the target speak the protocol, does it take the keys, what does it not serve?"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.errors import SettingsError, UnreachableError
from mockserver.jsonkit.printable import printable_body
from mockserver.lint.prediction import predict
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.plans import OperationPlan, plan_of
from mockserver.strategies.samples import Request, Sample, parsed
from mockserver.verify.evidence import Evidence
from mockserver.verify.families.sample_rules import plainest
from mockserver.verify.replies.reply_bodies import content_differences
from mockserver.verify.replies.reply_facts import ReplyFacts
from mockserver.verify.rule import Finding, Probe, Reply, Step
from mockserver.verify.rule_set import keys_of
from mockserver.verify.sender import Sender

FEW: Final = 4
"""How many operations may be asked in vain."""
NOT_SERVED: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class Handshake:
    """What a target answered to one good request of each operation.

    `answered` is a request that was answered as this protocol does, None before there is one; `unserved` has the
    operations that the target does not serve.
    """

    def __init__(self, contract: Contract, facts: ReplyFacts, sender: Sender) -> None:
        self.contract = contract
        self.answered: Request | None = None
        self.unserved: dict[str, Finding] = {}
        self._facts = facts
        self._sender = sender

    def ask(self, operations: Iterable[str], evidence: Evidence) -> None:
        """Send a good request to each operation; those that are accepted are added to the evidence.

        Raises UnreachableError where no request is answered well, and SettingsError where a key is refused for being
        unknown.
        """
        plans = self._plans(operations)
        first_reply, now_ms = "", self._sender.transport.now_ms()
        for number, plan in enumerate(plans):
            if number == FEW and self.answered is None:
                break
            sample = plan.good(*plainest(plan))
            for before in sample.before:
                self._sender.send(before)
            request, reply = sample.request, self._sender.send(sample.request)
            exchange = f"{request.method} {request.path} was answered {_shown(reply)}"
            if _refuses_key(self.contract, request, reply, now_ms):
                names = ", ".join(credential.name for credential in plan.operation.credentials)
                raise SettingsError(f"the target does not take the key for {names}: {exchange}")
            if _serves_not(self.contract, sample, reply, now_ms):
                self.unserved[plan.operation.name] = _not_served(self._facts, plan.operation, sample, reply)
            elif reply.status < HTTPStatus.MULTIPLE_CHOICES:
                evidence.accepted.setdefault(id(request), request)
            if self.answered is None and self._looks_right(plan.operation, reply):
                self.answered = request
            first_reply = first_reply or exchange
        if plans and self.answered is None:
            text = f"this does not look like {self.contract.name}: {first_reply}."
            raise UnreachableError(f"{text} Check --target and --protocol")

    def _plans(self, operations: Iterable[str]) -> list[OperationPlan]:
        """Return the operations whose keys were given, those with bodies first: their replies tell a protocol best."""
        setup = self._sender.setup
        keys = {name: key for name, key in keys_of(self.contract, setup).items() if key is not None}
        plan = plan_of(self.contract, self._sender.transport.now_ms(), setup.slack_ms, tuple(sorted(keys.items())))
        wanted = set(operations)
        plans = [each for each in plan.operations.values() if each.operation.name in wanted]
        known = [each for each in plans if all(spec.name in keys for spec in each.operation.credentials)]
        return sorted(known, key=lambda each: (not each.operation.credentials, not each.takes_body))

    def _looks_right(self, operation: Operation, reply: Reply) -> bool:
        """Tell whether a reply is one of this protocol: any success, where none is documented at the chosen bases."""
        template = operation.replies.success
        places = [self._facts.given(template, operation), self._facts.fact(f"{template.pointer}/body")]
        bases = self._sender.setup.bases
        if reply.status < HTTPStatus.MULTIPLE_CHOICES and not all(fact.basis in bases for fact in places):
            return True
        try:
            value = parsed(reply.body)
        except ValueError:
            return False
        return isinstance(value, dict) and any(
            schema.is_valid(value) for schema in self.contract.reply_schemas.values()
        )


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
    return f"{reply.status} ({media_type}) with {printable_body(reply.body, 80)}"
