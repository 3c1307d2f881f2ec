"""The Redis store: many processes are one server. Each has the sessions that it serves in memory, as replicas.

What changes a session is an entry in its log in Redis. A process appends only in its turn, which it is given together
with all entries that it does not know: so whatever is claimed is claimed on what all processes have claimed. While it
has the turn, all its requests to that session share it; their entries are appended in one step, and only then are they
answered. A replica whose entries could not be appended is made anew from the log.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import random
import secrets
from asyncio import sleep
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from hashlib import blake2b
from typing import Any, Final, Literal

from msgspec.msgpack import encode

from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.core.model import Judged
from mockserver.core.wire import WireReply
from mockserver.errors import ContractError, SettingsError, StoreError
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.claims import Claimed
from mockserver.sessions.exchange import Exchange, ReplyOverride, SharedHead
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.session_name import DEFAULT_SESSION, tagged
from mockserver.sessions.steps import UNAVAILABLE, reply_with_status
from mockserver.sessions.stores.memory import MemoryStore, head_key
from mockserver.sessions.stores.redis_log import Followed, RedisLog
from mockserver.sessions.stores.replica import ENTRY, SNAPSHOT, Committed, Replica, Revised, SetUp, Snapshot
from mockserver.sessions.stores.stored_rows import (
    WrittenHead,
    WrittenSession,
    choice_of,
    read_exchange,
    read_head,
    read_json,
    read_session,
    read_set_up,
    write_json,
    written_exchange,
    written_head,
    written_session,
)

_log = logging.getLogger("mockserver.store")

RETRY_S: Final = 0.25
"""How often a Redis that is away is tried again."""
BUSY_S: Final = 0.002
"""About how long to wait before asking again for a turn that another process has."""
UNUSED_S: Final = 0.2
"""After so long at the latest, a turn ends that nobody needs."""
RENEW_S: Final = 0.5
"""How often a turn is renewed that a control call needs for longer."""
AT_ONCE: Final = 100
"""How many sessions are asked for at once."""
SNAPSHOT_EVERY: Final = 2000
"""After so many entries, what they made of the session is kept as a snapshot, and entries that no journal needs go."""
IDS_AN_ENTRY: Final = 20
"""With so many ids in the snapshot, it waits for one entry more: a large one is written less often."""


class RedisStore(MemoryStore):
    """The sessions that this process serves, as replicas of those in Redis.

    `max_bytes` and `max_sessions` bound what this process has in memory: what goes is read again when it is asked for.
    Raises SettingsError for a URL that cannot be used, and for a Redis that does not answer at the start.
    """

    shared = waits = True

    def __init__(
        self,
        url: str,
        contracts: ServedContracts,
        defaults: SessionSettings,
        *,
        expiry_s: float,
        max_bytes: int,
        max_sessions: int,
    ) -> None:
        super().__init__(defaults, max_bytes=max_bytes, max_sessions=max_sessions)
        self._contracts = contracts
        self._redis = RedisLog(url, expiry_ms=int(expiry_s * 1000))
        self._token = secrets.token_hex(8)
        self._replicas: dict[str, Replica] = {}
        self._owners_version = 0
        self._names: set[str] = set()
        self._listed: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Lock()
        self._asks_begun = self._asks_answered = 0
        self._run = ""
        self._closed = False
        self._away: str | None = None
        self.back = asyncio.Event()
        """Set while Redis can be used."""

    @property
    def away(self) -> str | None:
        """Why Redis cannot be used at the moment, None while it can."""
        return self._away

    async def open(self) -> None:
        """Connect. Raises SettingsError if Redis does not answer."""
        try:
            await self._redis.connect()
            self._run = await self._redis.run()
            self.back.set()
            await self.know_owners()
        except StoreError as error:
            raise SettingsError(f"--store: {error}") from None
        self._do(self._listen())

    async def close(self) -> None:
        """Append what is left, and close the connections."""
        for replica in list(self._replicas.values()):
            with suppress(StoreError):
                await self._append(replica)
        self._closed = True
        await self._redis.close()  # ends what is asked; that does not always end when it is cancelled
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=RETRY_S)

    def _do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something to its end, whoever has asked for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, StoreError):
            _log.error("store: internal error", exc_info=error)

    # turns

    async def wake(self, session: Session) -> None:
        """Begin this process's turn with a session, unless it has it. Raises StoreError.

        Until the caller waits for something else, the session is as all processes know it.
        """
        await self._turn(self._replica(session.name))

    async def _turn(self, replica: Replica) -> None:
        while not replica.is_open:
            self._need_redis()
            if replica.opening is None:
                replica.opening = asyncio.create_task(self._open(replica))
            await asyncio.shield(replica.opening)
        self._schedule(replica)

    def _need_redis(self) -> None:
        """Raise StoreError at once while it is known that Redis cannot be used."""
        if self.away is not None:
            raise StoreError(self.away)

    def _replica(self, name: str) -> Replica:
        replica = self._replicas.get(name)
        if replica is None:
            replica = self._replicas[name] = Replica(name)
        return replica

    async def _open(self, replica: Replica) -> None:
        try:
            async with replica.lock:
                await self._acquire(replica)
        finally:
            replica.opening = None
        asyncio.get_running_loop().call_later(UNUSED_S, self._schedule, replica)  # those who asked may be gone

    async def _acquire(self, replica: Replica) -> None:
        """Wait for the turn, and learn what other processes have appended. The caller holds the lock."""
        new = secrets.token_hex(8)
        while not replica.is_open:
            with self._telling():
                more = (replica.generation, replica.version, new)
                followed = await self._redis.acquire(replica.name, self._token, *more)
            if followed is None:
                await sleep(BUSY_S * (0.5 + random.random()))
                continue
            if replica.deleted:
                with self._telling():
                    await self._redis.delete(replica.name, self._token)
                replica.deleted = False
                replica.forget()
                continue
            await self._apply(replica, followed)
            replica.newest = replica.version + len(replica.entries)
            replica.is_open = True

    async def load(self, name: str) -> None:
        """Learn what other processes have made of a session, if there is one of this name. Raises StoreError."""
        replica = self._replica(name)
        async with replica.lock:
            if replica.is_open:
                return
            self._need_redis()
            with self._telling():
                followed = await self._redis.follow(name, replica.generation, replica.version)
            if followed is not None:
                await self._apply(replica, followed)
            elif replica.generation:
                self._end(replica)
        if name not in self._sessions and not replica.in_use and self._replicas.get(name) is replica:
            del self._replicas[name]

    async def load_all(self) -> None:
        """Learn what other processes have made of all sessions. Raises StoreError."""
        with self._telling():
            names = await self._redis.names()
        self._listed = {name: place for place, name in enumerate(names)}
        for first in range(0, len(names), AT_ONCE):
            await asyncio.gather(*map(self.load, names[first : first + AT_ONCE]))
        expired = [name for name in names if name not in self._sessions]
        if expired:
            with self._telling():
                await self._redis.forget_names(expired)

    def sessions(self) -> list[Session]:
        """Return all sessions of this process, in the order in which they came into being in any process."""
        return sorted(super().sessions(), key=lambda session: self._listed.get(session.name, len(self._listed)))

    @asynccontextmanager
    async def changing(self, name: str) -> AsyncIterator[None]:
        """Have the turn with a session while the block runs, and append what it changes. Raises StoreError."""
        replica = self._replica(name)
        await self._turn(replica)
        replica.held += 1
        distrusted = replica.distrusted
        renewing = asyncio.create_task(self._renew(replica))
        try:
            with self._telling():
                self._names = set(await self._redis.names())
            before = self._owned_by(name)
            yield
            if replica.distrusted != distrusted:
                raise StoreError(f"the turn of this process with session {tagged(name)} ran out; try again")
            after = self._owned_by(name)
            if after != before:
                with self._telling():
                    await self._redis.own(dict.fromkeys(after - before, name), before - after)
        finally:
            renewing.cancel()
            replica.held -= 1
            await asyncio.shield(self._do(self._append(replica)))

    def _owned_by(self, name: str) -> set[str]:
        return {credential for credential, owner in self._owners.items() if owner == name}

    def taken(self, name: str, credentials: Iterable[str]) -> str | None:
        """Return the first credential that the session of a name cannot own, whichever process knows why, or None."""
        there = self._names | self._sessions.keys()
        for credential in credentials:
            owner = self.owner(credential)
            if (owner in there and owner != name) or credential == DEFAULT_SESSION:
                return credential
        return None

    async def _renew(self, replica: Replica) -> None:
        while True:
            await sleep(RENEW_S)
            with suppress(StoreError):
                await self._redis.renew(replica.name, self._token)

    def _schedule(self, replica: Replica) -> None:
        """See to it that after this turn of the loop, what is to be appended is, and the turn ends."""
        if not replica.scheduled:
            replica.scheduled = True
            asyncio.get_running_loop().call_soon(lambda: self._do(self._append(replica)))

    async def _append(self, replica: Replica) -> None:
        """Append what there is, and end the turn unless a control call needs it. Raises StoreError."""
        replica.scheduled = False
        async with replica.lock:
            try:
                if not replica.is_open:
                    if not (replica.entries or replica.set_up or replica.deleted):
                        return
                    await self._acquire(replica)
            except Exception as error:
                _fail(replica.done, error)
                replica.done = None
                raise
            release = replica.held == 0
            replica.is_open = not release
            done, replica.done = replica.done, None
            try:
                await self._send(replica, release=release)
            except Exception as error:
                self._distrust(replica)
                _fail(done, error)
                raise
            if done is not None:
                done.set_result(None)
        if replica.version - replica.snapped > SNAPSHOT_EVERY:
            self._do(self._snapshot(replica))

    def _taken(self, replica: Replica) -> list[bytes]:
        """Return what is to be appended; the session as it was set up comes last."""
        session = self._sessions.get(replica.name)
        if replica.set_up and session is not None:
            state = write_json(written_session(session, self._defaults))
            self._put(replica, SetUp(state))
        replica.set_up = False
        return replica.entries

    def _put(self, replica: Replica, entry: Committed | SetUp | Revised) -> None:
        replica.entries.append(encode(entry))
        replica.newest += 1

    async def _send(self, replica: Replica, *, release: bool) -> None:
        """Append to the log, and end the turn with `release`. Raises StoreError, also if the turn had run out."""
        name, token = replica.name, self._token
        entries, heads = self._taken(replica), replica.heads
        replica.entries, replica.heads = [], {}
        with self._telling():
            if entries:
                where = (replica.generation, replica.version)
                in_turn = await self._redis.append(name, token, *where, entries, heads, release=release)
            else:
                in_turn = not release or await self._redis.release(name, token)
        if not in_turn:
            raise StoreError(f"the turn of this process with session {tagged(name)} ran out")
        replica.version += len(entries)

    def _distrust(self, replica: Replica) -> None:
        """Let a replica be made anew: it has changes that may not be in the log."""
        replica.is_open = False
        replica.distrusted += 1
        replica.forget()

    # applying what others have appended

    async def _apply(self, replica: Replica, followed: Followed) -> None:
        """Make of a replica what the log says. The caller holds the lock."""
        entries = [(number, ENTRY.decode(entry)) for number, entry in followed.entries]
        is_other = followed.generation != replica.generation
        known = set() if is_other else replica.known_heads.keys()
        digests = {entry.head for _, entry in entries if isinstance(entry, Committed)} - known
        written = await self._redis.heads(replica.name, list(digests)) if digests else {}
        if is_other:
            self._begin_anew(replica, followed)
        session = self._sessions.get(replica.name)
        if entries and session is None:
            session = self.session(replica.name)
        for digest, text in written.items():
            replica.known_heads[digest] = self._head(text)
        before = SNAPSHOT.decode(followed.snapshot).version if followed.snapshot is not None else 0
        for number, entry in entries:
            assert session is not None
            if isinstance(entry, Committed):
                self._apply_request(replica, session, number, entry, counted=number <= before)
            elif number > before:
                self._apply_change(session, entry)
        replica.version = followed.version

    def _begin_anew(self, replica: Replica, followed: Followed) -> None:
        """Make an empty session of a replica, or what a snapshot says, keeping those who wait for it."""
        session = self._sessions.get(replica.name)
        replica.forget()
        replica.generation = followed.generation
        if session is not None:
            self._clear(session)
        if followed.snapshot is None:
            return
        snapshot = SNAPSHOT.decode(followed.snapshot)
        session = self.session(replica.name) if session is None else session
        written = read_json(snapshot.state, WrittenSession)
        read_session(session, written)
        self._choose(session)
        session.bytes = 0
        session.claims.restore(snapshot.memory)
        replica.snapped = snapshot.version

    def _clear(self, session: Session) -> None:
        """Make a session what it was when it was new."""
        fresh = Session(session.name, copy.copy(self._defaults), session.number, self.shared_uses)
        self.remains.add(session.journal)
        session.shared_uses.clear()
        kept = ("waiters", "in_flight", "standing", "counted", "read", "playback", "own_playback", "remembered_before")
        vars(session).update({**vars(fresh), **{name: getattr(session, name) for name in kept}})

    def _apply_request(
        self, replica: Replica, session: Session, number: int, entry: Committed, *, counted: bool
    ) -> None:
        shared = replica.known_heads[entry.head]
        shared = session.shared_heads.setdefault(shared.key, shared)
        exchange = read_exchange(entry.row, shared, session.name)
        replica.numbers.append(number)
        if counted:
            session.append(exchange)
            return
        session.number_on(exchange.seq, exchange.receipt.first_event + len(exchange.verdicts))
        session.saw(entry.key)
        session.claims.take(entry.claimed)
        self.record(session, exchange)
        self._trim_numbers(replica, session)

    def _apply_change(self, session: Session, entry: SetUp | Revised) -> None:
        if isinstance(entry, SetUp):
            read_set_up(session, read_json(entry.state, WrittenSession))
            self._choose(session)
            if session.attempts is None and any(step.needs_attempts for step in session.faults):
                session.attempts = AttemptNumbers()
                for journalled in session.journal:
                    session.attempts.add(journalled)
            super().trim(session)
            super().set_up(session)
            return
        exchange = next(session.exchanges(entry.seq - 1), None)
        if exchange is not None and exchange.seq == entry.seq:
            exchange.status, exchange.override = entry.status, read_json(entry.override, ReplyOverride)
            session.revised += 1
            if entry.answered:
                super().note_answered(session, exchange)

    def _choose(self, session: Session) -> None:
        choices = dict[str, ContractChoice]()
        for name, choice in session.settings.protocols.items():
            try:
                self._contracts.of({name: choice}, name)
                choices[name] = choice
            except (ContractError, KeyError) as error:
                _log.warning("session %s: its contract does not fit here: %s", tagged(session.name), error)
        session.choose(choices, [self._contracts.of(choices, name) for name in choices])
        self._owners.update(dict.fromkeys(session.settings.credentials, session.name))

    def _head(self, text: bytes) -> SharedHead:
        written = read_json(text.decode(), WrittenHead)
        choice = None if written.choice is None else choice_of(written.choice)
        try:
            contract = self._contracts.resolve(written.protocol, choice)
        except ContractError:
            contract = self._contracts.served[written.protocol]
        shared = read_head(written, contract, 0)
        shared.key = head_key(shared.head, contract, shared.operation, shared.rate_mode, shared.keys)
        return shared

    def _end(self, replica: Replica) -> None:
        """Note that another process has deleted a session, or that it has expired."""
        replica.forget()
        if replica.name in self._sessions:
            super().forget(replica.name)

    # what this process changes

    async def commit(self, session: Session, judged: Judged, **more: Any) -> tuple[Exchange, WireReply]:
        """Settle what was judged in this process's turn, and return when the log has it.

        If it cannot be appended, the reply is a 503 in the shape of the vendor; whether Redis has it then is not known.
        """
        replica = self._replica(session.name)
        await self._turn(replica)
        before = session.claims.mark(judged.contract.name)
        exchange, reply = await super().commit(session, judged, **more)
        if session.deleted:
            return exchange, reply
        self._add(replica, exchange, session.claims.since(before, judged), judged)
        self._trim_numbers(replica, session)
        if replica.done is None:
            replica.done = asyncio.get_running_loop().create_future()
        try:
            await asyncio.shield(replica.done)
        except StoreError:
            reply = reply_with_status(judged, exchange.receipt, UNAVAILABLE)
            exchange.status = reply.status
        return exchange, reply

    def _add(self, replica: Replica, exchange: Exchange, claimed: Claimed, judged: Judged) -> None:
        shared = exchange.shared
        written = replica.written_heads.get(shared.key)
        if written is None:
            choice = self._contracts.choice_of(self._sessions[replica.name].settings.protocols, shared.contract)
            head = write_json(written_head(shared, choice)).encode()
            written = replica.written_heads[shared.key] = blake2b(head, digest_size=16).digest(), head
        digest, head = written
        replica.known_heads[digest], replica.heads[digest] = shared, head
        row = written_exchange(exchange)
        self._put(replica, Committed(row, digest, claimed, judged.credential))
        replica.numbers.append(replica.newest)

    def _trim_numbers(self, replica: Replica, session: Session) -> None:
        while len(replica.numbers) > len(session.journal):
            replica.numbers.popleft()

    def revise(self, session: Session, exchange: Exchange, **changes: Any) -> None:
        """Record on a journalled exchange how it was answered in the end."""
        super().revise(session, exchange, **changes)
        self._revised(session, exchange, answered=False)

    def note_answered(self, session: Session, exchange: Exchange) -> None:
        """Note that a request which a fault step was meant for is answered."""
        super().note_answered(session, exchange)
        self._revised(session, exchange, answered=True)

    def _revised(self, session: Session, exchange: Exchange, *, answered: bool) -> None:
        if not session.deleted:
            replica, override = self._replica(session.name), write_json(exchange.override)
            self._put(replica, Revised(exchange.seq, exchange.status, override, answered))
            self._schedule(replica)

    async def durable(self) -> None:
        """Return when the logs have all that has changed. Raises StoreError."""
        for replica in list(self._replicas.values()):
            await self._append(replica)

    async def keep(self, session: Session) -> None:
        """Return when the log has that a fault step was used. Raises StoreError."""
        replica = self._replica(session.name)
        replica.set_up = True
        if replica.done is None:
            replica.done = asyncio.get_running_loop().create_future()
        self._schedule(replica)
        await asyncio.shield(replica.done)

    def set_up(self, session: Session) -> None:
        """Note that a control call has set up a session."""
        super().set_up(session)
        replica = self._replica(session.name)
        replica.set_up = True
        self._schedule(replica)

    def _remove(self, session: Session, reason: Literal["deleted", "evicted"]) -> None:
        super()._remove(session, reason)
        replica = self._replicas.get(session.name)
        if replica is not None and reason == "evicted":
            del self._replicas[session.name]
        elif replica is not None and replica.generation:  # else Redis does not have it any more
            replica.deleted, replica.is_open, replica.set_up = True, False, False
            replica.entries.clear()
            self._schedule(replica)

    def _evict_session(self, session: Session, limit: str) -> None:
        """Take a session out of this process's memory, unless it is in use; Redis has it."""
        replica = self._replicas.get(session.name)
        if not session.busy and (replica is None or not replica.in_use):
            self._remove(session, "evicted")

    def _shrink(self, current: Session) -> None:
        """Take sessions out of this process's memory until it is under its limit, then requests of the current one."""
        for session in self.sessions():
            if self.bytes + self.shared_uses.bytes <= self.max_bytes:
                return
            if session is not current:
                self._evict_session(session, "memory_limit")
        while self.bytes + self.shared_uses.bytes > self.max_bytes and len(current.journal) > 1:
            self._evict_oldest(current)

    def _forget_ids(self) -> None:
        """Take sessions out of memory until they remember no more ids than may be.

        A session forgets ids when it has more itself: so all processes forget the same ones at the same request.
        """
        for session in self.sessions():
            if session.claims.remembered > self._max_remembered:
                session.claims.forget_oldest(max(1, self._max_remembered // 10))
                self._remembered += session.claims.remembered - session.remembered_before
                session.remembered_before = session.claims.remembered
        for session in self.sessions():
            if self._remembered <= self._max_remembered:
                return
            self._evict_session(session, "memory_limit")

    # credentials, news, whether Redis answers

    async def know_owners(self) -> None:
        """Learn which credentials were given to which sessions, if that has changed. Raises StoreError.

        Requests that come at once ask once.
        """
        begun_before = self._asks_begun
        async with self._asking:
            if self._asks_answered > begun_before:
                return
            self._need_redis()
            self._asks_begun += 1
            begun = self._asks_begun
            with self._telling():
                version = await self._redis.owners_version()
                if version != self._owners_version:
                    self._owners, self._owners_version = await self._redis.owners(), version
            self._asks_answered = begun

    async def _listen(self) -> None:
        """Learn of what others have changed, for those who wait in this process or read a stream."""
        while not self._closed:
            try:
                async for news in self._redis.news():
                    if news is None:  # what was told before is not heard
                        for session in self.sessions():
                            self._hear(session.name)
                        continue
                    known = self._replicas.get(news.name)
                    if known is None or (known.generation, known.version) != (news.generation, news.version):
                        self._hear(news.name)
            except StoreError:
                await sleep(RETRY_S)

    def _hear(self, name: str) -> None:
        """Learn what has changed in a session, if somebody here waits for that."""
        session = self._sessions.get(name)
        if self.feed.is_heard(name) or (session is not None and session.waiters):
            self._do(self.load(name))

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Note in which block Redis could not be used."""
        try:
            yield
        except StoreError as error:
            self._note_away(error)
            raise

    def _note_away(self, error: StoreError) -> None:
        """Note that Redis cannot be used, and try until it can."""
        if self.away is None:
            _log.error("store: %s; requests are answered with %d until it answers", error, UNAVAILABLE)
            self._away = str(error)
            self.back.clear()
            self._do(self._try_again())

    async def _try_again(self) -> None:
        while self.away is not None:
            await sleep(RETRY_S)
            with suppress(StoreError):
                run = await self._redis.run()
                _log.warning("store: Redis answers again")
                if run != self._run:
                    self._note_loss()
                self._away, self._run = None, run
                self.back.set()

    def _note_loss(self) -> None:
        """Note that Redis has forgotten everything."""
        gone = [name for name, replica in self._replicas.items() if replica.generation and name in self._sessions]
        _log.error("store: Redis has lost its data; sessions that are gone: %d", len(gone))
        self._owners, self._owners_version = {}, 0
        for name in gone:
            self._end(self._replicas[name])

    async def _snapshot(self, replica: Replica) -> None:
        """Keep what the log made of a session, so that its oldest entries can go."""
        async with replica.lock:
            session = self._sessions.get(replica.name)
            if session is None or replica.is_open or replica.entries:
                return
            if replica.version - replica.snapped <= SNAPSHOT_EVERY + session.claims.remembered // IDS_AN_ENTRY:
                return
            memory = session.claims.memory()
            state = write_json(written_session(session, self._defaults))
            oldest = replica.numbers[0] if replica.numbers else replica.version + 1
            packed = encode(Snapshot(replica.version, state, memory))
            unused = [digest for digest, shared in replica.known_heads.items() if not shared.uses]
            where = (replica.generation, replica.version)
            with self._telling():
                is_kept = await self._redis.snapshot(replica.name, *where, packed, oldest, unused)
            if is_kept:
                replica.snapped = replica.version
                for digest in unused:
                    del replica.known_heads[digest]
                replica.written_heads.clear()


def _fail(done: asyncio.Future[None] | None, error: Exception) -> None:
    """Tell those who wait that something is not in the log."""
    if done is not None:
        done.set_exception(error if isinstance(error, StoreError) else StoreError("internal error; see the log"))
        done.exception()  # nobody may be waiting
