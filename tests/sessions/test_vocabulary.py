"""Names in matchers: those that a contract in force has, and the nearest one for the others."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.sessions.vocabulary import known_types, name_problem
from tests.judging import contract_of

CONTRACTS = {name: contract_of(name) for name in ("apex", "outlit", "whisperr")}


def problem(match: dict[str, Any], contracts: dict[str, Contract] = CONTRACTS, *, of_events: bool = True) -> Any:
    return name_problem(match, contracts, of_events=of_events)


@pytest.mark.parametrize(
    "match",
    [
        {},
        {"protocol": "outlit", "operation": "events", "type": "pageview"},
        {"operation": "events", "type": "anything"},
        {"type": "trial_strted"},
        {"protocol": "whisperr", "type": "trial_strted"},
        {"protocol": "apex", "type": "clck"},
        {"protocol": "whisperr", "operation": "identify", "type": "identify"},
        {"protocol": "outlit", "type": "pageviw", "verdict": "rejected"},
        {"protocol": "outlit", "type": "pageviw", "verdict": "any"},
    ],
)
def test_known_names_are_accepted(match: dict[str, Any]) -> None:
    assert problem(match) is None


@pytest.mark.parametrize(
    ("match", "member", "message"),
    [
        ({"protocol": "outlet"}, "protocol", 'unknown protocol "outlet", did you mean "outlit"?'),
        (
            {"protocol": "outlit", "operation": "evnts"},
            "operation",
            'operation of outlit "evnts", did you mean "events"?',
        ),
        ({"operation": "batc"}, "operation", 'unknown operation "batc", did you mean "batch"?'),
        ({"protocol": "outlit", "operation": "batch"}, "operation", "available: events, bootstrap, preflight"),
        ({"protocol": "outlit", "type": "pageviw"}, "type", 'event type of outlit "pageviw", did you mean "pageview"?'),
        ({"protocol": "outlit", "type": "xyz"}, "type", "available: billing, calendar, custom, engagement, form, "),
        ({"protocol": "whisperr", "operation": "identify", "type": "idntify"}, "type", 'did you mean "identify"?'),
        ({"operation": "bootstrap"}, "operation", "have no events"),
        ({"operation": "preflight"}, "operation", "have no events"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(match: dict[str, Any], member: str, message: str) -> None:
    found = problem(match)
    assert found is not None
    assert found[0] == member
    assert message in found[1]


def test_operation_without_events_is_known_where_requests_are_matched() -> None:
    assert problem({"operation": "bootstrap"}, of_events=False) is None
    assert problem({"operation": "preflight"}, of_events=False) is None
    assert problem({"operation": "bootstrap", "type": "custom"}, of_events=False)[0] == "operation"


def test_types_are_those_of_the_contract_in_force() -> None:
    old = {"outlit": contract_of("outlit", revision="r1-2026-01")}
    new = {"outlit": contract_of("outlit", {"events": {"survey": {"type": "object", "source": "assumed: test"}}})}
    match = {"protocol": "outlit", "type": "survey"}
    assert problem(match, old)[0] == "type"
    assert problem(match, new) is None


def test_schema_that_lists_the_types_closes_the_list() -> None:
    patch = {"events": {"event": {"properties": {"event_type": {"enum": ["paid", "opened"]}}}}}
    contract = contract_of("whisperr", patch)
    assert known_types([contract.operations["batch"]]) == ["paid", "opened"]
    assert problem({"protocol": "whisperr", "operation": "batch", "type": "payd"}, {"whisperr": contract})[0] == "type"
