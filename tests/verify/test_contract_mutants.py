"""Every constraint of every contract, removed, loosened or changed, one at a time: verify reports each mutant.

Left out are facts that are no constraint on requests or replies: sources and titles, what is stored, how clients
deliver, replies' schemas (which the server does not read), warnings, refusals that only scripted replies use, keys of
operations where no gate looks at them, texts for keywords that no schema of the revision has; and that a body or an
event is an object, which is seen before any schema is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit import yamltext
from tests.conftest import COUNTED
from tests.verify.hunt import caught_by, hunts, is_served, mutants_of
from tests.verify.in_use import reached
from tests.verify.mutants import Mutant, mutants

LISTED: dict[str, Any] = yamltext.load(Path(__file__).parent / "equivalent.yaml")
MOST_EQUIVALENT = 0.02


def missed(protocol: str, revision: str, chosen: Iterable[Mutant], *, everything: bool = False) -> list[str]:
    return [mutant.id for mutant in chosen if caught_by(mutant, protocol, revision, everything=everything) is None]


def listed(protocol: str, revision: str) -> dict[str, str]:
    """Return the mutants of a contract that are listed as equivalent: its own, and those of the base it has too."""
    if revision == BASES[protocol]:
        return dict(LISTED["equivalent"][protocol])
    there = {mutant.id for mutant in mutants_of(protocol, revision)}
    taken_over = {name: why for name, why in LISTED["equivalent"][protocol].items() if name in there}
    return {**taken_over, **LISTED["revisions"].get(f"{protocol} {revision}", {})}


def hunted(protocol: str, revision: str, record_property: Callable[[str, object], None]) -> list[str]:
    """Hunt every mutant of a contract that is not listed, and count; return those that nothing reports.

    They are hunted one by one as they are made, while the library still has the contract that each of them is.
    """
    every: list[str] = []
    equivalent = listed(protocol, revision)

    def hunted_ones() -> Iterator[Mutant]:
        for mutant in mutants_of(protocol, revision):
            every.append(mutant.id)
            if mutant.id not in equivalent:
                yield mutant

    unreported = missed(protocol, revision, hunted_ones())
    count = f"{len(every) - len(equivalent) - len(unreported)} of {len(every)} mutants of {protocol} {revision}"
    record_property(COUNTED, f"{count} reported by verify, {len(equivalent)} equivalent")
    return unreported


BASES = {name: each.base for name, each in library().protocols.items()}
REVISIONS = [(name, revision) for name, each in library().protocols.items() for revision in each.revisions]
CONTRACTS = [*BASES.items(), *REVISIONS]


@pytest.fixture(scope="module", params=BASES)
def protocol(request: pytest.FixtureRequest) -> Iterator[str]:
    """One protocol after the other, each in all tests of its base: what they hunt with is large."""
    yield request.param
    hunts.cache_clear()


def test_mutant_is_reported_when_a_constraint_of_the_base_is_broken(
    protocol: str, record_property: Callable[[str, object], None]
) -> None:
    assert hunted(protocol, BASES[protocol], record_property) == []


@pytest.mark.full
@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_mutant_is_reported_when_a_constraint_of_a_revision_is_broken(
    protocol: str, revision: str, record_property: Callable[[str, object], None]
) -> None:
    assert hunted(protocol, revision, record_property) == []


def test_few_mutants_are_equivalent_when_those_of_a_base_are_counted(protocol: str) -> None:
    count = len(list(mutants_of(protocol, BASES[protocol])))
    assert len(listed(protocol, BASES[protocol])) <= MOST_EQUIVALENT * count


@pytest.mark.full
def test_few_mutants_are_equivalent_when_those_of_every_revision_are_counted(
    record_property: Callable[[str, object], None],
) -> None:
    counts = {names: (len(listed(*names)), len(list(mutants_of(*names)))) for names in CONTRACTS}
    equivalent, count = (sum(numbers) for numbers in zip(*counts.values(), strict=True))
    record_property(COUNTED, f"{equivalent} of {count} mutants of all contracts equivalent, {equivalent / count:.1%}")
    assert [names for names, (some, every) in counts.items() if some > MOST_EQUIVALENT * every] == []


def test_mutant_is_still_one_when_listed_as_equivalent(protocol: str) -> None:
    assert set(LISTED["equivalent"][protocol]) <= {mutant.id for mutant in mutants_of(protocol, BASES[protocol])}


def test_mutant_is_still_one_when_listed_as_equivalent_of_a_revision() -> None:
    for named, own in LISTED["revisions"].items():
        protocol, revision = named.split()
        every = mutants(library().protocol(protocol).contract(revision))
        there = {mutant.id for mutant in every if mutant.id in own and is_served(mutant, protocol, revision)}
        assert set(own) <= there, revision
        assert not set(own) & set(LISTED["equivalent"][protocol]), revision


def test_no_rule_finds_anything_when_nothing_is_mutated(protocol: str) -> None:
    for hunt in hunts(protocol, BASES[protocol]):
        assert [prepared.rule.id for prepared in hunt.rules if hunt.finds(prepared, hunt.contract)] == [], hunt.patch


def test_refusals_that_no_request_leads_to_are_those_listed(protocol: str) -> None:
    contract = library().protocol(protocol).contract()
    families = contract.documents["protocol"]["refusals"]
    unreached = {family: sorted(set(families[family]) - {"default"} - reached(contract, family)) for family in families}
    assert unreached == LISTED["scripted"][protocol]


@pytest.mark.full
@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_no_rule_finds_anything_when_nothing_of_a_revision_is_mutated(protocol: str, revision: str) -> None:
    for hunt in hunts(protocol, revision):
        assert [prepared.rule.id for prepared in hunt.rules if hunt.finds(prepared, hunt.contract)] == [], hunt.patch


@pytest.mark.full
@pytest.mark.parametrize(("protocol", "revision"), CONTRACTS)
def test_equivalent_mutant_is_reported_by_nothing_when_everything_is_tried(protocol: str, revision: str) -> None:
    chosen = [mutant for mutant in mutants_of(protocol, revision) if mutant.id in listed(protocol, revision)]
    assert missed(protocol, revision, chosen, everything=True) == [mutant.id for mutant in chosen]
