"""Where what happened is kept. One interface; the memory store is the one built so far.

`commit` is a coroutine although memory needs none: a durable or a shared store will wait for its disk or its network
in it. Between claiming and journalling nothing may be awaited that lets another commit of the session in between.
"""

from __future__ import annotations

from typing import Protocol

from mockserver.core.model import Exchange, Injected, Judged, WireReply
from mockserver.stores.session import Session


class Store(Protocol):
    """Sessions, and the one way to change them."""

    def session(self, name: str) -> Session:
        """Return a session, made when it is first named."""

    def peek(self, name: str) -> Session | None:
        """Return a session without making it."""

    def sessions(self) -> list[Session]:
        """Return all sessions, in the order they came into being."""

    def owner(self, credential: str) -> str:
        """Return the name of the session a credential belongs to."""

    async def commit(
        self,
        session: Session,
        judged: Judged,
        *,
        received_ms: int,
        connection: str = "",
        notes: tuple[str, ...] = (),
        injected: Injected | None = None,
    ) -> tuple[Exchange, WireReply]:
        """Settle what was judged: claim, journal, and only then let the caller send the reply."""

    def forget(self, name: str) -> bool:
        """Delete a session; False when there was none."""
