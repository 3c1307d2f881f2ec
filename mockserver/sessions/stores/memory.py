"""The memory store: fast, bounded, gone when the process is."""

from __future__ import annotations

import copy
import logging
import time
from asyncio import Future
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, Final, Literal, Protocol, TypeVar

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.core.answer import answer
from mockserver.core.model import Judged, Receipt
from mockserver.core.wire import WireReply, WireRequest
from mockserver.sessions.claims import ID_BYTES
from mockserver.sessions.exchange import NO_OVERRIDE, WITHOUT_REPLY, Exchange, Relayed, SharedHead
from mockserver.sessions.feed import Feed
from mockserver.sessions.remains import Remains
from mockserver.sessions.session import Playback, Session, SessionSettings, SharedUses
from mockserver.sessions.session_name import DEFAULT_SESSION, tagged
from mockserver.sessions.steps import Step, override_of
from mockserver.sessions.stores.eviction import Order, Standing
from mockserver.sessions.tombstones import Limit, Tombstone, Tombstones
from mockserver.settings import RateMode

_log = logging.getLogger("mockserver.store")

HEAD_BYTES: Final = 700
"""What a head takes beside its target and headers, measured."""

HEADER_BYTES: Final = 200
"""What a header takes beside its name and value, measured."""

MAX_REMEMBERED: Final = 1_000_000
"""How many ids (for dedup) and entities all sessions together remember at most."""

IDS_SHARE: Final = 2
"""Ids take at most one part in so many of the memory limit, so that journals have the rest."""

REFUSING: Final = 400
"""From this status on, a reply of an upstream or of a recording refuses its request."""

MIN_REMEMBERED: Final = 1_000
"""How many ids are remembered, however small the memory limit is."""


class Answered(Protocol):
    """A reply in whatever form."""

    @property
    def status(self) -> int:
        """Its status."""


R = TypeVar("R", bound=Answered)


def size_of_head(request: WireRequest) -> int:
    """Return about how many bytes a request takes beside its body."""
    return HEAD_BYTES + len(request.target) + sum(HEADER_BYTES + len(n) + len(v) for n, v in request.headers)


def head_key(
    request: WireRequest,
    contract: Contract,
    operation: str | None,
    rate_mode: RateMode,
    keys: frozenset[str] | None,
) -> Hashable:
    """Return what a session finds the common head of requests by."""
    head = (request.method, request.target, request.headers, request.truncated, request.late)
    return head, contract, operation, rate_mode, keys


