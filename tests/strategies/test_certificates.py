"""Certificates: a value that is not what it was made to be is an error of ours, and both engines agree with it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import find, settings

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.schema import Schema, drop_nulls
from mockserver.core.explain import judge_spots, reference_spots, violations
from mockserver.jsonkit import Json
from mockserver.strategies import CertificateError
from mockserver.strategies.bodies import Bodies, EventMutation, Pick
from mockserver.strategies.chance import composed
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.plans import NOW_MS, Plan, plan_of
from mockserver.strategies.values import TimeFrame
from tests.strategies.playing import collect, contracts_in_turn

DRAWN = 60


def _form() -> FormPlan:
    contract = library().protocol("outlit").contract()
    return Plan(contract, TimeFrame(contract, NOW_MS), {}).operations["events"].forms["batch"]


def test_harmless_edit_is_an_error_of_ours_when_it_should_break_something() -> None:
    form = _form()
    kind = form.kinds["pageview"]
    harmless = replace(kind.mutations[0], ways=((("title",), ((("title",), "fine"),)),))
    bodies = Bodies(form)
    broken = EventMutation(kind, harmless, harmless.ways[0])
    pick = Pick(form.kinds, ["pageview"])
    drawn = composed(lambda chance: bodies.draw_mixed(chance, [broken], pick))
    with pytest.raises(CertificateError, match="breaks \\[\\]"):
        find(drawn, lambda value: True, settings=settings(database=None))


def test_edit_that_breaks_two_rules_is_an_error_of_ours() -> None:
    form = _form()
    kind = form.kinds["custom"]
    mutation = next(mutation for mutation in kind.mutations if mutation.rule.endswith("/required/eventName"))
    both = (("eventName",), (*mutation.ways[0][1], (("url",), 5)))
    bodies = Bodies(form)
    slots, pick = [EventMutation(kind, mutation, both)], Pick(form.kinds, ["custom"])
    drawn = composed(lambda chance: bodies.draw_mixed(chance, slots, pick))
    with pytest.raises(CertificateError, match="url/type"):
        find(drawn, lambda value: True, settings=settings(database=None))


def test_bad_value_among_good_ones_is_an_error_of_ours_when_an_event_is_drawn() -> None:
    form = _form()
    kind = form.kinds["pageview"]
    kind.values.edges(kind.values.root["properties"]["title"], ("title",))[:] = [5]
    bodies = Bodies(form)
    drawn = composed(lambda chance: bodies.draw_event(chance, "pageview"))
    with pytest.raises(CertificateError, match="title/type"):
        find(drawn, lambda event: event.get("title") == 5, settings=settings(database=None))


def _findings(contract: Contract, schema: Schema, event: Json) -> list[list[tuple[str, str]]]:
    """Return what each engine finds in an event."""
    value = drop_nulls(event, schema.body) if contract.nulls_absent else event
    each = [violations(schema, value, spots) for spots in (judge_spots, reference_spots)]
    return [[(violation.rule, violation.finding().pointer) for violation in engine] for engine in each]


@pytest.mark.parametrize("contract", contracts_in_turn())
def test_both_engines_find_just_the_rule_when_an_event_is_broken(contract: Contract) -> None:
    for sample in collect(strategies.invalid_events(contract.name, contract=contract), DRAWN):
        breach = sample.breach
        if not breach.rule.startswith("/events/") or breach.index is None:
            continue
        event, forms = sample.events[breach.index], contract.operations[sample.operation or ""].forms.values()
        schemas = [form.schema or contract.event_schemas[event["type"]] for form in forms]
        exact = [[(breach.rule, breach.pointer)]] * 2
        assert any(_findings(contract, schema, event) == exact for schema in schemas), sample


def test_plans_are_compiled_once_when_asked_for_again() -> None:
    contract = library().protocol("outlit").contract()
    make = partial(plan_of, contract, NOW_MS, 0)
    assert make(()) is make(())
    assert make((("public_key", "pk_other"),)) is not make(())
