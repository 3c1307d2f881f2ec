"""The clock of a target, as its `Date` headers tell it."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from mockserver.verify.clock import TargetClock

START_MS = 1_781_438_402_300


def date(ms: int) -> str:
    return formatdate(ms // 1000, usegmt=True)


def heard(ahead_ms: int, count: int, step_ms: int = 130, way_ms: int = 4) -> TargetClock:
    """Return a clock that heard replies from a target whose clock is ahead, on the way for some time in all."""
    clock = TargetClock()
    for number in range(count):
        sent = START_MS + number * step_ms
        clock.heard(date(sent + way_ms // 2 + ahead_ms), sent, sent + way_ms)
    return clock


def test_nothing_is_known_when_no_reply_has_a_date() -> None:
    clock = TargetClock()
    for text in (None, "", "soon", "Sun, 14 Jun 2026 12:00:02", "Sun, 99 Jun 2026 12:00:02 GMT"):
        clock.heard(text, START_MS, START_MS + 4)
    assert clock.error_ms is None
    assert clock.ahead_ms == 0


def test_clock_is_known_to_a_second_when_one_reply_has_a_date() -> None:
    clock = heard(ahead_ms=0, count=1)
    assert clock.ahead_ms == 0
    assert clock.error_ms is not None
    assert clock.error_ms <= 1004


@pytest.mark.parametrize("ahead_ms", [-3_600_000, -45_000, -700, 0, 2_500, 86_400_000])
def test_clock_is_known_closely_when_many_replies_have_a_date(ahead_ms: int) -> None:
    clock = heard(ahead_ms, count=20)
    assert clock.error_ms is not None
    assert clock.error_ms < 200
    assert abs(clock.ahead_ms - ahead_ms) <= max(clock.error_ms, 700 if abs(ahead_ms) <= 700 else 0)


def test_earlier_replies_count_no_more_when_the_clock_is_set() -> None:
    clock = heard(ahead_ms=0, count=20)
    clock.heard(date(START_MS + 3_600_000), START_MS + 5_000, START_MS + 5_004)
    assert abs(clock.ahead_ms - 3_595_000) < 1_500


def test_clock_is_followed_when_it_stands_still() -> None:
    clock = TargetClock()
    for number in range(100):
        now = START_MS + number * 1000
        clock.heard(date(START_MS), now, now + 4)
        assert abs(clock.ahead_ms - (START_MS - now)) <= 2_000
