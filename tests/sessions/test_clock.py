"""Session time: real, moved, frozen."""

from __future__ import annotations

import pytest

from mockserver.jsonkit.formats import MAX_TIME_MS
from mockserver.sessions.session import REAL_TIME, Clock


def test_real_time_passes_through() -> None:
    assert REAL_TIME.now(1_000) == 1_000
    assert not REAL_TIME.moved


@pytest.mark.parametrize(("now_ms", "offset_ms"), [(5_000, 4_000), (0, -1_000), (-500, -1_500), (1_000, 0)])
def test_clock_runs_on_from_the_moment_it_is_set_to(now_ms: int, offset_ms: int) -> None:
    clock = Clock(offset_ms=77).set_to(now_ms, 1_000, frozen=False)
    assert (clock.offset_ms, clock.frozen_ms) == (offset_ms, None)
    assert (clock.now(1_000), clock.now(1_250)) == (now_ms, now_ms + 250)
    assert clock.moved is (offset_ms != 0)


def test_frozen_clock_stands_still() -> None:
    clock = REAL_TIME.set_to(5_000, 1_000, frozen=True)
    assert (clock.now(1_000), clock.now(9_999_999)) == (5_000, 5_000)
    assert clock.moved


def test_clock_is_moved_when_it_is_frozen_at_the_real_moment() -> None:
    assert REAL_TIME.set_to(1_000, 1_000, frozen=True).moved


def test_thawed_clock_runs_on_from_where_it_stood() -> None:
    frozen = REAL_TIME.set_to(5_000, 1_000, frozen=True)
    running = frozen.set_to(frozen.now(8_000), 8_000, frozen=False)
    assert (running.now(8_000), running.now(8_100)) == (5_000, 5_100)
    assert running.frozen_ms is None


def test_running_clock_stands_still_at_the_end_of_the_year_9999() -> None:
    clock = REAL_TIME.set_to(MAX_TIME_MS - 5, 1_000, frozen=False)
    assert [clock.now(real_ms) for real_ms in (1_000, 1_005, 1_006, 10**15)] == [MAX_TIME_MS - 5, *[MAX_TIME_MS] * 3]
