"""Several stores on one Redis, each as the process of a worker would have it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import Library
from mockserver.contract.serving import ServedContracts
from mockserver.core.model import Terms
from mockserver.errors import SettingsError, StoreError
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.steps import Step
from mockserver.sessions.stores import redis as redis_store
from mockserver.sessions.stores.redis import RedisStore
from mockserver.sessions.views import View
from mockserver.settings import Settings
from tests.judging import FOURTH, NOW, sale
from tests.redis_server import SEARCH_S, RedisServer, free_port, redis_server
from tests.sessions.keeping import TALLY, Onlooker, collected, commit

CONTRACTS = ServedContracts(Library([FOURTH]), Settings())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@asynccontextmanager
async def stores(url: str, count: int, **options: Any) -> AsyncIterator[list[RedisStore]]:
    made = [
        RedisStore(url, CONTRACTS, SessionSettings(**options), expiry_s=60, max_bytes=1 << 26, max_sessions=1000)
        for _ in range(count)
    ]
    for store in made:
        await store.open()
    try:
        yield made
    finally:
        for store in made:
            await store.close()


def refs(*names: str) -> list[dict[str, Any]]:
    return [sale(name) for name in names]


def verdicts(exchange: Exchange) -> list[str]:
    return [str(verdict) for verdict in exchange.verdicts]


async def read(store: RedisStore, name: str) -> Session:
    """Return a session as a control call reads it."""
    await store.load(name)
    return store.look_up(name)


async def test_id_that_one_process_has_seen_is_a_duplicate_in_another(server: RedisServer) -> None:
    async with stores(server.url, 2) as (one, other):
        first, _ = await commit(one, one.session("dedup"), *refs("a", "b"))
        second, _ = await commit(other, other.session("dedup"), *refs("b", "c"))
        assert verdicts(first) == ["accepted", "accepted"]
        assert verdicts(second) == ["duplicate", "accepted"]
        assert (second.seq, second.receipt.first_event) == (2, 3)
        assert [exchange.body for exchange in (await read(one, "dedup")).journal] == [first.body, second.body]
        assert one.session("dedup").counts == other.session("dedup").counts


async def test_requests_that_come_to_all_processes_at_once_are_counted_once_each(server: RedisServer) -> None:
    async with stores(server.url, 4) as workers:
        sent = [
            commit(worker, worker.session(f"busy{number % 8}"), *refs(f"own{number}{index}", f"same{number}"))
            for number in range(80)
            for index, worker in enumerate(workers)
        ]
        exchanges = [exchange for exchange, _ in await asyncio.gather(*sent)]
        found = Counter(verdict for exchange in exchanges for verdict in verdicts(exchange))
        assert found == {"accepted": 320 + 80, "duplicate": 240}
        for number in range(8):
            numbers = sorted(exchange.seq for exchange in exchanges if exchange.receipt.session == f"busy{number}")
            assert numbers == list(range(1, 41))
            seen = [[entry.body for entry in (await read(worker, f"busy{number}")).journal] for worker in workers]
            assert len(seen[0]) == 40
            assert seen == [seen[0]] * 4


async def test_step_is_used_as_often_as_it_says_by_all_processes_together(server: RedisServer) -> None:
    async with stores(server.url, 4) as workers:
        async with workers[0].changing("fault"):
            session = workers[0].session("fault")
            session.faults.append(Step({"reply": {"status": 503}, "times": 10}))
            workers[0].set_up(session)

        async def use(worker: RedisStore) -> bool:
            session = worker.session("fault")
            await worker.wake(session)
            used = session.faults[0].use()
            if used:
                await worker.keep(session)
            return used

        used = await asyncio.gather(*[use(worker) for _ in range(10) for worker in workers])
        assert used.count(True) == 10
        assert {(await read(worker, "fault")).faults[0].remaining for worker in workers} == {0}


async def test_limit_that_is_enforced_counts_the_requests_of_all_processes(server: RedisServer) -> None:
    terms = Terms(now_ms=NOW, rate_mode="enforce")
    limit = next(claim for operation in TALLY.operations.values() if (claim := operation.rate_claim)).limit.requests
    async with stores(server.url, 3) as workers:
        sent = [
            worker.commit(worker.session("rate"), collected(sale(f"{number}"), terms=terms), received_ms=NOW)
            for number in range(limit)
            for worker in workers
        ]
        statuses = Counter(reply.status for _, reply in await asyncio.gather(*sent))
        assert statuses == {201: limit, 420: 2 * limit}


async def test_wait_is_told_what_another_process_has_taken(server: RedisServer) -> None:
    async with stores(server.url, 2) as (one, other):
        heard = asyncio.Event()

        class Listener(Onlooker):
            def offer(self, exchange: Exchange, view: View) -> None:
                super().offer(exchange, view)
                heard.set()

        onlooker = Listener()
        one.session("wait").waiters.add(onlooker)
        await commit(other, other.session("wait"), sale("a"))
        async with asyncio.timeout(SEARCH_S):
            await heard.wait()
        assert onlooker.heard == [1]


async def test_settings_clock_and_credentials_are_those_of_all_processes(server: RedisServer) -> None:
    async with stores(server.url, 2) as (one, other):
        async with one.changing("set"):
            session = one.session("set")
            session.settings.keys = frozenset({"tk_a"})
            session.settings.journal_limit = 3
            session.clock = session.clock.set_to(NOW, NOW - 5, frozen=True)
            assert one.give(session, ("tk_mine",)) is None
            one.set_up(session)
        there = await read(other, "set")
        assert (there.settings, there.clock) == (session.settings, session.clock)
        await other.know_owners()
        assert other.owner("tk_mine") == "set"
        async with other.changing("another"):
            assert other.taken("another", ["tk_mine"]) == "tk_mine"
            assert other.taken("another", ["set"]) == "set"
        for number in range(5):
            await commit(other, there, sale(f"{number}"))
        assert [exchange.seq for exchange in (await read(one, "set")).journal] == [3, 4, 5]


async def test_session_that_one_process_deletes_is_gone_in_all(server: RedisServer) -> None:
    async with stores(server.url, 2) as (one, other):
        await commit(one, one.session("gone"), sale("a"))
        onlooker = Onlooker()
        (await read(other, "gone")).waiters.add(onlooker)
        async with one.changing("gone"):
            assert one.forget("gone")
        await other.load("gone")
        assert onlooker.heard == ["deleted"]
        assert other.peek("gone") is None
        again, _ = await commit(other, other.session("gone"), sale("a"))
        assert (again.seq, verdicts(again)) == (1, ["accepted"])
        assert (await read(one, "gone")).counts.requests == 1


async def test_session_is_read_again_after_it_had_to_go_from_memory(server: RedisServer) -> None:
    async with stores(server.url, 1) as (store,):
        for number in range(5):
            await commit(store, store.session("large"), sale(f"{number}"))
        await commit(store, store.session("another"), sale("a"))
        store.max_bytes = 1
        await commit(store, store.session("another"), sale("b"))
        assert store.peek("large") is None
        store.max_bytes = 1 << 26
        exchange, _ = await commit(store, store.session("large"), *refs("0", "5"))
        assert (exchange.seq, verdicts(exchange)) == (6, ["duplicate", "accepted"])
        assert len(store.session("large").journal) == 6


async def test_snapshot_stands_for_entries_that_no_journal_needs(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "SNAPSHOT_EVERY", 10)
    async with stores(server.url, 2, journal_limit=4) as (one, late):
        for number in range(60):
            await commit(one, one.session("long"), sale(f"{number}"))
        kept = await one._redis._client.xlen("mockserver:{long}:log")
        assert 4 <= kept <= 20
        exchange, _ = await commit(late, late.session("long"), *refs("0", "59", "60"))
        assert (exchange.seq, verdicts(exchange)) == (61, ["duplicate", "duplicate", "accepted"])
        session = await read(one, "long")
        assert session.counts == late.session("long").counts
        assert session.counts.requests == 61
        assert [entry.seq for entry in session.journal] == [entry.seq for entry in late.session("long").journal]
        assert session.evicted == late.session("long").evicted == 57


async def change_too_late(store: RedisStore, statuses: list[int]) -> None:
    """Set up a session and commit to it while its turn runs out, as if the process had stood still for too long."""
    async with store.changing("lost"):
        await store._redis._client.delete("mockserver:{lost}:turn")
        exchange, reply = await commit(store, store.session("lost"), sale("b"))
        statuses += [exchange.status, reply.status]
        store.session("lost").settings.journal_limit = 7
        store.set_up(store.session("lost"))


async def test_what_could_not_be_appended_is_no_longer_there(server: RedisServer) -> None:
    async with stores(server.url, 2) as (one, other):
        await commit(one, one.session("lost"), sale("a"))
        statuses = list[int]()
        with pytest.raises(StoreError, match="ran out"):
            await change_too_late(one, statuses)
        assert statuses == [503, 503]
        session = await read(one, "lost")
        assert ([entry.seq for entry in session.journal], session.settings.journal_limit) == ([1], 100_000)
        again, _ = await commit(other, other.session("lost"), sale("b"))
        assert (again.seq, verdicts(again)) == (2, ["accepted"])


async def test_store_is_away_while_redis_hangs_and_back_when_it_answers(tmp_path: Path) -> None:
    with redis_server(tmp_path) as own:
        async with stores(own.url, 1) as (store,):
            await commit(store, store.session("away"), sale("a"))
            own.stop()
            with pytest.raises(StoreError, match=rf"cannot use Redis at 127.0.0.1:{own.port}"):
                await store.wake(store.session("away"))
            assert store.away is not None
            with pytest.raises(StoreError):
                await store.wake(store.session("away"))
            own.go_on()
            async with asyncio.timeout(SEARCH_S):
                await store.back.wait()
            exchange, _ = await commit(store, store.session("away"), *refs("a", "b"))
            assert verdicts(exchange) == ["duplicate", "accepted"]


async def test_sessions_are_gone_when_redis_has_lost_its_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with redis_server(tmp_path) as own:
        async with stores(own.url, 1) as (store,):
            await commit(store, store.session("lost"), sale("a"))
            onlooker = Onlooker()
            store.session("lost").waiters.add(onlooker)
            own.kill()
            with pytest.raises(StoreError):
                await commit(store, store.session("lost"), sale("b"))
            own.start()
            async with asyncio.timeout(SEARCH_S):
                await store.back.wait()
            assert onlooker.heard[-1] == "deleted"
            assert "Redis has lost its data; sessions that are gone: 1" in caplog.text
            again, _ = await commit(store, store.session("lost"), sale("a"))
            assert (again.seq, verdicts(again)) == (1, ["accepted"])


async def test_redis_that_takes_no_writes_is_away(tmp_path: Path) -> None:
    with redis_server(tmp_path) as own:
        async with stores(own.url, 1) as (store,):
            await commit(store, store.session("full"), sale("a"))
            await store._redis._client.config_set("maxmemory", 1)
            with pytest.raises(StoreError, match="maxmemory"):
                await commit(store, store.session("full"), sale("b"))
            assert "maxmemory" in str(store.away)
            await store._redis._client.config_set("maxmemory", 0)
            async with asyncio.timeout(SEARCH_S):
                await store.back.wait()
            exchange, _ = await commit(store, store.session("full"), *refs("a", "b"))
            assert verdicts(exchange) == ["duplicate", "accepted"]


async def test_scripts_are_loaded_again_after_redis_has_dropped_them(server: RedisServer) -> None:
    async with stores(server.url, 1) as (store,):
        await commit(store, store.session("script"), sale("a"))
        await store._redis._client.script_flush()
        exchange, _ = await commit(store, store.session("script"), sale("a"))
        assert verdicts(exchange) == ["duplicate"]


@pytest.mark.parametrize("name", ["}{", "{a}", "a}b", " ".join("ab"), "é" * 100, "%7B"])
async def test_session_of_any_name_is_kept(server: RedisServer, name: str) -> None:
    async with stores(server.url, 2) as (one, other):
        await commit(one, one.session(name), sale("a"))
        await other.load_all()
        assert other.session(name).counts.requests == 1
        assert name in [session.name for session in other.sessions()]


async def test_requests_that_come_at_once_ask_for_owners_once_or_twice(server: RedisServer) -> None:
    async with stores(server.url, 1) as (store,):
        asked, ask = [], store._redis.owners_version

        async def counting() -> int:
            asked.append(1)
            return await ask()

        store._redis.owners_version = counting  # type: ignore[method-assign]
        await asyncio.gather(*[store.know_owners() for _ in range(50)])
        assert 1 <= len(asked) <= 2


async def test_turn_that_nobody_uses_ends(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "UNUSED_S", 0)
    async with stores(server.url, 2) as (one, other):
        waiting = asyncio.create_task(one.wake(one.session("unused")))
        await asyncio.wait([waiting])
        exchange, _ = await commit(other, other.session("unused"), sale("a"))
        assert exchange.seq == 1


async def test_redis_that_does_not_answer_is_an_error_at_the_start() -> None:
    store = RedisStore(
        f"redis://127.0.0.1:{free_port()}", CONTRACTS, SessionSettings(), expiry_s=60, max_bytes=1, max_sessions=1
    )
    with pytest.raises(SettingsError, match=r"--store: cannot use Redis at 127\.0\.0\.1"):
        await store.open()
    await store.close()
