"""What a run of the usual length shows: each type, each value of an enumeration, each optional member both ways."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from mockserver import strategies
from mockserver.contract.library import library
from mockserver.strategies import NOW_MS
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.plans import plan_of
from mockserver.strategies.schema_mutations import spots
from tests.strategies.census import kinds_fixed, never_seen, standing

PROTOCOLS = [*library().protocols]
SEEDS = range(5)
RUN = 100
LONGER_RUN = 300


def drawn(strategy: SearchStrategy[Any], examples: int, number: int) -> list[Any]:
    """Return what one run of Hypothesis shows."""
    values: list[Any] = []

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        values.append(value)

    run()
    return values


def _forms(protocol: str) -> list[FormPlan]:
    plan = plan_of(library().protocol(protocol).contract(), NOW_MS, 0, ())
    return [form for owner in plan.operations.values() for form in owner.forms.values() if form.kinds]


def _listed(form: FormPlan) -> set[tuple[str, str]]:
    """Return every value of an enumeration in the events of a form, with the place of the enumeration."""
    return {
        (str(spot.tokens), json.dumps(entry))
        for kind in form.kinds.values()
        for spot in spots(kind.values.root)
        if spot.tokens not in kind.values.fixed
        for entry in spot.schema.get("enum", ())
    }


@pytest.mark.parametrize("number", SEEDS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_type_and_every_value_of_an_enumeration_is_seen_at_100_examples(protocol: str, number: int) -> None:
    for form in _forms(protocol):
        events = drawn(strategies.events(protocol, operation=form.diagnosis.operation.name), RUN, number)
        assert len(events) == RUN
        if form.form.schema is None:
            counts = Counter(form.form.type_of(event) for event in events)
            assert set(counts) == set(form.kinds)
            assert max(counts.values()) <= 2 * min(counts.values()), counts
        seen = {
            (str(spot.tokens), json.dumps(value))
            for kind in form.kinds.values()
            for spot in spots(kind.values.root)
            if "enum" in spot.schema
            for event in events
            for value in standing(event, spot.tokens)
            if isinstance(value, str)
        }
        assert _listed(form) - seen == set()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_optional_member_is_seen_both_ways_at_300_examples(protocol: str) -> None:
    for form in _forms(protocol):
        events = drawn(strategies.events(protocol, operation=form.diagnosis.operation.name), LONGER_RUN, 0)
        for name, kind in form.kinds.items():
            own = [event for event in events if form.form.schema is not None or form.form.type_of(event) == name]
            assert list(never_seen(kind.values.root, own, kinds_fixed(form))) == [], name


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_rule_comes_in_turn(protocol: str) -> None:
    rules = set(strategies.breaches(protocol))
    samples = drawn(strategies.invalid(protocol), 3 * len(rules), 0)
    counts = Counter(sample.breach.id for sample in samples)
    assert rules - set(counts) == set()
    assert max(counts.values()) <= len(samples) // 10


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for member in value.values() for text in _strings(member))]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [n for member in (value.values() if isinstance(value, dict) else value) for n in _numbers(member)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def _depth(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, members), default=0) if isinstance(value, dict | list) else 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_free_form_objects_hold_what_callers_put_into_them(protocol: str) -> None:
    events = [event for number in range(3) for event in drawn(strategies.events(protocol), LONGER_RUN, number)]
    texts = {text for event in events for text in _strings(event)}
    names = {name for event in events for member in event.values() if isinstance(member, dict) for name in member}
    numbers = [number for event in events for number in _numbers(event)]
    assert any(ord(character) > 0xFFFF for text in texts for character in text)
    for mark in ("\u0301", "\u2028", "\x00"):
        assert any(mark in text for text in texts), ascii(mark)
    assert {"__proto__", "$set", "a.b", ""} <= names
    assert max(map(len, texts)) >= 1000
    assert max(map(len, names)) >= 100
    assert min(numbers) < -(2**40)
    assert max(numbers) > 2**60
    assert any(0 < number % 1 < 1 for number in numbers if abs(number) < 1e6)
    assert max(map(_depth, events)) >= 6
    assert any(len(member) >= 40 for event in events for member in event.values() if isinstance(member, dict))


@pytest.mark.parametrize(("protocol", "operation"), [("outlit", "events"), ("whisperr", "batch"), ("apex", "events")])
def test_batches_have_every_kind_of_size_and_ids_that_differ(protocol: str, operation: str) -> None:
    samples = drawn(strategies.requests(protocol, operation=operation), LONGER_RUN, 0)
    sizes = [len(sample.events) for sample in samples]
    assert {1, 2, 3} <= set(sizes)
    assert len({size for size in sizes if size > 4}) >= 5
    if protocol == "whisperr":
        longest = max(samples, key=lambda sample: len(sample.events))
        ids = [event["context"]["$message_id"] for event in longest.events]
        assert len(set(ids)) > len(ids) * 9 // 10
