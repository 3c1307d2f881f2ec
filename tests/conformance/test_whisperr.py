"""Each rule of Whisperr tells a script client that breaks it, and no other rule, from one that keeps it."""

from __future__ import annotations

import uuid
from typing import Any, Final

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit.formats import rfc3339_ms
from tests.conformance.scripted import (
    BAD_REQUEST,
    FAILING,
    LOST_ANSWER,
    NO_ANSWER,
    NOW,
    UNAUTHORIZED,
    Client,
    Pair,
    retry_after,
    scored,
)

IDENTIFY: Final = "/v1/identify"
NO_CONTENT: Final = {"reply": {"status": 204}}
START: Final = Client(
    "whisperr",
    "/v1/events/batch",
    {"Content-Type": "application/json", "X-API-Key": "wrk_test", "User-Agent": "script/1"},
)


def id_of(name: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(name)))


def event(name: object, at: int = 0, **members: Any) -> dict[str, Any]:
    """Return an event; a member of None is left out."""
    made = {
        "external_user_id": "user_1",
        "event_type": "paid",
        "occurred_at": rfc3339_ms(NOW + at),
        "properties": {"of": str(name)},
        "context": {"$message_id": id_of(name)},
        **members,
    }
    return {key: value for key, value in made.items() if value is not None}


def batch(*events: Any) -> dict[str, Any]:
    return {"events": [each if isinstance(each, dict) else event(each) for each in events]}


def user(**members: Any) -> dict[str, Any]:
    return {"external_user_id": "user_1", "traits": {"plan": "pro"}, **members}


EMAIL: Final = {"channel": "email", "address": "zoe@brightdesk.example", "opted_in": True}
GOOD: Final = START.send(0, user(channels=[EMAIL]), to=IDENTIFY).send(100, batch("a", "b"))
FAILED: Final = START.send(0, batch("a", "b"), FAILING)
RETRIED: Final = FAILED.send(2000, batch("a", "b"))
REFUSED: Final = START.send(0, batch("a", "b"), BAD_REQUEST)
BARRED: Final = START.send(0, batch("a", "b"), UNAUTHORIZED)
GIVEN_UP: Final = FAILED.send(2000, batch("a", "b"), FAILING).send(6000, batch("a", "b"), FAILING)
ASKED: Final = START.send(0, batch("a"), retry_after(6))


def tried(*pauses: int) -> Client:
    """Return a client that is answered with 500 each time, with pauses in seconds."""
    client, at = FAILED, 0
    for pause in pauses:
        at += pause * 1000
        client = client.send(at, batch("a", "b"), FAILING)
    return client


