"""The order in which sessions begin, get requests and end, over all sessions. It holds no request, only its number."""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from mockserver.sessions.session import Session

MOST: Final = 2**17
"""How many of the latest happenings are remembered, with 8 bytes for each."""

REQUEST_BITS: Final = 32
REQUEST_MASK: Final = 2**REQUEST_BITS - 1
NO_REQUEST: Final = 0
"""Stands for the number of a request in a happening without one; requests are numbered from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turning:
    """The beginning or the end of a session; `eviction` is how it was evicted, as the control surface shows it."""

    kind: Literal["session", "deleted", "evicted"]
    eviction: object = None


class Happening(NamedTuple):
    """One happening: a request of a session, or with `turning` the beginning or the end of one.

    `session` is None if it has ended since, so that its requests are gone.
    """

    position: int
    name: str
    session: Session | None
    request: int
    turning: Turning | None


class Feed:
    """The latest happenings, each at a position; the first one of a run of the server is at 1.

    `run` tells the positions of one run from those of another. With nobody listening, a request costs one write to an
    array here.
    """

    def __init__(self, most: int = MOST) -> None:
        self.run = secrets.token_hex(4)
        self.newest = 0
        self.closed = False
        self._most = most
        self._entries = array("Q")  # the number of a session above `REQUEST_BITS`, that of its request below
        self._turnings: dict[int, Turning] = {}
        self._sessions: dict[int, Session] = {}
        self._ended: dict[int, str] = {}
        self._listeners: dict[str | None, set[Callable[[], None]]] = {}

    @property
    def oldest(self) -> int:
        """The position of the oldest happening that is remembered."""
        return self.newest - len(self._entries) + 1

    def begin(self, session: Session) -> None:
        """Note that a session has come into being."""
        self._sessions[session.number] = session
        eviction = None if session.eviction is None else session.eviction.as_json()
        self._turn(session, Turning(kind="session", eviction=eviction))

    def end(self, session: Session, kind: Literal["deleted", "evicted"]) -> None:
        """Note that a session is gone."""
        del self._sessions[session.number]
        self._ended[session.number] = session.name
        eviction = None if session.eviction is None else session.eviction.as_json()
        self._turn(session, Turning(kind=kind, eviction=eviction))

    def _turn(self, session: Session, turning: Turning) -> None:
        self._turnings[self.newest + 1] = turning
        self.add(session, NO_REQUEST)

    def add(self, session: Session, request: int) -> None:
        """Note that a request was journalled and answered."""
        entries, entry, most = self._entries, session.number << REQUEST_BITS | request, self._most
        place = self.newest % most
        self.newest += 1
        if self.newest <= most:
            entries.append(entry)
        else:
            if not entries[place] & REQUEST_MASK:
                self._forget(self.newest - most, entries[place] >> REQUEST_BITS)
            entries[place] = entry
        if self._listeners:
            self._wake(session.name)

    def _forget(self, position: int, number: int) -> None:
        """Forget a turning; with the end of a session goes its name, as its requests went before."""
        if self._turnings.pop(position).kind != "session":
            del self._ended[number]

    def at(self, position: int) -> Happening:
        """Return the happening at a position, which is remembered."""
        number, request = divmod(self._entries[(position - 1) % self._most], REQUEST_MASK + 1)
        session = self._sessions.get(number)
        name = self._ended[number] if session is None else session.name
        turning = self._turnings[position] if request == NO_REQUEST else None
        return Happening(position, name, session, request, turning)

    @contextmanager
    def listening(self, name: str | None, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called at each happening in the sessions of a name, or in all for None, and at the end."""
        listeners = self._listeners.setdefault(name, set())
        listeners.add(wake)
        try:
            yield
        finally:
            listeners.discard(wake)
            if not listeners and self._listeners.get(name) is listeners:
                del self._listeners[name]

    def is_heard(self, name: str) -> bool:
        """Tell whether somebody listens to the sessions of a name."""
        return None in self._listeners or name in self._listeners

    def _wake(self, name: str) -> None:
        for key in (name, None):
            for wake in self._listeners.get(key, ()):
                wake()

    def close(self) -> None:
        """Tell all listeners that the server stops."""
        self.closed = True
        for name in list(self._listeners):
            for wake in self._listeners[name]:
                wake()
