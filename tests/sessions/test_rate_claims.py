"""Rate windows: when they begin and end, what they count, and what the receipt says of them in each mode."""

from __future__ import annotations

from typing import Literal

import pytest

from mockserver.contract.operation import RateClaim
from mockserver.contract.sections import RateLimit
from mockserver.core.model import Receipt, Terms
from mockserver.sessions import claims as module
from mockserver.sessions.claims import Claims
from mockserver.settings import RateMode
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request

TALLY = contract_of("tally")


def limit(requests: int = 2, window_ms: int = 1_000, *, aligned: bool = False, name: str = "own") -> RateClaim:
    starts: Literal["aligned", "first_request"] = "aligned" if aligned else "first_request"
    rate = RateLimit(name=name, requests=requests, window_ms=window_ms, starts=starts)
    return RateClaim(limit=rate, order=40, reason="rate_limited")


def request_at(
    claims: Claims, claim: RateClaim, now: int, mode: RateMode = "warn", *, take: bool = True, token: str = "tk_one"
) -> Receipt:
    """Return the receipt of one request at a moment."""
    request = wire_request(COLLECT, collection(sale(), token=token))
    receipt = Receipt(session="s", seq=1, first_event=1)
    claims.rate(claim, judged(TALLY, request, Terms(now_ms=now, rate_mode=mode)), receipt, take=take)
    return receipt


def window_of(receipt: Receipt) -> tuple[int, int, bool, str | None]:
    return receipt.rate_remaining, receipt.rate_reset_ms, receipt.over_rate, receipt.refused


def test_window_opens_with_the_first_request_when_it_is_not_aligned() -> None:
    claims, claim, start = Claims(), limit(), NOW + 300
    assert window_of(request_at(claims, claim, start)) == (1, start + 1_000, False, None)
    assert window_of(request_at(claims, claim, start + 999)) == (0, start + 1_000, False, None)
    assert window_of(request_at(claims, claim, start + 1_000)) == (1, start + 2_000, False, None)


def test_window_opens_at_a_multiple_of_its_length_when_it_is_aligned() -> None:
    claims, claim = Claims(), limit(aligned=True)
    assert window_of(request_at(claims, claim, NOW + 300)) == (1, NOW + 1_000, False, None)
    assert window_of(request_at(claims, claim, NOW + 999)) == (0, NOW + 1_000, False, None)
    assert window_of(request_at(claims, claim, NOW + 1_000)) == (1, NOW + 2_000, False, None)


@pytest.mark.parametrize("now", [0, 1, 300, 999])
def test_window_opens_with_the_first_request_when_the_clock_stands_at_1970(now: int) -> None:
    assert window_of(request_at(Claims(), limit(), now)) == (1, now + 1_000, False, None)


@pytest.mark.parametrize("mode", ["warn", "enforce"])
def test_request_over_the_limit_is_refused_only_when_enforced(mode: RateMode) -> None:
    claims, claim = Claims(), limit()
    for _ in range(2):
        assert request_at(claims, claim, NOW, mode).over_rate is False
    over = request_at(claims, claim, NOW, mode)
    assert window_of(over) == (0, NOW + 1_000, True, "rate_limited" if mode == "enforce" else None)


def test_refused_requests_count_but_never_prolong_the_window() -> None:
    claims, claim = Claims(), limit(requests=1)
    request_at(claims, claim, NOW, "enforce")
    assert request_at(claims, claim, NOW + 500, "enforce").rate_reset_ms == NOW + 1_000
    assert window_of(request_at(claims, claim, NOW + 1_000, "enforce")) == (0, NOW + 2_000, False, None)


def test_nothing_is_counted_when_rates_are_off() -> None:
    claims, claim = Claims(), limit(requests=1)
    for _ in range(3):
        assert window_of(request_at(claims, claim, NOW, "off")) == (1, NOW + 1_000, False, None)
    assert window_of(request_at(claims, claim, NOW, "enforce")) == (0, NOW + 1_000, False, None)


def test_window_is_only_looked_at_when_no_place_is_taken() -> None:
    claims, claim = Claims(), limit()
    request_at(claims, claim, NOW)
    for _ in range(3):
        assert window_of(request_at(claims, claim, NOW + 10, take=False)) == (1, NOW + 1_000, False, None)
    assert window_of(request_at(claims, claim, NOW + 10)) == (0, NOW + 1_000, False, None)
    assert window_of(request_at(Claims(), claim, NOW, take=False)) == (2, NOW + 1_000, False, None)


def test_window_begins_anew_when_the_clock_is_set_back() -> None:
    claims, claim = Claims(), limit(requests=1)
    request_at(claims, claim, NOW, "enforce")
    assert request_at(claims, claim, NOW, "enforce").refused == "rate_limited"
    assert window_of(request_at(claims, claim, NOW - 1, "enforce")) == (0, NOW + 999, False, None)


def test_windows_are_apart_for_each_limit_and_each_key() -> None:
    claims = Claims()
    assert request_at(claims, limit(), NOW).rate_remaining == 1
    assert request_at(claims, limit(name="other"), NOW).rate_remaining == 1
    assert request_at(claims, limit(), NOW, token="tk_two").rate_remaining == 1
    assert request_at(claims, limit(), NOW).rate_remaining == 0


def test_lowered_limit_leaves_no_less_than_nothing() -> None:
    claims = Claims()
    for _ in range(3):
        request_at(claims, limit(requests=5), NOW)
    assert window_of(request_at(claims, limit(requests=1), NOW)) == (0, NOW + 1_000, True, None)


def keys(count: int) -> list[str]:
    return [f"tk_{chr(ord('a') + number)}" for number in range(count)]


def test_windows_that_have_run_out_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WINDOWS", 3)
    claims, claim = Claims(), limit()
    for token in keys(3):
        request_at(claims, claim, NOW, token=token)
    request_at(claims, claim, NOW + 1_000, token="tk_new")
    assert len(claims._windows) == 1
    assert request_at(claims, claim, NOW + 1_000, token="tk_new").rate_remaining == 0


def test_oldest_windows_go_when_all_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WINDOWS", 3)
    claims, claim = Claims(), limit()
    for token in keys(4):
        request_at(claims, claim, NOW, token=token)
    assert len(claims._windows) == 2
    assert request_at(claims, claim, NOW, token="tk_a").rate_remaining == 1
    assert request_at(claims, claim, NOW, token="tk_d").rate_remaining == 0
