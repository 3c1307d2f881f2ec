"""Attempts become marks: a shape for what happened, a place for when, words for both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mockserver.client.delivery_lanes import MOST_LANES, MOST_MARKS, MOST_PLAIN, OUTCOMES, Outcome, outcome, picture
from mockserver.client.results import Attempt, Delivery, Fate, VerdictName
from mockserver.client.session_report import is_odd

START = datetime(2026, 6, 14, 12, tzinfo=UTC)


def attempt(status: int | None, ms: int = 0, fault: object = None) -> Attempt:
    return Attempt(request_id=f"r{ms}", index=0, at=START + timedelta(milliseconds=ms), status=status, fault=fault)


def delivery(*attempts: Attempt, fate: Fate = "accepted", label: str = "track:paid") -> Delivery:
    return Delivery(
        id="m-1", by="uuid", protocol="whisperr", type="paid", attempts=attempts, fate=fate, flags=(), label=label
    )


@pytest.mark.parametrize(
    ("status", "verdict", "expected"),
    [
        (202, "accepted", "accepted"),
        (207, "rejected", "rejected"),
        (202, "duplicate", "duplicate"),
        (202, None, "accepted"),
        (400, "rejected", "rejected"),
        (401, None, "rejected"),
        (429, "rejected", "failed"),
        (503, "rejected", "failed"),
        (None, "accepted", "silent"),
    ],
)
def test_outcome_is_what_the_client_was_told(
    status: int | None, verdict: VerdictName | None, expected: Outcome
) -> None:
    assert outcome(attempt(status), verdict) == expected


def test_marks_are_where_their_times_are() -> None:
    drawn = picture([delivery(attempt(503), attempt(202, 250), attempt(202, 1000))], {}, is_odd)
    assert [drawn.count(f'x="{place}%"') for place in ("2.00", "26.00", "98.00")] == [2, 1, 2]
    assert all(f"+{tick}</text>" in drawn for tick in ("0 ms", "500 ms", "1.0 s"))


def test_attempts_of_one_moment_are_drawn() -> None:
    drawn = picture([delivery(attempt(202))], {}, is_odd)
    assert 'x="2.00%"' in drawn
    assert "+0 ms</text>" in drawn


def test_nothing_to_draw_is_an_empty_picture() -> None:
    assert "<g class=" not in picture([], {}, is_odd)


def test_odd_deliveries_come_first_and_plain_ones_are_few() -> None:
    plain, odd = delivery(attempt(202)), delivery(attempt(400), fate="rejected", label="track:odd")
    drawn = picture([plain] * 50 + [odd] * 3, {}, is_odd)
    assert drawn.index("track:odd") < drawn.index("track:paid")
    assert drawn.count('<li class="lane">') == MOST_PLAIN + 3
    assert f"{50 - MOST_PLAIN} more are not drawn" in drawn
    assert picture([odd] * 100, {}, is_odd).count('<li class="lane">') == MOST_LANES


def test_lane_has_so_many_marks_and_counts_the_rest() -> None:
    drawn = picture([delivery(*(attempt(503, ms) for ms in range(MOST_MARKS + 5)))], {}, is_odd)
    assert drawn.count('<g class="failed">') == MOST_MARKS
    assert "5 more attempts" in drawn


def test_every_outcome_is_in_the_legend() -> None:
    drawn = picture([], {}, is_odd)
    assert all(words in drawn and f'href="#m-{kind}"' in drawn for kind, words in OUTCOMES.items())


def test_names_are_text() -> None:
    drawn = picture([delivery(attempt(202), label='"><script>\u202e')], {}, is_odd)
    assert "&quot;&gt;&lt;script&gt;\\u202e" in drawn
    assert "<script" not in drawn