PAIRS: Final[dict[str, Pair]] = {
    "post_to_an_endpoint": Pair(GOOD, START.send(0, batch("a"), to="/v1/events/batch?debug=1")),
    "json_content_type": Pair(GOOD, START.send(0, batch("a"), headers={"Content-Type": "text/plain"})),
    "key_in_a_header": Pair(GOOD, START.send(0, batch("a"), headers={"X-API-Key": None})),
    "known_key_prefix": Pair(GOOD, START.send(0, batch("a"), headers={"X-API-Key": "sk_live"})),
    "one_key": Pair(GOOD, START.send(0, batch("a"), headers={"Authorization": "Bearer wrk_other"})),
    "own_user_agent": Pair(GOOD, START.send(0, batch("a"), headers={"User-Agent": "Python-urllib/3.11"})),
    "json_object": Pair(GOOD, START.send(0, b'{"events": [')),
    "events_alone": Pair(GOOD, START.send(0, {**batch("a"), "sent_at": "now"})),
    "batch_of_at_most_500": Pair(START.send(0, batch(*range(500))), START.send(0, batch(*range(501)))),
    "known_members": Pair(GOOD, START.send(0, batch(event("a", user_id="user_1")))),
    "names_a_user": Pair(
        START.send(0, batch(event("a", external_user_id=None, anonymous_id="anon_1"))),
        START.send(0, batch(event("a", external_user_id=None))),
    ),
    "no_padded_user": Pair(GOOD, START.send(0, batch(event("a", external_user_id=" user_1")))),
    "snake_case_names": Pair(GOOD, START.send(0, batch(event("a", event_type="Trial Expired")))),
    "time_of_the_event": Pair(GOOD, START.send(0, batch(event("a", occurred_at=None)))),
    "canonical_times": Pair(GOOD, START.send(0, batch(event("a", occurred_at="2026-06-14T12:00:00Z")))),
    "times_in_the_window": Pair(GOOD, START.send(0, batch(event("a", at=-31 * 86_400_000)))),
    "properties_are_an_object": Pair(GOOD, START.send(0, batch(event("a", properties=[])))),
    "message_id": Pair(GOOD, START.send(0, batch(event("a", context={})))),
    "short_message_ids": Pair(GOOD, START.send(0, batch(event("a", context={"$message_id": id_of(1) + " "})))),
    "message_ids_are_uuids": Pair(GOOD, START.send(0, batch(event("a", context={"$message_id": "1-2-3"})))),
    "unique_message_ids": Pair(GOOD, START.send(0, batch("a", {**event("b"), "context": {"$message_id": id_of("a")}}))),
    "valid_identify": Pair(GOOD, START.send(0, user(timezone="UTC"), to=IDENTIFY)),
    "nothing_empty_in_identify": Pair(GOOD, START.send(0, user(channels=[]), to=IDENTIFY)),
    "consent_is_said": Pair(
        GOOD, START.send(0, user(channels=[{"channel": "email", "address": "a@b.example"}]), to=IDENTIFY)
    ),
    "retries_transient_failures": Pair(RETRIED, FAILED),
    "retries_without_an_answer": Pair(
        START.send(0, batch("a"), NO_ANSWER).send(2000, batch("a")), START.send(0, batch("a"), NO_ANSWER)
    ),
    "keeps_what_is_not_taken": Pair(GIVEN_UP.send(14_000, batch("a", "b")), GIVEN_UP.send(14_000, batch("c"))),
    "same_message_id": Pair(
        START.send(0, batch("a"), LOST_ANSWER).send(2000, batch("a")),
        START.send(0, batch("a"), LOST_ANSWER).send(
            2000, batch({**event("a"), "context": {"$message_id": id_of("again")}})
        ),
    ),
    "same_event": Pair(RETRIED, FAILED.send(2000, batch(event("a", at=2000), event("b", at=2000)))),
    "same_order": Pair(RETRIED, FAILED.send(2000, batch("b", "a"))),
    "waits_before_the_first_retry": Pair(RETRIED, FAILED.send(50, batch("a", "b"))),
    "backs_off": Pair(tried(2, 4).send(14_000, batch("a", "b")), tried(4, 2).send(14_000, batch("a", "b"))),
    "bounded_pauses": Pair(RETRIED, FAILED.send(301_000, batch("a", "b"))),
    "bounded_attempts": Pair(tried(2, 4, 8, 16, 30, 30), tried(2, 4, 8, 16, 30, 30, 30)),
    "waits_as_asked": Pair(ASKED.send(6000, batch("a")), ASKED.send(2000, batch("a"))),
    "comes_back_as_asked": Pair(ASKED.send(7000, batch("a")), ASKED.send(9000, batch("a"))),
    "stops_without_authorization": Pair(BARRED.send(10_000, batch("a", "b")), BARRED.send(2000, batch("a", "b"))),
    "keeps_without_authorization": Pair(BARRED.send(10_000, batch("a", "b")), BARRED.send(10_000, batch("c"))),
    "drops_what_is_refused": Pair(REFUSED.send(2000, batch("c")), REFUSED.send(2000, batch("a", "b"))),
    "goes_on_after_a_refusal": Pair(REFUSED.send(2000, batch("c")), REFUSED.knowing(3)),
    "nothing_twice": Pair(GOOD, GOOD.send(5000, batch("a"))),
    "any_success_counts": Pair(
        START.send(0, batch("a"), NO_CONTENT), START.send(0, batch("a"), NO_CONTENT).send(2000, batch("a"))
    ),
    "events_in_order": Pair(GOOD, START.send(0, batch(event("a", at=0))).send(100, batch(event("b", at=-5000)))),
    "one_request_at_a_time": Pair(
        START.send(0, batch("a"), delay=500).send(600, batch("b")),
        START.send(0, batch("a"), delay=500).send(200, batch("b")),
    ),
    "everything_arrives": Pair(GOOD.knowing(3), GOOD.knowing(4)),
}


def test_every_rule_has_its_clients() -> None:
    assert list(PAIRS) == list(library().protocol("whisperr").client_rules.rules)
    assert len(PAIRS) >= 30


@pytest.mark.parametrize("name", PAIRS)
async def test_client_that_breaks_one_rule_is_told_from_one_that_keeps_it(name: str) -> None:
    keeps, breaks = await scored(PAIRS[name].keeps), await scored(PAIRS[name].breaks)
    assert {rule: row.message for rule, row in keeps.items() if row.verdict == "fail"} == {}
    assert keeps[name].verdict == "pass"
    assert {rule: row.message for rule, row in breaks.items() if row.verdict == "fail"}.keys() == {name}
    assert breaks[name].requests or not PAIRS[name].breaks.requests


async def test_nothing_is_exercised_without_a_request() -> None:
    assert {row.verdict for row in (await scored(START)).values()} == {"not_exercised"}
