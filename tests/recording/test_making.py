"""All lines of a recording at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.recording.making import recording_lines
from mockserver.recording.recorder import Known, UnfaithfulError
from mockserver.recording.redaction.redaction_rules import Rules
from tests.recording.redaction.test_scrubbed import KEY, event, exchanged, request_of


async def made(*bodies: Any, rules: tuple[str, ...] = ()) -> tuple[list[Any], list[int]]:
    """Return the lines of requests with these bodies, and what was told meanwhile."""
    exchanges = [await exchanged(request_of(body)) for body in bodies]
    told: list[int] = []
    lines = recording_lines(exchanges, Known(["S3ssionName"]), Rules.of(rules), {}, 0, told.append)
    return list(map(json.loads, lines)), told


async def test_what_a_later_exchange_gives_away_is_hidden_in_earlier_ones() -> None:
    first, second = {"events": [event(properties={"t": f"{KEY} of bob"})]}, {"events": [event()]}
    (head, *lines), told = await made(first, second)
    assert head["redaction"] == {"values": 2, "kinds": {"credential": 1, "id": 1}, "rules": 0}
    assert [line["id"] for line in lines] == ["x1", "x2"]
    assert lines[0]["request"]["body"]["json"]["events"][0]["properties"] == {"t": "wrk_xxxxxxxxxx1 of <id:1>"}
    assert told == [1, 2]


async def test_values_get_the_same_shape_where_they_would_be_judged_otherwise() -> None:
    (_, line), _ = await made({"events": [event()]}, rules=("/events/*/event_type",))
    assert line["request"]["body"]["json"]["events"][0]["event_type"] == "xxxd"


async def test_exchange_that_cannot_be_recorded_is_named() -> None:
    with pytest.raises(UnfaithfulError, match="request r1 cannot be recorded"):
        await made({"events": [event(occurred_at="2026-06-09T10:13:20.000Z")]}, rules=("/events/*/occurred_at",))


async def test_recording_of_nothing_is_a_head() -> None:
    (head,), told = await made()
    assert (head["created"], told) == ("1970-01-01T00:00:00.000Z", [])
