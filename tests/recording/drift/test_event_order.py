"""How events are split into requests: what only the timing of a run makes does not count."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.recording.drift.drift import drift
from mockserver.recording.recordings import recording_of
from tests.recording.drift.test_logical_requests import event, exchange
from tests.recording.test_recordings import HEAD, lines


def batches(*sizes: int, gap_ms: int = 0) -> bytes:
    """Return a recording of batches: each is sent when its last event has happened, `gap_ms` after the one before."""
    rows, count = list[Any](), 0
    for number, size in enumerate(sizes, 1):
        sent = []
        for index in range(count, count + size):
            moment = f"2026-06-14T12:00:{number * gap_ms // 1000:02d}.000Z"
            sent.append({**event(f"m-{index}"), "occurred_at": moment})
        row = exchange(number, *sent)
        del row["request"]["body"]["json"]["sent_at"]
        row["at_ms"] = number * gap_ms + 1
        row["reply"]["body"] = {"json": {"accepted": size, "rejected": 0}}
        rows.append(row)
        count += size
    return lines(HEAD, *rows)


def told(old: bytes, new: bytes) -> list[tuple[str, Any, Any]]:
    both = drift(recording_of(old, "old"), recording_of(new, "new"), library())
    return [(one.kind, one.old, one.new) for one in both.differences]


@pytest.mark.parametrize(
    ("old", "new"),
    [((3,), (2, 1)), ((3,), (1, 1, 1)), ((1, 1, 1), (3,)), ((50,), (10, 10, 10, 10, 10)), ((20, 20), (10, 10, 10, 10))],
)
def test_split_at_one_moment_is_told(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    assert told(batches(*old), batches(*new)) == [("batches", list(old), list(new))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((20, 25), (23, 22)),
        ((20, 20, 5), (21, 19, 5)),
        ((20, 20, 5), (20, 20, 3, 2)),
        ((20, 80), (20, 20, 20, 40)),
        ((20, 20, 20), (20, 40)),
        ((20, 40, 20), (20, 20, 20, 20)),
        ((45,), (20, 20, 5)),
        ((80,), (20, 60)),
        ((20, 80), (20, 40, 40)),
        ((4,), (4,)),
    ],
)
def test_split_that_another_thread_may_have_made_is_not_told(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    assert told(batches(*old), batches(*new)) == []


def test_batch_whose_events_came_later_is_not_told() -> None:
    """The client flushed in between, and the events of the second batch were not there yet."""
    assert told(batches(3), batches(2, 1, gap_ms=5000)) == []
    assert told(batches(2, 1, gap_ms=5000), batches(3)) == []


def test_each_burst_is_compared_by_itself() -> None:
    """What was flushed before, and after, says nothing about a batch that was split."""
    old, new = batches(1, 4, 1, gap_ms=5000), batches(1, 4, 1, gap_ms=5000)
    assert told(old, new) == []
    rows = [json.loads(line) for line in new.splitlines()]
    whole = rows[2]
    halves = [copy.deepcopy(whole) for _ in range(2)]
    for half, part in zip(halves, (slice(2), slice(2, 4)), strict=True):
        half["request"]["body"]["json"]["events"] = whole["request"]["body"]["json"]["events"][part]
        half["events"] = whole["events"][part]
        half["reply"]["body"]["json"]["accepted"] = 2
    rows[2:3] = halves
    for number, row in enumerate(rows[1:], 1):
        row["id"] = f"x{number}"
    assert told(old, lines(*rows)) == [("batches", [4], [2, 2])]


def test_split_is_compared_without_events_that_are_missing() -> None:
    assert told(batches(3), batches(2)) == [("events-gone", 1, None)]
    assert told(batches(1), batches(1, 2)) == [("events-new", None, 2)]
