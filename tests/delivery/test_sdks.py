"""The real ``whisperr`` (PyPI) and ``@whisperr/node`` (npm) under the faults of the table."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import pytest

from mockserver.jsonkit.formats import epoch_ms
from tests.delivery.conftest import OutcomeOf
from tests.delivery.runner import Outcome
from tests.delivery.table import SDKS, Case, load

TABLE = load()
PROVOKED = {f"R{number}" for number in range(20, 32)} | {"R34"}
DELIVERED = ("accepted", "accepted_after_retry")


@pytest.mark.sdk
@pytest.mark.parametrize(
    ("case", "sdk"), [pytest.param(case, sdk, id=f"{case}-{sdk}") for case in TABLE for sdk in case.sdks]
)
def test_ledger_is_as_the_table_says_when_the_server_fails(case: Case, sdk: str, outcome_of: OutcomeOf) -> None:
    outcome = outcome_of(case, sdk)
    assert outcome.rows == case.ledger
    for expected, got in outcome.looks:
        assert got == expected
    assert outcome.waited["satisfied"], outcome.waited
    assert outcome.errors == list(case.errors)
    assert_every_fault_struck(outcome)
    assert_ids_keep_their_event_and_are_stored_once(outcome)
    for (least, most), gap in zip(case.gaps, gaps(outcome.ledger[0]), strict=bool(case.gaps)):
        assert least <= gap <= most


def assert_every_fault_struck(outcome: Outcome) -> None:
    """The script has been used up, and every request that no event came with is accounted for too."""
    attempts = {attempt["request_id"]: attempt for row in outcome.ledger for attempt in row["attempts"]}
    assert [row["id"] for row in outcome.requests] == sorted(attempts, key=lambda id: int(id[1:]))
    assert all(attempts[row["id"]]["fault"] == row["fault"] for row in outcome.requests)
    assert not [step for step in outcome.faults if step["remaining"]]


def assert_ids_keep_their_event_and_are_stored_once(outcome: Outcome) -> None:
    """What comes under one id is one event, and those that the ledger calls accepted are in the store, each once."""
    contents: dict[str, list[Any]] = defaultdict(list)
    stored: Counter[str] = Counter()
    for row in outcome.events:
        name = row["event"].get("context", {}).get("$message_id")
        if name is not None:
            contents[name].append(row["event"])
            stored[name] += row["verdict"] == "accepted"
    assert all(event == same[0] for same in contents.values() for event in same)
    by_id = [row for row in outcome.ledger if row["by"] == "$message_id"]
    assert {row["id"] for row in by_id} == set(contents)
    assert stored == Counter({row["id"]: int(row["fate"] in DELIVERED) for row in by_id})


def gaps(row: Any) -> list[int]:
    """Return how many ms the attempts of a row lie apart."""
    times = [epoch_ms(attempt["at"]) or 0 for attempt in row["attempts"]]
    return [later - earlier for earlier, later in pairwise(times)]


def test_table_provokes_every_rule_of_delivery_with_every_sdk() -> None:
    for sdk in SDKS:
        assert {rule for case in TABLE if sdk in case.sdks for rule in case.rules} == PROVOKED


def test_table_pairs_at_least_forty_faults_with_rules_when_equal_ones_count_once() -> None:
    pairs = {(str((case.session, case.clock, case.faults)), rule) for case in TABLE for rule in case.rules}
    assert len(pairs) >= 40
