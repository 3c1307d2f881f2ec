"""Checks that compare places: what exercises them, and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.conformance.relation_checks import path_of
from mockserver.contract.client_rules import LooksAt
from tests.conformance.outlit_scripts import CONSENT, DOWN, FINE, LOST, PAIR, bootstrap, event, page, post
from tests.conformance.scripted import Client, Scripted, rule_of, scored


async def verdict_of(
    check: str, parameters: dict[str, Any], *requests: Scripted, looks_at: LooksAt | None = None, **options: Any
) -> str:
    """The verdict of one rule of ours on a client of Outlit."""
    rule = rule_of(check, parameters, looks_at=looks_at or LooksAt())
    return (await scored(Client("outlit", "", {}, requests, **options), [rule]))["mine"].verdict


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://brightdesk.example/pricing?plan=pro#top", "/pricing"),
        ("http://brightdesk.example", "/"),
        ("https://brightdesk.example/caf%C3%A9", "/café"),
        ("server://usr_1", None),
        ("/pricing", None),
        ("https://[brightdesk", None),
    ],
)
def test_path_is_that_of_a_web_address_when_there_is_one(url: str, path: str | None) -> None:
    assert path_of(url) == path


async def test_members_are_not_compared_when_one_is_missing_or_no_number() -> None:
    checked = {"lower": "/activeTimeMs", "upper": "/totalTimeMs"}
    for members in (
        {"activeTimeMs": 5},
        {"activeTimeMs": "5", "totalTimeMs": 1},
        {"activeTimeMs": True, "totalTimeMs": 0},
    ):
        assert await verdict_of("not_above", checked, post(0, page(event(1, **members)))) == "not_exercised"
    same = {"event": "/sessionId", "body": "/sessionId"}
    assert await verdict_of("same_as_body", same, post(0, page(event(1, sessionId="s")))) == "not_exercised"
    assert await verdict_of("same_as_body", same, post(0, page(event(1), sessionId="s"))) == "not_exercised"


async def test_batching_is_judged_when_enough_events_come_in_time() -> None:
    batching = {"events": 3, "within_ms": 1000}
    alone = [post(400 * number, page(event(number))) for number in range(3)]
    assert await verdict_of("batching", batching, *alone) == "fail"
    assert await verdict_of("batching", batching, *alone[:2]) == "not_exercised"
    slow = [post(600 * number, page(event(number))) for number in range(3)]
    assert await verdict_of("batching", batching, *slow) == "not_exercised"
    assert await verdict_of("batching", batching, *alone[:1], post(300, page(event(8), event(9)))) == "pass"


async def test_retries_do_not_count_as_events_of_their_own_when_batching_is_judged() -> None:
    retried = [post(100 * number, page(event(1)), LOST) for number in range(5)]
    assert await verdict_of("batching", {"events": 3, "within_ms": 1000}, *retried) == "not_exercised"


async def test_companion_is_awaited_when_the_session_goes_on() -> None:
    place = "/visitorId"
    wanted = {"pointer": place, "pattern": "^a", "operation": "bootstrap", "at": place, "patience_ms": 5000}
    events = LooksAt(operations=frozenset({"events"}))
    assert await verdict_of("companion", wanted, *FINE, looks_at=events) == "fail"
    assert await verdict_of("companion", {**wanted, "pattern": "^z"}, *FINE, looks_at=events) == "not_exercised"
    patient = {**wanted, "patience_ms": 10**9}
    assert await verdict_of("companion", patient, *FINE, looks_at=events, final=False) == "not_exercised"
    assert await verdict_of("companion", {**wanted, "operation": "events"}, *FINE, looks_at=events) == "pass"


async def test_silence_ends_when_an_answer_allows_it() -> None:
    silent = {"operation": "bootstrap", "pointer": "/consentRequired", "value": False, "patience_ms": 5000}
    events = LooksAt(operations=frozenset({"events"}))
    assert await verdict_of("silent_until", silent, bootstrap(0), *FINE, looks_at=events) == "not_exercised"
    asked_again = (bootstrap(0, CONSENT), bootstrap(50), *FINE)
    assert await verdict_of("silent_until", silent, *asked_again, looks_at=events) == "pass"
    odd = ({"reply": {"status": 500}}, {"reply": {"status": 200, "body": "no"}}, {"connection": "reset"})
    for step in (CONSENT, *odd):
        assert await verdict_of("silent_until", silent, bootstrap(0, step), *FINE, looks_at=events) == "fail"
    patient = {**silent, "patience_ms": 10**9}
    waiting = await verdict_of("silent_until", patient, bootstrap(0, CONSENT), looks_at=events, final=False)
    assert waiting == "not_exercised"


async def test_copies_are_counted_when_a_stored_event_comes_again() -> None:
    without = [event(number, uuid=None) for number in (1, 2)]
    assert await verdict_of("stored_once", {}, post(0, page(*without), LOST), post(1000, page(*without))) == "fail"
    assert await verdict_of("stored_once", {}, post(0, page(*PAIR), LOST), post(1000, page(*PAIR))) == "pass"
    assert await verdict_of("stored_once", {}, post(0, page(*PAIR), LOST)) == "not_exercised"
    again = post(1000, page(*without))
    assert await verdict_of("stored_once", {}, post(0, page(*without), DOWN), again) == "not_exercised"


async def test_event_is_no_copy_when_nobody_can_tell_it_from_another_one() -> None:
    known = {"after": {"statuses": ["200"], "events": "taken"}, "known_by": "/timestamp", "patience_ms": 0}
    equal, other = event(1, uuid=None), event(2, uuid=None)
    for events, verdict in (([equal, other], "fail"), ([equal, equal], "pass")):
        resent = [post(0, page(*events)), post(1000, page(*events))]
        assert await verdict_of("not_retried", known, *resent) == verdict
