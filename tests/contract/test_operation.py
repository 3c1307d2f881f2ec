"""Operations, forms and gates by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mockserver.contract.operation import BoundGate, Form
from tests.judging import contract_of

TALLY = contract_of("tally").operations["collect"]
WHISPERR = contract_of("whisperr").operations
ITEMS = TALLY.forms["items"]


@pytest.mark.parametrize(
    ("segments", "params"),
    [
        (("tally", "v2", "main", "collect"), {"stream": "main"}),
        (("tally", "v2", "a%2Fb", "collect"), {"stream": "a/b"}),
        (("tally", "v2", "", "collect"), None),
        (("tally", "v3", "main", "collect"), None),
        (("tally", "v2", "main", "Collect"), None),
        (("tally", "v%32", "main", "collect"), None),
    ],
)
def test_segments_match_when_each_is_the_declared_one_or_a_parameter(
    segments: tuple[str, ...], params: dict[str, str] | None
) -> None:
    assert TALLY.match(segments) == params


def test_parameters_and_pointer_are_told() -> None:
    assert TALLY.parameters() == ["stream"]
    assert TALLY.pointer == "/protocol/operations/collect"
    assert WHISPERR["batch"].parameters() == []


def test_gate_of_a_check_is_the_first_that_carries_it_out() -> None:
    gate = TALLY.gate("envelope")
    assert gate is not None
    assert (gate.name, gate.order) == ("envelope", 50)
    assert TALLY.gate("query") is None


def test_outcome_is_its_own_reason_when_the_gate_names_none() -> None:
    gate = BoundGate(name="door", check="key", order=1, reasons={"missing": "no_key"})
    assert (gate.reason("missing"), gate.reason("malformed")) == ("no_key", "malformed")
    assert gate.pointer == "/protocol/gates/door"


@pytest.mark.parametrize(
    ("event", "kind"),
    [({"kind": "sale"}, "sale"), ({"kind": "gift"}, "gift"), ({"kind": 7}, None), ({}, None), (7, None), ([], None)],
)
def test_type_is_the_text_at_the_discriminator(event: Any, kind: str | None) -> None:
    assert ITEMS.type_of(event) == kind
    assert replace(ITEMS, type="fixed").type_of(event) == "fixed"


@pytest.mark.parametrize(
    ("event", "name"),
    [({"kind": "sale"}, "sale"), ({"kind": "gift"}, None), ({"kind": None}, None), ({}, None), ("sale", None)],
)
def test_schema_is_that_of_the_type(event: Any, name: str | None) -> None:
    schema = ITEMS.schema_for(event)
    assert (None if schema is None else schema.name) == name


def test_one_schema_judges_every_object_when_the_form_has_one() -> None:
    form = WHISPERR["batch"].forms["batch"]
    for event in ({}, {"event_type": 7}):
        schema = form.schema_for(event)
        assert schema is not None
        assert schema.name == "event"
    assert form.schema_for("text") is None


@pytest.mark.parametrize(
    ("form", "atomic"),
    [
        (ITEMS, False),
        (replace(ITEMS, policy="atomic"), True),
        (replace(ITEMS, single=True), True),
        (WHISPERR["batch"].forms["batch"], True),
    ],
)
def test_request_is_refused_for_one_event_when_atomic_or_single(form: Form, atomic: bool) -> None:
    assert form.atomic is atomic
