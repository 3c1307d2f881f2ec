"""What a process knows of a session in Redis, and the entries of its log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Final

import msgspec
from msgspec import Struct

from mockserver.sessions.claims import Claimed, Memory
from mockserver.sessions.exchange import SharedHead
from mockserver.sessions.stores.stored_rows import ExchangeRow


class Committed(Struct, tag="request", array_like=True):
    """A request that was answered: its row, the digest of its head, what it has claimed, its credential."""

    row: ExchangeRow
    head: bytes
    claimed: Claimed
    key: str | None


class SetUp(Struct, tag="set_up", array_like=True):
    """What a control call or the use of a fault step made of a session, as JSON."""

    state: str


class Revised(Struct, tag="revised", array_like=True):
    """How a request was answered in the end; with `answered`, only now."""

    seq: int
    status: int
    override: str
    answered: bool


class Snapshot(Struct, array_like=True):
    """What entries up to a version made of a session."""

    version: int
    state: str
    memory: Memory


ENTRY: Final = msgspec.msgpack.Decoder(Committed | SetUp | Revised)
SNAPSHOT: Final = msgspec.msgpack.Decoder(Snapshot)


class Replica:
    """What a process knows of the log of one session.

    `is_open` while it is this process's turn and all entries are known, `held` how many control calls need the turn.
    `distrusted` counts how often it was made anew because its changes could not be appended.
    `entries` are to be appended, `done` tells those who wait for that. `numbers` are the versions of the journal's
    entries, oldest first, and `newest` is that of the newest entry, appended or not.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = asyncio.Lock()
        self.forget()
        self.is_open = False
        self.held = self.distrusted = 0
        self.opening: asyncio.Task[None] | None = None
        self.scheduled = False
        self.entries: list[bytes] = []
        self.heads: dict[bytes, bytes] = {}
        self.set_up = False
        self.deleted = False
        self.done: asyncio.Future[None] | None = None

    def forget(self) -> None:
        """Know nothing of the log any more."""
        self.generation, self.version, self.snapped = "", 0, 0
        self.known_heads: dict[bytes, SharedHead] = {}
        self.written_heads: dict[Hashable, tuple[bytes, bytes]] = {}
        self.numbers: deque[int] = deque()
        self.newest = 0

    @property
    def in_use(self) -> bool:
        """Whether it must stay in memory."""
        return self.is_open or self.held > 0 or bool(self.entries) or self.lock.locked() or self.opening is not None
