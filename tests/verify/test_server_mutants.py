"""Servers with deliberate faults of behaviour: verify reports each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.verify import Outcome, Probe, Rule, Runner, Setup, Status, defects, rules_of, verify
from tests.revisions import revisions
from tests.verify.faults import FAULTS
from tests.verify.hunt import probes_of
from tests.verify.inprocess import InProcess, setup_of
from tests.verify.test_rules_explained import unexplained


def _base(protocol: str) -> Contract:
    return library().protocol(protocol).contract()


@lru_cache(maxsize=1)  # those of one protocol take 60 to 250 MB; the tests go through the protocols one by one
def _probes(protocol: str, *, keys_known: bool) -> list[tuple[Rule, Probe]]:
    """Return every probe of every rule, those of rules with small ones first."""
    setup, bodies = _setup(protocol, keys_known=keys_known), dict[bytes, bytes]()
    rules = [(rule, probes_of(rule, bodies)) for rule in rules_of(_base(protocol), setup, InProcess(_base(protocol)))]
    rules.sort(key=lambda pair: min((probe.size for probe in pair[1]), default=0))
    return [(rule, probe) for rule, probes in rules for probe in probes]


def _setup(protocol: str, *, keys_known: bool) -> Setup:
    setup = setup_of(protocol, burst=False)
    return setup if keys_known else replace(setup, revoked=())


def _reported(protocol: str, target: InProcess, *, keys_known: bool = True) -> str | None:
    """Return the first rule that a target fails."""
    runner = Runner(_base(protocol), _setup(protocol, keys_known=keys_known), target)
    failed = (rule.id for rule, probe in _probes(protocol, keys_known=keys_known) if runner.play(rule, probe))
    return next(failed, None)


@pytest.fixture(scope="module", autouse=True)
def _forget_probes() -> Iterator[None]:
    yield
    _probes.cache_clear()


@pytest.mark.parametrize("name", FAULTS)
def test_fault_in_replies_is_reported_when_tried(name: str) -> None:
    protocol, fault = FAULTS[name]
    assert _reported(protocol, InProcess(_base(protocol), fault=fault)) is not None


JUDGED_OTHERWISE: Final[Mapping[str, tuple[str, object]]] = {
    "window inverted": ("whisperr", {"windows": {"occurred_at": {"past_ms": 300000, "future_ms": 2592000000}}}),
    "window wider by one ms": ("whisperr", {"windows": {"occurred_at": {"past_ms": 2592000001}}}),
    "key not looked at": ("apex", {"credentials": {"server_key": {"pattern": None}}}),
    "partial success off": ("outlit", {"operations": {"events": {"forms": {"batch": {"policy": "atomic"}}}}}),
    "body limit off by one": ("outlit", {"limits": {"body": {"max_bytes": 1048577}}}),
    "JSON before the key": ("outlit", {"gates": {"key": {"order": 55}, "allowed_key": {"order": 56}}}),
}
"""Servers that judge otherwise, as patches of protocol.yaml.

The protocol that comes last above is first here, as its samples are still kept.
"""


@pytest.mark.parametrize("name", JUDGED_OTHERWISE)
def test_server_that_judges_otherwise_is_reported_when_tried(name: str) -> None:
    protocol, patch = JUDGED_OTHERWISE[name]
    served = library().protocol(protocol).contract(None, [Patch(name=name, patch={"protocol": patch})])
    assert _reported(protocol, InProcess(served, allow_all=True), keys_known=False) is not None


@pytest.fixture(
    scope="module",
    params=[pytest.param(each.values, id="-".join(each.values), marks=each.marks) for each in revisions()],
)
def faultless(request: pytest.FixtureRequest) -> tuple[Contract, list[Outcome]]:
    """A contract, and the outcomes of trying everything against a server of it."""
    protocol, revision = request.param
    contract = library().protocol(protocol).contract(revision)
    return contract, verify(contract, setup_of(protocol, examples=3), InProcess(contract))


def test_faultless_server_is_clean_when_everything_is_tried(faultless: tuple[Contract, list[Outcome]]) -> None:
    wrong = (Status.FAILED, Status.NOT_EXERCISED)
    assert [outcome.rule.id for outcome in faultless[1] if outcome.status in wrong] == []


def test_every_rule_of_verify_is_explained(faultless: tuple[Contract, list[Outcome]]) -> None:
    contract, outcomes = faultless
    rules = [outcome.rule.id for outcome in outcomes]
    print(f"{contract}: {len(rules)} rules of verify, and facts that replies were compared with")
    assert unexplained(contract, rules) == []
    assert len(rules) > 60


def test_defect_is_told_once_when_many_rules_show_it() -> None:
    protocol, fault = FAULTS["405 turned into 404"]
    setup, only = setup_of(protocol, burst=False), ["/protocol/operations", "/events"]
    outcomes = verify(_base(protocol), setup, InProcess(_base(protocol), fault=fault), only=only)
    every = list(defects(outcomes))
    assert len({finding.fact for finding, _ in every}) == len(every)
    assert all("method_not_allowed" in finding.fact for finding, _ in every)


def test_random_failure_is_made_small_when_found() -> None:
    target = InProcess(_base("outlit"), fault=FAULTS["unicode crashes it"][1])
    only = ["/protocol/operations/events#random-accepted"]
    outcomes = verify(_base("outlit"), setup_of("outlit", 200, burst=False), target, only=only)
    finding = outcomes[0].finding
    assert finding is not None
    assert len(finding.request.body) < 250, finding.request.body
