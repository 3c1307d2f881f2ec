"""A catalogue of lies, each told by name: a quick look at the rules concerned, and, in full, a whole default run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest

from mockserver.contract.library import library
from mockserver.verify import Outcome, Setup
from tests.conftest import COUNTED
from tests.verify.inprocess import KEYS, SERVER_KEY
from tests.verify.lies import LIES, Liar, Lie
from tests.verify.lies.lie import Proxy
from tests.verify.prepared import verify

PROTOCOLS = tuple(library().protocols)
SORTED = sorted(LIES, key=lambda lie: PROTOCOLS.index(lie.protocol))
"""What rules are made of is kept for one protocol at a time."""
FEWEST = 3
"""Lies of each kind at least."""
DEFAULT = Setup(key="", server_key=SERVER_KEY, rate=1_000_000)
"""A run without any flag, apart from the keys and the pace."""


def setup_of(lie: Lie) -> Setup:
    return replace(DEFAULT, key=KEYS[lie.protocol], **lie.flags)


def run(lie: Lie, only: Iterable[str] = (), setup: Setup | None = None) -> list[Outcome]:
    contract = library().protocol(lie.protocol).contract()
    return verify(contract, setup or setup_of(lie), Liar(lie, contract), only=list(only))


def names_in(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Yield the rules and facts that findings name."""
    for outcome in outcomes:
        if outcome.finding is not None:
            yield from (outcome.rule.id, outcome.finding.rule, outcome.finding.fact)


def is_told(lie: Lie, outcomes: Iterable[Outcome]) -> bool:
    return any(name.startswith(lie.told) for name in names_in(outcomes))


@pytest.mark.parametrize("lie", SORTED, ids=lambda lie: lie.id)
def test_lie_is_told_by_name_when_the_rules_concerned_are_tried(lie: Lie) -> None:
    outcomes = run(lie, lie.only, replace(setup_of(lie), examples=0))
    assert is_told(lie, outcomes), sorted(set(names_in(outcomes)))


@pytest.mark.full
@pytest.mark.parametrize("lie", SORTED, ids=lambda lie: lie.id)
def test_lie_is_told_by_name_when_a_whole_run_is_made(lie: Lie) -> None:
    outcomes = run(lie)
    assert is_told(lie, outcomes), sorted(set(names_in(outcomes)))


def test_lies_are_of_every_kind(record_property: Callable[[str, object], None]) -> None:
    kinds = Counter(lie.kind for lie in LIES)
    record_property(COUNTED, f"{len(LIES)} lies of {len(kinds)} kinds, all told by verify: {dict(kinds)}")
    assert len(LIES) >= 60
    assert min(kinds.values()) >= FEWEST
    assert len({lie.id for lie in LIES}) == len(LIES)


MASKED = [lie for lie in LIES if lie.name in ("replies do not vary by origin", "the limit is another one")]
"""Faults of headers that every reply has."""
BEHIND = [lie for lie in LIES if lie.protocol == "outlit" and lie.kind in ("one type", "between")]


@pytest.mark.parametrize("mask", MASKED, ids=lambda lie: lie.name)
@pytest.mark.parametrize("lie", BEHIND, ids=lambda lie: lie.id)
def test_both_are_told_when_a_lie_is_behind_a_fault_of_every_header(lie: Lie, mask: Lie) -> None:
    assert lie.proxy is not None
    assert mask.proxy is not None
    inner, outer = lie.proxy, mask.proxy

    def make() -> Proxy:
        hidden, seen = inner(), outer()
        return lambda forward, request: seen(lambda asked: hidden(forward, asked), request)

    both = replace(lie, proxy=make)
    outcomes = run(both, (*lie.only, *mask.only), replace(setup_of(lie), examples=0))
    assert is_told(lie, outcomes), sorted(set(names_in(outcomes)))
    assert is_told(mask, outcomes), sorted(set(names_in(outcomes)))


@pytest.mark.parametrize("lie", [lie for lie in LIES if lie.flags], ids=lambda lie: lie.id)
def test_flag_is_named_when_a_default_run_cannot_try_it(lie: Lie) -> None:
    setup = replace(DEFAULT, key=KEYS[lie.protocol])
    untried = [outcome for outcome in run(lie, lie.only, setup) if outcome.finding is None and outcome.why]
    assert any("--burst" in outcome.why for outcome in untried)
