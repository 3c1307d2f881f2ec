"""Lines of a recording, and what is refused to be one."""

from __future__ import annotations

import json

import pytest

from mockserver.recording.recorder import Known, Recorder, UnfaithfulError, ordered
from mockserver.recording.redaction_rules import Rules
from tests.recording.test_scrubbed import NOW, event, exchanged, request_of


def recorder(*rules: str, shaped: bool = False) -> Recorder:
    return Recorder(Known().scrubber(Rules.of(rules), shaped=shaped))


async def test_head_names_contracts_and_when_the_first_exchange_was() -> None:
    made = recorder()
    made.line(await exchanged(request_of({"events": [event()]})))
    head = json.loads(made.head({"whisperr": "http://a.test"}, Rules(), 0))
    assert (head["recording"], head["upstreams"]) == (1, {})
    assert head["contracts"]["whisperr"]["revision"] == "base"
    assert head["created"] == "2026-06-09T10:13:20.000Z"
    assert head["redaction"] == {"values": 2, "rules": 0}
    assert NOW == 1_781_000_000_000


async def test_id_that_no_longer_equals_what_it_was_equal_to_is_refused() -> None:
    """Nothing tells that two ids are one but the store, so a rule that changes one of them only is not faithful."""
    made = recorder("/events/1/context/$message_id")
    with pytest.raises(UnfaithfulError, match="request r1 cannot be recorded: an id of its dedup is no longer equal"):
        made.line(await exchanged(request_of({"events": [event(), event()]})))


async def test_rule_that_changes_a_verdict_is_refused_and_named() -> None:
    made = recorder("/events/*/event_type")
    with pytest.raises(UnfaithfulError) as refused:
        made.line(await exchanged(request_of({"events": [event()]})))
    assert refused.value.request == "r1"
    assert "error /events/event/properties/event_type/pattern" in str(refused.value)
    assert json.loads(
        recorder("/events/*/event_type", shaped=True).line(await exchanged(request_of({"events": [event()]})))
    )


def test_members_keep_their_order_on_top_only() -> None:
    assert ordered({"b": {"d": 1, "c": 2}, "a": 0}) == '{"b":{"c":2,"d":1},"a":0}'
