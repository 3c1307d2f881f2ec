"""Which recorded replies the mock is held to."""

from __future__ import annotations

from dataclasses import replace

from mockserver.core.wire import WireReply
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.learning.recorded_answers import RecordedAnswer, answers_of
from mockserver.recording.recordings import Recording
from tests.recording.learning.planting import recorded
from tests.recording.learning.plants import BATCH, products, whisperr


def recording(**row: object) -> Recording:
    made = recorded("whisperr", {}, [whisperr(BATCH, products(1, 1))])
    (exchange,) = made.exchanges
    return replace(made, exchanges=(replace(exchange, row={**exchange.row, **row}),))


def answer(**row: object) -> RecordedAnswer:
    (made,) = answers_of(recording(**row), "whisperr", "")
    return made


def test_answer_has_the_name_of_its_exchange_and_of_its_file() -> None:
    (made,) = answers_of(recording(), "whisperr", "a.ndjson")
    assert (made.name, made.body, made.problem, made.stores) == (
        "x1 of a.ndjson",
        {"accepted": 1, "rejected": 0},
        "",
        True,
    )
    assert answers_of(recording(), "outlit", "") == []


def test_reply_that_a_fault_made_is_not_compared() -> None:
    before, after = answer(fault={"reply": {}}), answer(fault={"when": "after_commit"})
    assert before.problem == after.problem == "a fault step made or changed the reply"
    assert (before.stores, after.stores) == (False, True)


def test_reply_of_the_proxy_itself_is_not_compared() -> None:
    row = answer().exchange.row["reply"]
    made = answer(reply={**row, "from": "proxy"})
    assert (made.problem, made.stores) == ("the upstream gave no reply", False)


def test_reply_that_is_not_json_is_a_text() -> None:
    made = recording()
    (exchange,) = made.exchanges
    broken = replace(exchange, reply=WireReply(status=502, headers=(), body=b"<html>"))
    (found,) = answers_of(replace(made, exchanges=(broken,)), "whisperr", "")
    assert (found.body, found.text, found.is_refusal, found.stores) == (MISSING, "<html>", True, False)
