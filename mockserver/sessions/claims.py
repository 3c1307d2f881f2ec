"""What a session has claimed: ids seen, rate windows, idempotency keys, entities known. It outlives the journal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import Final, NamedTuple, TypeVar, cast

from mockserver.contract.operation import RateClaim
from mockserver.core.events import text_key
from mockserver.core.model import ACCEPTED, DUPLICATE, REJECTED, Judged, Receipt, Verdict

MAX_WINDOWS: Final = 10_000
"""Over this many rate windows or idempotency keys the ones that have run out are dropped, else the oldest half."""

ID_BYTES: Final = 180
"""What an id or an entity takes that is remembered, measured."""

WINDOW_BYTES: Final = 400
"""What a rate window or an idempotency key takes, measured."""

SHARED_VERDICTS: Final = 1000
"""Longer verdicts are not kept for sharing: a client chooses how many different lengths there are."""

K = TypeVar("K")
Id = bytes
Ids = dict[Id, None]
Held = tuple[int, int, int]
"""When it began (ms), for how many ms it is held, how many requests are in it."""


def all_of(verdict: Verdict, count: int) -> tuple[Verdict, ...]:
    """Return `count` times one verdict; equal short ones are one object, so that a journal of good batches is small."""
    return _shared(verdict, count) if count <= SHARED_VERDICTS else (verdict,) * count


@lru_cache(maxsize=1024)
def _shared(verdict: Verdict, count: int) -> tuple[Verdict, ...]:
    return (verdict,) * count


def _runs(held: Held | None, now: int) -> bool:
    return held is not None and 0 <= now - held[0] < held[1]


def _window_key(claim: RateClaim, judged: Judged) -> WindowKey:
    credential = None if judged.credential is None else text_key(judged.credential)
    return judged.contract.name, claim.limit.name, credential


def _newest(memory: Ids, count: int) -> list[Id]:
    """Return so many of the ids that were remembered last, the oldest of them first."""
    newest = list(islice(reversed(memory), count))
    newest.reverse()
    return newest


def _bound(claims: dict[K, Held], now: int) -> int:
    """Where claims are too many, drop those that have run out, then the oldest half; return how many that was."""
    if len(claims) > MAX_WINDOWS:
        for key in [key for key, held in claims.items() if not _runs(held, now)]:
            del claims[key]
    oldest = list(islice(claims, len(claims) // 2)) if len(claims) > MAX_WINDOWS else []
    for key in oldest:
        del claims[key]
    return len(oldest)


WindowKey = tuple[str, str, Id | None]
"""The protocol of a rate window, the name of its limit, the credential."""


ENTITIES: Final = ""
"""Names the memory of entities beside those of ids, which have the names of their protocols."""


class Mark(NamedTuple):
    """How much a session had claimed at a moment: how many ids of a protocol, and entities, it ever remembered."""

    seen: int
    entities: int


class Claimed(NamedTuple):
    """What one request has claimed: ids by their memory, and the rate window and the idempotency key it is in.

    With the ids is the position of the first one among all that the memory ever remembered.
    """

    ids: dict[str, tuple[int, list[Id]]]
    window: tuple[WindowKey, Held] | None
    idempotency: tuple[Id, Held] | None


class Memory(NamedTuple):
    """All that a session has claimed; ids by protocol, the oldest first. `dropped` counts ids given up, by memory."""

    ids: dict[str, list[Id]]
    entities: list[Id]
    windows: dict[WindowKey, Held]
    idempotency: dict[Id, Held]
    dropped: dict[str, int]

    def of(self, name: str) -> list[Id]:
        """Return the ids of a memory."""
        return self.entities if name == ENTITIES else self.ids.setdefault(name, [])


class Claims:
    """The claims of one session. `remembered` counts the ids held, `forgotten` those given up for want of room.

    `dropped` counts the ids given up by memory, `bounded` how often windows or idempotency keys were given up.
    """

    def __init__(self) -> None:
        self.remembered = 0
        self.forgotten = 0
        self.dropped: dict[str, int] = {}
        self.bounded = 0
        self._seen: dict[str, Ids] = {}
        self._entities: Ids = {}
        self._windows: dict[WindowKey, Held] = {}
        self._idempotency: dict[bytes, Held] = {}

    @property
    def bytes(self) -> int:
        """About how many bytes of memory the claims take."""
        return self.remembered * ID_BYTES + (len(self._windows) + len(self._idempotency)) * WINDOW_BYTES

    def ids(self) -> Iterator[Id]:
        """Yield every id and entity that is remembered."""
        return chain(self._entities, *self._seen.values())

    def knows(self, entity: Id) -> bool:
        """Tell whether an accepted event has brought an entity into being."""
        return entity in self._entities

    def rate(self, claim: RateClaim, judged: Judged, receipt: Receipt, *, take: bool) -> None:
        """Write on the receipt how full the window is; with `take` this request fills a place of it."""
        now, mode, limit = judged.terms.now_ms, judged.terms.rate_mode, claim.limit
        key = _window_key(claim, judged)
        window = self._windows.get(key)
        if window is not None and 0 <= now - window[0] < limit.window_ms:
            start, _, used = window
        else:
            start, used = (now - now % limit.window_ms if limit.starts == "aligned" else now), 0
        receipt.rate_reset_ms = start + limit.window_ms
        if mode == "off":
            receipt.rate_remaining = limit.requests
            return
        if take:
            receipt.over_rate = used >= limit.requests
            if receipt.over_rate and mode == "enforce":
                receipt.refused = claim.reason
            used += 1
            self._windows[key] = (start, limit.window_ms, used)
            if len(self._windows) > MAX_WINDOWS:
                _bound(self._windows, now)
                self.bounded += 1
        receipt.rate_remaining = max(0, limit.requests - used)

    def replayed(self, judged: Judged) -> bool:
        """Tell whether the request's idempotency key is held already; hold it from now on when it is not."""
        claim, now = judged.idempotency, judged.terms.now_ms
        if claim is None:
            return False
        if _runs(self._idempotency.get(claim.key), now):
            return True
        self._idempotency[claim.key] = (now, claim.window_ms, 1)
        if len(self._idempotency) > MAX_WINDOWS:
            self.forgotten += _bound(self._idempotency, now)
            self.bounded += 1
        return False

    def events(self, judged: Judged, receipt: Receipt) -> tuple[Verdict, ...]:
        """Claim the ids of the events that will be stored, and what they create; return the verdict of each event."""
        verdicts, entities = self._verdicts(judged), judged.entities
        if entities is not None:
            first = verdicts[0]
            all_alike = verdicts.count(first) == len(verdicts)
            if not all_alike:
                pairs = zip(entities, verdicts, strict=True)
                entities = [entity if verdict is ACCEPTED else None for entity, verdict in pairs]
            receipt.created = (first is ACCEPTED or not all_alike) and bool(self._remember(self._entities, entities))
        return verdicts

    def _verdicts(self, judged: Judged) -> tuple[Verdict, ...]:
        count = judged.count
        ids, new = judged.dedup, Ids()
        if ids is not None:
            new = self._remember(self._seen.setdefault(judged.contract.name, {}), ids)
        if not judged.event_errors and (ids is None or len(new) == count):
            return all_of(ACCEPTED, count)
        verdicts = [ACCEPTED] * count
        for error in judged.event_errors:
            verdicts[error.index] = REJECTED
        for index, name in enumerate(ids or ()):
            if name in new:
                del new[name]
            elif name is not None:
                verdicts[index] = DUPLICATE
        first = verdicts[0] if verdicts else ACCEPTED
        return all_of(first, count) if verdicts.count(first) == count else tuple(verdicts)

    def _remember(self, memory: Ids, ids: list[Id | None]) -> Ids:
        """Remember the ids there are; return those that were new, which stand last in what is remembered."""
        distinct, before = dict.fromkeys(ids), len(memory)
        distinct.pop(None, None)
        named = cast(Ids, distinct)
        memory.update(named)
        count = len(memory) - before
        self.remembered += count
        return named if count == len(named) else dict.fromkeys(islice(reversed(memory), count))

    def forget_oldest(self, count: int) -> None:
        """Give up the oldest ids, those of the largest memory first."""
        memories = {**self._seen, ENTITIES: self._entities}
        name, memory = max(memories.items(), key=lambda entry: len(entry[1]))
        oldest = list(islice(memory, count))
        for id_ in oldest:
            del memory[id_]
        self.remembered -= len(oldest)
        self.dropped[name] = self.dropped.get(name, 0) + len(oldest)
        self.forgotten += len(oldest)

    def mark(self, protocol: str) -> Mark:
        """Return how much is claimed now, for `since`."""
        return Mark(self._ever(protocol), self._ever(ENTITIES))

    def _memory(self, name: str) -> Ids:
        return self._entities if name == ENTITIES else self._seen.get(name, {})

    def _ever(self, name: str) -> int:
        return self.dropped.get(name, 0) + len(self._memory(name))

    def since(self, mark: Mark, judged: Judged) -> Claimed:
        """Return what a request has claimed since a mark that was made just before."""
        rate, held, protocol = judged.rate, judged.idempotency, judged.contract.name
        ids = dict[str, tuple[int, list[Id]]]()
        for name, before in ((protocol, mark.seen), (ENTITIES, mark.entities)):
            now = self._ever(name)
            if now > before:  # of those it claimed, some may be given up already
                newest = _newest(self._memory(name), now - before)
                ids[name] = now - len(newest), newest
        key = None if rate is None else _window_key(rate, judged)
        window = None if key is None else self._windows.get(key)
        idempotency = None if held is None else self._idempotency.get(held.key)
        return Claimed(
            ids=ids,
            window=None if key is None or window is None else (key, window),
            idempotency=None if held is None or idempotency is None else (held.key, idempotency),
        )

    def held(self) -> tuple[dict[WindowKey, Held], dict[Id, Held]]:
        """Return all rate windows and idempotency keys."""
        return dict(self._windows), dict(self._idempotency)

    def take(self, claimed: Claimed) -> None:
        """Claim what a request has claimed elsewhere."""
        for name, (_, ids) in claimed.ids.items():
            self._remember(self._entities if name == ENTITIES else self._seen.setdefault(name, {}), [*ids])
        if claimed.window is not None:
            self._windows[claimed.window[0]] = claimed.window[1]
        if claimed.idempotency is not None:
            self._idempotency[claimed.idempotency[0]] = claimed.idempotency[1]

    def memory(self) -> Memory:
        """Return all that is claimed."""
        ids = {protocol: list(seen) for protocol, seen in self._seen.items()}
        return Memory(ids, list(self._entities), *self.held(), dict(self.dropped))

    def restore(self, memory: Memory) -> None:
        """Take over what was claimed before the server was started again."""
        self._seen = {protocol: dict.fromkeys(ids) for protocol, ids in memory.ids.items()}
        self._entities = dict.fromkeys(memory.entities)
        self._windows, self._idempotency, self.dropped = memory.windows, memory.idempotency, memory.dropped
        self.remembered = sum(map(len, self._seen.values())) + len(self._entities)
