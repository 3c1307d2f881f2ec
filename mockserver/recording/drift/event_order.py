"""How two recordings differ in the order of what is sent, and in how events are split into requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.jsonkit import pointer
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.pointer import Tokens
from mockserver.recording.drift.differences import Difference
from mockserver.recording.drift.item_pairs import Pairs, items_of
from mockserver.recording.drift.logical_requests import Contracts, Item, LogicalRequest
from mockserver.recording.recordings import RecordedExchange

MANY: Final = 10
"""Events from which on a client may flush them by itself, while more are added."""
FACTOR: Final = 2
"""By how much the largest batch of many events must change."""
REPEATED: Final = 4
"""How often a recording must have batches of the largest size for it to be a limit."""


def order_differences(pairs: Pairs, new: Sequence[LogicalRequest], contracts: Contracts) -> Iterator[Difference]:
    """Yield how the order of what both recordings have differs; where it does not, how it is split into requests.

    `new` are the requests of the new recording.
    """
    partners = {id(other): one for one, other in pairs.both}
    new_order = [partners[id(item)] for item in items_of(new) if id(item) in partners]
    for protocol in dict.fromkeys(one.key[0] for one, _ in pairs.both):
        before = [one for one, _ in pairs.both if one.key[0] == protocol]
        after = [one for one in new_order if one.key[0] == protocol]
        moved = next(((one, other) for one, other in zip(before, after, strict=True) if one.key != other.key), None)
        if moved is not None:
            yield _reordered(*moved, pairs)
    for operation in dict.fromkeys(one.key[:2] for one, _ in pairs.both if one.request.has_events):
        both = [(one, other) for one, other in pairs.both if one.key[:2] == operation]
        if [one.key for one, _ in both] == [one.key for one in new_order if one.key[:2] == operation]:
            yield from _batches(both, contracts)


def _batches(both: Sequence[tuple[Item, Item]], contracts: Contracts) -> Iterator[Difference]:
    """Yield the first difference in how paired events are split into requests, unless only timing made it."""
    splits = [_split([pair[side] for pair in both], contracts) for side in (0, 1)]
    ends = [dict(_ends(split)) for split in splits]
    kept = [{end for end, is_timed in ends[side].items() if not is_timed or end in ends[1 - side]} for side in (0, 1)]
    pauses = [end for end in sorted(kept[0] & kept[1]) if ends[0][end] or ends[1][end]]
    for start, stop in pairwise([0, *pauses, len(both)]):
        old, new = (_sizes(start, stop, kept[side]) for side in (0, 1))
        if old != new and _is_meant(old, new):
            first = min(end for end in kept[0] ^ kept[1] if start < end < stop)
            one, other = both[first - 1]
            protocol, operation, _ = one.key
            where = one.request.first.id, other.request.first.id
            yield Difference(
                kind="batches",
                protocol=protocol,
                operations=(operation,),
                old=old,
                new=new,
                where=where,
                count=len(new),
                total=len(new),
            )
            return


def _is_meant(old: Sequence[int], new: Sequence[int]) -> bool:
    """Return whether events that were there at once are split otherwise on purpose.

    A client that flushes from another thread does so from some number of events on, and sends then what is there. So of
    many events, one recording must show a limit that the other exceeds: a size that is reached again and again, and is
    none that the other one has.
    """
    if sum(old) < MANY:
        return True
    small, large = sorted((old, new), key=max)
    limit = max(small)
    return max(large) >= FACTOR * limit and small.count(limit) >= REPEATED and limit not in large


def _sizes(start: int, stop: int, ends: Collection[int]) -> list[int]:
    return [
        after - before
        for before, after in pairwise([start, *(end for end in sorted(ends) if start < end < stop), stop])
    ]


def _split(items: Sequence[Item], contracts: Contracts) -> list[tuple[int, bool]]:
    """Return the sizes of the batches, each with whether the next one began because its event was not there before."""
    sizes: list[tuple[int, bool]] = []
    for number, item in enumerate(items):
        if number and item.request is items[number - 1].request:
            sizes[-1] = (sizes[-1][0] + 1, False)
            continue
        if number:
            sizes[-1] = (sizes[-1][0], _came_later(item, items[number - 1].request.first, contracts))
        sizes.append((1, False))
    return sizes


def _ends(split: Sequence[tuple[int, bool]]) -> Iterator[tuple[int, bool]]:
    """Yield after how many events each batch but the last ends."""
    count = 0
    for size, is_timed in split[:-1]:
        count += size
        yield count, is_timed


def _came_later(item: Item, sent: RecordedExchange, contracts: Contracts) -> bool:
    """Return whether an event happened when the request before it had been sent."""
    contract = contracts.of(sent)
    for place in _times(contract):
        value = pointer.get(item.sent, place)
        ms = epoch_ms(value) if isinstance(value, str) else value
        if isinstance(ms, int | float) and not isinstance(ms, bool):
            return 0 <= ms - sent.now_ms < 86_400_000
    return False


def _times(contract: Contract | None) -> Iterable[Tokens]:
    if contract is None:
        return ()
    filled = [fill.tokens for fill in contract.stored.fill.values() if fill.value in ("epoch_ms", "rfc3339_ms")]
    return [*(window.tokens for window in contract.windows), *filled]


def _reordered(old: Item, new: Item, pairs: Pairs) -> Difference:
    partner = next(other for one, other in pairs.both if one is new)
    return Difference(
        kind="order",
        protocol=old.key[0],
        operations=tuple(dict.fromkeys((old.key[1], new.key[1]))),
        old=old.type or old.key[1],
        new=new.type or new.key[1],
        where=(old.request.first.id, partner.request.first.id),
    )
