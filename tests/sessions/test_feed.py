"""The feed has what happened in its order, as much as it may, and wakes those who listen."""

from __future__ import annotations

import pytest

from mockserver.sessions.feed import Feed, Happening, Turning
from mockserver.sessions.session import Session, SessionSettings


def session(name: str, number: int) -> Session:
    return Session(name, SessionSettings(), number)


def happened(feed: Feed) -> list[tuple[int, str, int | str]]:
    """Return what is remembered: position, session, and the request or the turning."""
    entries = map(feed.at, range(feed.oldest, feed.newest + 1))
    return [(entry.position, entry.name, entry.turning.kind if entry.turning else entry.request) for entry in entries]


def test_happenings_of_all_sessions_have_one_order() -> None:
    feed, first, second = Feed(), session("a", 0), session("b", 1)
    feed.begin(first)
    feed.add(first, 1)
    feed.begin(second)
    feed.add(second, 1)
    feed.add(first, 2)
    assert happened(feed) == [(1, "a", "session"), (2, "a", 1), (3, "b", "session"), (4, "b", 1), (5, "a", 2)]
    assert feed.at(4) == Happening(4, "b", second, 1, None)
    assert feed.at(1).turning == Turning(kind="session")


def test_session_that_ended_is_named_and_its_requests_are_gone() -> None:
    feed, old, new = Feed(), session("a", 0), session("a", 1)
    feed.begin(old)
    feed.add(old, 1)
    feed.end(old, "deleted")
    feed.begin(new)
    feed.add(new, 1)
    assert happened(feed) == [(1, "a", "session"), (2, "a", 1), (3, "a", "deleted"), (4, "a", "session"), (5, "a", 1)]
    assert [feed.at(position).session for position in (2, 5)] == [None, new]


def test_only_the_latest_happenings_are_remembered() -> None:
    feed = Feed(most=4)
    for number in range(20):
        each = session(f"s{number}", number)
        feed.begin(each)
        feed.add(each, 1)
        feed.end(each, "deleted")
    assert (feed.newest, feed.oldest) == (60, 57)
    assert happened(feed) == [(57, "s18", "deleted"), (58, "s19", "session"), (59, "s19", 1), (60, "s19", "deleted")]
    assert (len(feed._turnings), len(feed._ended), len(feed._sessions), len(feed._entries)) == (3, 2, 0, 4)


@pytest.mark.parametrize(("name", "woken"), [("a", 2), ("b", 1), (None, 3), ("c", 0)])
def test_listeners_are_woken_by_what_they_listen_to(name: str | None, woken: int) -> None:
    feed, calls = Feed(), list[int]()
    first, second = session("a", 0), session("b", 1)
    feed.begin(first)
    feed.begin(second)
    with feed.listening(name, lambda: calls.append(feed.newest)):
        feed.add(first, 1)
        feed.add(second, 1)
        feed.end(first, "evicted")
    feed.add(second, 2)
    assert len(calls) == woken


def test_everybody_is_woken_when_the_server_stops() -> None:
    feed, calls = Feed(), list[str]()
    with feed.listening("a", lambda: calls.append("a")), feed.listening(None, lambda: calls.append("all")):
        feed.close()
    assert (feed.closed, sorted(calls)) == (True, ["a", "all"])


def test_runs_of_a_server_have_names_of_their_own() -> None:
    assert Feed().run != Feed().run
