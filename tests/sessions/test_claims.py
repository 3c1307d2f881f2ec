"""What a session claims: ids, rate windows, idempotency keys, entities; and what it gives up for want of room."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from msgspec.structs import replace

from mockserver.core.events import text_key
from mockserver.core.model import IdempotencyClaim, Judged, Receipt, Terms, Verdict
from mockserver.sessions import claims as module
from mockserver.sessions.claims import SHARED_VERDICTS, WINDOW_BYTES, Claims, all_of
from mockserver.settings import RateMode
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request

TALLY = contract_of("tally")
OUTLIT = contract_of("outlit")
WHISPERR = contract_of("whisperr")
RATE = next(claim for operation in TALLY.operations.values() if (claim := operation.rate_claim) is not None)
ACCEPTED, DUPLICATE, REJECTED = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED


def tally(
    *items: Any, now: int = NOW, mode: RateMode = "warn", once: str | None = None, token: str = "tk_one"
) -> Judged:
    headers = {} if once is None else {"Tally-Once": once}
    request = wire_request(COLLECT, collection(*(items or (sale(),)), token=token), headers)
    result = judged(TALLY, request, Terms(now_ms=now, rate_mode=mode))
    assert result.refusal is None
    return result


def receipt() -> Receipt:
    return Receipt(session="s", seq=1, first_event=1)


def verdicts(claims: Claims, *items: Any) -> tuple[Verdict, ...]:
    return claims.events(tally(*items), receipt())


def outlit(*ids: str | None) -> Judged:
    events = [{"type": "pageview", "url": "u", "path": "", **({} if name is None else {"uuid": name})} for name in ids]
    return judged(OUTLIT, wire_request("/api/i/v1/pk_a/events", {"visitorId": "v", "events": events}))


def test_equal_short_verdicts_are_one_object() -> None:
    assert all_of(ACCEPTED, 3) == (ACCEPTED, ACCEPTED, ACCEPTED)
    assert all_of(REJECTED, SHARED_VERDICTS) is all_of(REJECTED, SHARED_VERDICTS)
    assert all_of(REJECTED, SHARED_VERDICTS + 1) == (REJECTED,) * (SHARED_VERDICTS + 1)
    assert all_of(ACCEPTED, 0) == ()


def test_id_is_a_duplicate_when_it_was_seen_before() -> None:
    claims = Claims()
    assert verdicts(claims, sale("a"), sale("b")) == (ACCEPTED, ACCEPTED)
    assert verdicts(claims, sale("b"), sale("c"), sale("a")) == (DUPLICATE, ACCEPTED, DUPLICATE)
    assert verdicts(claims, sale("c")) == (DUPLICATE,)
    assert claims.remembered == 3


def test_first_good_occurrence_wins_inside_a_batch() -> None:
    claims = Claims()
    assert verdicts(claims, sale("a", -1), sale("a"), sale("b"), sale("a")) == (REJECTED, ACCEPTED, ACCEPTED, DUPLICATE)
    assert claims.remembered == 2


def test_bad_event_claims_nothing() -> None:
    claims = Claims()
    assert verdicts(claims, sale("a", -1)) == (REJECTED,)
    assert claims.remembered == 0
    assert verdicts(claims, sale("a")) == (ACCEPTED,)


def test_events_without_ids_are_always_accepted() -> None:
    claims = Claims()
    assert claims.events(outlit(None, None), receipt()) == (ACCEPTED, ACCEPTED)
    assert claims.events(outlit(None, "u1", None, "u1"), receipt()) == (ACCEPTED, ACCEPTED, ACCEPTED, DUPLICATE)
    assert claims.events(outlit("u1", None), receipt()) == (DUPLICATE, ACCEPTED)


def test_same_id_is_new_in_another_protocol() -> None:
    claims = Claims()
    assert verdicts(claims, sale("u1")) == (ACCEPTED,)
    assert claims.events(outlit("u1"), receipt()) == (ACCEPTED,)
    assert claims.remembered == 2


def identified(*users: str) -> Judged:
    events = [
        {"external_user_id": user, "event_type": "opened", "context": {"$message_id": f"{user}{number}"}}
        for number, user in enumerate(users)
    ]
    headers = {"X-API-Key": "wrk_a", "Content-Type": "application/json"}
    return judged(WHISPERR, wire_request("/v1/events/batch", {"events": events}, headers))


def test_repeat_that_names_another_entity_creates_none() -> None:
    claims, again = Claims(), receipt()
    claims.events(identified("u", "v"), receipt())
    repeated = identified("w", "x")
    repeated.dedup = identified("u", "v").dedup
    assert claims.events(repeated, again) == (DUPLICATE, DUPLICATE)
    assert (again.created, claims.knows(b"w"), claims.knows(b"x")) == (False, False, False)
    repeated.dedup = [*(repeated.dedup or ())[:1], b"another"]
    assert claims.events(repeated, again) == (DUPLICATE, ACCEPTED)
    assert (again.created, claims.knows(b"w"), claims.knows(b"x")) == (True, False, True)


def test_entity_is_created_by_the_first_event_that_names_it() -> None:
    claims, first, second, third = Claims(), receipt(), receipt(), receipt()
    assert not claims.knows(b"u1")
    claims.events(identified("u1", "u1"), first)
    claims.events(identified("u1"), second)
    claims.events(identified("u1", "u2"), third)
    assert (first.created, second.created, third.created) == (True, False, True)
    ids, entities = 3, 2
    assert claims.remembered == ids + entities
    assert claims.knows(b"u1")
    assert claims.knows(b"u2")
    assert not claims.knows(b"u3")


def test_idempotency_key_is_replayed_inside_its_window() -> None:
    claims = Claims()
    assert not claims.replayed(tally(once="k"))
    assert claims.replayed(tally(once="k"))
    assert claims.replayed(tally(once="k", now=NOW + 599_999))
    assert not claims.replayed(tally(once="k", now=NOW + 600_000))
    assert claims.replayed(tally(once="k", now=NOW + 1_199_999))


def test_idempotency_key_is_new_under_another_name_or_without_one_or_when_the_clock_goes_back() -> None:
    claims = Claims()
    assert not claims.replayed(tally(once="k"))
    assert not claims.replayed(tally(once="K"))
    assert not claims.replayed(tally())
    assert not claims.replayed(tally())
    assert not claims.replayed(tally(once="k", now=NOW - 1))
    assert claims.replayed(tally(once="k", now=NOW - 1))


def test_oldest_idempotency_keys_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WINDOWS", 4)
    claims = Claims()
    for number in range(5):
        assert not claims.replayed(tally(once=f"k{number}"))
    assert claims.forgotten == 2
    assert not claims.replayed(tally(once="k0"))
    assert claims.replayed(tally(once="k4"))


def test_keys_that_have_run_out_go_before_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WINDOWS", 4)
    claims = Claims()
    for number in range(4):
        claims.replayed(tally(once=f"old{number}"))
    claims.replayed(tally(once="new", now=NOW + 600_000))
    assert claims.forgotten == 0
    assert claims.replayed(tally(once="new", now=NOW + 600_001))


def test_oldest_ids_of_the_largest_memory_are_forgotten_first() -> None:
    claims = Claims()
    verdicts(claims, *(sale(f"r{number}") for number in range(4)))
    claims.events(outlit("u1", "u2"), receipt())
    claims.forget_oldest(3)
    assert (claims.remembered, claims.forgotten) == (3, 3)
    assert verdicts(claims, sale("r3")) == (DUPLICATE,)
    assert verdicts(claims, sale("r0")) == (ACCEPTED,)
    assert claims.events(outlit("u1", "u2"), receipt()) == (DUPLICATE, DUPLICATE)


def test_forgetting_stops_when_nothing_is_left() -> None:
    claims = Claims()
    claims.forget_oldest(3)
    verdicts(claims, sale("a"))
    claims.forget_oldest(3)
    assert (claims.remembered, claims.forgotten) == (0, 1)


def test_entities_are_forgotten_when_they_are_the_most() -> None:
    claims = Claims()
    claims.events(identified("u1", "u2"), receipt())
    claims.events(replace(identified("u3"), dedup=None), receipt())
    claims.forget_oldest(1)
    assert [claims.knows(user) for user in (b"u1", b"u2", b"u3")] == [False, True, True]


def test_long_keys_and_credentials_are_remembered_as_digests_and_counted() -> None:
    """Of 20 requests with 100 kB of key and of credential each, some kB are left."""
    claims = Claims()
    tracemalloc.start()
    for number in range(20):
        request = wire_request("/", b"", {})
        long = f"{number}-{'k' * 100_000}"
        held = judged(TALLY, request)
        held.credential = long
        held.idempotency = IdempotencyClaim(order=1, key=text_key(long), value=long, window_ms=1000)
        assert not claims.replayed(held)
        claims.rate(RATE, held, receipt(), take=True)
        del held, long
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000
    assert claims.bytes == 40 * WINDOW_BYTES
