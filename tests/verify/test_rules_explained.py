"""`contracts explain` knows every rule that verify reports and every rule that a sample can break."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import explain
from mockserver.contract.library import library
from mockserver.strategies import breaches
from mockserver.verify import rules_of
from tests.verify.inprocess import InProcess, setup_of

REVISIONS = [(protocol.name, name) for protocol in library().protocols.values() for name in protocol.revision_names()]


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_every_rule_that_a_sample_can_break_is_explained(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    rules = breaches(protocol, contract=contract)
    print(f"{protocol} {revision}: {len(rules)} rules of samples")
    assert unexplained(contract, rules) == []
    assert len(rules) > 20


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_every_rule_of_verify_is_explained(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    rules = [rule.id for rule in rules_of(contract, setup_of(protocol), InProcess(contract))]
    print(f"{protocol} {revision}: {len(rules)} rules of verify")
    assert unexplained(contract, rules) == []
    assert len(rules) > 60


def unexplained(contract: Contract, rules: Iterable[str]) -> list[str]:
    """Return the rules whose explanation says too little. Raises ContractError for one that has none."""
    return [rule for rule in rules if not all(row["source"] and row["basis"] for row in explain(contract, rule))]
