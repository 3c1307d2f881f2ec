"""Both sides of every limit: the last value that is taken, and the first that is not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.schema import POINTER
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.strategies import NOW_MS
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.generate import compiled
from mockserver.strategies.places import Tokens, look
from mockserver.strategies.plans import plan_of
from mockserver.strategies.request_variations import transports
from mockserver.strategies.schema_mutations import Mutation, spots
from mockserver.strategies.targets import bodies_of
from mockserver.strategies.values import MOST_A_FLOAT_TAKES, Schema, inner
from tests.strategies.census import BOUNDS, kinds_fixed, left_out, measure
from tests.strategies.playing import collect, contracts, contracts_in_turn

BASES = [contract for contract in contracts() if contract.revision == library().protocol(contract.name).base]


def _forms(contract: Contract) -> Iterator[FormPlan]:
    for operation in plan_of(contract, NOW_MS, 0, ()).operations.values():
        yield from operation.forms.values()


def _mutated(form: FormPlan) -> Iterator[tuple[Schema, list[Mutation]]]:
    if form.envelope is not None:
        yield form.envelope.root, form.envelope_mutations
    yield from ((kind.values.root, kind.mutations) for kind in form.kinds.values())


def _limits(contract: Contract) -> Iterator[tuple[str, float, set[float | None]]]:
    """Yield each limit's rule, the first value beyond it, and what is measured of the values made to break it."""
    for form in _forms(contract):
        for root, mutations in _mutated(form):
            for spot in spots(root):
                for keyword in BOUNDS.keys() & spot.schema.keys():
                    rule = f"{spot.schema[POINTER]}/{keyword}"
                    edits = [edit for mutation in mutations if mutation.rule == rule for _, edit in mutation.ways]
                    if edits:
                        sizes = {measure(keyword, value) for edit in edits for _, value in edit}
                        yield rule, spot.schema[keyword] + BOUNDS[keyword], sizes


@pytest.mark.parametrize("contract", contracts(), ids=repr)
def test_every_limit_of_a_schema_is_just_exceeded_when_broken(contract: Contract) -> None:
    limits = list(_limits(contract))
    assert [rule for rule, beyond, sizes in limits if beyond not in sizes] == []
    assert limits or contract.name == "apex"


def test_every_limit_enumeration_and_optional_member_is_drawn_from_when_values_are_good() -> None:
    asked = 0
    for contract in contracts():
        for form in _forms(contract):
            bodies, around = bodies_of(form), {*form.fixed, form.form.events or ()}
            assert bodies.envelope is None or list(left_out(bodies.envelope, around)) == []
            assert {bodies.least, bodies.most or bodies.least} <= set(bodies.sizes)
            for drawing in bodies.kinds.values():
                asked += 1
                assert list(left_out(drawing, kinds_fixed(form))) == []
    assert asked > 50


def _good(form: FormPlan, kind: Kind, place: Tokens) -> list[Json]:
    """Return what good events of a kind are given at a place."""
    schema = kind.values.root
    for token in place:
        schema = inner(schema, token)
    return bodies_of(form).kinds[kind.name].choices(schema, place)


def _bad(kind: Kind, prefix: str, place: Tokens) -> list[Json]:
    """Return what stands at a place in events made to break the rules under a pointer."""
    ways = [edit for mutation in kind.mutations if mutation.rule.startswith(prefix) for _, edit in mutation.ways]
    return [value for edit in ways for tokens, value in edit if tokens == place]


def test_both_ends_of_every_window_are_given_when_events_are_good_and_just_missed_when_bad() -> None:
    asked = 0
    for contract in BASES:
        for window in contract.windows:
            for form in _forms(contract):
                for kind in form.kinds.values():
                    late = _bad(kind, f"/protocol/windows/{window.name}/", window.tokens)
                    if late:
                        asked += 1
                        good = {_offset(value) for value in _good(form, kind, window.tokens)}
                        assert {-window.past_ms, window.future_ms} <= good
                        assert {-window.past_ms - 1, window.future_ms + 1} <= {_offset(value) for value in late}
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
            for limit in form.measures:
                asked += 1
                (kind,) = form.kinds.values()
                assert limit.max_bytes in {_size(value) for value in _good(form, kind, limit.tokens)}
                bad = _bad(kind, f"/protocol/limits/{limit.name}/", limit.tokens)
                assert limit.max_bytes + 1 in {_size(value) for value in bad}
    assert asked == 1


@pytest.mark.parametrize("number", [-1e300, 1e16, 1e-06, 1.5e-300])
def test_measured_members_fit_however_a_client_writes_their_floats(number: float) -> None:
    """`1e300`, `1e+300` and `10000000000000000` are spellings of two numbers: a good request is good in each."""
    sizes = 20, 60, MOST_A_FLOAT_TAKES + len('{"n":}')
    takes: dict[int, bool] = {}
    for size in sizes:
        contract = compiled("whisperr", patch={"protocol": {"limits": {"traits": {"max_bytes": size}}}}).contract
        (form,) = (form for form in _forms(contract) if form.measures)
        (kind,) = form.kinds.values()
        (tokens,) = kind.values.most_bytes
        schema = look(kind.values.root, ("properties", *tokens))
        assert isinstance(schema, dict)
        takes[size] = kind.values.takes(schema, tokens, {"n": number})
    assert takes == {20: False, 60: True, sizes[-1]: True}


@pytest.mark.parametrize("contract", BASES, ids=repr)
def test_bodies_are_as_long_as_may_be_when_good_and_one_byte_longer_when_bad(contract: Contract) -> None:
    owner = next(each for each in plan_of(contract, NOW_MS, 0, ()).operations.values() if each.forms)
    parts = owner.parts(next(iter(owner.forms.values())).smallest())
    good = [owner.good(change(parts)) for change in transports(owner)]
    assert max(len(sample.request.body) for sample in good) == contract.max_body
    rule = "/protocol/limits/body/max_bytes#body_too_large"
    mutation = next(mutation for mutation in owner.gate_mutations if mutation.id == rule)
    bad = [owner.gated(change(parts), mutation) for change in mutation.changes]
    assert contract.max_body + 1 in {len(sample.request.body) for sample in bad}


@pytest.mark.parametrize("contract", contracts_in_turn())
def test_one_rule_is_broken_when_asked_for_by_name(contract: Contract) -> None:
    for rule in strategies.breaches(contract.name, contract=contract):
        drawn = collect(strategies.invalid(contract.name, contract=contract, rules=[rule]), 4)
        assert {sample.breach.id for sample in drawn} == {rule}
