"""One session: claims settled in the order of the gates, numbers given out, the journal kept and cut."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.core.model import Judged, Terms, Verdict
from mockserver.core.wire import WireReply
from mockserver.sessions.exchange import Exchange, ReplyOverride
from mockserver.sessions.session import (
    EXCHANGE_OVERHEAD,
    LONGEST_SEEN,
    SEEN_KEYS,
    VERDICT_BYTES,
    Counts,
    Session,
    SessionSettings,
    keys_size,
    size_of,
)
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import Onlooker, collected, exchange, new_store

ACCEPTED, DUPLICATE, REJECTED = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED
ENFORCED = Terms(now_ms=NOW, rate_mode="enforce")
WHISPERR = contract_of("whisperr")
KEY = {"X-API-Key": "wrk_a", "Content-Type": "application/json"}


def new_session(**settings: Any) -> Session:
    return Session("s", SessionSettings(**settings))


def kept(seq: int, *verdicts: Verdict, first_event: int = 1, **options: Any) -> Exchange:
    return exchange(wire_request(COLLECT, b"12345"), verdicts, seq=seq, first_event=first_event, **options)


def test_requests_and_events_are_numbered_in_the_order_they_are_settled() -> None:
    session = new_session()
    assert session.newest == 0
    receipts = [session.settle(collected(*items)) for items in ([sale("a"), sale("b")], [sale("c")])]
    receipts.append(session.settle(collected(sale("d")), stored=False))
    assert [(entry.session, entry.seq, entry.first_event) for entry in receipts] == [
        ("s", 1, 1),
        ("s", 2, 3),
        ("s", 3, 4),
    ]
    assert session.newest == 3


def test_refused_request_claims_nothing_and_rejects_its_events() -> None:
    session = new_session()
    body = collection(sale("a"), sale("b"), more=1)
    refused = judged(contract_of("tally"), wire_request(COLLECT, body))
    receipt = session.settle(refused)
    assert (receipt.verdicts, receipt.refused, receipt.rate_remaining) == ((REJECTED, REJECTED), None, 2)
    assert session.claims.remembered == 0
    assert session.settle(collected(sale("a"))).verdicts == (ACCEPTED,)


def test_rate_slot_is_taken_only_when_the_refusal_comes_after_its_gate() -> None:
    session, tally = new_session(), contract_of("tally")
    before = session.settle(judged(tally, wire_request(COLLECT, collection(sale(), token="TK"))))
    after = session.settle(judged(tally, wire_request(COLLECT, collection(sale(), more=1))))
    assert (before.rate_remaining, after.rate_remaining) == (3, 2)


def test_failed_rate_claim_goes_before_a_later_refusal() -> None:
    session, tally = new_session(), contract_of("tally")
    bad = wire_request(COLLECT, collection(sale(), more=1))
    for _ in range(3):
        assert session.settle(judged(tally, bad, ENFORCED)).refused is None
    receipt = session.settle(judged(tally, bad, ENFORCED))
    assert (receipt.refused, receipt.over_rate, receipt.verdicts) == ("rate_limited", True, (REJECTED,))


def test_request_over_the_rate_claims_neither_ids_nor_its_idempotency_key() -> None:
    session = new_session()
    for number in range(3):
        session.settle(collected(sale(str(number)), terms=ENFORCED))
    over = session.settle(collected(sale("x"), headers={"Tally-Once": "k"}, terms=ENFORCED))
    assert (over.refused, over.verdicts) == ("rate_limited", (REJECTED,))
    later = Terms(now_ms=NOW + 60_000, rate_mode="enforce")
    again = session.settle(collected(sale("x"), headers={"Tally-Once": "k"}, terms=later))
    assert (again.refused, again.replayed, again.verdicts) == (None, False, (ACCEPTED,))


def test_replay_makes_duplicates_of_all_events_and_claims_no_ids() -> None:
    session = new_session()
    session.settle(collected(sale("a"), headers={"Tally-Once": "k"}))
    replay = session.settle(collected(sale("b"), sale("c", -1), headers={"Tally-Once": "k"}))
    assert (replay.replayed, replay.verdicts) == (True, (DUPLICATE, DUPLICATE))
    assert session.settle(collected(sale("b"))).verdicts == (ACCEPTED,)


def identify(user: str) -> Judged:
    return judged(WHISPERR, wire_request("/v1/identify", {"external_user_id": user}, KEY))


def test_lookup_is_refused_until_the_entity_is_known() -> None:
    session = new_session()
    lookup = judged(WHISPERR, wire_request("/v1/users/u1", b"", KEY, method="GET"))
    assert session.settle(lookup).refused == "unknown_entity"
    assert session.settle(identify("u1")).created
    assert not session.settle(identify("u1")).created
    assert session.settle(lookup).refused is None


def test_nothing_is_claimed_when_a_fault_strikes_before_the_commit() -> None:
    session = new_session()
    receipt = session.settle(collected(sale("a"), sale("b"), headers={"Tally-Once": "k"}), stored=False)
    assert (receipt.verdicts, receipt.rate_remaining, receipt.replayed) == ((REJECTED, REJECTED), 3, False)
    assert receipt.rate_reset_ms == NOW + 60_000
    after = session.settle(collected(sale("a"), headers={"Tally-Once": "k"}))
    assert (after.verdicts, after.rate_remaining, after.replayed) == ((ACCEPTED,), 2, False)


@pytest.mark.parametrize(
    ("verdicts", "counts"),
    [
        ((), Counts(1, 0, 0, 0)),
        ((ACCEPTED, ACCEPTED), Counts(1, 2, 0, 0)),
        ((DUPLICATE,), Counts(1, 0, 1, 0)),
        ((ACCEPTED, REJECTED, DUPLICATE, REJECTED), Counts(1, 1, 1, 2)),
    ],
)
def test_verdicts_are_counted(verdicts: tuple[Verdict, ...], counts: Counts) -> None:
    session = new_session()
    session.record(kept(1, *verdicts))
    assert session.counts == counts
    assert list(session.counts.as_json()) == ["requests", "accepted", "duplicate", "rejected"]


def test_size_is_of_the_body_the_verdicts_and_an_injected_reply() -> None:
    assert size_of(kept(1)) == EXCHANGE_OVERHEAD + 5
    assert size_of(kept(1, ACCEPTED, ACCEPTED)) == EXCHANGE_OVERHEAD + 5 + 2 * VERDICT_BYTES
    override = ReplyOverride(reply=WireReply(status=200, headers=(), body=b"1234567"))
    assert size_of(kept(1, override=override)) == EXCHANGE_OVERHEAD + 5 + 7


def test_shared_head_is_counted_once_and_given_back_with_its_last_exchange() -> None:
    session, first, second = new_session(), kept(1, shared_bytes=1000), kept(2)
    second.shared = first.shared
    session.record(first)
    session.record(second)
    assert (session.bytes, first.shared.uses) == (2 * size_of(first) + 1000, 2)
    assert session.evict() == size_of(first)
    assert session.evict() == size_of(first) + 1000
    assert (session.bytes, first.shared.uses, session.evicted) == (0, 0, 2)


def test_oldest_exchanges_go_when_the_journal_is_over_its_limit() -> None:
    session = new_session(journal_limit=2)
    for seq in range(1, 5):
        session.record(kept(seq, ACCEPTED))
    assert [entry.seq for entry in session.journal] == [3, 4]
    assert (session.evicted, session.counts.requests, session.counts.accepted) == (2, 4, 4)
    assert session.bytes == 2 * size_of(kept(1, ACCEPTED))


def test_exchanges_are_found_by_request_number() -> None:
    session = new_session()
    for seq in (2, 3, 7):
        session.record(kept(seq))
    assert [[entry.seq for entry in session.exchanges(after)] for after in (0, 2, 5, 7)] == [[2, 3, 7], [3, 7], [7], []]


def test_exchanges_are_found_by_event_number() -> None:
    session = new_session()
    for seq, first_event, count in ((1, 1, 2), (2, 3, 0), (3, 3, 1), (4, 4, 3)):
        session.record(kept(seq, *[ACCEPTED] * count, first_event=first_event))
    numbers = {after: [entry.seq for entry in session.exchanges_with_events(after)] for after in (0, 1, 2, 3, 5, 6)}
    assert numbers == {0: [1, 2, 3, 4], 1: [1, 2, 3, 4], 2: [3, 4], 3: [4], 5: [4], 6: []}


def test_waiters_are_offered_each_exchange_and_told_of_rests() -> None:
    session, onlooker = new_session(), Onlooker()
    session.record(kept(1))
    session.waiters.add(onlooker)
    session.record(kept(2))
    session.in_flight += 1
    session.leave()
    assert onlooker.heard == [2, "rest"]
    assert session.in_flight == 0


@pytest.mark.parametrize(("waiters", "in_flight", "busy"), [(0, 0, False), (1, 0, True), (0, 1, True), (2, 3, True)])
def test_session_is_busy_while_somebody_waits_or_a_request_is_held_up(waiters: int, in_flight: int, busy: bool) -> None:
    session = new_session()
    session.waiters.update(Onlooker() for _ in range(waiters))
    session.in_flight = in_flight
    assert session.busy is busy


def test_first_keys_of_a_session_are_remembered_and_counted() -> None:
    session = new_store().session("s")
    before = session.held
    for key in (None, "a", "a", "b" * 1000, *map(str, range(20))):
        session.saw(key)
    assert session.seen_keys == ("a", "b" * LONGEST_SEEN, *map(str, range(SEEN_KEYS - 2)))
    assert session.held - before == keys_size(session.seen_keys)
