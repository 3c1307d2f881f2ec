"""The SQLite file: for its owner alone, locked, checked; what it cannot take is said at once, and loses nothing."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.errors import SettingsError, StoreError
from mockserver.sessions.stores.file_changes import Changes
from mockserver.sessions.stores.sqlite_file import PIECE, SqliteFile, sum_of

HEAD = '{"method": "POST", "target": "/a"}'


def request(session: int, seq: int, body: bytes = b"{}") -> tuple[Any, ...]:
    return session, seq, 1, 0, 0, 200, False, "a", "{}", None, "", body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def file(path: Path) -> Iterator[SqliteFile]:
    file = SqliteFile(path, "full")
    yield file
    file.close()


def shell(path: Path, statement: str) -> str:
    """Return what the shell of SQLite prints, of whichever Python this is."""
    code = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall())"
    command = [sys.executable, "-c", code, str(path), statement]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def spoil(path: Path, statement: str) -> None:
    """Make a file that another program, or another version, has written."""
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_file_is_for_its_owner_alone(file: SqliteFile, path: Path) -> None:
    file.write(Changes(heads=[(1, 1, HEAD)]))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {"a.db": 0o600, "a.db-lock": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


def test_other_programs_can_read_it(file: SqliteFile, path: Path) -> None:
    file.write(Changes(sessions={1: (1, "a", "{}")}, heads=[(1, 1, HEAD)], requests=[request(1, 1)]))
    assert shell(path, "SELECT * FROM journal") == "[('a', 1, '1970-01-01 00:00:00', 'POST', '/a', 200, 'a', '{}')]"
    assert shell(path, "PRAGMA integrity_check") == "[('ok',)]"


def test_changes_may_be_written_twice(file: SqliteFile) -> None:
    changes = Changes(
        sessions={1: (1, "a", "{}"), 2: (2, "b", "{}")},
        heads=[(1, 1, HEAD), (2, 1, HEAD)],
        requests=[request(1, 1), request(1, 2), request(2, 1)],
        revised=[(500, "{}", 1, 2)],
        ids=[(1, "tally", 0, [b"a", b"b"]), (1, "tally", 2, [b"c"])],
        dropped=[(1, "tally", 2)],
        held=[(1, "window", ("tally", "l", b"\xff"), (1, 2**70, 3)), (1, "idempotency", b"\xff", (1, 2, 3))],
        evicted=[(1, 2)],
        unused=[2],
        deleted=[2],
        tombstones={"c": ("c", True, "{}"), "d": None},
    )
    for _ in range(2):
        file.write(changes)
    while file.tidy():
        pass
    with file.reading() as select:
        assert [row[:2] for row in select("SELECT session, seq, status FROM requests WHERE session = ?", 1)] == [(1, 2)]
        assert list(select("SELECT first, count FROM ids WHERE session = ?", 1)) == [(2, 1)]
        assert list(select("SELECT key, length_ms FROM held WHERE session = ? ORDER BY rowid", 1)) == [
            ('["tally","l","ff"]', 2**63 - 1),
            ('"ff"', 2),
        ]
        assert list(select("SELECT number FROM heads WHERE session = ?", 1)) == [(1,)]
        assert list(select("SELECT seq FROM requests WHERE session = ?", 2)) == []
    assert file.sessions() == [(1, "{}")]
    assert file.tombstones() == [("c", 1, "{}")]


def test_held_keys_are_written_anew(file: SqliteFile) -> None:
    file.write(Changes(held=[(1, "idempotency", b"a", (1, 2, 3)), (1, "idempotency", b"b", (1, 2, 3))]))
    file.write(Changes(held_anew=[1], held=[(1, "idempotency", b"c", (4, 5, 6))]))
    with file.reading() as select:
        assert list(select("SELECT key, began_ms FROM held WHERE session = ?", 1)) == [('"63"', 4)]


def test_deleted_session_goes_in_pieces_and_its_number_is_not_used_again(file: SqliteFile) -> None:
    requests = [request(7, seq) for seq in range(PIECE + 1)]
    file.write(Changes(sessions={7: (7, "a", "{}")}, heads=[(1, 7, HEAD)], requests=requests))
    file.write(Changes(deleted=[7]))
    assert file.sessions() == []
    assert file.newest() == (7, 1), "until it is gone altogether"
    pieces = [file.tidy() for _ in range(4)]
    assert pieces == [True, True, False, False]
    assert file.newest() == (0, 0)


def test_nothing_is_written_when_one_row_cannot_be(file: SqliteFile) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        file.write(Changes(heads=[(1, 1, HEAD)], sessions={1: (1, None, "{}")}))
    assert file.newest() == (0, 0)
    file.write(Changes(heads=[(1, 1, HEAD)]))
    assert file.newest() == (0, 1)


def test_full_disk_is_said_and_got_over(file: SqliteFile) -> None:
    ((pages,),) = file._connection.execute("PRAGMA page_count").fetchall()
    file._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    changes = Changes(requests=[request(1, 1, bytes(100_000))])
    with pytest.raises(StoreError, match="full"):
        file.write(changes)
    file._connection.execute("PRAGMA max_page_count = 1000000")
    file.write(changes)
    assert shell(file.path, "SELECT count(*) FROM requests") == "[(1,)]"


@pytest.mark.parametrize("ending", ["", "-wal", "-lock"])
def test_file_that_is_deleted_or_replaced_is_noticed(file: SqliteFile, path: Path, ending: str) -> None:
    place = path.with_name(path.name + ending)
    away = place.rename(place.with_name("away"))
    with pytest.raises(StoreError, match=f"{place.name} was deleted or replaced while the server runs"):
        file.write(Changes(heads=[(1, 1, HEAD)]))
    place.write_bytes(b"")
    with pytest.raises(StoreError, match="deleted or replaced"):
        file.write(Changes(heads=[(1, 1, HEAD)]))
    away.replace(place)
    file.write(Changes(heads=[(1, 1, HEAD)]))
    assert file.newest() == (0, 1)


def test_file_that_goes_while_it_is_written_is_noticed(
    file: SqliteFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(changes: Changes) -> Iterator[Any]:
        path.unlink()
        yield from ()

    monkeypatch.setattr("mockserver.sessions.stores.sqlite_file._statements", removed)
    with pytest.raises(StoreError, match="deleted or replaced"):
        file.write(Changes())


def test_second_user_is_refused_until_the_first_is_gone(path: Path, tmp_path: Path) -> None:
    first = SqliteFile(path, "full")
    link = tmp_path / "link.db"
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(SettingsError, match=f"another server uses {name}"):
            SqliteFile(name, "full")
    first.close()
    SqliteFile(link, "full").close()


def test_place_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    for name, problem in (("missing/a.db", "No such file"), ("", "Is a directory")):
        with pytest.raises(SettingsError, match=f"--store: cannot use .*{problem}"):
            SqliteFile(tmp_path / name, "full")
    with pytest.raises(SettingsError, match="--store: cannot use"):
        SqliteFile(Path("/dev/null/a.db"), "full")


def test_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    text = "not a database, and long enough to look at\n" * 100
    path.write_text(text)
    with pytest.raises(SettingsError, match="file is not a database"):
        SqliteFile(path, "full")
    assert path.read_text() == text


def test_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    spoil(path, "CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="is a database of another program"):
        SqliteFile(path, "full")
    assert path.read_bytes() == before


def test_newer_format_is_refused_and_left_alone(path: Path) -> None:
    SqliteFile(path, "full").close()
    spoil(path, "PRAGMA user_version = 2")
    with pytest.raises(SettingsError, match="has the format 2, and this version of the server reads 1; use the"):
        SqliteFile(path, "full")
    assert shell(path, "PRAGMA user_version") == "[(2,)]"


def test_file_that_cannot_be_written_is_refused_at_the_start(path: Path) -> None:
    SqliteFile(path, "full").close()
    content = bytearray(path.read_bytes())
    content[18] = 3  # SQLite opens it for reading only, whoever asks
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="readonly"):
        SqliteFile(path, "full")


def test_truncated_file_is_refused(path: Path) -> None:
    first = SqliteFile(path, "full")
    first.write(Changes(requests=[request(1, 1, bytes(100_000))]))
    first.close()
    path.write_bytes(path.read_bytes()[:9_000])
    with pytest.raises(SettingsError, match=r"malformed|disk I/O"):
        SqliteFile(path, "full")


def test_sum_tells_where_a_part_ends() -> None:
    assert len({sum_of(b"a", "b", "c"), sum_of(b"a", "bc", ""), sum_of(b"b", "b", "c"), sum_of(b"a", "b", "d")}) == 4


def test_file_on_which_there_can_be_no_log_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = SqliteFile._connect
    monkeypatch.setattr(SqliteFile, "_connect", lambda self, place, wait: connect(self, Path(":memory:"), wait))
    with pytest.raises(SettingsError, match="is on a file system that SQLite's log cannot be on"):
        SqliteFile(path, "full")


@pytest.mark.parametrize(("sync", "level"), [("full", 2), ("normal", 1)])
def test_sync_is_what_was_asked_for(path: Path, sync: Any, level: int) -> None:
    file = SqliteFile(path, sync)
    assert file._connection.execute("PRAGMA synchronous").fetchone() == (level,)
    file.close()
