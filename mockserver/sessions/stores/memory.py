"""The memory store: fast, bounded, gone when the process is."""

from __future__ import annotations

import copy
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

from mockserver.core.answer import answer
from mockserver.core.model import Judged
from mockserver.core.wire import WireReply, WireRequest
from mockserver.sessions.exchange import NO_OVERRIDE, Exchange, SharedHead
from mockserver.sessions.session import Session, SessionSettings, shorten
from mockserver.sessions.steps import Step, override_of

_log = logging.getLogger("mockserver.store")

DEFAULT_SESSION: Final = "default"
HEADER_BYTES: Final = 200
"""What a header takes beside its name and value, measured."""

MAX_SHARED_BYTES: Final = 8 * 1024 * 1024
"""How much of the heads, and what goes with them, is kept at hand, so that requests can share them."""

MAX_REMEMBERED: Final = 1_000_000
"""How many ids (for dedup) and entities all sessions together remember; some 180 bytes each."""


def size_of_head(request: WireRequest) -> int:
    """Return about how many bytes a request takes beside its body."""
    return HEADER_BYTES + len(request.target) + sum(HEADER_BYTES + len(n) + len(v) for n, v in request.headers)


class MemoryStore:
    """All sessions in one process.

    `max_bytes` bounds the journals of all sessions together; when it is exceeded, the largest journal drops its oldest
    requests. `max_sessions` bounds the number of sessions; when it is exceeded, the least recently used one is evicted.
    """

    def __init__(self, defaults: SessionSettings, *, max_bytes: int, max_sessions: int) -> None:
        self._defaults = defaults
        self._max_bytes = max_bytes
        self._max_sessions = max_sessions
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._next_number = 0
        self._owners: dict[str, str] = {}
        self._shared_bytes = 0
        self._remembered = 0
        self.bytes = 0
        self.evicted_sessions = 0
        self.on_new_session: Callable[[Session], None] = lambda session: None

    def session(self, name: str) -> Session:
        """Return a session, made when it is first named. It is now the one used last."""
        session = self._sessions.get(name)
        if session is None:
            session = self._sessions[name] = Session(name, copy.copy(self._defaults), self._next_number)
            self._next_number += 1
            self.on_new_session(session)
            if len(self._sessions) > self._max_sessions:
                self._evict_session(keep=name)
        self._sessions.move_to_end(name)
        return session

    def peek(self, name: str) -> Session | None:
        """Return a session without making it."""
        return self._sessions.get(name)

    def look_up(self, name: str) -> Session:
        """Return a session to read from; an empty one that is not kept if there is none of this name."""
        session = self.peek(name)
        if session is None:
            return Session(name, copy.copy(self._defaults))
        self._sessions.move_to_end(name)
        return session

    def sessions(self) -> list[Session]:
        """Return all sessions, in the order they came into being."""
        return sorted(self._sessions.values(), key=lambda session: session.number)

    def owner(self, credential: str) -> str:
        """Return the name of the session a credential belongs to: the one it was given to, else its own."""
        return self._owners.get(credential, credential)

    def give(self, session: Session, credentials: tuple[str, ...]) -> str | None:
        """Make credentials the session's own, in place of those it had; return one that another session has."""
        for credential in credentials:
            own = self._sessions.get(credential, session)
            if self._owners.get(credential, session.name) != session.name or (own is not session and self._in_use(own)):
                return credential
        for credential in session.settings.credentials:
            self._owners.pop(credential, None)
        self._owners.update(dict.fromkeys(credentials, session.name))
        session.settings.credentials = credentials
        return None

    def _in_use(self, session: Session) -> bool:
        """Tell whether a session has had requests or a test has set it up; to have been looked at does not count."""
        set_up = session.settings != self._defaults or session.clock.moved or bool(session.faults)
        return set_up or session.counts.requests > 0

    async def commit(
        self,
        session: Session,
        judged: Judged,
        *,
        received_ms: int,
        connection: str = "",
        notes: tuple[str, ...] = (),
        step: Step | None = None,
    ) -> tuple[Exchange, WireReply]:
        """Settle what was judged: claim, journal, and only then let the caller answer. `step` is the fault taken."""
        receipt = session.settle(judged, stored=step is None or step.stores)
        reply = answer(judged, receipt)
        override = NO_OVERRIDE if step is None else override_of(judged, receipt, step, reply)
        now_ms = judged.terms.now_ms
        if notes or received_ms != now_ms:
            override = replace(override, notes=notes, received_ms=None if received_ms == now_ms else received_ms)
        exchange = Exchange(
            shared=self._shared_head(judged, session),
            body=judged.request.body,
            now_ms=now_ms,
            status=reply.status if override.reply is None else override.reply.status,
            connection=connection,
            refused=judged.refusal is not None or receipt.refused is not None,
            receipt=receipt,
            override=override,
        )
        self.record(session, exchange)
        return exchange, reply

    def record(self, session: Session, exchange: Exchange) -> None:
        """Journal an exchange and keep within the bounds; a session forgotten meanwhile stays so."""
        if session.deleted:
            return
        before = session.bytes
        session.record(exchange)
        self.bytes += session.bytes - before
        if self.bytes > self._max_bytes:
            self._shrink()
        self._remembered += session.claims.remembered - session.remembered_before
        session.remembered_before = session.claims.remembered
        if self._remembered > MAX_REMEMBERED:
            self._forget_ids()

    def _forget_ids(self) -> None:
        """Give up a tenth of the ids remembered for dedup, of the session that holds most of them."""
        largest = max(self._sessions.values(), key=lambda session: session.claims.remembered)
        if not largest.claims.forgotten:
            _log.warning("dedup memory full: session %s drops its oldest ids", shorten(largest.name))
        largest.claims.forget_oldest(MAX_REMEMBERED // 10)
        self._remembered += largest.claims.remembered - largest.remembered_before
        largest.remembered_before = largest.claims.remembered

    def trim(self, session: Session) -> None:
        """Bring a session under its journal limit after that was lowered."""
        while len(session.journal) > session.settings.journal_limit:
            self.bytes -= session.evict()

    def _shrink(self) -> None:
        while self.bytes > self._max_bytes:
            largest = max(self._sessions.values(), key=lambda session: session.bytes)
            if len(largest.journal) <= 1:
                return
            if largest.evicted == 0:
                name = shorten(largest.name)
                _log.warning("journal full: session %s drops its oldest requests (--memory-limit)", name)
            self.bytes -= largest.evict()

    def _shared_head(self, judged: Judged, session: Session) -> SharedHead:
        """Return what the request has in common with others, one object for all of them."""
        request, terms, operation = judged.request, judged.terms, judged.operation_name
        head = (request.method, request.target, request.headers, request.truncated, request.late)
        key = (head, judged.contract, operation, terms.rate_mode, terms.keys)
        shared = session.shared_heads.get(key)
        if shared is not None:
            return shared
        shared = SharedHead(
            head=replace(request, body=b""),
            contract=judged.contract,
            keys=terms.keys,
            rate_mode=terms.rate_mode,
            operation=operation,
            bytes=size_of_head(request),
        )
        if self._shared_bytes + shared.bytes > MAX_SHARED_BYTES:
            for other in self._sessions.values():
                other.shared_heads.clear()
            self._shared_bytes = 0
        if not session.deleted:
            self._shared_bytes += shared.bytes
            session.shared_heads[key] = shared
        return shared

    def _evict_session(self, keep: str) -> None:
        others = (session for session in self._sessions.values() if session.name != keep)
        oldest = next(others)
        idle = oldest if not oldest.busy else next((session for session in others if not session.busy), oldest)
        _log.warning(
            "session %s evicted: more than %d sessions (--max-sessions)", shorten(idle.name), self._max_sessions
        )
        self.evicted_sessions += 1
        self.forget(idle.name, "evicted")

    def forget(self, name: str, reason: Literal["deleted", "evicted"] = "deleted") -> bool:
        """Delete a session; False when there was none. Its open waits are told why."""
        session = self._sessions.pop(name, None)
        if session is None:
            return False
        session.deleted = True
        for waiter in tuple(session.waiters):
            waiter.end(reason)
        self.bytes -= session.bytes
        self._shared_bytes -= sum(shared.bytes for shared in session.shared_heads.values())
        self._remembered -= session.remembered_before
        for credential in session.settings.credentials:
            self._owners.pop(credential, None)
        return True
