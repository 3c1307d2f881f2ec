"""Collecting rules: what several families of checks make is merged by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.patterns import matches
from mockserver.strategies.plans import OperationPlan, Plan, plan_of
from mockserver.verify.expectations import Expectations
from mockserver.verify.rule import Probe, Random, Rule, Setup, Status

SECRET_PLACES: Final = ("header", "bearer")
OPEN_PLACES: Final = ("path", "query", "body")


class RuleSet:
    """The rules of one contract under one setup, as they are written down."""

    def __init__(self, contract: Contract, setup: Setup, now_ms: int) -> None:
        self.contract = contract
        self.setup = setup
        self.now_ms = now_ms
        self.expectations = Expectations(contract)
        self.keys = keys_of(contract, setup)
        told = tuple(sorted((name, key) for name, key in self.keys.items() if key is not None))
        self.plan: Plan = plan_of(contract, now_ms, setup.slack_ms, told)
        self.rules: dict[str, Rule] = {}
        self._numbers = 0

    def number(self) -> str:
        """Return a text that no earlier request of any run has in it."""
        self._numbers += 1
        return f"verify-{self.setup.nonce}-{self._numbers}"

    def rule(self, rule_id: str, operation: str | None) -> Rule:
        """Return the rule of an id, made when it is first named."""
        if rule_id not in self.rules:
            source = source_of(self.contract, rule_id.partition("#")[0])
            self.rules[rule_id] = Rule(id=rule_id, operation=operation, source=source)
        found = self.rules[rule_id]
        found.depends_on.add(found.fact)
        return found

    def add(self, rule_id: str, operation: str | None, probe: Probe, depends_on: Iterable[str] = ()) -> None:
        """Note one more probe of a rule."""
        found = self.rule(rule_id, operation)
        found.probes.append(probe)
        found.depends_on.update(depends_on)

    def draw(self, rule_id: str, operation: str, random: Random) -> None:
        """Note a rule that is tried by chance."""
        self.rule(rule_id, operation).random = random

    def idle(self, rule_id: str, operation: str | None, status: Status, why: str) -> None:
        """Note a rule that is not tried, with the reason."""
        found = self.rule(rule_id, operation)
        if not found.probes and found.random is None:
            found.idle, found.why = status, why

    def operations(self) -> list[OperationPlan]:
        """Return the operations whose keys were given."""
        return [one for one in self.plan.operations.values() if self.has_key(one.operation)]

    def has_key(self, operation: Operation) -> bool:
        """Tell whether a key was given that the operation takes."""
        return not operation.credentials or all(self.keys[name] is not None for name in operation.credentials)


def source_of(contract: Contract, place: str) -> str:
    """Return who states a fact; for a schema's keyword or member, who states the schema."""
    tokens = pointer.parse(place)
    while tokens:
        found = contract.source_of(pointer.build(tokens))
        if found:
            return found
        tokens = tokens[:-1]
    return str(contract.protocol["source"])


def keys_of(contract: Contract, setup: Setup) -> dict[str, str | None]:
    """Return the key for each credential; None where no key that was given fits.

    Where a protocol has credentials that pages may hold (in a path, a query, a body) those in headers are the secret
    ones, and take the server's key.
    """
    specs: Mapping[str, Json] = contract.protocol["credentials"]
    open_ones = any(spec["in"] in OPEN_PLACES for spec in specs.values())
    made: dict[str, str | None] = {}
    for name, spec in specs.items():
        secret = open_ones and spec["in"] in SECRET_PLACES
        key = setup.server_key if secret else setup.key
        fits = key is not None and ("pattern" not in spec or matches(spec["pattern"], key))
        made[name] = key if fits else None
    return made
