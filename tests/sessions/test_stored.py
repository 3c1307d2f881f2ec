"""What is stored of an accepted event: filled, normalised, stripped, and never the event itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mockserver.contract.library import Patch, library
from mockserver.sessions.views import stored

NOW_MS = 1_781_438_402_000
NOW = "2026-06-14T12:00:02.000Z"


def kept(protocol: str, schema: str, event: Any, patch: Any = None, body: Any = None) -> Any:
    """Return what a contract stores of an event, and see that the event stayed as it was."""
    patches = [] if patch is None else [Patch(name="session", patch=patch)]
    before = copy.deepcopy(event)
    made = stored(event, schema, library().protocol(protocol).contract(None, patches).stored, NOW_MS, body=body)
    assert event == before
    return made


@pytest.mark.parametrize("absent", [{}, {"timestamp": None}])
def test_time_is_filled_in_when_it_is_absent(absent: Any) -> None:
    assert kept("outlit", "pageview", {"type": "pageview", **absent})["timestamp"] == NOW_MS
    assert kept("apex", "snippet", {"type": "pageview", **absent})["timestamp"] == NOW


def test_time_is_kept_when_it_is_there() -> None:
    assert kept("outlit", "pageview", {"timestamp": 0})["timestamp"] == 0
    assert kept("apex", "snippet", {"timestamp": "2025-01-15"})["timestamp"] == "2025-01-15"


def test_filling_is_for_the_schemas_it_names() -> None:
    event = {"external_user_id": "u"}
    filled = {"external_user_id": "u", "occurred_at": NOW, "properties": {}}
    assert kept("whisperr", "event", event) == filled
    assert kept("whisperr", "identify", event) == event


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-06-14T12:00:00Z", "2026-06-14T12:00:00.000Z"),
        ("2026-06-14T12:00:00.123999Z", "2026-06-14T12:00:00.123Z"),
        ("2026-06-14T16:00:00.5+04:00", "2026-06-14T12:00:00.500Z"),
        ("yesterday", "yesterday"),
        (7, 7),
    ],
)
def test_time_is_normalised_when_it_is_one(text: Any, expected: Any) -> None:
    assert kept("whisperr", "event", {"occurred_at": text})["occurred_at"] == expected


@pytest.mark.parametrize(
    "name", ["password", "PassWord", "user_token", "Credit Card", "api-key", "compass", "S.S.N", "cvv2"]
)
def test_sensitive_field_is_stripped_by_its_name(name: str) -> None:
    strips = name != "S.S.N"
    fields = kept("outlit", "form", {"type": "form", "formFields": {name: "x", "email": "j@x.example"}})["formFields"]
    assert fields == ({"email": "j@x.example"} if strips else {name: "x", "email": "j@x.example"})


@pytest.mark.parametrize("form", [{}, {"formFields": None}, {"formFields": "password"}, {"formFields": ["password"]}])
def test_nothing_is_stripped_where_there_are_no_fields(form: Any) -> None:
    made = kept("outlit", "form", {"type": "form", "timestamp": 1, **form})
    assert made == {"type": "form", "timestamp": 1, **form}


def test_place_inside_is_filled_only_when_its_holder_is_there() -> None:
    fill = {"deep": {"pointer": "/a/b", "value": "object", "source": "assumed: a test"}}
    patch = {"protocol": {"stored": {"fill": fill}}}
    assert kept("outlit", "pageview", {"timestamp": 1, "a": {}}, patch) == {"timestamp": 1, "a": {"b": {}}}
    assert kept("outlit", "pageview", {"timestamp": 1}, patch) == {"timestamp": 1}
    assert kept("outlit", "pageview", {"timestamp": 1, "a": 7}, patch) == {"timestamp": 1, "a": 7}


@pytest.mark.parametrize(
    ("event", "body", "user"),
    [
        ({}, {"userId": "lead_456"}, "lead_456"),
        ({"userId": None}, {"userId": "lead_456"}, "lead_456"),
        ({"userId": "lead_9"}, {"userId": "lead_456"}, "lead_9"),
        ({}, {"userId": {"id": 7}}, {"id": 7}),
    ],
)
def test_member_of_the_request_is_stored_with_each_event_that_has_none(event: Any, body: Any, user: Any) -> None:
    assert kept("apex", "batch_event", event, body=body) == {"timestamp": NOW, "userId": user}


@pytest.mark.parametrize("body", [None, {}, [], {"userId": None}, {"userId": ""}, {"userId": " \n"}])
def test_nothing_of_the_request_is_stored_when_it_has_no_such_member(body: Any) -> None:
    assert kept("apex", "batch_event", {}, body=body) == {"timestamp": NOW}


def test_event_is_stored_as_sent_when_the_contract_has_no_rules() -> None:
    event = {"type": "form", "formFields": {"password": "x"}}
    assert kept("outlit", "form", event, {"protocol": {"stored": None}}) == event
