"""The memory store: sessions made, found, forgotten; credentials owned; commits journalled and answered."""

from __future__ import annotations

import json
import logging

import pytest

from mockserver.core.model import Terms, Verdict
from mockserver.sessions import remains, tombstones
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import tagged
from mockserver.sessions.steps import Step
from tests.judging import NOW, sale
from tests.sessions.keeping import Onlooker, collected, commit, new_store


def test_session_is_made_once_when_it_is_first_named() -> None:
    store, names = new_store(rate_limits="enforce"), list[str]()
    store.on_new_session = lambda session: names.append(session.name)
    assert store.peek("a") is None
    first = store.session("a")
    assert store.session("a") is first
    assert store.peek("a") is first
    assert store.session("b").number == 1
    assert names == ["a", "b"]
    assert first.settings.rate_limits == "enforce"


def test_settings_of_one_session_are_not_anothers() -> None:
    store = new_store()
    store.session("a").settings.keys = frozenset()
    assert store.session("b").settings.keys is None


def test_sessions_are_listed_in_the_order_they_came_into_being() -> None:
    store = new_store()
    for name in ("c", "a", "b", "c", "a"):
        store.session(name)
    assert [session.name for session in store.sessions()] == ["c", "a", "b"]


def test_session_idle_for_longest_goes_when_there_are_too_many() -> None:
    store = new_store(max_sessions=2)
    for name in ("first", "second", "first", "third"):
        store.session(name)
    assert [session.name for session in store.sessions()] == ["first", "third"]
    assert store.evicted_sessions == 1
    store.peek("first")
    store.session("fourth")
    assert [session.name for session in store.sessions()] == ["third", "fourth"]


def test_busy_session_is_spared_when_another_is_idle() -> None:
    store, onlooker = new_store(max_sessions=2), Onlooker()
    store.session("waited-for").waiters.add(onlooker)
    store.session("idle")
    store.session("new")
    assert [session.name for session in store.sessions()] == ["waited-for", "new"]
    assert onlooker.heard == []


def test_oldest_session_goes_when_all_are_busy_and_its_waiters_are_told(caplog: pytest.LogCaptureFixture) -> None:
    store, onlooker = new_store(max_sessions=2), Onlooker()
    for name in ("a-very-long-session-name", "second"):
        store.session(name).waiters.add(onlooker)
    with caplog.at_level(logging.WARNING, "mockserver.store"):
        store.session("new")
    assert [session.name for session in store.sessions()] == ["second", "new"]
    assert onlooker.heard == ["evicted"]
    assert caplog.messages == [
        f"session {tagged('a-very-long-session-name')} evicted: more than 2 sessions (--max-sessions)"
    ]


def test_forgotten_session_is_gone_with_what_it_held() -> None:
    store, onlooker = new_store(), Onlooker()
    session = store.session("a")
    session.waiters.add(onlooker)
    assert store.give(session, ("tk_b",)) is None
    assert store.forget("a")
    assert not store.forget("a")
    assert (store.peek("a"), session.deleted, onlooker.heard) == (None, True, ["deleted"])
    assert store.owner("tk_b") == "tk_b"
    assert store.session("a") is not session


async def test_commit_journals_before_it_returns_the_reply() -> None:
    store = new_store()
    session = store.session("a")
    kept, reply = await commit(store, session, sale("a"), sale("a"), connection="c7", notes=("long_session",))
    assert list(session.journal) == [kept]
    assert (reply.status, json.loads(reply.body)) == (201, {"taken": 1, "again": 1, "worth": 5})
    assert (kept.status, kept.refused, kept.connection, kept.override.notes) == (201, False, "c7", ("long_session",))
    assert kept.verdicts == (Verdict.ACCEPTED, Verdict.DUPLICATE)
    assert kept.receipt.session == "a"


async def test_exchange_is_refused_when_the_judgement_or_a_claim_says_so() -> None:
    store = new_store(rate_limits="enforce")
    session, enforced = store.session("a"), Terms(now_ms=NOW, rate_mode="enforce")
    judged_bad, _ = await store.commit(session, collected(token="TK", terms=enforced), received_ms=NOW)
    within = [(await store.commit(session, collected(terms=enforced), received_ms=NOW))[0] for _ in range(3)]
    over, _ = await store.commit(session, collected(terms=enforced), received_ms=NOW)
    assert [entry.refused for entry in (judged_bad, *within, over)] == [True, False, False, False, True]
    assert [entry.status for entry in (judged_bad, *within, over)] == [402, 201, 201, 201, 420]


async def test_commit_notes_real_time_only_where_the_clock_shows_another() -> None:
    store = new_store()
    plain, _ = await store.commit(store.session("a"), collected(), received_ms=NOW)
    moved, _ = await store.commit(store.session("a"), collected(), received_ms=NOW - 5)
    assert (plain.override.received_ms, plain.received_ms) == (None, NOW)
    assert (moved.override.received_ms, moved.received_ms, moved.now_ms) == (NOW - 5, NOW - 5, NOW)


