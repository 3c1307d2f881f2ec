"""Collecting rules: the drafts of several families of checks are merged by rule."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.contract.sections import Credential
from mockserver.core.answer import reply_to
from mockserver.core.model import Receipt
from mockserver.jsonkit import Json
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.prediction import Prediction, predict, prediction_of
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import OperationPlan, Plan, plan_of
from mockserver.strategies.samples import Request, Sample
from mockserver.verify.evidence import Evidence
from mockserver.verify.replies.expectations import Expectations
from mockserver.verify.replies.reply_facts import source_of_rule
from mockserver.verify.rule import LARGE, MARK, Draft, Probe, Rule, Setup, Status, Step

SECRET_PLACES: Final = ("header", "bearer")
CONTROLLED_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "keep-alive",
        "origin",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that decide how a request is read, or whether it comes from a page."""
GENERAL_FACTS: Final = (
    *("/protocol/nulls", "/protocol/paths", "/protocol/content_types", "/protocol/limits/body", "/protocol/projects"),
)


class RuleSet:
    """The rules of one contract under one setup, while they are declared."""

    def __init__(self, contract: Contract, setup: Setup, now_ms: int, evidence: Evidence | None = None) -> None:
        self.contract = contract
        self.setup = setup
        self.now_ms = now_ms
        self.keys = keys_of(contract, setup)
        self.known_keys = {name: key for name, key in self.keys.items() if key is not None}
        self.plan: Plan = plan_of(contract, now_ms, setup.slack_ms, tuple(sorted(self.known_keys.items())))
        self.expectations = Expectations(contract, now_ms, evidence, setup.bases)
        self.rules: dict[str, Rule] = {}
        self._facts = {operation.name: _facts_of(operation) for operation in contract.operations.values()}
        self._numbers = 0

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples of the corpus, without those whose bodies are large."""
        return _samples(self.plan)[0]

    @property
    def large_samples(self) -> tuple[PackedSample, ...]:
        """The samples of the corpus whose bodies are large."""
        return _samples(self.plan)[1]

    def number(self) -> str:
        """Return a text that no earlier request of any run contains."""
        self._numbers += 1
        return f"{MARK}-{self.setup.nonce}-{self.now_ms:x}-{self._numbers}"

    def rule(self, rule_id: str, operation: str | None) -> Rule:
        """Return the rule of an id, created when it is first named."""
        if rule_id not in self.rules:
            source = source_of_rule(self.contract, rule_id, operation)
            rule = self.rules[rule_id] = Rule(id=rule_id, operation=operation, source=source)
            rule.depends_on.add(rule.fact)
        return self.rules[rule_id]

    def add(self, rule_id: str, operation: str | None, draft: Draft, depends_on: Iterable[str] = ()) -> None:
        """Add one more probe to a rule; `depends_on` are facts beside those that its operation is made of."""
        rule = self.rule(rule_id, operation)
        rule.drafts.append(draft)
        rule.idle, rule.why = None, ""
        rule.depends_on.update(depends_on, self._facts.get(operation or "", ()))

    def idle(self, rule_id: str, operation: str | None, status: Status, why: str) -> None:
        """Add a rule that is not tried, with the reason."""
        rule = self.rule(rule_id, operation)
        if not rule.drafts and rule.random is None:
            rule.idle, rule.why = status, why

    def operations(self) -> list[OperationPlan]:
        """Return the operations whose keys were given."""
        return [plan for plan in self.plan.operations.values() if self.has_key(plan.operation)]

    def has_key(self, operation: Operation) -> bool:
        """Tell whether every key that the operation takes was given."""
        return all(self.keys[credential.name] is not None for credential in operation.credentials)

    def predict(self, request: Request, earlier: Sequence[Request] = (), *, all_keys: bool = True) -> Prediction:
        """Return the reply to a request after earlier ones; without `all_keys` a target knows only the given keys."""
        keys = None if all_keys else frozenset(self.known_keys.values())
        requests = [each.wire() for each in (*earlier, request)]
        return predict(self.contract, requests, self.now_ms, keys=keys)[1]

    def predict_over_rate(self, request: Request) -> Prediction:
        """Return the reply to a request of an operation whose rate is used up, where nothing before refuses it."""
        judged, _ = predict(self.contract, [request.wire()], self.now_ms)
        refused = None if judged.rate is None else judged.rate.reason
        receipt = Receipt(session="", seq=1, first_event=1, refused=refused)
        return prediction_of(self.contract, reply_to(judged, receipt))

    def step(self, request: Request, fact: str, prediction: Prediction | None = None) -> Step:
        """Return the step that sends a request to try a fact, with the check of its reply."""
        prediction = prediction or self.predict(request)
        return Step(request=request, check=self.expectations.check(request, prediction, fact))

    def probe(self, request: Request, fact: str, prediction: Prediction | None = None) -> Probe:
        """Return the probe of one request."""
        return Probe((self.step(request, fact, prediction),))

    def sequence(self, fact: str, *requests: Request, certain: bool = False) -> Probe:
        """Return the probe of requests that change each other's replies.

        They are `certain` if nothing from before the probe can change a reply.
        """
        steps = []
        for number, request in enumerate(requests):
            prediction = self.predict(request, requests[:number])
            steps.append(self.step(request, fact, replace(prediction, history=()) if certain else prediction))
        return Probe(tuple(steps))


@dataclass(frozen=True, slots=True)
class PackedSample:
    """A sample whose large body is kept compressed. `sample` is without it, and its events without their long texts."""

    sample: Sample
    compressed: bytes

    @classmethod
    def of(cls, sample: Sample) -> PackedSample:
        """Pack a sample."""
        bare = replace(sample.request, body=b"", json=MISSING)
        events = tuple(_without_long_texts(event) for event in sample.events)
        prediction = replace(sample.prediction, body=MISSING)
        packed = replace(sample, request=bare, events=events, prediction=prediction)
        return cls(packed, zlib.compress(sample.request.body, 1))

    def request(self) -> Request:
        """Return the request with its body."""
        return replace(self.sample.request, body=zlib.decompress(self.compressed))


def _without_long_texts(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _without_long_texts(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_without_long_texts(item) for item in value[:1]]
    return "" if isinstance(value, str) and len(value) > LARGE // 4 else value


@lru_cache(maxsize=1)  # those of one contract take tens of megabytes
def _samples(plan: Plan) -> tuple[tuple[Sample, ...], tuple[PackedSample, ...]]:
    """Return the samples of a plan, which are the same each time, made once: those that are small, and large ones."""
    small: list[Sample] = []
    large: list[PackedSample] = []
    for sample in samples(plan):
        if len(sample.request.body) < LARGE:
            small.append(sample)
        else:
            large.append(PackedSample.of(sample))
    return tuple(small), tuple(large)


def _facts_of(operation: Operation) -> set[str]:
    """Return the pointers of the facts that every reply of an operation depends on, whichever it is."""
    facts = {operation.pointer, *GENERAL_FACTS}
    facts |= {credential.pointer for credential in operation.credentials}
    facts |= {gate.pointer for gate in operation.gates}
    facts |= set() if operation.cors is None else {f"/protocol/cors/{operation.cors.name}"}
    facts |= set() if operation.rate is None else {f"/protocol/limits/{operation.rate.name}"}
    facts |= set() if operation.idempotency is None else {f"/protocol/idempotency/{operation.idempotency.name}"}
    return facts


def keys_of(contract: Contract, setup: Setup) -> dict[str, str | None]:
    """Return the key for each credential; None where no given key fits.

    Where a protocol has credentials that pages may hold (in a path, a query, a body), those in headers are the secret
    ones, and take the server's key.
    """
    credentials = contract.credentials.values()
    has_public = any(credential.place not in SECRET_PLACES for credential in credentials)
    keys: dict[str, str | None] = {}
    for credential in credentials:
        secret = has_public and credential.place in SECRET_PLACES
        key = setup.server_key if secret else setup.key
        keys[credential.name] = key if key is not None and is_key_for(credential, key) else None
    return keys


def controlled_headers(contract: Contract) -> frozenset[str]:
    """Return the lower-case names of the headers that the checks set or leave out to see the effect."""
    names = {credential.parameter for credential in contract.credentials.values() if credential.place == "header"}
    names |= {"authorization" for credential in contract.credentials.values() if credential.place == "bearer"}
    names |= {each.idempotency.header for each in contract.operations.values() if each.idempotency is not None}
    names |= set() if contract.projects is None else {contract.projects.header}
    return CONTROLLED_HEADERS | {name.lower() for name in names}


def is_key_for(credential: Credential, key: str) -> bool:
    """Tell whether a key is well formed."""
    return credential.pattern is None or matches(credential.pattern, key)
