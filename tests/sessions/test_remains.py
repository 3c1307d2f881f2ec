"""Remains: freed in pieces, completely, and not before."""

from __future__ import annotations

import weakref

from mockserver.sessions.remains import PIECE, Remains


class Thing:
    """An object whose end can be seen."""


def test_objects_are_freed_piece_by_piece_until_none_is_left() -> None:
    remains, things = Remains(), [Thing() for _ in range(2 * PIECE + 1)]
    alive = weakref.WeakSet(things)
    remains.add(things)
    things.clear()
    counts = [len(alive)]
    while remains.free_some():
        counts.append(len(alive))
    assert [*counts, len(alive)] == [2 * PIECE + 1, PIECE + 1, 1, 0]
    assert not remains.free_some()


def test_few_objects_go_at_once() -> None:
    remains, things = Remains(), [Thing() for _ in range(PIECE)]
    alive = weakref.WeakSet(things)
    remains.add(things)
    things.clear()
    assert len(alive) == 0