async def test_step_before_the_commit_stores_nothing_and_is_kept_as_it_was_met() -> None:
    store = new_store()
    session = store.session("a")
    step = Step({"reply": {"status": 503}, "times": 2})
    step.use()
    kept, _ = await commit(store, session, sale("a"), step=step)
    assert (kept.status, kept.verdicts) == (503, (Verdict.REJECTED,))
    assert kept.override.fault == {"reply": {"status": 503}, "times": 2, "remaining": 1}
    after, _ = await commit(store, session, sale("a"))
    assert after.verdicts == (Verdict.ACCEPTED,)


async def test_deleted_session_stays_forgotten_when_a_request_was_under_way() -> None:
    store = new_store()
    session = store.session("a")
    store.forget("a")
    kept, reply = await commit(store, session, sale("a"))
    assert reply.status == 201
    assert kept.verdicts == (Verdict.ACCEPTED,)
    assert (store.peek("a"), store.bytes, len(session.journal), session.shared_heads) == (None, 0, 0, {})


def test_credential_belongs_to_the_session_of_its_name_until_it_is_given() -> None:
    store = new_store()
    session = store.session("a")
    assert store.owner("tk_b") == "tk_b"
    assert store.give(session, ("tk_b", "tk_c")) is None
    assert (store.owner("tk_b"), store.owner("tk_c"), store.owner("a")) == ("a", "a", "a")
    assert session.settings.credentials == ("tk_b", "tk_c")


def test_credentials_replace_those_a_session_had() -> None:
    store = new_store()
    session = store.session("a")
    store.give(session, ("tk_b", "tk_c"))
    assert store.give(session, ("tk_c", "tk_d")) is None
    assert [store.owner(key) for key in ("tk_b", "tk_c", "tk_d")] == ["tk_b", "a", "a"]
    assert store.give(session, ()) is None
    assert store.owner("tk_c") == "tk_c"


def test_credential_is_taken_when_another_session_has_it() -> None:
    store = new_store()
    first, second = store.session("a"), store.session("b")
    store.give(first, ("tk_x",))
    assert store.give(second, ("tk_y", "tk_x")) == "tk_x"
    assert (store.owner("tk_x"), store.owner("tk_y"), second.settings.credentials) == ("a", "tk_y", ())


def test_credential_is_taken_when_a_session_of_its_name_exists_even_if_nobody_used_it() -> None:
    store = new_store()
    named = store.session("tk_x")
    assert store.give(store.session("a"), ("tk_x",)) == "tk_x"
    assert store.give(named, ("tk_x",)) is None
    store.forget("tk_x")
    assert store.give(store.session("a"), ("tk_x",)) is None


@pytest.mark.parametrize("owner", ["a", "default"])
def test_name_of_the_default_session_is_nobodys_credential(owner: str) -> None:
    store = new_store()
    assert store.give(store.session(owner), ("tk_x", "default")) == "default"
    assert (store.owner("default"), store.owner("tk_x")) == ("default", "tk_x")


def test_credentials_of_an_evicted_session_still_select_it() -> None:
    store = new_store(max_sessions=1)
    store.give(store.session("a"), ("tk_x", "tk_y"))
    store.session("b")
    assert store.give(store.session("b"), ("tk_y",)) is None, "an evicted session keeps no credential from others"
    assert store.look_up("a").settings.credentials == ("tk_x",)
    again = store.session(store.owner("tk_x"))
    assert (again.name, again.settings.credentials) == ("a", ("tk_x",))
    assert again.eviction is not None
    assert again.eviction.lost == (), "all that was set up is there again"


def test_credentials_of_an_evicted_session_are_free_once_it_is_deleted() -> None:
    store = new_store(max_sessions=1)
    store.give(store.session("a"), ("tk_x",))
    store.session("b")
    assert store.forget("a")
    assert store.owner("tk_x") == "tk_x"


def test_credentials_of_an_evicted_session_are_free_once_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tombstones, "KEPT", {True: 1, False: 1})
    store = new_store(max_sessions=1)
    for name in ("a", "b"):
        store.give(store.session(name), (f"tk_{name}",))
    store.session("c")
    assert (store.owner("tk_a"), store.owner("tk_b")) == ("tk_a", "b")


def test_many_credentials_of_an_evicted_session_are_lost() -> None:
    store = new_store(max_sessions=1)
    store.give(store.session("a"), tuple(f"tk_{number}" for number in range(tombstones.MOST_CREDENTIALS + 1)))
    store.session("b")
    assert store.owner("tk_0") == "tk_0"
    assert "settings" in store.session("a").eviction.lost  # type: ignore[union-attr]


def test_session_may_be_given_its_own_name() -> None:
    store = new_store()
    session: Session = store.session("a")
    assert store.give(session, ("a",)) is None
    assert store.owner("a") == "a"


async def test_large_session_that_goes_is_freed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PIECE", 2)
    store = new_store()
    for number in range(7):
        await commit(store, store.session("a"), sale(f"s{number}"))
    assert store.forget("a")
    pieces = 0
    while store.remains.free_some():
        pieces += 1
    assert pieces >= 6, "three pieces of the journal, and three of the ids"


async def test_commits_free_what_is_left_of_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PIECE", 2)
    store = new_store()
    for number in range(7):
        await commit(store, store.session("a"), sale(f"s{number}"))
    store.forget("a")
    for number in range(8):
        await commit(store, store.session("b"), sale(f"t{number}"))
    assert not store.remains.free_some()
