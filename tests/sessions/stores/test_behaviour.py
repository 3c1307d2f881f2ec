"""One behaviour for all stores: what each does with sessions, claims and the journal, with a restart in the middle.

In memory, nothing happens at the restart: what it says without one is what the others must say with one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.serving import ContractChoice
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session
from mockserver.sessions.steps import Step
from mockserver.sessions.stores import memory
from mockserver.sessions.views import View
from tests.judging import NOW, TERMS, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import Onlooker, collected, commit, deliveries
from tests.sessions.stores.opened import STORES, Opened, opened

ACCEPTED, DUPLICATE, REJECTED = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED
EVICTING = [kind for kind in STORES if kind != "redis"]
"""Stores whose bounds are those of what they keep; with Redis, a process only takes from its own memory."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with each kind of store, those about eviction with those that evict."""
    metafunc.parametrize("kind", EVICTING if metafunc.function in OF_EVICTION else STORES)


def rows(session: Session) -> list[Any]:
    """Return all that is shown of a session's requests."""
    views = [View(exchange) for exchange in session.journal]
    return [
        (view.request_row(), list(view.event_rows()), view.reply(), [str(f) for f in view.findings()]) for view in views
    ]


async def apex(place: Opened, session: Session, body: Json, headers: dict[str, str]) -> Exchange:
    """Journal a request to Apex's server route."""
    request = wire_request("/api/v1/events", body, {"Content-Type": "application/json", **headers})
    return (await place.store.commit(session, judged(contract_of("apex"), request), received_ms=NOW))[0]


