"""Reading a dormant session: damage is said, never passed over; contracts that changed are said and survived."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.serving import ContractChoice
from mockserver.errors import StoreError
from mockserver.jsonkit import Json
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import tagged
from mockserver.sessions.stores.sqlite import SqliteStore
from mockserver.sessions.stores.sqlite_file import PAGE_BYTES
from mockserver.sessions.stores.waking import Woken
from mockserver.sessions.views import View
from tests.judging import NOW, contract_of, judged, sale, wire_request
from tests.sessions.keeping import commit
from tests.sessions.stores.opened import Opened, opened


async def filled(folder: Path) -> None:
    """Leave a file with a session of three requests."""
    async with opened("sqlite", folder) as place:
        for number in range(3):
            await commit(place.store, await place.session("a"), sale(f"s{number}"), sale("again", cents=7))


def spoil(folder: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(folder / "sessions.db")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


DAMAGE = {
    "a body": (
        "UPDATE requests SET body = CAST(replace(body, 's1', 's9') AS BLOB) WHERE seq = 2",
        "request 2 is not what was written",
    ),
    "a verdict": ("UPDATE requests SET verdicts = 'aa' WHERE seq = 2", "request 2 is not what was written"),
    "a receipt": ("UPDATE requests SET receipt = '{}' WHERE seq = 1", "request 1 is not what was written"),
    "a request": ("DELETE FROM requests WHERE seq = 2", "it has 2 requests of 3"),
    "a head": ("DELETE FROM heads", "KeyError"),
    "the text of a head": ("UPDATE heads SET head = '{'", "JSONDecodeError"),
    "a member of a head": ("UPDATE heads SET head = '{}'", "ValidationError"),
    "ids": ("UPDATE ids SET ids = x'91c40161' WHERE first = 0", "ids are not what was written"),
    "some ids": ("DELETE FROM ids WHERE first = 0 AND memory = 'tally'", "ids? of 4"),
    "an override": ("UPDATE requests SET override = '[]' WHERE seq = 1", "ValidationError"),
    "a text": ("UPDATE requests SET connection = CAST(x'ff' AS TEXT) WHERE seq = 1", "cannot read|UTF-8"),
    "a held key": ("INSERT INTO held VALUES (1, 'window', '[1]', 0, 0, 0)", "ValueError"),
}


@pytest.mark.parametrize(("statement", "problem"), DAMAGE.values(), ids=DAMAGE)
async def test_damage_is_said_and_the_session_stays_as_it_is(
    tmp_path: Path, statement: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(tmp_path)
    spoil(tmp_path, statement)
    async with opened("sqlite", tmp_path) as place:
        for _ in range(2):
            with pytest.raises(StoreError, match=f"session {re.escape(tagged('a'))}: .*({problem})"):
                await place.store.wake(place.store.session("a"))
        assert place.store.session("a").dormant
        assert place.store.away is None, "other sessions go on"
        await commit(place.store, await place.session("b"), sale("s1"))
        assert [record.levelname for record in caplog.records if tagged("a") in record.message] == ["ERROR"], "once"
        assert place.store.forget("a")
        assert (await place.session("a")).counts.requests == 0


async def test_page_that_is_overwritten_is_said(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path) as place:
        for number in range(400):
            await commit(place.store, await place.session("a"), sale(f"s{number}" * 20))
    path = tmp_path / "sessions.db"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // PAGE_BYTES * PAGE_BYTES
    content[middle : middle + PAGE_BYTES] = bytes(byte ^ 0xFF for byte in content[middle : middle + PAGE_BYTES])
    path.write_bytes(content)
    async with opened("sqlite", tmp_path) as place:
        with pytest.raises(StoreError, match=r"cannot read|damaged"):
            await place.store.wake(place.store.session("a"))


async def test_many_who_ask_at_once_have_it_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(tmp_path)
    async with opened("sqlite", tmp_path) as place:
        store, installed = place.store, list[Session]()
        assert isinstance(store, SqliteStore)
        install = store._install

        def counted(session: Session, woken: Woken) -> None:
            installed.append(session)
            install(session, woken)

        monkeypatch.setattr(store, "_install", counted)
        session = place.store.session("a")
        asked = [asyncio.ensure_future(place.store.wake(session)) for _ in range(20)]
        await asyncio.to_thread(lambda: None)
        asked[0].cancel()
        await asyncio.gather(*asked[1:])
        assert (len(session.journal), installed, session.dormant) == (3, [session], False)


@pytest.mark.parametrize("when", ["before it is read", "while it is read"])
async def test_session_that_is_deleted_meanwhile_stays_deleted(tmp_path: Path, when: str) -> None:
    await filled(tmp_path)
    async with opened("sqlite", tmp_path) as place:
        session = place.store.session("a")
        waking = asyncio.ensure_future(place.store.wake(session))
        if when == "while it is read":
            await asyncio.to_thread(lambda: None)
        place.store.forget("a")
        await waking
        assert (session.deleted, len(session.journal)) == (True, 0)
        assert place.store.peek("a") is None
        await place.again()
        assert place.store.peek("a") is None


PATCH = {"protocol": {"limits": {"per_minute": {"requests": 9}}}}


async def chosen(place: Opened, patch: Json) -> None:
    """Have a session choose a contract, as a control call does, and send a request under it."""
    session = await place.session("a")
    session.choose({"tally": ContractChoice(patch=patch)}, [])
    place.store.set_up(session)
    request = wire_request("/tally/v2/main/collect", {"token": "tk_one", "total": 5, "items": [sale("x")]})
    await place.store.commit(session, judged(contract_of("tally", patch), request), received_ms=NOW)


async def test_patch_of_a_session_is_in_force_again(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path) as place:
        await chosen(place, PATCH)
        before = place.store._contracts.of(place.store.session("a").settings.protocols, "tally")  # type: ignore[attr-defined]
        await place.again()
        session = await place.session("a")
        contract = place.store._contracts.of(session.settings.protocols, "tally")  # type: ignore[attr-defined]
        assert contract.digest == before.digest
        assert session.shared_uses.bytes > 0


async def test_patch_that_does_not_fit_any_more_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened("sqlite", tmp_path) as place:
        await chosen(place, PATCH)
        await place.store.close()
        spoil(tmp_path, "UPDATE sessions SET state = replace(state, 'per_minute', 'gone')")
        spoil(tmp_path, "UPDATE heads SET head = replace(head, 'per_minute', 'gone')")
        await place.again()
        session = await place.session("a")
        assert session.settings.protocols == {}
        assert len(session.journal) == 1
        text = "its own contract of tally no longer fits, the server's is in force: session#/protocol/limits/gone"
        assert text in caplog.text


async def test_other_contract_is_said_once_for_each_protocol(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await filled(tmp_path)
    spoil(tmp_path, """UPDATE heads SET head = json_set(head, '$.contract', 'another')""")
    async with opened("sqlite", tmp_path) as place:
        session = await place.session("a")
        said = [record for record in caplog.records if "judged under another contract" in record.message]
        assert [(record.levelno, tagged("a") in record.message) for record in said] == [(logging.WARNING, True)]
        assert [len(list(View(exchange).event_rows())) for exchange in session.journal] == [2, 2, 2]


async def test_protocol_that_is_not_served_any_more_is_said(tmp_path: Path) -> None:
    await filled(tmp_path)
    spoil(tmp_path, """UPDATE heads SET head = json_set(head, '$.protocol', 'gone')""")
    async with opened("sqlite", tmp_path) as place:
        with pytest.raises(StoreError, match="it has requests of the protocol gone, which this server does not serve"):
            await place.store.wake(place.store.session("a"))
