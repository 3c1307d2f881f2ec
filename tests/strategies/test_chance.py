"""Outcomes come in turn, the same for the same number of a sample, and what is remembered of samples is bounded."""

from __future__ import annotations

from mockserver.strategies.chance import REMEMBERED, Site, Turns

SITE = Site(3, [0, 1, 2])


def asked(turns: Turns, nonce: int) -> list[bool]:
    return [turns.is_due(SITE, cell, nonce) for cell in range(SITE.size)]


def test_outcome_is_not_due_again_before_the_others_came() -> None:
    turns = Turns()
    assert turns.is_due(SITE, 0, 1)
    assert not turns.is_due(SITE, 0, 2)
    assert turns.is_due(SITE, 1, 2)
    assert turns.is_due(SITE, 2, 3)
    assert turns.is_due(SITE, 0, 4)


def test_sample_is_decided_once_however_many_come_after_it() -> None:
    turns = Turns()
    first = asked(turns, 1)
    for nonce in range(2, REMEMBERED + 1):
        asked(turns, nonce)
    assert asked(turns, 1) == first == [True, True, True]


def test_samples_that_came_first_are_forgotten() -> None:
    turns = Turns()
    turns.is_due(SITE, 0, 1)
    assert not turns.is_due(SITE, 0, 2)
    turns.is_due(SITE, 1, 1)
    turns.is_due(SITE, 2, 1)
    assert not turns.is_due(SITE, 0, 2)
    for nonce in range(3, REMEMBERED + 3):
        turns.is_due(SITE, 0, nonce)
    assert len(turns._decided) == REMEMBERED
    turns.is_due(SITE, 1, 2)
    turns.is_due(SITE, 2, 2)
    assert turns.is_due(SITE, 0, 2)
