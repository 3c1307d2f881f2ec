"""Requests that no session has are counted with the reason of the latest."""

from __future__ import annotations

from mockserver.server.unseen import Unseen, plain_path


def test_nothing_is_reported_when_nothing_came() -> None:
    assert Unseen().as_json() == {"count": 0, "reason": None, "at": None}


def test_only_what_came_since_is_counted() -> None:
    unseen = Unseen()
    for reason in ("first", "second"):
        unseen.add(reason)
    answer = unseen.as_json(1)
    assert (answer["count"], answer["reason"]) == (2, "second")
    assert unseen.as_json(4_000_000_000_000) == {"count": 0, "reason": None, "at": None}


def test_path_has_no_key() -> None:
    assert plain_path("/v2/nowhere/pk_secret_1") == "/v2/nowhere/…"
