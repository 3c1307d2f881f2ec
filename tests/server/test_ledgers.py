"""The ledger that was read last: kept while it is true, built anew when it is not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from mockserver.server import turns
from mockserver.server.ledgers import Ledgers
from mockserver.sessions import remains
from mockserver.sessions.delivery import Delivery
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.ledger import Ledger
from mockserver.sessions.session import Session
from mockserver.sessions.stores.memory import MemoryStore
from tests.judging import NOW, sale
from tests.server.passes import Passes
from tests.sessions.keeping import collected, new_store


async def send(store: MemoryStore, session: Session, *refs: str) -> None:
    for ref in refs:
        await store.commit(session, collected(sale(ref)), received_ms=NOW)


def ids(rows: list[Delivery]) -> list[str]:
    return [row.id for row in rows]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the exchanges that ledgers took into account."""
    numbers: list[int] = []
    adding = Ledger.adding

    def noted(ledger: Ledger, exchange: Exchange) -> Iterator[None]:
        numbers.append(exchange.seq)
        return adding(ledger, exchange)

    monkeypatch.setattr(Ledger, "adding", noted)
    return numbers


async def test_rows_are_those_of_the_journal() -> None:
    store, ledgers = new_store(), Ledgers()
    session = store.session("a")
    assert await ledgers.rows(session) == []
    await send(store, session, "x", "y", "x")
    assert ids(await ledgers.rows(session)) == ["x", "y"]
    assert [len(row.attempts) for row in await ledgers.rows(session)] == [2, 1]


async def test_only_what_is_new_is_read_again(added: list[int]) -> None:
    store, ledgers = new_store(), Ledgers()
    session = store.session("a")
    await send(store, session, "x", "y")
    await ledgers.rows(session)
    await ledgers.rows(session)
    await send(store, session, "z")
    assert ids(await ledgers.rows(session)) == ["x", "y", "z"]
    assert added == [1, 2, 3]


async def test_ledger_is_built_anew_when_the_journal_lost_something(added: list[int]) -> None:
    store, ledgers = new_store(journal_limit=2), Ledgers()
    session = store.session("a")
    await send(store, session, "x", "y")
    await ledgers.rows(session)
    await send(store, session, "z")
    assert ids(await ledgers.rows(session)) == ["y", "z"]
    assert added == [1, 2, 2, 3]


async def test_ledger_is_built_anew_when_an_exchange_was_revised(added: list[int]) -> None:
    store, ledgers = new_store(), Ledgers()
    session = store.session("a")
    await send(store, session, "x")
    await ledgers.rows(session)
    session.revised += 1
    await ledgers.rows(session)
    assert added == [1, 1]


async def test_ledger_of_one_session_is_kept_at_a_time(added: list[int]) -> None:
    store, ledgers = new_store(), Ledgers()
    first, second = store.session("a"), store.session("b")
    await send(store, first, "x")
    await send(store, second, "y")
    for session in (first, second, first):
        await ledgers.rows(session)
    assert added == [1, 1, 1]


async def test_ledger_goes_with_its_session() -> None:
    store, ledgers = new_store(), Ledgers()
    await send(store, store.session("a"), "x")
    await ledgers.rows(store.session("a"))
    store.forget("a")
    gc.collect()
    assert len(ledgers._cached) == 0


async def test_others_have_their_turn_while_a_long_journal_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "AT_ONCE", 2)
    monkeypatch.setattr(turns, "TURN_S", -1)
    store, ledgers, sent = new_store(), Ledgers(), list[int]()
    session = store.session("a")
    await send(store, session, *map(str, range(6)))

    async def other() -> None:
        await send(store, session, "late")
        sent.append(1)

    rows, _ = await asyncio.gather(ledgers.rows(session), other())
    assert ids(rows) == [*map(str, range(6)), "late"]
    assert sent == [1]


async def test_two_readers_at_once_share_one_reading(added: list[int]) -> None:
    store, ledgers = new_store(), Ledgers()
    session = store.session("a")
    await send(store, session, "x", "y")
    first, second = await asyncio.gather(ledgers.rows(session), ledgers.rows(session))
    assert first is second
    assert added == [1, 2]


async def test_ledger_of_another_session_is_freed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PIECE", 2)
    monkeypatch.setattr(turns, "TURN_S", -1)
    store, ledgers = new_store(), Ledgers()
    await send(store, store.session("a"), *(f"s{number}" for number in range(40)))
    assert len(await ledgers.rows(store.session("a"))) == 40
    with Passes() as passes:
        assert await ledgers.rows(store.session("b")) == []
    assert passes.count >= 15
