"""Examples of the contracts: sent by the strategies and in the corpus, with the keys and the clock of the plan."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies import NOW_MS
from mockserver.strategies.example_bodies import example_bodies
from mockserver.strategies.plans import plan_of
from tests.strategies.playing import collect, contracts, hold
from tests.strategies.test_corpus import FOLDER

DRAWN = 600
DAY_MS = 86_400_000
BASES = [contract for contract in contracts() if contract.revision == library().protocol(contract.name).base]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _events(contract: Contract) -> dict[str, int]:
    """Return how often each event of an example was drawn, as JSON."""
    drawn = [_text(event) for event in collect(strategies.events(contract.name), DRAWN)]
    plan, wanted = plan_of(contract, NOW_MS, 0, ()), set[str]()
    for owner in plan.operations.values():
        for form in owner.forms.values():
            wanted |= {_text(event) for kind in form.kinds.values() for event in form.event_examples(kind)}
    return {event: drawn.count(event) for event in wanted}


@pytest.mark.parametrize("contract", BASES, ids=repr)
def test_events_of_examples_are_drawn_as_they_are(contract: Contract) -> None:
    counts = _events(contract)
    assert len(counts) > 20
    drawn = [event for event, count in counts.items() if count]
    assert len(drawn) > len(counts) / 3


@pytest.mark.parametrize("contract", BASES, ids=repr)
def test_every_example_is_a_line_of_the_corpus(contract: Contract) -> None:
    lines = [json.loads(line) for line in (FOLDER / f"{contract.name}.ndjson").read_bytes().splitlines()]
    sent = {_text(line["request"].get("json")) for line in lines if line["revision"] == contract.revision}
    plan = plan_of(contract, NOW_MS, 0, ())
    bodies = [body for owner in plan.operations.values() for form in owner.forms.values() for body in form.examples]
    written = sum(len(list(example_bodies(contract, name))) for name in plan.operations)
    assert len(bodies) == written
    assert [body for body in bodies if _text(body) not in sent] == []


@pytest.mark.parametrize("shift", [0, 5 * DAY_MS + 1234, -400 * DAY_MS])
def test_examples_follow_the_clock_where_times_have_a_window(shift: int) -> None:
    contract = library().protocol("whisperr").contract()
    form = plan_of(contract, NOW_MS + shift, 0, ()).operations["batch"].forms["batch"]
    unmoved = plan_of(contract, NOW_MS, 0, ()).operations["batch"].forms["batch"]
    assert len(form.examples) == len(unmoved.examples) > 8
    times = [event["occurred_at"] for body in form.examples for event in body["events"] if "occurred_at" in event]
    assert times
    assert all(-31 * DAY_MS < (epoch_ms(time) or 0) - NOW_MS - shift <= 0 for time in times)
    assert "2026-06-14T12:00:00.118734Z"[10:] in {time[10:] for time in times}


def test_examples_have_the_key_that_is_given() -> None:
    contract = library().protocol("apex").contract()
    plan = plan_of(contract, NOW_MS, 0, (("project_key", "pk_mine"),))
    forms = plan.operations["events"].forms.values()
    keys = {body["projectKey"] for form in forms for body in form.examples}
    assert keys == {"pk_mine"}


@pytest.mark.parametrize("contract", contracts(), ids=repr)
def test_examples_that_a_revision_takes_are_answered_as_predicted(contract: Contract) -> None:
    held = 0
    for owner in plan_of(contract, NOW_MS, 0, ()).operations.values():
        for form in owner.forms.values():
            for body in form.examples:
                hold(contract, owner.good(owner.parts(body), form.events_in(body)))
                held += 1
    assert held > 5


def test_requests_of_examples_are_drawn_as_they_are() -> None:
    drawn = collect(strategies.requests("outlit", operation="events"), DRAWN)
    form = plan_of(library().protocol("outlit").contract(), NOW_MS, 0, ()).operations["events"].forms["batch"]
    bodies = [_text(body) for body in form.examples]
    sent = [_text(sample.request.json) for sample in drawn if sample.request.json is not MISSING]
    assert sum(body in bodies for body in sent) > 10
