"""Requests that other sessions received during a wait: they reveal a mistyped key."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from mockserver.jsonkit import Json
from mockserver.sessions.session import Session
from mockserver.sessions.stores.memory import MemoryStore

LOOK_BACK_MS: Final = 60_000
SHOWN: Final = 20


def other_sessions(store: MemoryStore, session: Session, began_ms: int, *, look_back: bool) -> list[Json]:
    """Return the other sessions that received requests since a wait began, with counts, the latest first.

    A client is often done before its test starts to wait. With `look_back`, a session that received nothing since then
    is listed with its requests of the last minute before the wait, but after this session's own latest request.
    """
    own, meanwhile = session.journal, began_ms + 1
    since = max(began_ms - LOOK_BACK_MS, own[-1].received_ms + 1 if own else 0) if look_back else meanwhile
    found = [
        (other.journal[-1].received_ms, other, _received(other, meanwhile) or _received(other, since))
        for other in store.sessions()
        if other is not session and other.journal and other.journal[-1].received_ms >= min(since, meanwhile)
    ]
    found.sort(key=lambda entry: -entry[0])
    return [{"session": other.name, "requests": came} for _, other, came in found[:SHOWN]]


def _received(session: Session, since: int) -> int:
    """Return the number of requests that the session received at or after a time."""
    journal = session.journal
    return len(journal) - bisect_left(journal, since, key=lambda exchange: exchange.received_ms)
