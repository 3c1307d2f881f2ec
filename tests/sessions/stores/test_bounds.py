"""The bounds of the memory store: bytes of all journals together, shared heads, remembered ids."""

from __future__ import annotations

import logging

import pytest

from mockserver.core.model import Verdict
from mockserver.sessions.claims import ID_BYTES
from mockserver.sessions.session import size_of
from mockserver.sessions.session_name import tagged
from mockserver.sessions.stores import memory
from mockserver.sessions.stores.memory import HEAD_BYTES, HEADER_BYTES, MemoryStore, size_of_head
from tests.judging import NOW, sale, wire_request
from tests.sessions.keeping import collected, commit, new_store


def held(store: MemoryStore) -> int:
    """Return the bytes of all journals; what is counted for the sessions must be the same as what they hold."""
    assert store.bytes == sum(session.held for session in store.sessions())
    return sum(session.bytes for session in store.sessions())


def test_head_counts_its_target_and_each_header() -> None:
    request = wire_request("/abc", b"ignored", {"Name": "value", "X": ""})
    assert size_of_head(request) == HEAD_BYTES + 4 + (HEADER_BYTES + 9) + (HEADER_BYTES + 1)


async def test_equal_heads_are_one_object_and_counted_once() -> None:
    store = new_store()
    session = store.session("a")
    first, _ = await commit(store, session, sale("a"))
    second, _ = await commit(store, session, sale("b"))
    other, _ = await store.commit(session, collected(sale("c"), headers={"X": "1"}), received_ms=NOW)
    assert second.shared is first.shared
    assert other.shared is not first.shared
    heads = size_of_head(first.shared.head) + size_of_head(other.shared.head)
    assert held(store) == sum(map(size_of, (first, second, other))) + heads
    assert first.shared.head.body == b""


async def test_heads_of_two_sessions_are_apart() -> None:
    store = new_store()
    first, _ = await commit(store, store.session("a"), sale("a"))
    second, _ = await commit(store, store.session("b"), sale("a"))
    assert first.shared is not second.shared
    store.forget("a")
    assert held(store) == size_of(second) + second.shared.bytes
    store.forget("b")
    assert store.bytes == 0


async def test_largest_journal_loses_its_oldest_when_all_together_are_over_the_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    probe = new_store()
    kept, _ = await commit(probe, probe.session("x"), sale("0"))
    each, head, fixed = size_of(kept), kept.shared.bytes, probe.session("x").held - size_of(kept) - kept.shared.bytes
    store = new_store(max_bytes=2 * (fixed + head) + 4 * each + 4 * ID_BYTES)
    small, large = store.session("small"), store.session("large-session-name")
    await commit(store, small, sale("0"))
    with caplog.at_level(logging.WARNING, "mockserver.store"):
        for number in range(5):
            await commit(store, large, sale(str(number)))
    assert ([entry.seq for entry in large.journal], large.evicted) == ([3, 4, 5], 2)
    assert ([entry.seq for entry in small.journal], small.evicted) == ([1], 0)
    assert held(store) == 2 * head + 4 * each
    assert caplog.messages == [f"journal full: session {tagged(large.name)} drops its oldest requests (--memory-limit)"]


async def test_newest_exchange_stays_however_large_it_is() -> None:
    store = new_store(max_bytes=10)
    session = store.session("a")
    for number in range(3):
        await commit(store, session, sale(str(number)))
    assert [entry.seq for entry in session.journal] == [3]
    assert held(store) > 10


async def test_shared_head_is_given_back_when_its_last_exchange_is_evicted() -> None:
    store = new_store(journal_limit=1)
    session = store.session("a")
    first, _ = await commit(store, session, sale("a"))
    second, _ = await store.commit(session, collected(sale("b"), headers={"X": "1"}), received_ms=NOW)
    assert first.shared.uses == 0
    assert held(store) == size_of(second) + second.shared.bytes


async def test_trimming_brings_a_session_under_a_lowered_limit() -> None:
    store = new_store()
    session = store.session("a")
    for number in range(4):
        await commit(store, session, sale(str(number)))
    session.settings.journal_limit = 1
    store.trim(session)
    assert [entry.seq for entry in session.journal] == [4]
    assert (held(store), session.evicted) == (session.bytes, 3)


async def test_head_and_its_contract_go_with_the_last_exchange_that_has_them() -> None:
    store = new_store(journal_limit=1)
    session = store.session("a")
    first, _ = await commit(store, session, sale("a"))
    for number in range(5):
        await store.commit(session, collected(sale("b"), headers={"X": str(number)}), received_ms=NOW)
    again, _ = await commit(store, session, sale("c"))
    assert again.shared is not first.shared
    assert list(session.shared_heads.values()) == [again.shared]


async def test_oldest_ids_are_forgotten_when_too_many_are_remembered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "MAX_REMEMBERED", 20)
    store = new_store()
    few, many = store.session("few"), store.session("many-of-the-ids")
    await commit(store, few, *(sale(f"f{number}") for number in range(5)))
    with caplog.at_level(logging.WARNING, "mockserver.store"):
        await commit(store, many, *(sale(f"m{number}") for number in range(16)))
    assert (few.claims.remembered, many.claims.remembered, many.claims.forgotten) == (5, 14, 2)
    assert caplog.messages == [f"dedup memory full: session {tagged(many.name)} drops its oldest ids"]
    kept, _ = await commit(store, many, sale("m1"), sale("m2"))
    assert kept.verdicts == (Verdict.ACCEPTED, Verdict.DUPLICATE)


async def test_ids_of_a_forgotten_session_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_REMEMBERED", 20)
    store = new_store()
    for name in ("a", "b", "c"):
        session = store.session(name)
        await commit(store, session, *(sale(f"{name}{number}") for number in range(15)))
        assert session.claims.forgotten == 0
        store.forget(name)


async def test_number_of_remembered_ids_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_REMEMBERED", 100)
    store, most = new_store(), 0
    sessions = [store.session("a"), store.session("b")]
    for number in range(40):
        await commit(store, sessions[number % 2], *(sale(f"{number}-{place}") for place in range(9)))
        most = max(most, sum(session.claims.remembered for session in sessions))
    assert 90 <= most <= 100
    assert sum(session.claims.forgotten + session.claims.remembered for session in sessions) == 40 * 9
