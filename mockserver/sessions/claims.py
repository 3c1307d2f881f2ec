"""What a session has claimed: ids seen, rate windows, idempotency keys, entities known. It outlives the journal."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import Final, TypeVar, cast

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


def _bound(claims: dict[K, Held], now: int) -> int:
    """Where claims are too many, drop those that have run out, then the oldest half; return how many that was."""
    if len(claims) > MAX_WINDOWS:
        for key in [key for key, held in claims.items() if not _runs(held, now)]:
            del claims[key]
    oldest = list(islice(claims, len(claims) // 2)) if len(claims) > MAX_WINDOWS else []
    for key in oldest:
        del claims[key]
    return len(oldest)


class Claims:
    """The claims of one session. `remembered` counts the ids held, `forgotten` those given up for want of room."""

    def __init__(self) -> None:
        self.remembered = 0
        self.forgotten = 0
        self._seen: dict[str, Ids] = {}
        self._entities: Ids = {}
        self._windows: dict[tuple[str, str, bytes | None], Held] = {}
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
        credential = None if judged.credential is None else text_key(judged.credential)
        key = (judged.contract.name, limit.name, credential)
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
        receipt.rate_remaining = max(0, limit.requests - used)

    def replayed(self, judged: Judged) -> bool:
        """Tell whether the request's idempotency key is held already; hold it from now on when it is not."""
        claim, now = judged.idempotency, judged.terms.now_ms
        if claim is None:
            return False
        if _runs(self._idempotency.get(claim.key), now):
            return True
        self._idempotency[claim.key] = (now, claim.window_ms, 1)
        self.forgotten += _bound(self._idempotency, now)
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
        count = len(judged.events)
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
        memory = max([*self._seen.values(), self._entities], key=len)
        oldest = list(islice(memory, count))
        for name in oldest:
            del memory[name]
        self.remembered -= len(oldest)
        self.forgotten += len(oldest)
