"""Changes that wait for the next transaction, in their order."""

from __future__ import annotations

from mockserver.sessions.stores.file_changes import Changes


def test_later_changes_follow_earlier_ones() -> None:
    first = Changes(heads=[(1,)], sessions={1: ("old",), 2: ("two",)}, tombstones={"a": ("a",), "b": None})
    later = Changes(heads=[(2,)], sessions={1: ("new",)}, tombstones={"a": None}, deleted=[7])
    both = first.followed_by(later)
    assert both.heads == [(1,), (2,)]
    assert both.sessions == {1: ("new",), 2: ("two",)}, "the last state counts"
    assert both.tombstones == {"a": None, "b": None}
    assert both.deleted == [7]
    assert (first.heads, later.heads) == ([(1,)], [(2,)])