async def test_ids_are_claimed_once(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        first, _ = await commit(place.store, await place.session("a"), sale("one"), sale("two"))
        await place.again()
        again, _ = await commit(place.store, await place.session("a"), sale("two"), sale("three"))
        other, _ = await commit(place.store, await place.session("b"), sale("two"))
        await place.again()
        last, _ = await commit(place.store, await place.session("a"), sale("three"), sale("three"))
        assert first.verdicts == (ACCEPTED, ACCEPTED)
        assert again.verdicts == (DUPLICATE, ACCEPTED)
        assert other.verdicts == (ACCEPTED,), "sessions do not share ids"
        assert last.verdicts == (DUPLICATE, DUPLICATE)
        assert (last.receipt.seq, last.receipt.first_event) == (3, 5), "numbers go on"


async def test_idempotency_keys_are_held(kind: str, tmp_path: Path) -> None:
    body = {"events": [{"type": "purchase", "url": "/cart"}]}
    headers = {"Authorization": "Bearer apex_sk_one", "Idempotency-Key": "k\N{SNOWMAN}"}
    async with opened(kind, tmp_path) as place:
        first = await apex(place, await place.session("a"), body, headers)
        await place.again()
        second = await apex(place, await place.session("a"), body, headers)
        assert (first.receipt.replayed, second.receipt.replayed) == (False, True)


async def test_rate_window_goes_on(kind: str, tmp_path: Path) -> None:
    body = {"events": [{"type": "purchase", "url": "/cart"}]}
    headers = {"Authorization": "Bearer apex_sk_one"}
    async with opened(kind, tmp_path) as place:
        left = []
        for _ in range(3):
            exchange = await apex(place, await place.session("a"), body, headers)
            left.append(exchange.receipt.rate_remaining)
            await place.again()
        assert left == [left[0], left[0] - 1, left[0] - 2]


async def test_journal_is_what_it_was(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        session = await place.session("a")
        session.saw("tk_one")
        await commit(place.store, session, sale("one"), sale("two"))
        await commit(place.store, session, sale("one"), sale("\ud800 three"), {"kind": "nonsense"})
        await place.store.commit(
            session,
            judged(contract_of("tally"), wire_request("/tally/v2/main/collect?a=\xff", b"\xff{", {"X": "\xe9"})),
            received_ms=NOW - 5,
            connection="127.0.0.1:9",
            notes=("repeated_header",),
        )
        before, counts = rows(session), session.counts
        await place.again()
        session = await place.session("a")
        assert rows(session) == before
        assert session.counts == counts
        assert session.seen_keys == ("tk_one",)


async def test_ledger_goes_on(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        step = Step({"reply": {"status": 503}, "times": 1})
        assert step.use()
        await commit(place.store, await place.session("a"), sale("one"), step=step)
        await place.again()
        await commit(place.store, await place.session("a"), sale("one"))
        (delivery,) = deliveries((await place.session("a")).journal)
        assert [exchange.status for exchange, _ in delivery.attempts] == [503, 201]


async def test_fault_step_is_used_once(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        session = await place.session("a")
        session.faults[:] = [
            Step({"reply": {"status": 503}, "times": 2}),
            Step(
                {"reply": {"status": 500}, "probability": 0.5, "seed": 7, "delay_ms": {"min": 0, "max": 9, "seed": 3}}
            ),
        ]
        place.store.set_up(session)
        undisturbed = Step(dict(session.faults[1].script))
        expected = [(undisturbed.use(), undisturbed.delay_ms()) for _ in range(20)]
        drawn = list[tuple[bool, float]]()
        for _ in range(4):
            session = await place.session("a")
            used = session.faults[0].use()
            drawn += [(session.faults[1].use(), session.faults[1].delay_ms()) for _ in range(5)]
            await place.store.keep(session)
            await commit(place.store, session, sale(f"s{len(drawn)}"), step=session.faults[0] if used else None)
            await place.again()
        session = await place.session("a")
        assert session.faults[0].remaining == 0
        assert drawn == expected, "the dice go on where they were"


async def test_attempts_are_counted_on(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        session = await place.session("a")
        session.attempts = AttemptNumbers()
        session.faults.append(Step({"match": {"request": {"attempt": 9}}, "reply": {"status": 500}}))
        place.store.set_up(session)
        await commit(place.store, session, sale("one"))
        await place.again()
        session = await place.session("a")
        assert session.attempts_of(collected(sale("one"))) == [2]


async def test_settings_and_clock_are_what_they_were(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        async with place.store.changing("a"):
            session = await place.session("a")
            settings = session.settings
            assert place.store.give(session, ("tk_two",)) is None
            settings.keys, settings.rate_limits, settings.journal_limit = frozenset({"tk_one", "\ud800"}), "enforce", 7
            patch = {"protocol": {"limits": {"per_minute": {"requests": 4}}}}
            choices = {"tally": ContractChoice(patch=patch)}
            settings.modes = {"tally": "mock"}
            session.choose(choices, [])
            session.clock = session.clock.set_to(NOW, NOW + 7, frozen=True)
            session.opened_ms = NOW
            place.store.set_up(session)
        await place.again()
        await place.store.know_owners()
        assert place.store.owner("tk_two") == "a"
        async with place.store.changing("b"):
            assert place.store.taken("b", ["tk_two"]) == "tk_two"
        session = await place.session("a")
        assert (session.clock.now(0), session.clock.offset_ms, session.opened_ms) == (NOW, -7, NOW)
        again = session.settings
        assert (again.keys, again.rate_limits, again.journal_limit, again.credentials, again.modes) == (
            frozenset({"tk_one", "\ud800"}),
            "enforce",
            7,
            ("tk_two",),
            {"tally": "mock"},
        )
        assert again.protocols["tally"].patch == patch


async def test_requests_over_the_journal_limit_go(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, limit=3) as place:
        for number in range(7):
            if number in (2, 5):
                await place.again()
            await commit(place.store, await place.session("a"), sale(f"s{number}"))
        session = await place.session("a")
        assert [exchange.seq for exchange in session.journal] == [5, 6, 7]
        assert (session.evicted, session.evicted_events, session.counts.requests) == (4, 4, 7)
        session.settings.journal_limit = 1
        place.store.trim(session)
        place.store.set_up(session)
        await place.again()
        session = await place.session("a")
        assert [exchange.seq for exchange in session.journal] == [7]
        again, _ = await commit(place.store, session, sale("s0"))
        assert again.verdicts == (DUPLICATE,), "ids outlive the journal"


async def test_oldest_ids_are_forgotten(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MIN_REMEMBERED", 20)
    monkeypatch.setattr(memory, "MAX_REMEMBERED", 20)
    async with opened(kind, tmp_path) as place:
        for number in range(0, 60, 2):
            await commit(place.store, await place.session("a"), sale(f"s{number}"), sale(f"s{number + 1}"))
            if number in (8, 28, 48):
                await place.again()
        session = await place.session("a")
        known = list(session.claims.ids())
        await place.again()
        session = await place.session("a")
        assert list(session.claims.ids()) == known
        assert known == [f"s{number}".encode() for number in range(40, 60)]
        assert session.claims.forgotten == 40
        first, _ = await commit(place.store, session, sale("s0"))
        last, _ = await commit(place.store, session, sale("s59"))
        assert (first.verdicts, last.verdicts) == ((ACCEPTED,), (DUPLICATE,))


async def test_deleted_session_is_gone(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        session, onlooker = await place.session("a"), Onlooker()
        session.waiters.add(onlooker)
        await commit(place.store, session, sale("one"))
        assert place.store.forget("a")
        late, _ = await commit(place.store, session, sale("late"))
        assert onlooker.heard == [1, "deleted"]
        await place.again()
        assert (await place.session("a")).counts.requests == 0
        again, _ = await commit(place.store, await place.session("a"), sale("one"))
        assert (again.verdicts, again.seq, late.seq) == ((ACCEPTED,), 1, 2)


async def test_evicted_session_goes_on_from_its_tombstone(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, max_sessions=2) as place:
        await commit(place.store, await place.session("a"), sale("one"))
        assert place.store.give(await place.session("a"), ("tk_two",)) is None
        place.store.set_up(await place.session("a"))
        for name in ("b", "c", "d"):
            session = await place.session(name)
            assert place.store.give(session, (f"tk_{name}",)) is None
            place.store.set_up(session)
            await commit(place.store, session, sale("one"))
        await place.again()
        assert place.store.peek("a") is None
        assert place.store.owner("tk_two") == "a"
        assert [session.name for session in place.store.sessions()] == ["c", "d"]
        again, _ = await commit(place.store, await place.session("a"), sale("one"))
        assert (again.seq, again.verdicts) == (2, (ACCEPTED,))
        await place.again()
        session = await place.session("a")
        assert session.eviction is not None
        assert session.counts.requests == 2
        assert place.store.tombstones.get("a") is None


async def test_deleted_tombstone_is_gone(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, max_sessions=1) as place:
        await commit(place.store, await place.session("a"), sale("one"))
        await commit(place.store, await place.session("b"), sale("one"))
        assert place.store.forget("a")
        await place.again()
        session = await place.session("a")
        assert (session.eviction, session.counts.requests) == (None, 0)


async def test_memory_limit_takes_the_oldest_requests(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path, memory_limit=30_000) as place:
        for number in range(60):
            await commit(place.store, await place.session("a"), sale(f"s{number}", cents=10**40))
        session = await place.session("a")
        left = [exchange.seq for exchange in session.journal]
        assert 1 < len(left) < 60
        await place.again()
        session = await place.session("a")
        assert [exchange.seq for exchange in session.journal] == left
        assert session.held == session.counted
        assert place.store.bytes + place.store.shared_uses.bytes <= 30_000


async def test_what_a_session_holds_is_reckoned_alike(kind: str, tmp_path: Path) -> None:
    async with opened(kind, tmp_path) as place:
        choices = {"tally": ContractChoice(patch={"protocol": {"limits": {"per_minute": {"requests": 4}}}})}
        session = await place.session("a")
        session.choose(choices, [])
        place.store.set_up(session)
        for number in range(3):
            request = wire_request("/tally/v2/main/collect", collection(sale(f"s{number}")), {"X": str(number)})
            await place.store.commit(session, judged(contract_of("tally"), request, TERMS), received_ms=NOW)
        held = session.bytes, session.claims.bytes, len(session.shared_heads)
        await place.again()
        session = await place.session("a")
        assert (session.bytes, session.claims.bytes, len(session.shared_heads)) == held
        while len(session.journal):
            session.evict()
        assert (session.bytes, session.shared_heads) == (0, {})


OF_EVICTION = (
    test_oldest_ids_are_forgotten,
    test_evicted_session_goes_on_from_its_tombstone,
    test_deleted_tombstone_is_gone,
    test_memory_limit_takes_the_oldest_requests,
)
