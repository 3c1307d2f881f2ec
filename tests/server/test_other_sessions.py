"""What other sessions received while one waited."""

from __future__ import annotations

from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.server.waiting import LOOK_BACK_MS, SHOWN_SESSIONS, other_sessions
from mockserver.sessions.session import Session
from mockserver.sessions.stores.memory import MemoryStore
from tests.judging import NOW
from tests.sessions.keeping import collected, new_store


async def received(store: MemoryStore, name: str, *moments: int) -> Session:
    """Let a session receive a request at each moment, in ms from now."""
    session = store.session(name)
    for moment in moments:
        await store.commit(session, collected(), received_ms=NOW + moment)
    return session


def shown(store: MemoryStore, session: Session, began_ms: int, since_ms: int | None = None) -> list[tuple[str, int]]:
    return [(row["session"], row["requests"]) for row in other_sessions(store, session, began_ms, since_ms)]


async def test_session_of_another_test_is_not_blamed_for_what_came_before() -> None:
    store = new_store()
    own, since_ms = store.session("own"), NOW - LOOK_BACK_MS
    store.note_use(await received(store, "earlier-test", -5, -4))
    store.note_use(await received(store, "parallel-test", -5, 3))
    await received(store, "mistyped", -5)

    def names(*, guessed: bool) -> set[str]:
        return {row["session"] for row in other_sessions(store, own, NOW, since_ms, guessed=guessed)}

    assert names(guessed=True) == {"parallel-test", "mistyped"}
    assert names(guessed=False) == {"parallel-test", "mistyped", "earlier-test"}


async def test_time_of_the_latest_request_is_shown() -> None:
    store = new_store()
    await received(store, "other", 1, 30)
    (row,) = other_sessions(store, store.session("own"), NOW)
    assert row["last"] == rfc3339_ms(NOW + 30)


async def test_sessions_that_received_something_since_are_listed_the_latest_first() -> None:
    store = new_store()
    own = await received(store, "own", 5)
    await received(store, "early", 1, 2, 30)
    await received(store, "late", -10, 40)
    assert shown(store, own, NOW) == [
        ("late", 1),
        ("early", 3),
    ]


async def test_moment_at_which_the_wait_began_does_not_count() -> None:
    store = new_store()
    own = store.session("own")
    await received(store, "then", 0)
    await received(store, "after", 1)
    assert shown(store, own, NOW) == [("after", 1)]


async def test_session_without_requests_is_not_listed() -> None:
    store = new_store()
    store.session("silent")
    assert shown(store, store.session("own"), NOW, since_ms=NOW - LOOK_BACK_MS) == []


async def test_last_minute_is_looked_at_when_nothing_came_since() -> None:
    store = new_store()
    own = store.session("own")
    await received(store, "before", -LOOK_BACK_MS, -5)
    await received(store, "long-before", -LOOK_BACK_MS - 1)
    await received(store, "both", -5, -4, 3)
    assert shown(store, own, NOW, since_ms=NOW - LOOK_BACK_MS) == [
        ("both", 1),
        ("before", 2),
    ]
    assert shown(store, own, NOW) == [("both", 1)]


async def test_nothing_older_than_the_sessions_own_latest_request_is_looked_at() -> None:
    store = new_store()
    own = await received(store, "own", -100)
    await received(store, "other", -200, -100, -99)
    await received(store, "older", -200)
    assert shown(store, own, NOW, since_ms=NOW - LOOK_BACK_MS) == [("other", 1)]


async def test_no_more_than_a_few_are_shown() -> None:
    store = new_store()
    for number in range(SHOWN_SESSIONS + 3):
        await received(store, f"s{number}", number + 1)
    assert [name for name, _ in shown(store, store.session("own"), NOW)] == [
        f"s{number}" for number in range(SHOWN_SESSIONS + 2, 2, -1)
    ]
