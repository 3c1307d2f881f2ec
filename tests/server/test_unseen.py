"""Requests that no session has are counted with the reason of the latest."""

from __future__ import annotations

from mockserver.server.unseen import Unseen
from tests.judging import NOW


def test_nothing_is_reported_when_nothing_came() -> None:
    assert Unseen().since(NOW) == {"requests": 0, "last": None}


def test_only_what_came_since_is_counted() -> None:
    unseen = Unseen()
    for number, reason in enumerate(["first", "second", "third"]):
        unseen.add(NOW + number, reason)
    assert unseen.total == 3
    last = {"reason": "third", "received_at": "2026-06-14T12:00:00.002Z"}
    assert unseen.since(NOW + 1) == {"requests": 2, "last": last}
    assert unseen.since(NOW + 3) == {"requests": 0, "last": None}
