"""Fault steps: read into values, matched with requests, used up; dice that fall the same for the same seed."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.core.model import Judged
from mockserver.sessions.matcher import RequestFacts
from mockserver.sessions.steps import Step, matching, next_match, problem, rows_of
from tests.judging import COLLECT, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import collected, step_taken

FAULT = {"connection": "reset"}


def is_taken(match: Any, request: Judged) -> bool:
    return next_match(matching([Step({**FAULT, "match": match})], request)) is not None


def test_step_is_read_into_values() -> None:
    step = Step({"reply": {"status": 503, "headers": {"A": "b"}, "body": None}, "delay_ms": 5, "times": 2})
    assert step.reply == {"status": 503, "headers": {"A": "b"}, "body": None}
    assert (step.delay, step.remaining, step.connection, step.reject) == ({"min": 5, "max": 5}, 2, None, None)
    assert Step({"reply": {"status": 204}}).reply == {"status": 204}
    assert Step({"reject": {"code": "c"}}).reject == {"code": "c"}


@pytest.mark.parametrize(
    ("given", "when", "stores"),
    [
        ({"reply": {"status": 200}}, "after_commit", True),
        ({"reply": {"status": 299}}, "after_commit", True),
        ({"reply": {"status": 300}}, "before_commit", False),
        ({"reply": {"status": 503}}, "before_commit", False),
        ({"reply": {"status": 503}, "when": "after_commit"}, "after_commit", True),
        ({"reply": {"status": 202}, "when": "before_commit"}, "before_commit", False),
        ({"connection": "drop"}, "before_commit", False),
        ({"connection": "drop", "when": "after_commit"}, "after_commit", True),
        ({"reject": {}}, "before_commit", True),
        ({"delay_ms": 1}, "before_commit", True),
    ],
)
def test_step_says_when_it_strikes_and_whether_events_are_stored(given: Any, when: str, stores: bool) -> None:
    step = Step(given)
    assert (step.when, step.stores) == (when, stores)


def test_step_is_shown_as_given_with_what_is_left() -> None:
    step = Step({**FAULT, "times": 2})
    assert step.use()
    assert step.as_json() == {**FAULT, "times": 2, "remaining": 1}
    assert Step(FAULT).as_json() == {**FAULT, "remaining": None}


@pytest.mark.parametrize(("times", "spent"), [(None, [False] * 4), (0, [True] * 4), (2, [False, False, True, True])])
def test_step_is_spent_after_its_uses(times: int | None, spent: list[bool]) -> None:
    step = Step(FAULT if times is None else {**FAULT, "times": times})
    observed = []
    for _ in range(4):
        observed.append(step.spent)
        if not step.spent:
            step.use()
    assert observed == spent


def test_dice_fall_the_same_for_the_same_seed_and_cost_no_use() -> None:
    def fallen(seed: int) -> list[bool]:
        step = Step({**FAULT, "probability": 0.5, "seed": seed, "times": 100})
        used = [step.use() for _ in range(40)]
        assert step.remaining == 100 - sum(used)
        return used

    assert fallen(1) == fallen(1)
    assert fallen(1) != fallen(2)
    assert 5 < sum(fallen(1)) < 35


@pytest.mark.parametrize(("probability", "used"), [(0, 0), (1, 20)])
def test_probability_has_its_ends(probability: float, used: int) -> None:
    step = Step({**FAULT, "probability": probability})
    assert sum(step.use() for _ in range(20)) == used


def test_delay_is_fixed_or_drawn_between_its_bounds() -> None:
    assert Step(FAULT).delay_ms() == 0
    assert Step({"delay_ms": 250}).delay_ms() == 250
    drawn = {"delay_ms": {"min": 10, "max": 20, "seed": 7}}
    first, second = Step(drawn), Step(drawn)
    delays = [first.delay_ms() for _ in range(20)]
    assert all(10 <= delay <= 20 for delay in delays)
    assert len(set(delays)) > 10
    assert [second.delay_ms() for _ in range(20)] == delays


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (None, True),
        ({}, True),
        ({"protocol": "tally"}, True),
        ({"protocol": "apex"}, False),
        ({"operation": "collect"}, True),
        ({"operation": "other"}, False),
        ({"type": "view"}, True),
        ({"type": "gift"}, False),
        ({"where": {"/ref": "b"}}, True),
        ({"type": "sale", "where": {"/ref": "b"}}, False),
        ({"verdict": "rejected"}, True),
        ({"verdict": "rejected", "where": {"/ref": "a"}}, False),
    ],
)
def test_step_is_meant_for_a_request_when_one_of_its_events_fits(match: Any, fits: bool) -> None:
    request = collected(sale("a"), {"kind": "view", "ref": "b"}, sale("c", -1))
    assert is_taken(match, request) is fits


@pytest.mark.parametrize(
    ("match", "fits"), [({}, False), ({"operation": "preflight"}, True), ({"protocol": "outlit"}, False)]
)
def test_preflight_is_met_only_by_a_step_that_names_it(match: Any, fits: bool) -> None:
    preflight = judged(contract_of("outlit"), wire_request("/api/i/v1/pk_a/events", method="OPTIONS"))
    assert preflight.preflight
    assert is_taken(match, preflight) is fits


@pytest.mark.parametrize(
    ("items", "members", "verdicts"),
    [
        ([sale("a"), sale("b", -1)], {}, ["accepted", "rejected"]),
        ([sale("a"), sale("b")], {"more": 1}, ["rejected", "rejected"]),
    ],
)
def test_rows_have_the_verdicts_of_the_judgement(items: list[Any], members: Any, verdicts: list[str]) -> None:
    request = judged(contract_of("tally"), wire_request(COLLECT, collection(*items, **members)))
    assert [row["verdict"] for row in rows_of(request)] == verdicts
    assert rows_of(request)[0] == {
        "protocol": "tally",
        "operation": "collect",
        "type": "sale",
        "verdict": verdicts[0],
        "event": items[0],
        "request": RequestFacts(request=request.request),
    }
    numbered = rows_of(request, [3])
    assert [row["request"].attempt for row in numbered] == [3, None]


def taken(steps: list[Step], request: Judged) -> int | None:
    """Return the position of the step that a request takes."""
    step = step_taken(steps, request)
    return None if step is None else steps.index(step)


def test_searches_of_all_steps_for_one_request_share_their_number_of_steps() -> None:
    searched = {"where": {"/ref": {"regex": "[ab]*a[ab]{15}c|a$"}}, "type": "sale"}
    request = judged(contract_of("tally"), wire_request(COLLECT, collection(sale("a" * 1_000))))
    script = {"match": searched, "delay_ms": 1}
    missing = {"match": {**searched, "where": {"/ref": {"regex": "[ab]*a[ab]{15}c|b$"}}}, "delay_ms": 1}
    assert step_taken([Step(missing)] * 20 + [Step(script)], request) is not None
    assert step_taken([Step(missing)] * 200 + [Step(script)], request) is None


def test_first_step_that_fits_and_has_uses_left_is_taken() -> None:
    steps = [
        Step({**FAULT, "match": {"type": "view"}}),
        Step({**FAULT, "times": 2}),
        Step({**FAULT, "probability": 0}),
        Step({"delay_ms": 1, "times": 1}),
    ]
    assert [taken(steps, collected()) for _ in range(4)] == [1, 1, 3, None]
    assert taken(steps, collected({"kind": "view", "ref": "v"})) == 0


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, ""),
        ({"times": 1}, ""),
        ({"reply": {"status": 500}, "connection": "drop"}, "/connection"),
        ({"connection": "drop", "reject": {}}, "/reject"),
        ({"reject": {}, "when": "after_commit"}, "/when"),
        ({"delay_ms": {"min": 2, "max": 1}}, "/delay_ms/min"),
        ({**FAULT, "match": {"where": {"ref": 1}}}, "/match/where/ref"),
    ],
)
def test_step_is_refused_with_its_place_when_it_makes_no_sense(given: Any, place: str) -> None:
    refused = problem(given)
    assert refused is not None
    assert refused[0] == place
    assert refused[1]


@pytest.mark.parametrize("given", [FAULT, {"delay_ms": 0}, {"delay_ms": {"min": 1, "max": 1}, "reject": {}}])
def test_step_is_taken_when_it_can_be_carried_out(given: Any) -> None:
    assert problem(given) is None
