"""The SQLite store: the memory store, and a file that has all of it before anybody is answered.

Sessions are served from memory. After a start, a session is dormant: it is read from the file when it is first asked
for, and takes no memory until then.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import astuple

from mockserver.contract.serving import ServedContracts
from mockserver.core.model import Judged, Receipt
from mockserver.core.wire import WireReply
from mockserver.errors import SettingsError, StoreError
from mockserver.realtime import monotonic
from mockserver.sessions.claims import Claimed
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, SessionSettings, size_of
from mockserver.sessions.session_name import tagged
from mockserver.sessions.steps import UNAVAILABLE, reply_with_status
from mockserver.sessions.stores.file_changes import Changes
from mockserver.sessions.stores.group_commit import GroupCommit
from mockserver.sessions.stores.memory import MemoryStore, R
from mockserver.sessions.stores.sqlite_file import SqliteFile
from mockserver.sessions.stores.stored_rows import (
    WrittenSession,
    read_json,
    read_session,
    write_json,
    written_exchange,
    written_head,
    written_session,
)
from mockserver.sessions.stores.waking import IDEMPOTENCY, WINDOW, Expected, Woken, read_dormant
from mockserver.sessions.tombstones import Tombstone
from mockserver.settings import StoreSync

_log = logging.getLogger("mockserver.store")

WEIGHED_AT_ONCE: Final = 2 * 1024 * 1024
"""Bytes of a session that was read, for which others are evicted in one turn of the loop."""
READ_AGAIN_S: Final = 1.0
"""After so many seconds, a session that could not be read is tried again."""


class SqliteStore(MemoryStore):
    """All sessions in one process, and in a file. Raises SettingsError for a file that cannot be used.

    A request that was committed while the file could not be written is answered with 503, and is written when that is
    possible again: `away` says until then why new ones are refused.
    """

    waits = True

    def __init__(
        self,
        path: Path,
        contracts: ServedContracts,
        defaults: SessionSettings,
        *,
        sync: StoreSync,
        max_bytes: int,
        max_sessions: int,
    ) -> None:
        super().__init__(defaults, max_bytes=max_bytes, max_sessions=max_sessions)
        self._contracts = contracts
        self._file = SqliteFile(path, sync)
        self._group = GroupCommit(self._file, self._complete)
        self._changed: dict[int, Session] = {}
        self._marks: dict[int, _Mark] = {}
        self._waking: dict[int, asyncio.Task[None]] = {}
        self._unreadable: dict[int, tuple[float, str]] = {}
        try:
            self._read_sessions()
            newest_session, newest_head = self._file.newest()
            self._next_number, self._next_head = newest_session + 1, newest_head + 1
            self._bring_under_limit()
        except (StoreError, ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
            self._file.close()
            raise SettingsError(f"--store: {path} is damaged; restore a copy, or name another file: {error}") from None

    @property
    def away(self) -> str | None:
        """Why the file cannot be written at the moment."""
        return self._group.away

    def _read_sessions(self) -> None:
        """Make all sessions of the file; their requests and claims stay there until somebody asks for them."""
        for name, known, text in self._file.tombstones():
            super()._bury(name, read_json(text, Tombstone), known=bool(known))
        for number, text in self._file.sessions():
            written = read_json(text, WrittenSession)
            session = Session(written.name, copy.copy(self._defaults), number, self.shared_uses)
            read_session(session, written)
            self._marks[number] = _Mark(session)
            session.dormant = True
            session.bytes = session.claims.remembered = 0
            self._owners.update(dict.fromkeys(session.settings.credentials, session.name))
            self._sessions[session.name] = session
            session.weigh_settings()
            self._order.add(session)
            self._order.rank(session)
            self.feed.begin(session)
            self._account(session)
            if written.own_recording:
                _log.warning("session %s: its recording is not kept in the file; give it again", tagged(session.name))
        if self._sessions:
            requests = sum(session.counts.requests for session in self._sessions.values())
            _log.info("sessions read from %s: %d, with %d requests", self._file.shown, len(self._sessions), requests)

    def _bring_under_limit(self) -> None:
        """Evict sessions that a lower --max-sessions leaves no place for."""
        newest = next(reversed(self._sessions.values()), None)
        while newest is not None and len(self._sessions) > self._max_sessions:
            idlest = self._order.idlest(newest)
            if idlest is not None:
                self._evict_session(idlest, "max_sessions")

    async def wake(self, session: Session) -> None:
        """Read the requests and claims of a session from the file. Raises StoreError if that cannot be done."""
        failed_at, problem = self._unreadable.get(session.number, (0.0, ""))
        if problem and monotonic() - failed_at < READ_AGAIN_S:
            raise StoreError(problem)
        task = self._waking.get(session.number)
        if task is None:
            task = self._waking[session.number] = asyncio.create_task(self._wake(session))
            task.add_done_callback(lambda _: self._waking.pop(session.number))
        await asyncio.shield(task)

    async def _wake(self, session: Session) -> None:
        if session.deleted or not session.dormant:
            return
        expected = self._marks[session.number].expected
        try:
            woken = await asyncio.to_thread(read_dormant, self._file, session, expected, self._contracts)
        except StoreError as error:
            if session.number not in self._marks:  # it was deleted meanwhile
                return
            self._unreadable[session.number] = monotonic(), str(error)
            raise
        self._unreadable.pop(session.number, None)
        if session.number in self._marks:
            self._install(session, woken)
            await self._weigh(session)

    def _install(self, session: Session, woken: Woken) -> None:
        """Give a session what was read of it, in one step that takes no time; it is dormant until it is weighed."""
        session.claims = woken.claims
        session.choose(woken.choices, [self._contracts.of(woken.choices, name) for name in woken.choices])
        session.restore(woken.journal, woken.bytes, woken.shares)
        session.shared_heads = woken.heads
        session.attempts = woken.attempts
        self._marks[session.number] = _Mark(session)
        self._remembered += session.claims.remembered
        session.remembered_before = session.claims.remembered

    async def _weigh(self, session: Session) -> None:
        """Bring all sessions under the limit with one that was read, a part of it in each turn of the loop."""
        while (grown := session.held - session.counted) > WEIGHED_AT_ONCE and not session.deleted:
            grown = min(grown, WEIGHED_AT_ONCE)
            self.bytes += grown
            self._order.weigh(session, grown)
            if self.bytes + self.shared_uses.bytes > self.max_bytes:
                self._shrink(session)
            await asyncio.sleep(0)
        if not session.deleted:
            session.dormant = False
            self._account(session)
            if self._remembered > self._max_remembered:
                self._forget_ids()
            if session.evicted != self._marks[session.number].evicted:
                self._note(session)

    async def commit(self, session: Session, judged: Judged, **more: Any) -> tuple[Exchange, WireReply]:
        """Settle what was judged, and return when the file has it.

        If it cannot be written, the reply is a 503 in the shape of the vendor; what was claimed stays claimed, as after
        any reply that a client did not get.
        """
        if more.get("step") is None and more.get("relayed") is None:
            exchange, reply = await super().commit(session, judged, **more)  # by `commit_plain`
        else:
            before = session.claims.mark(judged.contract.name)
            exchange, reply = await super().commit(session, judged, **more)
            self._add(session, exchange, session.claims.since(before, judged))
        if session.deleted:
            return exchange, reply
        try:
            await self._group.durable()
        except StoreError:
            reply = self.unwritten(session, judged, exchange)
        return exchange, reply

    def commit_plain(
        self,
        session: Session,
        judged: Judged,
        received_ms: int,
        connection: str,
        notes: tuple[str, ...],
        answering: Callable[[Judged, Receipt], R],
    ) -> tuple[Exchange, R]:
        """Commit a request that the contract answers; it may be answered when `written` is done."""
        before = session.claims.mark(judged.contract.name)
        exchange, reply = super().commit_plain(session, judged, received_ms, connection, notes, answering)
        self._add(session, exchange, session.claims.since(before, judged))
        return exchange, reply

    def written(self) -> asyncio.Future[None] | None:
        """Return what is done when the file has all that has changed; None if it has all. It may end in StoreError."""
        return self._group.awaited

    def unwritten(self, session: Session, judged: Judged, exchange: Exchange) -> WireReply:
        """Return the reply to a request that could not be written, and note it on the exchange."""
        reply = reply_with_status(judged, exchange.receipt, UNAVAILABLE)
        size = size_of(exchange)
        exchange.status = reply.status
        self.revise(session, exchange, reply=reply)
        if not session.deleted and exchange.shared.uses:
            session.bytes += size_of(exchange) - size
            self._account(session)
        return reply

    def _add(self, session: Session, exchange: Exchange, claimed: Claimed) -> None:
        """Add an exchange and what it has claimed to what is to be written."""
        if session.deleted:
            return
        number, shared, changes = session.number, exchange.shared, self._group.changes
        if shared.uses:  # else it is evicted already
            if not shared.number:
                shared.number, self._next_head = self._next_head, self._next_head + 1
                head = written_head(shared, self._contracts.choice_of(session.settings.protocols, shared.contract))
                changes.heads.append((shared.number, number, write_json(head)))
            changes.requests.append((number, *astuple(written_exchange(exchange))))
        for memory, (first, ids) in claimed.ids.items():
            newest = changes.ids[-1] if changes.ids else None
            if newest is not None and newest[:2] == (number, memory) and newest[2] + len(newest[3]) == first:
                newest[3].extend(ids)
            else:
                changes.ids.append((number, memory, first, ids))
        for kind, held in ((WINDOW, claimed.window), (IDEMPOTENCY, claimed.idempotency)):
            if held is not None:
                changes.held.append((number, kind, *held))
        self._note(session)

    def revise(self, session: Session, exchange: Exchange, **changes: Any) -> None:
        """Record on a journalled exchange how much of its reply was sent."""
        super().revise(session, exchange, **changes)
        if not session.deleted and exchange.shared.number:
            row = written_exchange(exchange)
            self._group.changes.revised.append((row.status, row.override, session.number, row.seq))
            self._note(session)

    def note_use(self, session: Session) -> None:
        """Note that a control call asks about a session."""
        is_known = session.read
        super().note_use(session)
        if not is_known:
            self._note(session)

    def set_up(self, session: Session) -> None:
        """Note that a control call has set up a session."""
        super().set_up(session)
        self._note(session)

    def trim(self, session: Session) -> None:
        """Bring a session under its journal limit after that was lowered."""
        super().trim(session)
        self._note(session)

    def _new_session(self, name: str) -> Session:
        if self.tombstones.get(name) is not None:
            self._group.changes.tombstones[name] = None
        session = super()._new_session(name)
        self._marks[session.number] = _Mark(session)
        self._note(session)
        return session

    def _evict_oldest(self, session: Session) -> None:
        super()._evict_oldest(session)
        self._note(session)

    def _forget_ids(self) -> None:
        super()._forget_ids()
        for session in self._sessions.values():
            if session.number in self._marks and session.claims.forgotten != self._marks[session.number].forgotten:
                self._note(session)

    def _bury(self, name: str, tombstone: Tombstone, *, known: bool) -> str | None:
        crowded_out = super()._bury(name, tombstone, known=known)
        self._group.changes.tombstones[name] = name, known, write_json(tombstone)
        if crowded_out is not None:
            self._group.changes.tombstones[crowded_out] = None
        return crowded_out

    def forget(self, name: str) -> bool:
        """Delete a session, and what is remembered of an evicted one; False when there was none."""
        was_there = super().forget(name)
        if was_there:
            self._group.changes.tombstones[name] = None
            self._group.schedule()
        return was_there

    def _remove(self, session: Session, reason: Literal["deleted", "evicted"]) -> None:
        super()._remove(session, reason)
        self._changed.pop(session.number, None)
        self._marks.pop(session.number, None)
        self._unreadable.pop(session.number, None)
        self._group.changes.deleted.append(session.number)
        self._group.schedule()

    def _note(self, session: Session) -> None:
        """Note that a session has changed, so that it is written; what the file has of a dormant one stays."""
        if not (session.dormant or session.deleted):
            self._changed[session.number] = session
            self._group.schedule()

    @asynccontextmanager
    async def changing(self, name: str) -> AsyncIterator[None]:
        """Return from the block when the file has what it has changed. Raises StoreError."""
        if self.away is not None:
            raise StoreError(self.away)
        yield
        await self.durable()

    async def load(self, name: str) -> None:
        """Make the session of a name ready, if there is one. Raises StoreError."""
        session = self.peek(name)
        if session is not None and session.dormant:
            await self.wake(session)

    async def keep(self, session: Session) -> None:
        """Note that a fault step was used; the file has it before the request is answered."""
        self._note(session)

    def _complete(self, changes: Changes) -> None:
        """Add the sessions that have changed, as they are now, and what they have given up."""
        for number, session in self._changed.items():
            mark, claims = self._marks[number], session.claims
            changes.sessions[number] = number, session.name, write_json(written_session(session, self._defaults))
            if claims.forgotten != mark.forgotten:
                changes.dropped.extend((number, memory, count) for memory, count in claims.dropped.items())
                mark.forgotten = claims.forgotten
            if claims.bounded != mark.bounded:
                changes.held_anew.append(number)
                changes.held[:] = [row for row in changes.held if row[0] != number]
                windows, idempotency = claims.held()
                changes.held.extend((number, WINDOW, key, held) for key, held in windows.items())
                changes.held.extend((number, IDEMPOTENCY, key, held) for key, held in idempotency.items())
                mark.bounded = claims.bounded
            if session.evicted != mark.evicted:
                oldest = session.journal[0].seq if session.journal else session.newest + 1
                changes.evicted.append((number, oldest))
                mark.evicted = session.evicted
            changes.unused += session.unused_heads
            session.unused_heads = []
        self._changed.clear()

    async def durable(self) -> None:
        """Return when the file has all that has changed. Raises StoreError if it cannot be written."""
        await self._group.durable()

    async def close(self) -> None:
        """Write what is left, and let another process use the file."""
        await self._group.close()


class _Mark:
    """How far the file has a session: what was given up that it knows of, and what it has of a dormant one."""

    __slots__ = ("bounded", "evicted", "expected", "forgotten")

    def __init__(self, session: Session) -> None:
        self.evicted = session.evicted
        self.forgotten = session.claims.forgotten
        self.bounded = session.claims.bounded
        self.expected = Expected(session.counts.requests - session.evicted, session.claims.remembered)
