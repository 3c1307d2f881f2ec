"""`contracts explain` knows every rule that a sample can break; `test_server_mutants` asks it for those of verify."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import explain
from mockserver.contract.library import library
from mockserver.strategies import breaches
from tests.revisions import revisions


@pytest.mark.parametrize(("protocol", "revision"), revisions())
def test_every_rule_that_a_sample_can_break_is_explained(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    rules = breaches(protocol, contract=contract)
    print(f"{protocol} {revision}: {len(rules)} rules of samples")
    assert unexplained(contract, rules) == []
    assert len(rules) > 20


def unexplained(contract: Contract, rules: Iterable[str]) -> list[str]:
    """Return the rules whose explanation says too little. Raises ContractError for one that has none."""
    return [rule for rule in rules if not all(row["source"] and row["basis"] for row in explain(contract, rule))]
