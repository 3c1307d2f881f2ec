"""One event validated in this process: the errors that the server would find, and clear errors for what is no event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from mockserver import ContractError, strategies, validate
from mockserver.strategies import NOW_MS, Sample

PAGEVIEW = {"type": "pageview", "url": "https://example.com/", "path": "/"}


@pytest.mark.parametrize(
    ("protocol", "event", "found"),
    [
        ("outlit", PAGEVIEW, []),
        ("outlit", {"type": "pageview", "path": "/"}, [("/events/pageview/required/url", "/url")]),
        ("outlit", {"type": "purchase"}, [("/events", "/type")]),
        ("whisperr", {"external_user_id": "u", "event_type": "a", "context": {"$message_id": "m"}}, []),
        ("apex", {"type": "click", "url": "/"}, []),
        ("apex", {"type": " ", "url": "/"}, [("/events/batch_event/properties/type/pattern", "/type")]),
    ],
)
def test_errors_are_those_of_the_server(protocol: str, event: Any, found: list[tuple[str, str]]) -> None:
    assert [(error.rule, error.pointer) for error in validate(protocol, event)] == found


def test_contract_is_the_one_that_is_named() -> None:
    seconds = {**PAGEVIEW, "timestamp": "now"}
    assert [error.pointer for error in validate("outlit", seconds)] == ["/timestamp"]
    assert validate("outlit", {**PAGEVIEW, "type": "form"}) == []
    patch = {"events": {"pageview": {"properties": {"title": {"const": "Home"}}}}}
    (error,) = validate("outlit", {**PAGEVIEW, "title": "Start"}, patch=patch)
    assert (error.rule, error.expected) == ("/events/pageview/properties/title/const", {"const": "Home"})
    assert validate("outlit", {**PAGEVIEW, "title": "Start"}) == []


def test_operation_and_clock_decide() -> None:
    event = {"type": "page"}
    assert validate("apex", event, operation="server_events") == []
    assert validate("apex", event, operation="events") != []
    late = {
        "external_user_id": "u",
        "event_type": "a",
        "occurred_at": "2026-06-14T12:00:00Z",
        "context": {"$message_id": "m"},
    }
    assert validate("whisperr", late, now_ms=NOW_MS) == []
    (error,) = validate("whisperr", late, now_ms=NOW_MS + 40 * 86_400_000)
    assert error.rule == "/protocol/windows/occurred_at/past_ms"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("outlit", {"type": {1, 2}}), TypeError, "not JSON serializable"),
        (("outlit", {"timestamp": float("nan")}), ValueError, "not JSON compliant"),
        (("nosuch", {}), ContractError, "available: apex, outlit, whisperr"),
    ],
)
def test_error_is_clear_when_there_is_nothing_to_validate(arguments: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        validate(*arguments)


def test_operation_without_events_is_refused() -> None:
    with pytest.raises(ContractError, match='takes no events: unknown operation "bootstrap"'):
        validate("outlit", PAGEVIEW, operation="bootstrap")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(strategies.events("outlit"))
def test_generated_events_are_valid(event: Any) -> None:
    assert validate("outlit", event, now_ms=NOW_MS) == []


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(strategies.invalid_events("whisperr", operation="batch"))
def test_broken_events_have_the_one_error(sample: Sample) -> None:
    event = sample.events[sample.breach.index or 0]
    errors = validate("whisperr", event, operation="batch", now_ms=NOW_MS)
    assert [(error.rule, error.pointer) for error in errors] == [(sample.breach.rule, sample.breach.pointer)]
