"""Sessions in Redis: for each one a log of what has changed it, which one process at a time may append to.

All keys of a session have its name as their hash tag, so that a cluster keeps them on one node, and each script here
touches the keys of one session only. This module knows what Redis has, and no session.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from mockserver.errors import SettingsError, StoreError

TIMEOUT_S: Final = 2.0
"""How long Redis may take to answer; after that it counts as away."""
LEASE_MS: Final = 2000
"""How long a process that was killed in its turn keeps others from that session at most."""
NEWS: Final = "mockserver:news"
NAMES: Final = "mockserver:sessions"
RUN: Final = "mockserver:run"
OWNERS: Final = "mockserver:{owners}"
OWNERS_VERSION: Final = "mockserver:{owners}:version"
WAIT_MS: Final = 50
"""How long a process that waits for its turn keeps the place of the next one."""
KINDS: Final = ("head", "log", "snapshot", "turn", "heads", "next")
"""The keys of a session, in the order of the scripts' KEYS."""
AT_ONCE: Final = 1000
"""Entries that are read at once."""

ONCE: Final = Retry(NoBackoff(), 1, (RedisConnectionError,))
"""A connection that was closed since it was used last is opened again. What may have been done is not done again."""

_FOLLOW: Final = """
local version = redis.call('HGET', KEYS[1], 'version')
local generation = redis.call('HGET', KEYS[1], 'generation')
if not version then return {0} end
local from, snapshot = tonumber(ARGV[2]), false
if generation ~= ARGV[1] then from = 0 end
if from == 0 then
  snapshot = redis.call('GET', KEYS[3])
end
local entries = redis.call('XRANGE', KEYS[2], '(' .. from .. '-0', '+', 'COUNT', ARGV[3])
return {1, generation, version, snapshot, entries}
"""

_ACQUIRE: Final = (
    """
local holder, next = redis.call('GET', KEYS[4]), redis.call('GET', KEYS[6])
if holder ~= ARGV[4] then
  if holder or (next and next ~= ARGV[4]) then
    redis.call('SET', KEYS[6], ARGV[4], 'NX', 'PX', ARGV[8])
    return {2}
  end
  redis.call('SET', KEYS[4], ARGV[4], 'PX', ARGV[5])
  redis.call('DEL', KEYS[6])
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'generation', ARGV[6], 'version', 0)
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
end
"""
    + _FOLLOW
)

_APPEND: Final = """
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[3] then return 0 end
local version = tonumber(ARGV[3])
local heads = tonumber(ARGV[8])
local at = 9
for i = 1, heads do
  redis.call('HSETNX', KEYS[5], ARGV[at], ARGV[at + 1])
  at = at + 2
end
for i = at, #ARGV do
  version = version + 1
  redis.call('XADD', KEYS[2], version .. '-0', 'e', ARGV[i])
end
redis.call('HSET', KEYS[1], 'version', version)
for i = 1, 5 do
  if i ~= 4 then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
if ARGV[5] == '1' then redis.call('DEL', KEYS[4]) end
redis.call('PUBLISH', ARGV[6], ARGV[2] .. ' ' .. version .. ' ' .. ARGV[7])
return 1
"""

_RELEASE: Final = """
if redis.call('GET', KEYS[4]) == ARGV[1] then redis.call('DEL', KEYS[4]) end
return 1
"""

_RENEW: Final = """
if redis.call('GET', KEYS[4]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[4], ARGV[2]) end
return 0
"""

_SNAPSHOT: Final = """
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[5] .. '-0')
for i = 6, #ARGV do redis.call('HDEL', KEYS[5], ARGV[i]) end
return 1
"""

_DELETE: Final = """
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('PUBLISH', ARGV[2], '- 0 ' .. ARGV[3])
return 1
"""


class News(NamedTuple):
    """A session has changed: it has `version` entries now. `generation` is "-" if it was deleted."""

    generation: str
    version: int
    name: str


