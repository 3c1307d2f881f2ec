"""Who pays when all sessions together are over a limit, what is remembered of them, and how little is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.sessions.session import Clock, Session
from mockserver.sessions.steps import Step
from mockserver.sessions.stores.eviction import SLACK, STRAY_REQUESTS, Standing
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.settings import Settings
from tests.judging import NOW, sale, wire_request
from tests.sessions.keeping import Onlooker, collected, commit, exchange, new_store


def bulky(size: int = 1000) -> Any:
    """Return a judged request with a body of about so many bytes."""
    return collected({**sale("x"), "note": "n" * size}, headers={})


async def fill(store: MemoryStore, session: Session, requests: int) -> None:
    for _ in range(requests):
        await store.commit(session, bulky(), received_ms=NOW)


def names(store: MemoryStore) -> list[str]:
    return [session.name for session in store.sessions()]


async def test_flood_of_one_request_sessions_takes_nothing_from_a_larger_one_nobody_read() -> None:
    store = new_store(max_bytes=3_000_000, max_sessions=10_000)
    test = store.session("of-a-test")
    await fill(store, test, 700)
    for number in range(1500):
        await fill(store, store.session(f"flood-{number}"), 1)
    assert (test.evicted, test.deleted) == (0, False)
    assert store.bytes <= 3_000_000


async def test_flood_in_one_session_pays_for_itself() -> None:
    store = new_store(max_bytes=1_000_000)
    small = [store.session(f"small-{number}") for number in range(5)]
    for session in small:
        await fill(store, session, 20)
    await fill(store, store.session("flood"), 2000)
    assert [session.evicted for session in small] == [0] * 5
    assert store.session("flood").evicted > 0


@pytest.mark.parametrize("how", ["read", "settings", "faults", "clock"])
async def test_sessions_that_nobody_read_or_set_up_go_before_one_that_was(how: str) -> None:
    store = new_store(max_bytes=600_000)
    kept = store.session("kept")
    await fill(store, kept, 200)
    if how == "settings":
        kept.settings.keys = frozenset({"a"})
    elif how == "faults":
        kept.faults.append(Step({"delay_ms": 1}))
    elif how == "clock":
        kept.clock = Clock(offset_ms=5)
    else:
        store.look_up("kept")
    for number in range(300):
        await fill(store, store.session(f"flood-{number}"), 1)
    for number in range(30):
        await fill(store, store.session(f"busy-{number}"), 15)
    assert (kept.evicted, kept.deleted) == (0, False)


async def test_largest_journal_pays_among_sessions_that_were_read() -> None:
    store = new_store(max_bytes=600_000)
    sessions = [store.session("small"), store.session("large")]
    for session in sessions:
        store.note_use(session)
    await fill(store, sessions[0], 20)
    await fill(store, sessions[1], 500)
    assert (sessions[0].evicted, sessions[1].evicted > 0) == (0, True)


async def test_sessions_go_when_their_journals_cannot_pay_any_more() -> None:
    store, onlooker = new_store(max_bytes=60_000), Onlooker()
    for number in range(30):
        session = store.session(f"s{number}")
        if number == 0:
            session.faults.append(Step({"delay_ms": 1}))
            session.clock = Clock(offset_ms=5)
            session.settings.keys = frozenset()
            session.waiters.add(onlooker)
        store.set_up(session)
        await fill(store, session, 2)
    kept = names(store)
    assert kept[0] == "s0"
    assert kept[-1] == "s29"
    assert len(kept) < 20
    assert store.bytes <= 60_000
    assert onlooker.heard == [1, 2]


def set_up_and_evicted() -> tuple[MemoryStore, Session]:
    """Return a store from which a set-up session was evicted, and that session."""
    store = new_store(max_sessions=1)
    session = store.session("a")
    session.faults.append(Step({"delay_ms": 1}))
    session.clock = Clock(offset_ms=5)
    session.settings.keys = frozenset({"a"})
    store.set_up(session)
    store.session("b")
    return store, session


def test_tombstone_says_what_was_lost() -> None:
    store, session = set_up_and_evicted()
    ((name, tombstone),) = store.tombstones.known()
    assert (name, tombstone.limit, tombstone.lost) == ("a", "max_sessions", ("settings", "faults", "clock"))
    assert session.eviction is tombstone
    assert store.look_up("a").eviction is tombstone
    assert "because of --max-sessions; lost: 0 requests, settings, faults, clock" in tombstone.text()


def test_tombstone_goes_when_the_session_is_set_up_again_or_deleted() -> None:
    store, _ = set_up_and_evicted()
    assert store.session("a").eviction is not None
    store.set_up(store.session("a"))
    assert store.session("a").eviction is None
    store, _ = set_up_and_evicted()
    assert store.forget("a")
    assert store.session("a").eviction is None


def test_what_was_lost_stays_known_over_a_second_eviction() -> None:
    store, _ = set_up_and_evicted()
    store.session("a")
    store.session("c")
    eviction = store.look_up("a").eviction
    assert eviction is not None
    assert eviction.lost == ("settings", "faults", "clock")


async def test_session_goes_on_counting_after_its_eviction() -> None:
    store = new_store(max_sessions=1)
    refused = collected(token="TK")
    await commit(store, store.session("a"), sale("1"), sale("2"))
    await store.commit(store.session("a"), refused, received_ms=NOW)
    store.session("b")
    again = store.session("a")
    assert (again.evicted, again.evicted_refused) == (2, 1)
    kept, _ = await commit(store, again, sale("3"))
    assert (kept.seq, kept.receipt.first_event) == (3, 4)
    assert (again.counts.requests, again.refused) == (3, 1)
    assert [entry.seq for entry in again.exchanges(2)] == [3]


def test_tombstones_are_bounded_and_those_of_known_sessions_not_crowded_out() -> None:
    store, _ = set_up_and_evicted()
    for number in range(6000):
        store.session(f"n{number}")
    assert store.look_up("a").eviction is not None
    assert store.look_up("n10").eviction is None
    assert store.look_up("n5000").eviction is not None


class Counted(MemoryStore):
    """Counts how often a session is looked at to find out who pays."""

    looks = 0

    def _is_set_up(self, session: Session) -> bool:
        self.looks += 1
        return super()._is_set_up(session)


@pytest.mark.parametrize("sessions", [10, 400])
async def test_commit_over_the_limit_looks_at_a_few_sessions_however_many_there_are(
    sessions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_store()
    store = Counted(made._defaults, max_bytes=sessions * 100_000, max_sessions=sessions)
    for number in range(sessions):
        await fill(store, store.session(f"s{number}"), 11)
    current = store.session("s0")
    store.max_bytes = store.bytes + 100_000
    await fill(store, current, 100)
    assert current.evicted
    looks, held = 0, vars(Session)["held"].fget

    def counted(session: Session) -> int:
        nonlocal looks
        looks += 1
        return int(held(session))

    monkeypatch.setattr(Session, "held", property(counted))
    store.looks = 0
    await fill(store, current, 20)
    assert 20 <= looks <= 20 * 2
    assert store.looks <= 20 * 4
    assert store._order._unread.size <= 2 * sessions + SLACK


def patches(count: int) -> Iterator[ContractChoice]:
    for number in range(count):
        schema = {"properties": {"amount": {"type": "integer", "maximum": number}}}
        yield ContractChoice(patch={"events": {"custom": schema}})


async def test_sessions_with_patches_of_their_own_stay_within_the_limit() -> None:
    """A patched contract counts with the newest revision under the same patch, which its warnings are of."""
    limit = 6_000_000
    served, store = ServedContracts(library(), Settings()), new_store(max_bytes=limit, max_sessions=1000)
    for number, choice in enumerate(patches(60)):
        session = store.session(f"s{number}")
        session.choose({"outlit": choice}, [served.of({"outlit": choice}, "outlit")])
        store.set_up(session)
        store.record(session, exchange(wire_request("/"), contract=served.of({"outlit": choice}, "outlit")))
    assert store.bytes + store.shared_uses.bytes <= limit
    assert 5 < len(store.sessions()) < 30
    for name in names(store):
        store.forget(name)
    assert (store.bytes, store.shared_uses.bytes) == (0, 0)


async def test_equal_patches_are_counted_once() -> None:
    served, store = ServedContracts(library(), Settings()), new_store(max_sessions=1000)
    for number in range(20):
        choice = next(patches(1))
        contract = served.of({"outlit": choice}, "outlit")
        store.session(f"s{number}").choose({"outlit": choice}, [contract])
    assert store.shared_uses.bytes == contract.bytes > 0


async def test_contracts_that_only_the_journal_uses_are_counted_and_given_back() -> None:
    served, store = ServedContracts(library(), Settings()), new_store(max_bytes=2_000_000)
    session = store.session("a")
    for number, choice in enumerate(patches(40)):
        contract = served.of({"outlit": choice}, "outlit")
        session.choose({"outlit": choice}, [contract])
        store.record(session, exchange(wire_request("/"), contract=contract, seq=number + 1))
    assert store.bytes + store.shared_uses.bytes <= 2_000_000
    assert session.evicted > 20
    assert len(session.journal) > 2


def test_standing_is_what_is_known_of_a_session() -> None:
    store = new_store()
    session = store.session("a")
    order = store._order
    assert order.standing_of(session) == Standing.STRAY
    session.counts.requests = STRAY_REQUESTS + 1
    assert order.standing_of(session) == Standing.UNREAD
    session.read = True
    assert order.standing_of(session) == Standing.READ
    session.faults.append(Step({"delay_ms": 1}))
    assert order.standing_of(session) == Standing.SET_UP
    session.in_flight = 1
    assert order.standing_of(session) == Standing.BUSY
