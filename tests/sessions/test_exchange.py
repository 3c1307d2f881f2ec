"""One journalled request: what it derives from its shared head, its receipt and what a fault changed."""

from __future__ import annotations

import gc

import pytest
from msgspec.structs import replace

from mockserver.core.model import Terms, Verdict
from mockserver.sessions.exchange import NO_OVERRIDE, ReplyOverride, SharedHead
from tests.judging import COLLECT, NOW, wire_request
from tests.sessions.keeping import TALLY, commit, exchange, new_store

REQUEST = wire_request(COLLECT, b"[1]", {"X-A": "1", "x-a": "2"}, truncated=True, late=True)


def test_request_is_put_together_from_the_shared_head_and_the_body() -> None:
    shared = replace(REQUEST, body=b"")
    kept = exchange(shared)
    kept.body = b"[1]"
    assert kept.request == REQUEST
    assert kept.request.header(b"x-a") == "2"


def test_terms_are_those_it_was_judged_under() -> None:
    kept = exchange(REQUEST, now_ms=NOW + 5)
    kept.shared = SharedHead(
        head=REQUEST, contract=TALLY, keys=frozenset({"k"}), rate_mode="enforce", operation="collect", bytes=0
    )
    assert kept.terms == Terms(now_ms=NOW + 5, keys=frozenset({"k"}), rate_mode="enforce")
    assert (kept.contract, kept.operation) == (TALLY, "collect")


def test_number_and_verdicts_are_the_receipts() -> None:
    kept = exchange(REQUEST, (Verdict.ACCEPTED, Verdict.DUPLICATE), seq=7)
    assert (kept.seq, kept.verdicts) == (7, (Verdict.ACCEPTED, Verdict.DUPLICATE))


def test_moments_are_the_sessions_unless_real_time_was_another() -> None:
    kept = exchange(REQUEST, seq=3, now_ms=NOW)
    assert (kept.received_ms, kept.answered) == (NOW, (NOW, 3))
    kept.override = ReplyOverride(received_ms=99)
    assert (kept.received_ms, kept.answered) == (99, (99, 3))
    kept.override = ReplyOverride(received_ms=99, answered=(120, 5))
    assert kept.answered == (120, 5)
    kept.override = ReplyOverride(received_ms=0)
    assert kept.received_ms == 0


@pytest.mark.parametrize(
    ("override", "status"),
    [
        (NO_OVERRIDE, 503),
        (ReplyOverride(lost=True), None),
        (ReplyOverride(lost=True, status_left=True), 503),
        (ReplyOverride(fault={}), 503),
    ],
)
def test_client_is_told_the_status_unless_the_answer_was_lost(override: ReplyOverride, status: int | None) -> None:
    assert exchange(REQUEST, status=503, override=override).client_status == status


async def test_garbage_collector_passes_over_the_journal() -> None:
    store = new_store()
    entry, _ = await commit(store, store.session("a"))
    assert not gc.is_tracked(entry)
    assert not gc.is_tracked(entry.receipt)
