"""The SQLite file of a durable store: opened, locked, one transaction after the other. It knows no session."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from mockserver.errors import SettingsError, StoreError
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.sessions.stores.file_changes import Changes, Row
from mockserver.settings import StoreSync

APPLICATION: Final = 0x6D6F636B
"""What marks a file as one of this program: "mock" in ASCII, as SQLite's `application_id`."""
FORMAT: Final = 1
"""The version of the tables, as SQLite's `user_version`."""
BUSY_S: Final = 2.0
"""How long a write waits for another program that writes the file, such as the shell of SQLite."""
PAGE_BYTES: Final = 8192
"""Measured: batches take a sixth less processor time than with SQLite's 4096, single events about the same."""
CHECKPOINT_PAGES: Final = 2000
"""After so many pages, 16 MB, the log is copied into the file: so this takes little of the time of large batches."""
PIECE: Final = 200
"""How many rows of deleted sessions are removed in one transaction: others wait for less than 50 ms."""

TABLES: Final = """
CREATE TABLE sessions (number INTEGER PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE heads (number INTEGER PRIMARY KEY, session INTEGER NOT NULL, head TEXT NOT NULL);
CREATE INDEX heads_of_session ON heads (session);
CREATE TABLE requests (
    session INTEGER NOT NULL, seq INTEGER NOT NULL, head INTEGER NOT NULL, received_ms INTEGER NOT NULL,
    session_ms INTEGER NOT NULL, status INTEGER NOT NULL, refused INTEGER NOT NULL, verdicts TEXT NOT NULL,
    receipt TEXT NOT NULL, override TEXT, connection TEXT NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (session, seq)
);
CREATE TABLE ids (
    session INTEGER NOT NULL, memory TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, ids BLOB NOT NULL,
    sum INTEGER NOT NULL, PRIMARY KEY (session, memory, first)
);
CREATE TABLE dropped (
    session INTEGER NOT NULL, memory TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (session, memory)
);
CREATE TABLE held (
    session INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, began_ms INTEGER NOT NULL,
    length_ms INTEGER NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (session, kind, key)
);
CREATE TABLE removed (session INTEGER PRIMARY KEY);
CREATE TABLE tombstones (name TEXT PRIMARY KEY, known INTEGER NOT NULL, tombstone TEXT NOT NULL);
CREATE VIEW journal AS
    SELECT sessions.name AS session, seq, datetime(received_ms / 1000, 'unixepoch') AS received,
        json_extract(heads.head, '$.method') AS method, json_extract(heads.head, '$.target') AS target,
        status, verdicts, CAST(body AS TEXT) AS body
    FROM requests JOIN sessions ON sessions.number = requests.session JOIN heads ON heads.number = requests.head
    ORDER BY requests.session, seq;
"""

OF_A_SESSION: Final = ("requests", "heads", "ids", "dropped", "held")
MOST: Final = 2**63 - 1
"""The largest number that SQLite holds."""


def sum_of(content: bytes, *beside: str) -> int:
    """Return the checksum of what a row must not lose unnoticed: SQLite sees damage to its own structure alone."""
    return crc32(content, crc32("\n".join(beside).encode()))


