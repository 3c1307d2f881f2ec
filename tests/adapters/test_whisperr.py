"""Whisperr: the generated ids that replies name, the same for a repeat."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from mockserver.adapters.whisperr import ADAPTER
from mockserver.core.answer import answer
from mockserver.core.model import Judged, Receipt, Verdict
from tests.judging import contract_of, judged, wire_request

WHISPERR = contract_of("whisperr")
KEY = {"X-API-Key": "wrk_a", "Content-Type": "application/json"}
EVENT = {"external_user_id": "u", "event_type": "opened", "context": {"$message_id": "m"}}


def track(**members: Any) -> Judged:
    event = {name: value for name, value in {**EVENT, **members}.items() if value is not None}
    return judged(WHISPERR, wire_request("/v1/events/track", event, KEY))


def variables(result: Judged, *, session: str = "s", seq: int = 1) -> dict[str, Any]:
    return dict(ADAPTER.variables(result, Receipt(session=session, seq=seq, first_event=1)))


def test_ids_are_made_of_the_session_the_user_and_the_message() -> None:
    first = variables(track())
    assert first["external_id"] == "u"
    for kind, name in (("user", "user_id"), ("event", "event_id")):
        prefix = WHISPERR.id_prefixes[kind]
        assert first[name].startswith(prefix)
        assert UUID(first[name].removeprefix(prefix)).version == 4
    assert variables(track(), seq=2) == first
    assert variables(track(event_type="closed"), seq=2) == first


@pytest.mark.parametrize(
    ("members", "options", "user", "event"),
    [
        ({"external_user_id": "v"}, {}, False, True),
        ({"context": {"$message_id": "n"}}, {}, True, False),
        ({}, {"session": "t"}, False, False),
    ],
)
def test_ids_are_others_for_another_user_message_or_session(
    members: dict[str, Any], options: dict[str, Any], user: bool, event: bool
) -> None:
    first, other = variables(track()), variables(track(**members), **options)
    assert (first["user_id"] == other["user_id"]) is user
    assert (first["event_id"] == other["event_id"]) is event


@pytest.mark.parametrize("context", [None, {}, {"$message_id": 7}, "text"])
def test_event_without_a_message_id_is_one_of_its_own(context: Any) -> None:
    result = track(context=context)
    assert variables(result, seq=1)["event_id"] != variables(result, seq=2)["event_id"]


def test_anonymous_user_stands_in_where_there_is_no_external_id() -> None:
    assert variables(track(external_user_id=None, anonymous_id="anon"))["external_id"] == "anon"
    assert variables(track(external_user_id=7, anonymous_id="anon"))["external_id"] == "anon"
    assert variables(track(external_user_id=None))["external_id"] == ""


def test_read_names_the_user_of_its_path_by_the_same_id() -> None:
    read = judged(WHISPERR, wire_request("/v1/users/u", b"", KEY, method="GET"))
    now = "2026-06-14T12:00:00.000Z"
    assert variables(read) == {"external_id": "u", "user_id": variables(track())["user_id"], "now": now}


def test_read_of_a_message_has_the_names_of_its_path() -> None:
    read = judged(WHISPERR, wire_request("/v1/users/u/messages/m%2F1", b"", KEY, method="GET"))
    assert {name: variables(read)[name] for name in ("external_id", "message_id")} == {
        "external_id": "u",
        "message_id": "m/1",
    }


def test_receipt_says_whether_the_event_is_a_repeat_and_has_the_same_id_then() -> None:
    first, again = (
        dict(ADAPTER.variables(track(), Receipt(session="s", seq=seq, first_event=seq, verdicts=(verdict,))))
        for seq, verdict in enumerate((Verdict.ACCEPTED, Verdict.DUPLICATE), start=1)
    )
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["delivery_id"] == again["delivery_id"]
    assert first["delivery_id"].startswith(WHISPERR.id_prefixes["delivery"])


def test_batch_and_health_name_nobody() -> None:
    assert variables(judged(WHISPERR, wire_request("/v1/events/batch", {"events": [EVENT]}, KEY))) == {}
    assert variables(judged(WHISPERR, wire_request("/health", method="GET"))) == {}
    assert variables(judged(WHISPERR, wire_request("/v1/nowhere"))) == {}


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("track", {"external_id", "user_id", "event_id", "delivery_id", "duplicate"}),
        ("identify", {"external_id", "user_id", "event_id", "delivery_id", "duplicate"}),
        ("user", {"external_id", "user_id", "now"}),
        ("message", {"external_id", "user_id", "now", "message_id"}),
        ("batch", set()),
        ("health", set()),
    ],
)
def test_names_for_replies_are_those_of_the_operation(operation: str, names: set[str]) -> None:
    assert set(ADAPTER.reply_names(WHISPERR.operations[operation], None)) == names


def test_reply_holds_the_ids() -> None:
    result = judged(WHISPERR, wire_request("/v1/identify", {"external_user_id": "u"}, KEY))
    reply = answer(result, Receipt(session="s", seq=1, first_event=1, verdicts=(Verdict.ACCEPTED,), created=True))
    user = {"id": variables(track())["user_id"], "external_id": "u", "created": True}
    assert json.loads(reply.body) == {"user": user}
