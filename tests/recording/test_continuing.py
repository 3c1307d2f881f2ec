"""Adding to a recording: old lines stay, and what is known has the pseudonym that it had."""

from __future__ import annotations

import json

import pytest

from mockserver import MockServer
from mockserver.errors import ControlError
from mockserver.recording.continuing import Continuation, whole_lines
from mockserver.recording.recorder import Known
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.recording.replay.playing import Playback
from tests.recording.made import HEAD, event, exchange, lines
from tests.recording.replay.test_playing import live, tape_of
from tests.recording.replay.test_tape import WHISPERR
from tests.server.recorded import batch
from tests.server.recorded import event as sent


def test_lines_of_a_recording_stay_as_they_are() -> None:
    tape = tape_of(exchange())
    assert [json.loads(line) for line in whole_lines(tape.parts[0])] == [HEAD, exchange()]


def test_what_stands_for_recorded_ids_is_hidden_everywhere() -> None:
    playback = Playback(tape_of(exchange(event(user="<id:1>", message="m-1"))))
    playback.take(playback.tape.index(WHISPERR), live(message="k-1", user="ada_9"))
    known = Known()
    Continuation(playback, Rules()).add_to(known)
    assert known.everywhere.keys() == {"ada_9", "k-1", "wrk_1"}


def test_rules_of_a_recording_are_needed_for_what_is_added() -> None:
    with MockServer(session="wrk_there") as server, MockServer(session="wrk_here") as other:
        batch(server, sent("paid", "m-1", properties={"plan": "pro-plan-1"}))
        rule = "/events/*/properties/plan"
        old = server.export(format="recording", redact=[rule])
        other.replay(old.encode(), record="new_episodes")
        assert batch(other, sent("paid", "k-1", properties={"plan": "any"})).status == 202
        batch(other, sent("new", "k-2", properties={"plan": "secret-plan-2"}))
        with pytest.raises(ControlError, match=r"the recording was made with 1 rule \(redact\); give them again"):
            other.recording()
        with pytest.raises(ControlError, match="redact: "):
            other.recording(redact=["nonsense"])
        text = other.recording(redact=[rule])
    head, _, new = map(json.loads, text.splitlines())
    assert "secret-plan-2" not in text
    assert new["request"]["body"]["json"]["events"][0]["properties"] == {"plan": "<value:4>"}
    assert head["redaction"]["rules"] == 1


def test_new_exchanges_have_names_times_and_pseudonyms_of_their_own() -> None:
    old = lines({**exchange(event(user="<id:1>", message="m-1")), "id": "x12"})
    with MockServer(session="wrk_here") as server:
        server.clock.freeze("2026-06-14T12:00:05Z")
        server.replay(old, record="new_episodes")
        batch(server, sent("paid", "k-1", "ada_9"))
        batch(server, sent("other", "k-1", "ada_9", properties={"by": "zoe_8", "mail": "zoe@corp.example"}))
        batch(server, sent("other", "k-3", "zoe_8"))
        head, first, *new = map(json.loads, server.recording().splitlines())
    assert first["id"] == "x12"
    assert [(row["id"], row["at_ms"]) for row in new] == [("x13", 5000), ("x14", 5000)]
    one, two = (row["request"]["body"]["json"]["events"][0] for row in new)
    assert (one["external_user_id"], one["context"]["$message_id"]) == ("<id:1>", "m-1")
    assert one["properties"] == {"by": two["external_user_id"], "mail": "user-8@example.test"}
    assert two["external_user_id"] == "<id:8>"
    assert new[0]["request"]["headers"][-1][1] != ""
    assert (head["created"], head["redaction"]["values"]) == (HEAD["created"], 9)
    assert head["contracts"]["whisperr"]["revision"] == "base"
