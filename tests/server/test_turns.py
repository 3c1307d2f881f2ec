"""Long work yields to the loop once its turn is over, and not before."""

from __future__ import annotations

import asyncio

import pytest

from mockserver.server import turns
from mockserver.server.turns import Turn


async def _pauses(pieces: int) -> int:
    """Return how often another callback ran while `pieces` of work were done."""
    loop, ran, over = asyncio.get_running_loop(), 0, False

    def other() -> None:
        nonlocal ran
        ran += 1
        if not over:
            loop.call_soon(other)

    loop.call_soon(other)
    turn = Turn()
    for _ in range(pieces):
        await turn.end_if_over()
    over = True
    return ran


async def test_turn_ends_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1)
    assert await _pauses(20) >= 19


async def test_turn_goes_on_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", 60)
    assert await _pauses(20) == 0
