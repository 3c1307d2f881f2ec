"""Both sides of every limit: the last value that is taken, and the first that is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.pointer import parse
from mockserver.strategies import NOW_MS
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.options import bodies_of
from mockserver.strategies.places import Tokens
from mockserver.strategies.plans import plan_of
from mockserver.strategies.sampling import draw
from mockserver.strategies.schema_mutations import Mutation, spots
from mockserver.strategies.subschemas import Schema
from tests.strategies.census import BOUNDS, measure, standing
from tests.strategies.playing import collect, contracts, with_census

BASES = [one for one in contracts() if one.revision == one.protocol["base"]["value"]]


def _forms(contract: Contract) -> Iterator[FormPlan]:
    for one in plan_of(contract, NOW_MS, 0, ()).operations.values():
        yield from one.forms.values()


def _faulted(form: FormPlan) -> Iterator[tuple[Schema, list[Mutation]]]:
    if form.envelope is not None:
        yield form.envelope.root, form.envelope_mutations
    yield from ((kind.values.root, kind.faults) for kind in form.kinds.values())


def _limits(contract: Contract) -> Iterator[tuple[str, float, set[float | None]]]:
    """Yield each limit's rule, the first value beyond it, and what is measured of the values made to break it."""
    for form in _forms(contract):
        for root, faults in _faulted(form):
            for spot in spots(root):
                for keyword in BOUNDS.keys() & spot.schema.keys():
                    rule = f"{spot.schema[POINTER]}/{keyword}"
                    edits = [edit for fault in faults if fault.rule == rule for _, edit in fault.ways]
                    if edits:
                        sizes = {measure(keyword, value) for edit in edits for _, value in edit}
                        yield rule, spot.schema[keyword] + BOUNDS[keyword], sizes


@pytest.mark.parametrize("contract", contracts(), ids=repr)
def test_every_limit_of_a_schema_is_just_exceeded_when_broken(contract: Contract) -> None:
    found = list(_limits(contract))
    assert [rule for rule, beyond, sizes in found if beyond not in sizes] == []
    assert found or contract.name == "apex"


@cache
def _drawn(form: FormPlan, kind: str) -> list[Json]:
    """Return events of several seeds: what one of them draws depends on the modules that are loaded."""
    events = bodies_of(form).event([kind])
    return [event for number in range(6) for event in draw(events, 500, number)]


def _broken(kind: Kind, prefix: str, place: Tokens) -> set[Json]:
    """Return what stands at a place in events made to break the rules under a pointer."""
    ways = [edit for fault in kind.faults if fault.rule.startswith(prefix) for _, edit in fault.ways]
    return {json.dumps(value) for edit in ways for tokens, value in edit if tokens == place}


def test_both_ends_of_every_window_are_drawn_when_events_are_good_and_just_missed_when_bad() -> None:
    asked = 0
    for contract in BASES:
        for name, window in contract.windows:
            for form in _forms(contract):
                for kind in form.kinds.values():
                    late = _broken(kind, f"/protocol/windows/{name}/", window.tokens)
                    if late:
                        asked += 1
                        drawn = _drawn(form, kind.name)
                        good = {_offset(value) for event in drawn for value in standing(event, window.tokens)}
                        assert {-window.past_ms, window.future_ms} <= good
                        bad = {_offset(json.loads(value)) for value in late}
                        assert {-window.past_ms - 1, window.future_ms + 1} <= bad
    assert asked == 2


def _offset(value: Json) -> int | None:
    moment = epoch_ms(value) if isinstance(value, str) else None
    return None if moment is None else moment - NOW_MS


def _size(value: Json) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def test_measured_members_are_as_large_as_may_be_when_good_and_one_byte_larger_when_bad() -> None:
    asked = 0
    for contract in BASES:
        for form in _forms(contract):
            for name, limit in form.diagnosis.measures.items():
                asked += 1
                (kind,) = form.kinds.values()
                place = parse(limit["pointer"])
                good = {_size(v) for event in _drawn(form, kind.name) for v in standing(event, place) if v}
                assert limit["max_bytes"] in good
                bad = {_size(json.loads(text)) for text in _broken(kind, f"/protocol/limits/{name}/", place)}
                assert limit["max_bytes"] + 1 in bad
    assert asked == 1


@pytest.mark.parametrize("contract", BASES, ids=repr)
def test_bodies_are_as_long_as_may_be_when_good_and_one_byte_longer_when_bad(contract: Contract) -> None:
    operation = next(name for name, one in contract.operations.items() if one.forms)
    good = collect(strategies.requests(contract.name, operation=operation, contract=contract), 600)
    assert max(len(sample.request.body) for sample in good) == contract.max_body
    rule = "/protocol/limits/body/max_bytes#body_too_large"
    bad = collect(strategies.invalid(contract.name, operation=operation, contract=contract, rules=[rule]), 20)
    assert contract.max_body + 1 in {len(sample.request.body) for sample in bad}


@pytest.mark.parametrize("contract", with_census())
def test_one_rule_is_broken_when_asked_for_by_name(contract: Contract) -> None:
    for rule in strategies.breaches(contract.name, contract=contract):
        drawn = collect(strategies.invalid(contract.name, contract=contract, rules=[rule]), 4)
        assert {sample.breach.id for sample in drawn} == {rule}
