"""Which attempt a request is: by the id of an event, else by its content, as in the ledger."""

from __future__ import annotations

import weakref
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from mockserver.core.model import Verdict
from mockserver.sessions import attempt_numbers
from mockserver.sessions.attempt_numbers import ATTEMPT_BYTES, AttemptNumbers
from mockserver.sessions.exchange import Exchange, ReplyOverride
from tests.judging import COLLECT, collection, sale, wire_request
from tests.sessions.keeping import TALLY, exchange

LOST = ReplyOverride(lost=True)
ANSWERED = ReplyOverride()
NUMBERS = count(1)


def sent(*items: Any, override: ReplyOverride = ANSWERED) -> Exchange:
    request = wire_request(COLLECT, collection(*items))
    return exchange(request, [Verdict.ACCEPTED] * len(items), seq=next(NUMBERS), override=override)


def without_ref(amount: int) -> dict[str, Any]:
    item = sale("x", amount)
    del item["ref"]
    return item


def test_id_is_counted_whatever_the_client_was_told() -> None:
    numbers = AttemptNumbers()
    assert numbers.add(sent(sale("a"), sale("b"))) == [1, 1]
    assert numbers.add(sent(sale("b"), sale("c"), override=LOST)) == [2, 1]
    assert numbers.add(sent(sale("b"), sale("b"), sale("c"))) == [3, 4, 2]


def test_equal_events_without_id_are_new_ones_once_they_were_acknowledged() -> None:
    numbers = AttemptNumbers()
    assert numbers.add(sent(without_ref(1), override=LOST)) == [1]
    assert numbers.add(sent(without_ref(1))) == [2]
    assert numbers.add(sent(without_ref(1))) == [1]


def test_equal_events_without_id_stay_apart_in_one_request() -> None:
    numbers = AttemptNumbers()
    assert numbers.add(sent(without_ref(1), without_ref(1), override=LOST)) == [1, 1]
    assert numbers.add(sent(without_ref(1), without_ref(1), without_ref(1))) == [2, 2, 1]


def test_outcome_is_looked_at_when_the_next_request_comes() -> None:
    numbers = AttemptNumbers()
    first = sent(without_ref(1), override=LOST)
    numbers.add(first)
    first.override = replace(LOST, lost=False)
    assert numbers.add(sent(without_ref(1))) == [1]


def test_expected_numbers_change_nothing() -> None:
    numbers = AttemptNumbers()
    numbers.add(sent(sale("a"), without_ref(1), override=LOST))
    for _ in range(2):
        assert numbers.expected(TALLY, [sale("a"), without_ref(1), without_ref(1)]) == [2, 2, 1]
    assert numbers.add(sent(sale("a"), without_ref(1))) == [2, 2]


def test_outcome_is_known_after_the_request_has_left_the_journal() -> None:
    numbers = AttemptNumbers()
    for override, expected in ((LOST, [1]), (LOST, [2]), (ANSWERED, [3]), (ANSWERED, [1])):
        entry = sent(without_ref(1), override=override)
        assert numbers.add(entry) == expected
        numbers.evict(entry)
        watched = weakref.ref(entry.shared)
        del entry
        assert watched() is None


def test_oldest_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_numbers, "MAX_KEPT", 3)
    numbers = AttemptNumbers()
    for number in range(6):
        numbers.add(sent(sale(f"id{number}" * 50), without_ref(number), override=LOST))
    assert numbers.bytes <= ATTEMPT_BYTES * (3 + 3 + 6)
    assert numbers.add(sent(sale("id0" * 50), sale("id5" * 50))) == [1, 2]
