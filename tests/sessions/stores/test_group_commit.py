"""Group commit: one transaction for all that changes meanwhile; what cannot be written is kept and tried again."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from mockserver.errors import StoreError
from mockserver.sessions.stores import group_commit
from mockserver.sessions.stores.file_changes import Changes
from mockserver.sessions.stores.group_commit import GroupCommit
from mockserver.sessions.stores.sqlite_file import SqliteFile


class Watched(SqliteFile):
    """A file that counts its transactions, waits for `free`, and fails while there is a `problem`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "normal")
        self.groups: list[int] = []
        self.free = threading.Event()
        self.free.set()
        self.problem: Exception | None = None

    def write(self, changes: Changes) -> None:
        assert self.free.wait(30)
        self.groups.append(len(changes.heads))
        if self.problem is not None:
            raise self.problem
        super().write(changes)


@pytest.fixture
def file(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "a.db")


def add(group: GroupCommit, number: int) -> None:
    group.changes.heads.append((number, 1, "{}"))
    group.schedule()


def numbers(file: SqliteFile) -> list[int]:
    rows = sqlite3.connect(file.path).execute("SELECT number FROM heads ORDER BY number")
    return [number for (number,) in rows]


async def test_changes_of_one_turn_share_a_transaction(file: Watched) -> None:
    group = GroupCommit(file, lambda changes: changes.heads.append((99, 1, "{}")))
    for number in range(5):
        add(group, number)
    await group.durable()
    assert (file.groups, numbers(file)) == ([6], [0, 1, 2, 3, 4, 99])
    await group.durable()
    await group.close()


async def test_changes_while_a_transaction_is_written_share_the_next(file: Watched) -> None:
    group = GroupCommit(file, lambda changes: None)
    file.free.clear()
    add(group, 0)
    first = asyncio.ensure_future(group.durable())
    await asyncio.gather(*(asyncio.to_thread(lambda: None) for _ in range(3)))
    for number in range(1, 4):
        add(group, number)
    second = asyncio.ensure_future(group.durable())
    file.free.set()
    await first
    await second
    assert file.groups == [1, 3]
    await group.close()


async def test_waiter_that_is_cancelled_leaves_the_others_alone(file: Watched) -> None:
    group = GroupCommit(file, lambda changes: None)
    file.free.clear()
    add(group, 0)
    gone, other = asyncio.ensure_future(group.durable()), asyncio.ensure_future(group.durable())
    await asyncio.to_thread(lambda: None)
    gone.cancel()
    file.free.set()
    await other
    assert gone.cancelled()
    assert numbers(file) == [0]
    await group.close()


@pytest.mark.parametrize("problem", [StoreError("cannot write a.db: disk full"), ValueError("a bug")], ids=repr)
async def test_what_cannot_be_written_is_tried_again(
    file: Watched, problem: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(group_commit, "RETRY_S", 0.01)
    group, file.problem = GroupCommit(file, lambda changes: None), problem
    add(group, 0)
    with pytest.raises(StoreError, match=str(problem)):
        await group.durable()
    assert group.away == str(problem)
    add(group, 1)
    with pytest.raises(StoreError, match=str(problem)):
        await group.durable()
    back = asyncio.Event()
    end = group._end

    def ended(changes: Changes, done: asyncio.Future[None]) -> None:
        end(changes, done)
        if group.away is None:
            back.set()

    monkeypatch.setattr(group, "_end", ended)
    file.problem = None
    await asyncio.wait_for(back.wait(), 30)
    assert numbers(file) == [0, 1]
    add(group, 2)
    await group.durable()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING], "said once, and its end"
    assert ("Traceback" in caplog.text) is isinstance(problem, ValueError)
    await group.close()


async def test_close_writes_what_is_left(file: Watched) -> None:
    group = GroupCommit(file, lambda changes: None)
    add(group, 0)
    await group.close()
    assert numbers(file) == [0]
    add(group, 1)  # of a request that was cut off
    await group.durable()
    assert group.changes.heads == [(1, 1, "{}")]


@pytest.mark.parametrize("recovers", [True, False])
async def test_close_tries_once_more_what_could_not_be_written(
    file: Watched, recovers: bool, caplog: pytest.LogCaptureFixture
) -> None:
    group, file.problem = GroupCommit(file, lambda changes: None), StoreError("disk full")
    add(group, 0)
    with pytest.raises(StoreError):
        await group.durable()
    if recovers:
        file.problem = None
    await group.close()
    assert numbers(file) == [0] * recovers
    assert ("what was not written is lost" in caplog.text) is not recovers


async def test_rows_of_deleted_sessions_are_removed_when_nothing_else_is_to_be_done(file: Watched) -> None:
    file.write(Changes(heads=[(number, 1, "{}") for number in range(1000)]))
    tidied, tidy, loop = asyncio.Event(), file.tidy, asyncio.get_running_loop()

    def watched() -> bool:
        more = tidy()
        if not more and not numbers(file):
            loop.call_soon_threadsafe(tidied.set)
        return more

    file.tidy = watched  # type: ignore[method-assign]
    group = GroupCommit(file, lambda changes: None)
    add(group, 1001)
    await group.durable()
    group.changes.deleted.append(1)
    group.schedule()
    await group.durable()
    await asyncio.wait_for(tidied.wait(), 30)
    await group.close()
