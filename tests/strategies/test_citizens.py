"""Strategies as good citizens of Hypothesis: no health check fails, values are nobody else's, samples can be kept."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from mockserver import strategies
from mockserver.contract.library import library
from mockserver.errors import ContractError
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import Sample, read_request, read_sample
from mockserver.strategies.generate import compiled
from tests.processes import ROOT, environment
from tests.strategies.playing import collect, hold
from tests.strategies.test_coverage import drawn

PROTOCOLS = [*library().protocols]
FRESH = """
from hypothesis import given
from mockserver import strategies as s

@given(s.{name}({protocol!r}))
def check(value):
    assert value is not None

check()
"""


@pytest.mark.parametrize(("protocol", "name"), [("outlit", "events"), ("whisperr", "invalid"), ("apex", "requests")])
def test_no_health_check_fails_in_a_fresh_checkout(tmp_path: Path, protocol: str, name: str) -> None:
    script = tmp_path / "fresh.py"
    script.write_text(FRESH.format(protocol=protocol, name=name))
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def _spoil(value: Any) -> None:
    """Change everything that can be changed in a value."""
    if isinstance(value, dict):
        for member in value.values():
            _spoil(member)
        value.clear()
        value["spoiled"] = True
    elif isinstance(value, list):
        for item in value:
            _spoil(item)
        value[:] = ["spoiled"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_are_nobody_elses_when_a_test_changes_them(protocol: str) -> None:
    def spoil(event: Any) -> None:
        assert "spoiled" not in json.dumps(event)
        _spoil(event)

    _each(strategies.events(protocol), spoil)
    assert not any("spoiled" in json.dumps(event) for event in drawn(strategies.events(protocol), 60, 7))


def _each(strategy: SearchStrategy[Any], change: Any) -> None:
    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: Any) -> None:
        change(value)

    run()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ["requests", "invalid", "batches"])
def test_samples_are_nobody_elses_when_a_test_changes_them(protocol: str, name: str) -> None:
    def spoil(sample: Sample) -> None:
        assert "spoiled" not in repr(sample)
        for value in (sample.request.json, sample.expect.body, *sample.events):
            _spoil(value)

    _each(getattr(strategies, name)(protocol), spoil)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_samples_are_the_same_after_a_copy_a_pickle_and_a_paste(protocol: str) -> None:
    names = {"read_sample": read_sample, "read_request": read_request}
    for strategy in (strategies.requests(protocol), strategies.invalid(protocol), strategies.batches(protocol)):
        for sample in collect(strategy, 60):
            assert copy.deepcopy(sample) == sample
            assert pickle.loads(pickle.dumps(sample)) == sample
            pasted = eval(repr(sample), names)
            assert (pasted.request, pasted.before, pasted.bad) == (sample.request, sample.before, sample.bad)
            assert (pasted.prediction, pasted.now_ms) == (sample.prediction, sample.now_ms)
            if sample.request.json is not MISSING:
                assert pasted.events == sample.events
            assert eval(repr(sample.request), names) == sample.request


PATCH: dict[str, Any] = {"events": {"custom": {"properties": {"eventName": {"pattern": "^ORD-[0-9]{6}$"}}}}}


def test_patch_is_an_option_of_every_strategy() -> None:
    for event in collect(strategies.events("outlit", type="custom", patch=PATCH), 20):
        assert event["eventName"].startswith("ORD-")
    rule = "/events/custom/properties/eventName/pattern"
    assert rule in strategies.breaches("outlit", patch=PATCH)
    (sample, *_) = collect(strategies.invalid("outlit", patch=PATCH, rules=[rule]), 3)
    assert sample.breach.id == rule
    again = eval(repr(sample), {"read_sample": read_sample})
    assert (again.request, again.expect) == (sample.request, sample.expect)
    with pytest.raises(ContractError, match="patch#/events/custm"):
        strategies.events("outlit", patch={"events": {"custm": {"type": 5}}})
    with pytest.raises(TypeError, match="a contract has its revision and patches already"):
        strategies.events("outlit", contract=library().protocol("outlit").contract(), patch=PATCH)


TOGETHER: dict[str, tuple[str, Any]] = {
    "url and maxLength": (
        "outlit",
        {"events": {"pageview": {"properties": {"url": {"format": "uri", "maxLength": 24}}}}},
    ),
    "e-mail of a domain": (
        "outlit",
        {"events": {"identify": {"properties": {"email": {"format": "email", "pattern": "@acme[.]com$"}}}}},
    ),
    "small traits": ("whisperr", {"protocol": {"limits": {"traits": {"max_bytes": 40}}}}),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_siblings_of_a_keyword_are_drawn_together(name: str) -> None:
    protocol, patch = TOGETHER[name]
    contract = compiled(protocol, patch=patch).contract
    operation = "identify" if name == "small traits" else "events"
    samples = drawn(strategies.requests(protocol, operation=operation, contract=contract), 150, 3)
    for sample in samples:
        hold(contract, sample)
    member = {"url and maxLength": "url", "e-mail of a domain": "email", "small traits": "traits"}[name]
    values = {json.dumps(event[member]) for sample in samples for event in sample.events if event.get(member)}
    assert len(values) > 3
