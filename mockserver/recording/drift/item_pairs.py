"""Which event or request of a recording is which one of another recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final, TypeAlias

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING, leaves
from mockserver.recording.drift.logical_requests import Item, LogicalRequest

MOST_MATCHED: Final = 2_000
"""Events of a type that are matched by their content if some are missing. Of more, the last ones count as missing."""
MOST_ALIKE: Final = 50
"""Events of a type, between those that are equal, that are matched by how many members they have in common."""
PAIRED: Final = 1_000_000
"""What a pair counts, in members: more pairs are better than pairs that are more alike."""
ALIKE: Final = 0.6
"""The part of the members that events of two types have in common if one type is the other one renamed."""

Key: TypeAlias = "tuple[str, str, str | None]"


@dataclass(slots=True)
class Pairs:
    """The items that both recordings have, in the order of the old one, and those of one only.

    `renamed` has the new type of events by their old key. `requests` are pairs of which one has no events that can be
    read.
    """

    both: list[tuple[Item, Item]] = field(default_factory=list)
    gone: list[Item] = field(default_factory=list)
    new: list[Item] = field(default_factory=list)
    renamed: dict[Key, Key] = field(default_factory=dict)
    requests: list[tuple[LogicalRequest, LogicalRequest]] = field(default_factory=list)


def pair_items(old: Sequence[LogicalRequest], new: Sequence[LogicalRequest]) -> Pairs:
    """Pair the items of two recordings: those of one key in order, by their content where one has more of them."""
    olds, news = _by_key(old), _by_key(new)
    pairs = Pairs(renamed=dict(_renamed(olds, news)))
    for key, new_key in pairs.renamed.items():
        news[key] = news.pop(new_key)
    for key in dict.fromkeys((*olds, *news)):
        for one, other in _matched(olds.get(key, []), news.get(key, [])):
            if one is not None and other is not None:
                pairs.both.append((one, other))
            elif one is not None:
                pairs.gone.append(one)
            elif other is not None:
                pairs.new.append(other)
    _pair_unreadable(pairs)
    places = {id(item): number for number, item in enumerate(items_of(old))}
    pairs.both.sort(key=lambda pair: places[id(pair[0])])
    return pairs


def items_of(requests: Sequence[LogicalRequest]) -> Iterator[Item]:
    """Yield the items of all requests in order."""
    for request in requests:
        yield from request.items


def _pair_unreadable(pairs: Pairs) -> None:
    """Pair requests of an operation that are whole in one recording only, if the body of one cannot be read."""
    gone, new = _whole(pairs.gone), _whole(pairs.new)
    for request in gone:
        other = next((one for one in new if _is_readable_otherwise(request, one)), None)
        if other is not None:
            new.remove(other)
            pairs.requests.append((request, other))
            pairs.gone = [item for item in pairs.gone if item.request is not request]
            pairs.new = [item for item in pairs.new if item.request is not other]


def _whole(items: Sequence[Item]) -> list[LogicalRequest]:
    """Return the requests all of whose items are among some, up to `MOST_MATCHED`."""
    counts: dict[LogicalRequest, int] = {}
    for item in items:
        counts[item.request] = counts.get(item.request, 0) + 1
    return [request for request, count in counts.items() if count == len(request.items)][:MOST_MATCHED]


def _is_readable_otherwise(one: LogicalRequest, other: LogicalRequest) -> bool:
    same = (one.protocol, one.operation) == (other.protocol, other.operation)
    return same and one.has_events != other.has_events


def _by_key(requests: Sequence[LogicalRequest]) -> dict[Key, list[Item]]:
    found: dict[Key, list[Item]] = {}
    for item in items_of(requests):
        found.setdefault(item.key, []).append(item)
    return found


def _matched(olds: Sequence[Item], news: Sequence[Item]) -> Iterator[tuple[Item | None, Item | None]]:
    if len(olds) == len(news):
        yield from zip(olds, news, strict=True)
        return
    if max(len(olds), len(news)) > MOST_MATCHED:
        yield from _in_order(olds, news)
        return
    matcher = SequenceMatcher(None, [_content(item) for item in olds], [_content(item) for item in news], False)
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        yield from _most_alike(olds[start:end], news[new_start:new_end])


def _most_alike(olds: Sequence[Item], news: Sequence[Item]) -> Iterator[tuple[Item | None, Item | None]]:
    """Pair as many items as there are of both, in order, so that the pairs have most members in common."""
    if len(olds) == len(news) or not olds or not news or max(len(olds), len(news)) > MOST_ALIKE:
        yield from _in_order(olds, news)
        return
    before, after = ([_leaves(item.normal, item.type) for item in items] for items in (olds, news))
    best = [[0] * (len(news) + 1) for _ in range(len(olds) + 1)]
    for row in range(len(olds) - 1, -1, -1):
        for column in range(len(news) - 1, -1, -1):
            paired = PAIRED + len(before[row] & after[column]) + best[row + 1][column + 1]
            best[row][column] = max(paired, best[row + 1][column], best[row][column + 1])
    row = column = 0
    while row < len(olds) and column < len(news):
        if best[row][column] == best[row + 1][column]:
            yield olds[row], None
            row += 1
        elif best[row][column] == best[row][column + 1]:
            yield None, news[column]
            column += 1
        else:
            yield olds[row], news[column]
            row, column = row + 1, column + 1
    yield from _in_order(olds[row:], news[column:])


def _in_order(olds: Sequence[Item], news: Sequence[Item]) -> Iterator[tuple[Item | None, Item | None]]:
    for number in range(max(len(olds), len(news))):
        yield olds[number] if number < len(olds) else None, news[number] if number < len(news) else None


def _content(item: Item) -> bytes:
    if item.normal is not MISSING:
        return render(item.normal)
    around = item.request.around[1]
    return b"" if around is MISSING else render(around)


def _renamed(olds: Mapping[Key, list[Item]], news: Mapping[Key, list[Item]]) -> Iterator[tuple[Key, Key]]:
    """Yield the keys of events whose type alone has changed: equally many, and most members the same."""
    free = [key for key in news if key not in olds and key[2] is not None]
    for key, items in olds.items():
        if key in news or key[2] is None:
            continue
        found = next((other for other in free if _is_renamed(key, items, other, news[other])), None)
        if found is not None:
            free.remove(found)
            yield key, found


def _is_renamed(key: Key, items: Sequence[Item], other: Key, others: Sequence[Item]) -> bool:
    if key[:2] != other[:2] or len(items) != len(others):
        return False
    before, after = (_leaves(kind[0].normal, kind[0].type) for kind in (items, others))
    return len(before & after) >= ALIKE * max(len(before | after), 1)


def _leaves(value: Json, type: str | None) -> set[tuple[tuple[str, ...], str]]:
    return {(tokens, repr(leaf)) for tokens, leaf in leaves(value) if leaf != type}