class MemoryStore:
    """All sessions in one process.

    `max_bytes` bounds what all sessions hold together: journals, claims, settings, patched contracts. `max_sessions`
    bounds the number of sessions. `Order` says who pays when one of them is exceeded. A session that is evicted as a
    whole leaves a tombstone, from which it goes on if it is named again. `waits` tells whether a commit has to wait for
    something outside of this process, `shared` whether other processes use the same sessions.
    """

    waits = False
    shared = False

    def __init__(self, defaults: SessionSettings, *, max_bytes: int, max_sessions: int) -> None:
        self._defaults = defaults
        self.max_bytes = max_bytes
        self._max_sessions = max_sessions
        self._max_remembered = min(MAX_REMEMBERED, max(MIN_REMEMBERED, max_bytes // IDS_SHARE // ID_BYTES))
        self._sessions: dict[str, Session] = {}
        self._order = Order(self._is_set_up)
        self._next_number = 0
        self._owners: dict[str, str] = {}
        self._noted: list[dict[str, Session]] = []
        self._remembered = 0
        self.shared_uses = SharedUses()
        self.tombstones = Tombstones()
        self.remains = Remains()
        self.feed = Feed()
        self.bytes = 0
        self.evicted_sessions = 0
        self.on_new_session: Callable[[Session], None] = lambda session: None
        self.new_playback: Callable[[], Playback | None] = lambda: None

    def session(self, name: str) -> Session:
        """Return a session, made when it is first named. It is now the one used last."""
        session = self._sessions.get(name)
        if session is None:
            return self._new_session(name)
        self._order.touch(session)
        return session

    def _new_session(self, name: str) -> Session:
        session = self._sessions[name] = Session(name, copy.copy(self._defaults), self._next_number, self.shared_uses)
        self._next_number += 1
        session.playback = self.new_playback()
        tombstone = self.tombstones.pop(name)
        if tombstone is not None:
            session.go_on_from(tombstone)
            session.settings.credentials = self._still_owned(name, tombstone)
            _log.warning("session %s is there again: %s", tagged(name), tombstone.text())
        self._order.add(session)
        self.feed.begin(session)
        self.on_new_session(session)
        if len(self._sessions) > self._max_sessions:
            idlest = self._order.idlest(session)
            if idlest is not None:
                self._evict_session(idlest, "max_sessions")
        self._account(session)
        return session

    @property
    def away(self) -> str | None:
        """Why no request can be taken at the moment, None while they can."""
        return None

    async def open(self) -> None:
        """Begin to use the store. Raises SettingsError if that is not possible."""

    async def wake(self, session: Session) -> None:
        """Make a session ready for a request. In memory, it is."""

    async def load(self, name: str) -> None:
        """Make the session of a name ready to be read, if there is one."""

    async def load_all(self) -> None:
        """Make all sessions ready to be read."""

    @asynccontextmanager
    async def changing(self, name: str) -> AsyncIterator[None]:
        """Let a block change a session; what it has changed is kept at the end."""
        yield

    async def keep(self, session: Session) -> None:
        """Note that a request has used a fault step."""

    async def know_owners(self) -> None:
        """Learn which credentials other processes have given to which sessions."""

    def written(self) -> Future[None] | None:
        """Return what is done when all that has changed is kept; None if it is. It may end in StoreError."""
        return None

    def unwritten(self, session: Session, judged: Judged, exchange: Exchange) -> WireReply:
        """Return the reply to a request that could not be kept. In memory, there is none."""
        raise NotImplementedError

    async def durable(self) -> None:
        """Return when all that has changed is kept as durably as this store promises."""

    async def close(self) -> None:
        """End the use of the store."""

    def peek(self, name: str) -> Session | None:
        """Return a session without making it."""
        return self._sessions.get(name)

    def look_up(self, name: str) -> Session:
        """Return a session to read from; an empty one that is not kept if there is none of this name."""
        session = self.peek(name)
        if session is None:
            session, tombstone = Session(name, copy.copy(self._defaults)), self.tombstones.get(name)
            session.playback = self.new_playback()
            if tombstone is not None:
                session.go_on_from(tombstone)
                session.settings.credentials = self._still_owned(name, tombstone)
            return session
        self._order.touch(session)
        self.note_use(session)
        return session

    def note_use(self, session: Session) -> None:
        """Note that a control call asks about a session: it is evicted after those that nobody asked about."""
        session.read = True
        self._order.rank(session)

    def set_up(self, session: Session) -> None:
        """Note that a control call has set up a session: what was lost by an eviction is no longer missing."""
        session.eviction = None
        session.weigh_settings()
        self.note_use(session)
        self._account(session)

    def sessions(self) -> list[Session]:
        """Return all sessions, in the order they came into being."""
        return list(self._sessions.values())

    def owner(self, credential: str) -> str:
        """Return the name of the session a credential belongs to: the one it was given to, else its own."""
        return self._owners.get(credential, credential)

    def taken(self, name: str, credentials: Iterable[str]) -> str | None:
        """Return the first credential that the session of a name cannot own, or None.

        It cannot own the credentials and names of other sessions, nor the name of the default session. An evicted
        session keeps no credential from others.
        """
        for credential in credentials:
            owner = self._owners.get(credential, credential)
            if (owner in self._sessions and owner != name) or credential == DEFAULT_SESSION:
                return credential
        return None

    def _still_owned(self, name: str, tombstone: Tombstone) -> tuple[str, ...]:
        return tuple(credential for credential in tombstone.credentials if self._owners.get(credential) == name)

    def _release(self, name: str, credentials: Iterable[str]) -> None:
        """Let credentials select their own sessions again if they still select this one."""
        for credential in credentials:
            if self._owners.get(credential) == name:
                del self._owners[credential]

    def give(self, session: Session, credentials: tuple[str, ...]) -> str | None:
        """Make credentials the session's own, in place of those it had; return one that it cannot own."""
        taken = self.taken(session.name, credentials)
        if taken is not None:
            return taken
        self._release(session.name, session.settings.credentials)
        self._owners.update(dict.fromkeys(credentials, session.name))
        session.settings.credentials = credentials
        return None

    def _is_set_up(self, session: Session) -> bool:
        return session.settings != self._defaults or session.clock.moved or bool(session.faults) or session.own_playback

    async def commit(
        self,
        session: Session,
        judged: Judged,
        *,
        received_ms: int,
        connection: str = "",
        notes: tuple[str, ...] = (),
        step: Step | None = None,
        relayed: Relayed | None = None,
    ) -> tuple[Exchange, WireReply]:
        """Settle what was judged: claim, journal, and only then let the caller answer. `step` is the fault taken.

        `relayed` is what an upstream or a recording made of the request. Nothing is stored where it gave no reply, and
        no id is claimed where it refused: its client may send the same events again.
        """
        if step is None and relayed is None:
            return self.commit_plain(session, judged, received_ms, connection, notes, answer)
        failed = relayed is not None and relayed.origin in WITHOUT_REPLY
        if relayed is not None and relayed.reply.status >= REFUSING:
            judged.dedup = judged.entities = judged.idempotency = None
        injected = (step is not None and not step.stores) or (relayed is not None and not relayed.stores)
        receipt = session.settle(judged, stored=not injected and not failed)
        reply = answer(judged, receipt)
        if relayed is not None:
            relayed = relayed.readable_like(reply) if failed else relayed
            reply = relayed.reply
        override = NO_OVERRIDE if step is None else override_of(judged, receipt, step, reply)
        if relayed is not None:
            override = replace(override, reply=override.reply or reply, relayed=relayed)
        now_ms = judged.terms.now_ms
        if notes or received_ms != now_ms:
            override = replace(override, notes=notes, received_ms=None if received_ms == now_ms else received_ms)
        exchange = Exchange(
            shared=self._shared_head(judged, session),
            body=judged.request.body,
            now_ms=now_ms,
            status=reply.status if override.reply is None else override.reply.status,
            connection=connection,
            refused=judged.refusal is not None or receipt.refused is not None or failed,
            receipt=receipt,
            override=override,
        )
        self.record(session, exchange)
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
        """Commit a request that the contract answers, without awaiting anything; the reply is what `answering` says."""
        receipt = session.settle(judged)
        reply, now_ms, override = answering(judged, receipt), judged.terms.now_ms, NO_OVERRIDE
        if notes or received_ms != now_ms:
            received = None if received_ms == now_ms else received_ms
            override = replace(override, notes=notes, received_ms=received)
        exchange = Exchange(
            shared=self._shared_head(judged, session),
            body=judged.request_body.request.body,
            now_ms=now_ms,
            status=reply.status,
            connection=connection,
            refused=judged.refusal is not None or receipt.refused is not None,
            receipt=receipt,
            override=override,
        )
        self.record(session, exchange)
        return exchange, reply

    def record(self, session: Session, exchange: Exchange) -> None:
        """Journal an exchange and keep within the bounds; a session forgotten meanwhile stays so."""
        self.remains.free_some()
        if session.deleted:
            return
        session.record(exchange)
        if exchange.override.fault is None:
            self.feed.add(session, exchange.seq)
        self._remembered += session.claims.remembered - session.remembered_before
        session.remembered_before = session.claims.remembered
        self._account(session)
        if self._remembered > self._max_remembered:
            self._forget_ids()

    def revise(self, session: Session, exchange: Exchange, **changes: Any) -> None:
        """Record on a journalled exchange how much of its reply was sent: `changes` are members of its `override`."""
        exchange.override = replace(exchange.override, **changes)
        session.revised += 1

    def note_answered(self, session: Session, exchange: Exchange) -> None:
        """Note that a request which a fault step was meant for is answered: only now its row is what it stays."""
        if not session.deleted:
            self.feed.add(session, exchange.seq)

    def _account(self, session: Session) -> None:
        """Count what a session holds now, and bring all together under the limit."""
        grown = session.held - session.counted
        self.bytes += grown
        self._order.weigh(session, grown)
        if self.bytes + self.shared_uses.bytes > self.max_bytes:
            self._shrink(session)

    def _shrink(self, current: Session) -> None:
        """Evict until all together are under the limit, or only the newest request of the current session is left."""
        while self.bytes + self.shared_uses.bytes > self.max_bytes and self._evict_something(current):
            pass

    def _evict_something(self, current: Session) -> bool:
        unknown = self._order.largest_unknown()
        if unknown is not None and len(unknown.journal) > 1:
            self._evict_oldest(unknown)
            return True
        evicted = unknown if unknown is not current else self._order.idlest(current, Standing.UNREAD)
        if evicted is None:
            known = self._order.largest_known()
            if known is not None and len(known.journal) > 1:
                self._evict_oldest(known)
                return True
            evicted = self._order.idlest(current)
        if evicted is None:
            return False
        self._evict_session(evicted, "memory_limit")
        return True

    def _evict_oldest(self, session: Session) -> None:
        if session.evicted == 0:
            name = tagged(session.name)
            _log.warning("journal full: session %s drops its oldest requests (--memory-limit)", name)
        freed = session.evict()
        self.bytes -= freed
        self._order.weigh(session, -freed)

    def trim(self, session: Session) -> None:
        """Bring a session under its journal limit after that was lowered."""
        while len(session.journal) > session.settings.journal_limit:
            session.evict()
        self._account(session)

    def _forget_ids(self) -> None:
        """Give up a tenth of the ids remembered for dedup, of the sessions that hold most of them."""
        due = max(1, self._max_remembered // 10)
        for session in sorted(self._sessions.values(), key=lambda session: -session.claims.remembered):
            if not session.claims.forgotten:
                _log.warning("dedup memory full: session %s drops its oldest ids", tagged(session.name))
            session.claims.forget_oldest(due)
            forgotten = session.remembered_before - session.claims.remembered
            session.remembered_before = session.claims.remembered
            self._remembered -= forgotten
            due -= forgotten
            self._account(session)
            if due <= 0:
                return

    def _shared_head(self, judged: Judged, session: Session) -> SharedHead:
        """Return what the request has in common with others, one object for all of them."""
        request, terms, operation = judged.request, judged.terms, judged.operation_name
        key = head_key(request, judged.contract, operation, terms.rate_mode, terms.keys)
        shared = session.shared_heads.get(key)
        if shared is not None:
            return shared
        shared = SharedHead(
            head=structs.replace(request, body=b""),
            contract=judged.contract,
            keys=terms.keys,
            rate_mode=terms.rate_mode,
            operation=operation,
            bytes=size_of_head(request),
            key=key,
        )
        if not session.deleted:
            session.shared_heads[key] = shared
        return shared

    def _evict_session(self, session: Session, limit: Limit) -> None:
        set_up = self._is_set_up(session)
        tombstone = session.tombstone(limit, time.time_ns() // 1_000_000, self._defaults)
        session.eviction = tombstone
        reason = f"more than {self._max_sessions} sessions (--max-sessions)"
        if limit == "memory_limit":
            reason = f"the memory is full (--memory-limit); lost: {tombstone.lost_text()}"
        _log.warning("session %s evicted: %s", tagged(session.name), reason)
        self.evicted_sessions += 1
        self._remove(session, "evicted")
        self._bury(session.name, tombstone, known=set_up or session.read)

    def _bury(self, name: str, tombstone: Tombstone, *, known: bool) -> str | None:
        """Remember an evicted session; return the name of one that is forgotten instead, if there is one."""
        self._owners.update(dict.fromkeys(tombstone.credentials, name))
        forgotten = self.tombstones.add(name, tombstone, known=known)
        if forgotten is None:
            return None
        self._release(forgotten[0], forgotten[1].credentials)
        return forgotten[0]

    @contextmanager
    def noting_deletions(self) -> Iterator[Mapping[str, Session]]:
        """Note which sessions are deleted inside the block, by their names and credentials."""
        deleted: dict[str, Session] = {}
        self._noted.append(deleted)
        try:
            yield deleted
        finally:
            self._noted = [noted for noted in self._noted if noted is not deleted]

    def forget(self, name: str) -> bool:
        """Delete a session, and what is remembered of an evicted one; False when there was none."""
        buried, session = self.tombstones.pop(name), self._sessions.get(name)
        if buried is not None:
            self._release(name, buried.credentials)
        if session is not None:
            self._remove(session, "deleted")
            for noted in self._noted:
                noted.update(dict.fromkeys((name, *session.settings.credentials), session))
        return buried is not None or session is not None

    def _remove(self, session: Session, reason: Literal["deleted", "evicted"]) -> None:
        """Take a session out; its open waits are told why."""
        del self._sessions[session.name]
        session.deleted = True
        self.remains.add(session.journal)
        self.remains.add(session.claims.ids())
        for waiter in tuple(session.waiters):
            waiter.end(reason)
        self.feed.end(session, reason)
        self._order.remove(session)
        session.shared_uses.clear()
        self.bytes -= session.counted
        self._remembered -= session.remembered_before
        self._release(session.name, session.settings.credentials)
