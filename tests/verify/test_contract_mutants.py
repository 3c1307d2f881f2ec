"""Every constraint of every contract, removed, loosened or changed, one at a time: verify reports each mutant.

Left out are facts that are no constraint on requests or replies: sources and titles, what is stored, how clients
deliver, replies' schemas (which the server does not read), advice, refusals that only scripted replies use, keys of
operations where no gate looks at them; and that a body or an event is an object, which is seen before any schema is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mockserver import yamltext
from mockserver.loader import library
from tests.conftest import COUNTED
from tests.verify.hunt import caught_by, hunts, is_served
from tests.verify.mutants import Mutant, mutants, reached

LISTED: dict[str, Any] = yamltext.load(Path(__file__).parent / "equivalent.yaml")
MOST_EQUIVALENT = 0.02


@cache
def made(protocol: str, revision: str) -> list[Mutant]:
    """Return the mutants of a contract that are contracts themselves, and other ones."""
    contract = library().protocol(protocol).contract(revision)
    return [mutant for mutant in mutants(contract) if is_served(mutant, protocol, revision)]


def missed(protocol: str, revision: str, chosen: list[Mutant]) -> list[str]:
    return [mutant.id for mutant in chosen if caught_by(mutant, protocol, revision) is None]


BASES = {name: one.base for name, one in library().protocols.items()}
REVISIONS = [(name, revision) for name, one in library().protocols.items() for revision in one.revisions]


@pytest.mark.parametrize("protocol", BASES)
def test_mutant_is_reported_when_a_constraint_of_the_base_is_broken(
    protocol: str, record_property: Callable[[str, object], None]
) -> None:
    every, equivalent = made(protocol, BASES[protocol]), LISTED["equivalent"][protocol]
    found = missed(protocol, BASES[protocol], [mutant for mutant in every if mutant.id not in equivalent])
    caught = len(every) - len(equivalent) - len(found)
    record_property(
        COUNTED,
        f"{caught} of {len(every)} mutants of the {protocol} contract reported by verify, {len(equivalent)} equivalent",
    )
    assert found == []


def test_few_mutants_are_equivalent_when_counted() -> None:
    count = sum(len(made(protocol, revision)) for protocol, revision in BASES.items())
    assert sum(len(listed) for listed in LISTED["equivalent"].values()) <= MOST_EQUIVALENT * count


@pytest.mark.parametrize("protocol", BASES)
def test_mutant_is_still_one_when_listed_as_equivalent(protocol: str) -> None:
    assert set(LISTED["equivalent"][protocol]) <= {mutant.id for mutant in made(protocol, BASES[protocol])}


@pytest.mark.parametrize("protocol", BASES)
def test_no_rule_finds_anything_when_nothing_is_mutated(protocol: str) -> None:
    for hunt in hunts(protocol, BASES[protocol]):
        assert [rule.id for rule in hunt.rules if hunt.finds(rule, hunt.contract)] == [], hunt.patch


@pytest.mark.parametrize("protocol", BASES)
def test_refusals_that_no_request_leads_to_are_those_listed(protocol: str) -> None:
    contract = library().protocol(protocol).contract()
    families = contract.documents["protocol"]["refusals"]
    found = {family: sorted(set(families[family]) - {"default"} - reached(contract, family)) for family in families}
    assert found == LISTED["scripted"][protocol]


@pytest.mark.full
@pytest.mark.parametrize("protocol", BASES)
def test_equivalent_mutant_is_told_by_nothing_when_everything_is_tried(protocol: str) -> None:
    listed = [mutant for mutant in made(protocol, BASES[protocol]) if mutant.id in LISTED["equivalent"][protocol]]
    assert missed(protocol, BASES[protocol], listed) == [mutant.id for mutant in listed]


@pytest.mark.full
@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_mutant_is_reported_when_a_constraint_of_a_revision_is_broken(
    protocol: str, revision: str, record_property: Callable[[str, object], None]
) -> None:
    chosen = made(protocol, revision)
    found = missed(protocol, revision, chosen)
    record_property(
        COUNTED, f"{len(chosen) - len(found)} of {len(chosen)} mutants of {protocol} {revision} reported by verify"
    )
    assert set(found) <= set(LISTED["equivalent"][protocol]) | set(LISTED["revisions"].get(revision, ()))
