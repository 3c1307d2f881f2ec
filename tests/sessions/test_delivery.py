"""One logical event: its attempts, its fate, its flags."""

from __future__ import annotations

import pytest

from mockserver.core.model import Verdict
from mockserver.sessions.delivery import Delivery, Fate
from mockserver.sessions.exchange import Exchange, ReplyOverride
from mockserver.sessions.outcomes import ClientOutcome
from tests.judging import COLLECT, NOW, collection, sale, wire_request
from tests.sessions.keeping import exchange

ACKNOWLEDGED, REFUSED, RETRY = ClientOutcome.ACKNOWLEDGED, ClientOutcome.REFUSED, ClientOutcome.RETRY


def delivery() -> Delivery:
    return Delivery(number=1, id="a", by="ref", protocol="tally", type="sale", content=b"0" * 16)


def sent(
    seq: int, at: int, *, status: int = 200, lost: bool = False, answered: tuple[int, int] | None = None
) -> Exchange:
    """Return the exchange number `seq`, arrived `at` ms after now."""
    request = wire_request(COLLECT, collection(sale()))
    override = ReplyOverride(lost=lost, answered=answered, fault={"connection": "reset"} if lost else None)
    return exchange(request, [Verdict.ACCEPTED], seq=seq, now_ms=NOW + at, status=status, override=override)


def attempted(*outcomes: ClientOutcome, stored_at: int | None = None) -> Delivery:
    """Return an event whose attempts, a second apart, its client was told these outcomes of."""
    row = delivery()
    for number, outcome in enumerate(outcomes, 1):
        kept = sent(number, number * 1000)
        row.attempt(kept, 0, outcome)
        if number == stored_at:
            row.stored_by = kept
    return row


@pytest.mark.parametrize(
    ("outcomes", "stored_at", "fate", "final"),
    [
        ([ACKNOWLEDGED], 1, "accepted", "accepted"),
        ([RETRY], None, "pending", "lost"),
        ([RETRY], 1, "pending", "accepted"),
        ([RETRY, RETRY], 2, "pending", "accepted_after_retry"),
        ([RETRY, ACKNOWLEDGED], 2, "accepted_after_retry", "accepted_after_retry"),
        ([RETRY, ACKNOWLEDGED], 1, "accepted_after_retry", "accepted_after_retry"),
        ([ACKNOWLEDGED, ACKNOWLEDGED], 1, "accepted", "accepted"),
        ([REFUSED], None, "rejected", "rejected"),
        ([REFUSED], 1, "accepted", "accepted"),
        ([RETRY, REFUSED], None, "rejected", "rejected"),
        ([REFUSED, ACKNOWLEDGED], 2, "rejected_then_resent", "rejected_then_resent"),
        ([REFUSED, REFUSED], None, "rejected_then_resent", "rejected_then_resent"),
        ([REFUSED, RETRY], None, "rejected_then_resent", "rejected_then_resent"),
    ],
)
def test_fate_follows_what_the_client_was_told(
    outcomes: list[ClientOutcome], stored_at: int | None, fate: Fate, final: Fate
) -> None:
    row = attempted(*outcomes, stored_at=stored_at)
    assert (row.fate(final=False), row.fate(final=True)) == (fate, final)
    assert (row.stored_by is not None) is (stored_at is not None)


def test_event_is_closed_once_the_client_was_told_so() -> None:
    assert not attempted(RETRY, REFUSED).closed
    assert attempted(RETRY, ACKNOWLEDGED).closed
    assert attempted(ACKNOWLEDGED, RETRY).last is ACKNOWLEDGED


def test_repeat_after_the_acknowledgement_is_flagged() -> None:
    assert attempted(ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED).flags == ("duplicate_delivery",)
    assert attempted(RETRY, ACKNOWLEDGED).flags == ()


@pytest.mark.parametrize(
    ("seq", "at", "flagged"),
    [(3, 600, True), (3, 500, True), (3, 499, False), (2, 600, False)],
)
def test_request_that_was_on_its_way_by_then_is_no_repeat(seq: int, at: int, flagged: bool) -> None:
    row = delivery()
    row.attempt(sent(1, 0, answered=(NOW + 500, 2)), 0, ACKNOWLEDGED)
    row.attempt(sent(seq, at), 0, ACKNOWLEDGED)
    assert row.flags == (("duplicate_delivery",) if flagged else ())


def test_resend_that_was_on_its_way_before_the_refusal_is_no_resend() -> None:
    row = delivery()
    row.attempt(sent(1, 0, answered=(NOW + 500, 2)), 0, REFUSED)
    row.attempt(sent(2, 100), 0, REFUSED)
    assert row.fate(final=True) == "rejected"


def test_attempts_stand_in_the_order_of_their_arrival() -> None:
    row = delivery()
    for seq, at in ((1, 300), (2, 100), (3, 300), (4, 200)):
        row.attempt(sent(seq, at), 0, RETRY)
    assert [kept.seq for kept, _ in row.attempts] == [2, 4, 1, 3]


def test_many_attempts_stand_in_the_order_of_their_arrival() -> None:
    row = delivery()
    order = [number * 7 % 31 for number in range(31)]
    for seq, at in enumerate(order, 1):
        row.attempt(sent(seq, at), 0, RETRY)
    assert [order[kept.seq - 1] for kept, _ in row.attempts] == sorted(order)


def test_first_success_counts_as_a_retry_when_an_earlier_attempt_comes_to_light() -> None:
    row = delivery()
    row.attempt(sent(1, 1000), 0, ACKNOWLEDGED)
    assert row.fate(final=True) == "accepted"
    row.attempt(sent(2, 0, lost=True), 0, RETRY)
    assert row.fate(final=True) == "accepted_after_retry"


def test_flag_is_set_once() -> None:
    row = delivery()
    row.flag("reordered")
    row.flag("reordered")
    assert row.flags == ("reordered",)


def test_row_shows_every_attempt() -> None:
    row = delivery()
    row.attempt(sent(1, 0, status=503, lost=True), 2, RETRY)
    row.attempt(sent(2, 1000, status=201), 0, ACKNOWLEDGED)
    assert row.as_json(final=False) == {
        "id": "a",
        "by": "ref",
        "protocol": "tally",
        "type": "sale",
        "label": "sale",
        "attempts": [
            {
                "request_id": "r1",
                "index": 2,
                "at": "2026-06-14T12:00:00.000Z",
                "status": None,
                "fault": {"connection": "reset"},
            },
            {"request_id": "r2", "index": 0, "at": "2026-06-14T12:00:01.000Z", "status": 201, "fault": None},
        ],
        "fate": "accepted_after_retry",
        "flags": [],
    }