class SqliteFile:
    """An open file. `write` and `tidy` are called by one thread at a time; `reading` by any, beside it.

    Raises SettingsError for a file that cannot be used, or that another process uses.
    """

    def __init__(self, path: Path, sync: StoreSync) -> None:
        self.path = path.resolve()
        self.shown = path
        self._open: list[sqlite3.Connection] = []
        try:
            for file in (self.path, self._beside("-lock")):
                os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))  # it has keys and what clients sent
            self._lock()
            self._connection = self._connect(self.path, BUSY_S)
            self._prepare(sync)
            self._places = {place: _identity(place) for place in (self.path, *map(self._beside, ("-wal", "-lock")))}
        except (sqlite3.Error, OSError) as error:
            self.close()
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingsError(f"--store: cannot use {path}: {why}") from None
        except SettingsError:
            self.close()
            raise

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _connect(self, path: Path, timeout: float) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout, isolation_level=None, check_same_thread=False)
        self._open.append(connection)
        return connection

    def _lock(self) -> None:
        """Lock a file beside this one for as long as the process lives.

        SQLite's own locks let two processes write in turn; two servers would then answer for the same sessions.
        """
        try:
            self._connect(self._beside("-lock"), 0).executescript("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise SettingsError(f"--store: another server uses {self.shown}; stop it, or name another file") from None

    def _prepare(self, sync: StoreSync) -> None:
        execute = self._connection.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        is_empty = execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        if not is_empty and application != APPLICATION:
            raise SettingsError(f"--store: {self.shown} is a database of another program; name another file")
        if not is_empty and version != FORMAT:
            raise SettingsError(
                f"--store: {self.shown} has the format {version}, and this version of the server reads {FORMAT}; "
                "use the version that wrote it, or name another file"
            )
        execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file
        (mode,) = execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise SettingsError(f"--store: {self.shown} is on a file system that SQLite's log cannot be on")
        execute(f"PRAGMA synchronous = {sync}")
        execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        tables = f"{TABLES} PRAGMA application_id = {APPLICATION};" if is_empty else ""
        # a file that cannot be written is told at the start, not at the first request
        self._connection.executescript(f"BEGIN IMMEDIATE; {tables} PRAGMA user_version = {FORMAT}; COMMIT;")

    def write(self, changes: Changes) -> None:
        """Write changes in one transaction, which is on the disk then. Raises StoreError; it may be tried again."""
        with self._transaction() as connection:
            for statement, rows in _statements(changes):
                connection.executemany(statement, rows)

    def tidy(self) -> bool:
        """Remove some rows of deleted sessions; return whether there are more. Raises StoreError."""
        with self._transaction() as connection:
            found = connection.execute("SELECT session FROM removed LIMIT 1").fetchone()
            if found is None:
                return False
            for table in OF_A_SESSION:
                rows = f"SELECT rowid FROM {table} WHERE session = ? LIMIT {PIECE}"
                if connection.execute(f"DELETE FROM {table} WHERE rowid IN ({rows})", found).rowcount == PIECE:
                    return True
            connection.execute("DELETE FROM removed WHERE session = ?", found)
        return True

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        try:
            self._check_places()
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
            self._check_places()
        except (sqlite3.Error, OSError) as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise StoreError(f"cannot write {self.shown}: {error}") from None
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _check_places(self) -> None:
        """Raise StoreError if a file was deleted or replaced: what is written then is lost with this process."""
        for place, identity in self._places.items():
            if _identity(place) != identity:
                raise StoreError(
                    f"{place} was deleted or replaced while the server runs; put it back, or start the server again"
                )

    def sessions(self) -> list[Row]:
        """Return the number and the state of each session. Raises StoreError."""
        return self._all("SELECT number, state FROM sessions ORDER BY number")

    def tombstones(self) -> list[Row]:
        """Return the name, whether it is known, and the tombstone of each evicted session, oldest first."""
        return self._all("SELECT name, known, tombstone FROM tombstones ORDER BY rowid")

    def newest(self) -> Row:
        """Return the highest number of a session, and that of a head."""
        (row,) = self._all(
            "SELECT max((SELECT coalesce(max(number), 0) FROM sessions), "
            "(SELECT coalesce(max(session), 0) FROM removed)), coalesce(max(number), 0) FROM heads"
        )
        return row

    def _all(self, statement: str) -> list[Row]:
        try:
            return self._connection.execute(statement).fetchall()
        except (sqlite3.Error, UnicodeError) as error:
            raise StoreError(f"cannot read {self.shown}: {error}") from None

    @contextmanager
    def reading(self) -> Iterator[Callable[[str, int], Iterable[Row]]]:
        """Yield what selects rows of a session, all as of one moment. Raises StoreError."""
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", BUSY_S, isolation_level=None, uri=True)
            connection.execute("BEGIN")
            execute = connection.execute
            yield lambda statement, number: execute(statement, (number,))
        except (sqlite3.Error, UnicodeError) as error:
            raise StoreError(f"cannot read {self.shown}: {error}") from None
        finally:
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Close the file, and let another process use it."""
        for connection in reversed(self._open):
            with suppress(sqlite3.Error):
                connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _statements(changes: Changes) -> Iterator[tuple[str, Iterable[Row]]]:
    """Yield the statements that write some changes, in their order, each with its rows."""
    if changes.sessions:
        yield "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", changes.sessions.values()
    if changes.heads:
        yield "INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", changes.heads
    if changes.requests:
        places = ", ".join("?" * 13)
        rows = ((*row, sum_of(row[11], row[8], row[7])) for row in changes.requests)
        yield f"INSERT OR REPLACE INTO requests VALUES ({places})", rows
    if changes.revised:
        yield "UPDATE requests SET status = ?, override = ? WHERE session = ? AND seq = ?", changes.revised
    if changes.ids:
        yield "INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?, ?, ?)", map(_ids_row, changes.ids)
    if changes.dropped:
        yield "INSERT OR REPLACE INTO dropped VALUES (?, ?, ?)", changes.dropped
        yield "DELETE FROM ids WHERE session = ? AND memory = ? AND first + count <= ?", changes.dropped
    if changes.held_anew:
        yield "DELETE FROM held WHERE session = ?", ((number,) for number in changes.held_anew)
    if changes.held:
        yield (
            "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (session, kind, key) DO UPDATE SET "
            "began_ms = excluded.began_ms, length_ms = excluded.length_ms, requests = excluded.requests",
            map(_held_row, changes.held),
        )
    if changes.evicted:
        yield "DELETE FROM requests WHERE session = ? AND seq < ?", changes.evicted
    if changes.unused:
        yield "DELETE FROM heads WHERE number = ?", ((number,) for number in changes.unused)
    if changes.deleted:
        yield "DELETE FROM sessions WHERE number = ?", ((number,) for number in changes.deleted)
        yield "INSERT OR REPLACE INTO removed VALUES (?)", ((number,) for number in changes.deleted)
    if changes.tombstones:
        yield "DELETE FROM tombstones WHERE name = ?", ((name,) for name in changes.tombstones)
        yield "INSERT INTO tombstones VALUES (?, ?, ?)", (row for row in changes.tombstones.values() if row)


def _ids_row(row: Row) -> Row:
    session, memory, first, ids = row
    packed = msgspec.msgpack.encode(ids)
    return session, memory, first, len(ids), packed, sum_of(packed)


def _held_row(row: Row) -> Row:
    session, kind, key, (began_ms, length_ms, requests) = row
    return session, kind, render(key_as_json(key)).decode(), began_ms, min(length_ms, MOST), requests


def key_as_json(key: Row | bytes) -> Json:
    """Return a key that is held as JSON, its bytes in hexadecimal."""
    return key.hex() if isinstance(key, bytes) else [part.hex() if isinstance(part, bytes) else part for part in key]