class Followed(NamedTuple):
    """What a session has beyond what a process knew: entries with their numbers, after a snapshot if there is one."""

    generation: str
    version: int
    snapshot: bytes | None
    entries: list[tuple[int, bytes]]


class RedisLog:
    """The connection to Redis. Each method raises StoreError while Redis cannot be used.

    The constructor raises SettingsError for any URL but one of Redis; it does not connect.
    """

    def __init__(self, url: str, *, expiry_ms: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise SettingsError(f"--store: expected redis://HOST:PORT, got {parts.scheme}://{parts.hostname or ''}")
        self._url, self._expiry_ms = url, expiry_ms
        self.place = f"{parts.hostname}:{parts.port or 6379}"
        self._client: Any = None
        self._listener: Any = None
        self._scripts: dict[str, Any] = {}

    async def connect(self) -> None:
        """Connect, and find out whether it is a cluster."""
        options: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "retry": ONCE}
        self._client = Redis.from_url(self._url, **options)
        self._listener = Redis.from_url(self._url, socket_connect_timeout=TIMEOUT_S)
        try:
            info = await self._client.info("cluster")
            if info.get("cluster_enabled"):
                await self._client.aclose()
                self._client = RedisCluster.from_url(self._url, **options)
                await self._client.initialize()
        except (TimeoutError, RedisError, OSError) as error:
            raise self._problem(error) from None
        names = {"follow": _FOLLOW, "acquire": _ACQUIRE, "append": _APPEND, "release": _RELEASE, "renew": _RENEW}
        names |= {"snapshot": _SNAPSHOT, "delete": _DELETE}
        self._scripts = {name: self._client.register_script(text) for name, text in names.items()}

    def _problem(self, error: BaseException) -> StoreError:
        text = str(error) or type(error).__name__
        return StoreError(f"cannot use Redis at {self.place}: {text}")

    async def _run(self, name: str, session: str, *args: object) -> Any:
        keys = [_key(session, kind) for kind in KINDS]
        return await self._do(self._scripts[name](keys=keys, args=args))

    async def _do(self, command: Any) -> Any:
        try:
            return await command
        except (TimeoutError, RedisError, OSError) as error:
            raise self._problem(error) from None

    async def run(self) -> str:
        """Return a text that is another one after Redis has lost its data. It is written, so Redis must take writes."""
        await self._do(self._client.set(RUN, secrets.token_hex(8), nx=True))
        return str((await self._do(self._client.get(RUN)) or b"").decode())

    async def follow(self, session: str, generation: str, version: int) -> Followed | None:
        """Return what a session has beyond a version of a generation; None if there is no such session."""
        return await self._rest(session, await self._run("follow", session, generation, version, AT_ONCE))

    async def acquire(self, session: str, token: str, generation: str, version: int, new: str) -> Followed | None:
        """Begin the turn of a process, and return what it does not know; None while it is another one's turn."""
        more = (AT_ONCE, token, LEASE_MS, new, self._expiry_ms, WAIT_MS)
        answer = await self._run("acquire", session, generation, version, *more)
        return None if answer[0] == 2 else await self._rest(session, answer)

    async def _rest(self, session: str, answer: Sequence[Any]) -> Followed | None:
        if answer[0] == 0:
            return None
        generation, version, snapshot = answer[1].decode(), int(answer[2]), answer[3]
        entries, read = [_entry(raw) for raw in answer[4]], len(answer[4])
        while read == AT_ONCE and entries[-1][0] < version:
            more = await self._do(
                self._client.xrange(_key(session, "log"), f"({entries[-1][0]}-0", f"{version}-0", AT_ONCE)
            )
            entries += [(_number(number), fields[b"e"]) for number, fields in more]
            read = len(more)
        return Followed(generation, version, snapshot, entries)

    async def heads(self, session: str, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the heads of requests by their digests."""
        found = await self._do(self._client.hmget(_key(session, "heads"), list(digests)))
        return {digest: head for digest, head in zip(digests, found, strict=True) if head is not None}

    async def append(
        self,
        session: str,
        token: str,
        generation: str,
        version: int,
        entries: Iterable[bytes],
        heads: Mapping[bytes, bytes],
        *,
        release: bool,
    ) -> bool:
        """Append to the log in one's own turn, and end it with `release`.

        False if the turn had run out; then nothing is appended.
        """
        pairs = [part for pair in heads.items() for part in pair]
        flags = (self._expiry_ms, int(release), NEWS, session, len(heads))
        appended = await self._run("append", session, token, generation, version, *flags, *pairs, *entries)
        if appended and version == 0:
            await self._do(self._client.zadd(NAMES, {session: time.time()}, nx=True))
        return bool(appended)

    async def release(self, session: str, token: str) -> bool:
        """End one's turn; it may have run out."""
        return bool(await self._run("release", session, token))

    async def renew(self, session: str, token: str) -> bool:
        """Go on with one's turn; False if it has run out."""
        return bool(await self._run("renew", session, token, LEASE_MS))

    async def snapshot(
        self, session: str, generation: str, version: int, snapshot: bytes, oldest: int, unused: Iterable[bytes]
    ) -> bool:
        """Keep what the entries up to a version made of a session; drop those before `oldest`, and heads without use.

        False, and nothing is done, if the session has another version by now.
        """
        more = (snapshot, self._expiry_ms, oldest, *unused)
        return bool(await self._run("snapshot", session, generation, version, *more))

    async def delete(self, session: str, token: str) -> bool:
        """Delete a session in one's own turn; False if the turn had run out."""
        deleted = bool(await self._run("delete", session, token, NEWS, session))
        if deleted:
            await self._do(self._client.zrem(NAMES, session))
        return deleted

    async def names(self) -> list[str]:
        """Return the names of all sessions, oldest first, and of some that have expired."""
        return [name.decode() for name in await self._do(self._client.zrange(NAMES, 0, -1))]

    async def forget_names(self, names: Iterable[str]) -> None:
        """Drop the names of sessions that have expired."""
        await self._do(self._client.zrem(NAMES, *names))

    async def owners_version(self) -> int:
        """Return how often credentials were given to sessions."""
        return int(await self._do(self._client.get(OWNERS_VERSION)) or 0)

    async def owners(self) -> dict[str, str]:
        """Return the session of each credential that was given to one."""
        found = await self._do(self._client.hgetall(OWNERS))
        return {credential.decode(): name.decode() for credential, name in found.items()}

    async def own(self, given: Mapping[str, str], taken: Iterable[str]) -> None:
        """Give credentials to sessions, and take some from theirs."""
        async with self._client.pipeline(transaction=not isinstance(self._client, RedisCluster)) as pipeline:
            if taken := list(taken):
                pipeline.hdel(OWNERS, *taken)
            if given:
                pipeline.hset(OWNERS, mapping=dict(given))
            pipeline.incr(OWNERS_VERSION)
            await self._do(pipeline.execute())

    async def news(self) -> AsyncGenerator[News | None, None]:
        """Yield None, and from then on which sessions change. In a cluster each node tells of all of them."""
        async with self._listener.pubsub() as subscription:
            await self._do(subscription.subscribe(NEWS))
            yield None
            while True:
                message = await self._do(subscription.get_message(ignore_subscribe_messages=True, timeout=None))
                if message is not None and message["type"] == "message":
                    generation, version, name = message["data"].decode().split(" ", 2)
                    yield News(generation, int(version), name)

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._client, self._listener):
            if client is not None:
                await client.aclose()


def _key(session: str, kind: str) -> str:
    """Return a key of a session: in braces stands its hash tag, which has none itself."""
    return f"mockserver:{{{quote(session, safe='')}}}:{kind}"


def _entry(raw: Sequence[Any]) -> tuple[int, bytes]:
    number, (_, entry) = raw
    return _number(number), entry


def _number(raw: bytes) -> int:
    return int(raw.partition(b"-")[0])
