"""A planned reply is byte for byte the one that `answer` gives; what depends on more than numbers has no plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mockserver.contract.contract import KEPT_PLACES
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Receipt, Terms, Verdict
from mockserver.core.reply_plans import LONGEST_ORIGIN, PlannedReply, quick_answer
from mockserver.core.route import route
from tests import cases
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request

ACCEPTED, DUPLICATE, REJECTED = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED
OUTLIT = "/api/i/v1/pk_a/events"
CLICK = {"type": "pageview", "url": "https://example.com/", "path": "/"}


def receipt(*verdicts: Verdict, **members: Any) -> Receipt:
    return Receipt(**{"session": "s", "seq": 7, "first_event": 3, "verdicts": verdicts, **members})


def batch(patch: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Judged:
    body = {"visitorId": "v", "source": "client", "events": [CLICK] * 2}
    sent = {"Content-Type": "application/json", **(headers or {})}
    found = judged(contract_of("outlit", patch), wire_request(OUTLIT, body, sent))
    assert found.refusal is None
    return found


RECEIPTS = [
    receipt(ACCEPTED, ACCEPTED, rate_remaining=58, rate_reset_ms=NOW + 1),
    receipt(ACCEPTED, DUPLICATE, rate_remaining=0, rate_reset_ms=NOW + 59_999),
    receipt(DUPLICATE, DUPLICATE, rate_remaining=999_999),
]


@pytest.mark.parametrize("made", RECEIPTS, ids=["new", "mixed", "old"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "https://a.example"}, {"Origin": "100%d%s é"}], ids=str)
def test_planned_reply_is_the_one_that_is_worked_out(made: Receipt, headers: dict[str, str]) -> None:
    found = batch(headers=headers)
    for _ in range(2):  # the second one comes from the plan that is kept
        reply = quick_answer(found, made)
        assert isinstance(reply, PlannedReply)
        assert (reply.status, reply.wire()) == (200, answer(found, made))


PATCHES: Mapping[str, tuple[Any, bool]] = {
    "text": ({"text": "100%d ${processed}", "body": None, "schema": None}, True),
    "numbers in texts": ({"body": {"a": "100% ${processed} of ${batch_size}", "b": ["${rejected}", "%s"]}}, True),
    "looks like a mark": ({"body": {"a": ["${rejected}", 8207000000000003]}}, False),
    "header": ({"headers": {"X-Taken": "50% ${accepted}/${batch_size}"}}, True),
    "not a number": ({"body": {"a": "${created}"}}, False),
}


@pytest.mark.parametrize(("patch", "planned"), PATCHES.values(), ids=PATCHES)
def test_plan_holds_what_a_patch_makes_of_a_reply(patch: Mapping[str, Any], planned: bool) -> None:
    found = batch({"protocol": {"replies": {"processed": {"schema": None, **patch}}}})
    reply = quick_answer(found, RECEIPTS[1])
    assert isinstance(reply, PlannedReply) is planned
    assert (reply.wire() if isinstance(reply, PlannedReply) else reply) == answer(found, RECEIPTS[1])


def test_few_plans_are_kept_however_many_origins_there_are() -> None:
    plans = contract_of("outlit").plans
    for number in range(KEPT_PLACES + 2):
        quick_answer(batch(headers={"Origin": f"https://{number}.example"}), RECEIPTS[0])
    assert len(plans) <= KEPT_PLACES
    before = len(plans)
    quick_answer(batch(headers={"Origin": "https://" + "a" * LONGEST_ORIGIN}), RECEIPTS[0])
    assert len(plans) == before


def test_adapter_may_give_a_number_another_meaning() -> None:
    found = judged(contract_of("tally"), wire_request(COLLECT, collection(sale())))
    own = quick_answer(found, receipt(ACCEPTED))
    assert (own.wire() if isinstance(own, PlannedReply) else own) == answer(found, receipt(ACCEPTED))


def test_reply_of_every_golden_request_is_the_one_that_is_worked_out() -> None:
    planned = 0
    for case in cases.load_all():
        contract = cases.contract_of(case)
        for step in case.exchanges:
            found = judge(route(RequestBody(step.request), contract), Terms(now_ms=case.clock_ms))
            count = len(found.events)
            for verdict in (ACCEPTED, DUPLICATE):
                for replayed in (False, True):
                    made = receipt(*[verdict] * count, replayed=replayed, created=True, rate_reset_ms=NOW)
                    reply = quick_answer(found, made)
                    planned += isinstance(reply, PlannedReply)
                    assert (reply.wire() if isinstance(reply, PlannedReply) else reply) == answer(found, made), step
    assert planned > 500
