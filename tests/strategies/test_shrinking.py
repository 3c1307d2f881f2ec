"""What a failing example shrinks to: the smallest good request, and the one fault that matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, settings

from mockserver import strategies
from mockserver.strategies import Sample

PATIENT = settings(
    max_examples=3000, database=None, deadline=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)
"""Without the phase that explains a failure: it comes after the shrinking, takes most of the time, and changes nothing.
"""
URL = "https://example.com/"


def smallest(strategy: Any, wanted: Callable[[Any], bool]) -> Any:
    return find(strategy, wanted, settings=PATIENT)


def test_good_event_shrinks_to_required_members_when_anything_will_do() -> None:
    event = smallest(strategies.events("outlit", type="custom"), lambda event: True)
    assert event == {"type": "custom", "url": URL, "path": "/", "eventName": "signup_completed"}


def test_good_event_keeps_one_optional_member_when_that_is_wanted() -> None:
    event = smallest(strategies.events("outlit", type="pageview"), lambda event: "referrer" in event)
    assert event == {"type": "pageview", "url": URL, "path": "/", "referrer": "https://www.google.com/"}


def test_good_event_keeps_one_nested_member_when_that_is_wanted() -> None:
    event = smallest(
        strategies.events("whisperr", operation="track"),
        lambda event: any(c.get("opted_in") is not None for c in (event.get("user") or {}).get("channels") or ()),
    )
    assert event.pop("context").keys() == {"$message_id"}
    assert event == {
        "external_user_id": "user_1",
        "event_type": "signup_completed",
        "user": {"channels": [{"channel": "email", "address": "ada@example.com", "opted_in": True}]},
    }


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("/events/custom/required/eventName", {"type": "custom", "url": URL, "path": "/"}),
        ("/events/shared/common/properties/url/minLength", {"type": "pageview", "url": "", "path": "/"}),
        ("/events/shared/common/properties/utm/properties/term/type", {"utm": {"term": 5}}),
        ("/events/stage/properties/stage/enum", {"type": "stage", "stage": "unheard_of", "url": URL, "path": "/"}),
        ("/events/billing/anyOf", {"type": "billing", "url": URL, "path": "/", "status": "trialing"}),
        ("/events#unknown_type", {"type": "unheard_of", "url": URL, "path": "/"}),
    ],
)
def test_bad_event_shrinks_to_the_smallest_one_with_its_fault(rule: str, event: dict[str, Any]) -> None:
    sample: Sample = smallest(strategies.invalid_events("outlit", rules=[rule]), lambda sample: True)
    if "utm" in event:
        event = {"type": "pageview", "url": URL, "path": "/", **event}
    assert (sample.breach.id, sample.breach.index) == (rule, 0)
    assert sample.request.json["events"] == [event]
    assert set(sample.request.json) == {"events", "visitorId"}


def test_bad_event_among_good_ones_keeps_only_those_needed_when_shrunk() -> None:
    bad = strategies.invalid_events("outlit", type="custom")
    sample: Sample = smallest(bad, lambda sample: sample.breach.index == 2)
    assert len(sample.events) == 3
    assert sample.events[:2] == ({"type": "custom", "url": URL, "path": "/", "eventName": "signup_completed"},) * 2


def test_server_batch_shrinks_to_one_name_when_the_sender_is_wanted() -> None:
    sample: Sample = smallest(
        strategies.requests("outlit", operation="events"),
        lambda sample: (
            sample.request.json["source"] == "server"
            if isinstance(sample.request.json, dict) and "source" in sample.request.json
            else False
        ),
    )
    body = sample.request.json
    assert len(body["events"]) == 1
    assert body["source"] == "server"


def test_mixed_batch_shrinks_to_the_events_needed_when_two_are_bad() -> None:
    sample: Sample = smallest(strategies.batches("whisperr", operation="batch"), lambda sample: len(sample.bad) == 2)
    assert len(sample.events) == 2
    plain = {"external_user_id", "event_type", "context"}
    assert all(
        set(event) <= plain | {breach.pointer[1:]} for event, breach in zip(sample.events, sample.bad, strict=True)
    )
