"""Which session pays when all together are over a limit. No step here looks at more than a few sessions.

First go sessions that nobody set up or asked about. Among them the one that holds most pays first, but strays, which
have sent only a few requests, are reckoned together: many small sessions cannot take from one that is larger than each
of them. Then the largest journal of the others pays, and only then whole sessions go: those that were only read before
those that were set up, the least recently used first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

from mockserver.sessions.session import Session

STRAY_REQUESTS: Final = 10
"""A session of so few requests that nobody set up or read is a stray."""

SLACK: Final = 1000
"""A heap may have so many superseded entries before it is made anew, and as many more as there are sessions."""


class Standing(IntEnum):
    """What is known of a session, in the order in which sessions are evicted."""

    STRAY = 0
    UNREAD = 1
    READ = 2
    SET_UP = 3
    BUSY = 4


STRAY: Final = int(Standing.STRAY)
BUSY: Final = int(Standing.BUSY)
"""Two of them for what is done at each request: Python 3.11 takes 0.2 µs to find one in its class."""

Entry = tuple[int, int]
"""How much a session holds, negative so that the largest comes first, and its number."""


class Heap:
    """Sessions of one kind, the one that `amount` says most of on top. A changed session gets another entry."""

    def __init__(self, amount: Callable[[Session], int]) -> None:
        self._amount = amount
        self._entries: list[Entry] = []
        self._current: dict[int, tuple[Entry, Session]] = {}

    @property
    def size(self) -> int:
        """How many entries there are, superseded ones included."""
        return len(self._entries)

    def put(self, session: Session) -> None:
        """Add a session, or note that it has changed."""
        entry = (-self._amount(session), session.number)
        self._current[session.number] = entry, session
        heappush(self._entries, entry)
        if len(self._entries) > 2 * len(self._current) + SLACK:
            self._entries = [latest for latest, _ in self._current.values()]
            heapify(self._entries)

    def remove(self, session: Session) -> None:
        """Take a session out."""
        self._current.pop(session.number, None)

    def top(self) -> Session | None:
        """Return the session that holds most, the oldest one among equals; None if there is none."""
        while self._entries:
            entry = self._entries[0]
            latest, session = self._current.get(entry[1], (None, None))
            if session is None or latest != entry:
                heappop(self._entries)
                continue
            amount = -self._amount(session)
            if amount == entry[0]:
                return session
            fresh = (amount, session.number)
            self._current[session.number] = fresh, session
            heapreplace(self._entries, fresh)
        return None


class Order:
    """The sessions of a store by what is known of them; `is_set_up` tells whether a test has set up a session."""

    def __init__(self, is_set_up: Callable[[Session], bool]) -> None:
        self._is_set_up = is_set_up
        self._by_use = tuple(OrderedDict[str, Session]() for _ in Standing)
        self._stray_bytes = 0
        self._strays, self._unread, self._known = Heap(_held), Heap(_held), Heap(_journal)
        self._ordered = False

    def add(self, session: Session) -> None:
        """Take in a new session."""
        self._by_use[session.standing][session.name] = session

    def remove(self, session: Session) -> None:
        """Take out a session."""
        del self._by_use[session.standing][session.name]
        self._heap_of(session).remove(session)
        if session.standing == Standing.STRAY:
            self._stray_bytes -= session.counted

    def touch(self, session: Session) -> None:
        """Note that a session is used now."""
        if session.standing == BUSY:
            self._move(session, self.standing_of(session))
        self._by_use[session.standing].move_to_end(session.name)

    def weigh(self, session: Session, grown: int) -> None:
        """Note that a session holds so many bytes more."""
        session.counted += grown
        if session.standing == STRAY:
            self._stray_bytes += grown
            if session.counts.requests > STRAY_REQUESTS:
                self._move(session, Standing.UNREAD)
        if self._ordered:
            self._heap_of(session).put(session)

    def rank(self, session: Session) -> None:
        """Note that somebody read a session or set it up."""
        standing = self.standing_of(session)
        if standing != session.standing:
            self._move(session, standing)

    def standing_of(self, session: Session) -> Standing:
        """Return what is known of a session now."""
        if session.busy:
            return Standing.BUSY
        if self._is_set_up(session):
            return Standing.SET_UP
        if session.read:
            return Standing.READ
        return Standing.STRAY if session.counts.requests <= STRAY_REQUESTS else Standing.UNREAD

    def _move(self, session: Session, standing: int) -> None:
        self.remove(session)
        session.standing = standing
        self._by_use[standing][session.name] = session
        if standing == Standing.STRAY:
            self._stray_bytes += session.counted
        if self._ordered:
            self._heap_of(session).put(session)

    def _keep_ordered(self) -> None:
        """Order all sessions by what they hold, and from now on each that changes; until the limit it costs nothing."""
        if not self._ordered:
            self._ordered = True
            for sessions in self._by_use:
                for session in sessions.values():
                    self._heap_of(session).put(session)

    def _heap_of(self, session: Session) -> Heap:
        if session.standing > Standing.UNREAD:
            return self._known
        return self._strays if session.standing == Standing.STRAY else self._unread

    def largest_unknown(self) -> Session | None:
        """Return the session to pay first among those that nobody set up or read, if there is one."""
        self._keep_ordered()
        unread = self._true_top(self._unread)
        if unread is None or self._stray_bytes >= unread.counted:
            return self._true_top(self._strays) or unread
        return unread

    def largest_known(self) -> Session | None:
        """Return the session with the largest journal among those that somebody set up or read, if there is one."""
        self._keep_ordered()
        return self._known.top()

    def _true_top(self, heap: Heap) -> Session | None:
        """Return the top of a heap after moving away those that are known by now."""
        while (session := heap.top()) is not None and self.standing_of(session) != session.standing:
            self._move(session, self.standing_of(session))
        return session

    def idlest(self, keep: Session, most: Standing = Standing.BUSY) -> Session | None:
        """Return the session to evict first as a whole, but not `keep`; None if there is none up to a standing."""
        for standing, sessions in enumerate(self._by_use[: most + 1]):
            while sessions:
                session = next(iter(sessions.values()))
                actual = self.standing_of(session)
                if actual > standing:
                    self._move(session, actual)
                elif session is not keep:
                    return session
                elif len(sessions) == 1:
                    break
                else:
                    sessions.move_to_end(session.name)
        return None


def _held(session: Session) -> int:
    return session.counted


def _journal(session: Session) -> int:
    """Return what evicting from a journal can free; its newest request stays."""
    return session.bytes + session.shared_uses.bytes if len(session.journal) > 1 else 0
