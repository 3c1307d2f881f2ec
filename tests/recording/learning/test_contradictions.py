"""Recordings that contradict themselves: both exchanges are named, and nothing is learnt of what they say otherwise."""

from __future__ import annotations

import json

import pytest

from mockserver.contract.library import library
from mockserver.core.wire import WireReply
from mockserver.recording.learning.learned import LearnedProtocol
from mockserver.recording.learning.lessons import learn_from
from tests.recording.learning.planting import Sent, recorded
from tests.recording.learning.plants import BATCH, TRACK, product, products, whisperr

HEADERS = (("Content-Type", "application/json"),)
MISSING_KEY = "missing_api_key"


def refused(status: int, message: str, code: str = "invalid_request") -> WireReply:
    body = {"error": {"code": code, "message": message, "request_id": "r"}}
    return WireReply(status=status, headers=HEADERS, body=json.dumps(body).encode())


def taken(count: int) -> WireReply:
    return WireReply(status=202, headers=HEADERS, body=json.dumps({"accepted": count, "rejected": 0}).encode())


def without_key(number: int) -> Sent:
    return whisperr(BATCH, products(number, 1), headers={})


def learned(script: list[Sent], replies: dict[int, WireReply]) -> LearnedProtocol:
    recording = recorded("whisperr", {}, script, replies=replies)
    return learn_from({"contradictory.ndjson": recording}, library()).of("whisperr")


CASES = {
    "one request, two statuses": (
        [without_key(1), without_key(1)],
        {0: refused(402, "api key is required", MISSING_KEY), 1: refused(403, "api key is required", MISSING_KEY)},
    ),
    "one refusal, two statuses": (
        [without_key(1), without_key(2)],
        {0: refused(402, "api key is required", MISSING_KEY), 1: refused(403, "api key is required", MISSING_KEY)},
    ),
    "one refusal, two texts": (
        [without_key(1), without_key(2)],
        {0: refused(401, "no key", MISSING_KEY), 1: refused(401, "who are you?", MISSING_KEY)},
    ),
    "one request, taken and refused": (
        [whisperr(BATCH, products(1, 1)), whisperr(BATCH, products(1, 1))],
        {1: refused(400, "no")},
    ),
    "40 refused, 50 taken": (
        [whisperr(BATCH, products(1, 40)), whisperr(BATCH, products(100, 50))],
        {0: refused(400, "events: too many")},
    ),
    "50 taken, at most 35 afterwards": (
        [whisperr(BATCH, products(100, 50)), whisperr(BATCH, products(1, 40)), whisperr(BATCH, products(901, 30))],
        {1: refused(400, "at most 35 events")},
    ),
    "600 taken, 550 refused as the contract does": (
        [whisperr(BATCH, products(1, 600)), whisperr(BATCH, products(1001, 550))],
        {0: taken(600)},
    ),
    "30 characters refused, 40 taken": (
        [whisperr(TRACK, product(1, event_type="a" * 30)), whisperr(TRACK, product(2, event_type="b" * 40))],
        {0: refused(400, "event_type: too long")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_contradiction_is_named_with_both_exchanges_and_no_fact_is_written_from_it(name: str) -> None:
    found = learned(*CASES[name])
    (named,) = [one for one in found.unanswered if one.contradiction]
    assert named.exchanges == ("x1", "x2")
    assert "contradict each other" in named.reason
    assert (found.patch, found.facts) == ({}, ())


def test_what_else_a_recording_says_is_learnt_all_the_same() -> None:
    script, replies = CASES["one refusal, two texts"]
    other = whisperr("/v1/nothing", {})
    found = learned([*script, other], {**replies, 2: refused(404, "nothing here", "not_found")})
    assert [fact.pointer for fact in found.facts] == ["/protocol/refusals/default/unknown_path/message"]
    assert [one.exchanges for one in found.unanswered] == [("x1", "x2")]


def test_text_that_says_how_much_was_sent_is_no_contradiction() -> None:
    script = [whisperr(BATCH, products(1, 501)), whisperr(BATCH, products(1001, 502))]
    found = learned(script, {0: refused(400, "got 501 events"), 1: refused(400, "got 502 events")})
    assert not any(one.contradiction for one in found.unanswered)
    assert len(found.unanswered) == 1
