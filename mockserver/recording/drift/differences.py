"""The differences between two recordings: their kinds, and putting together what is one difference in many places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from mockserver.jsonkit import Json

KINDS: Final[Mapping[str, str]] = {
    "status": "the status of a reply",
    "verdict": "the verdict on events, with the rules that they break now, or no longer",
    "rule": "a rule that is broken now, or no longer, while the verdict stays",
    "requests-gone": "requests to an operation that are missing",
    "requests-new": "requests to an operation that were not there",
    "events-gone": "events of a type that are missing",
    "events-new": "events of a type that were not there",
    "event-type": "the type of events whose other members stay",
    "body": "a body that is no longer JSON, or complete, or there at all",
    "member-gone": "a member of a request that is missing",
    "member-new": "a member of a request that was not there",
    "member-type": "the JSON type of a member",
    "member-value": "the value of a member that is the same, or one of few, in each run",
    "array-length": "the number of elements of an array",
    "path": "the path of an operation",
    "parameter-gone": "a query parameter that is missing",
    "parameter-new": "a query parameter that was not there",
    "parameter-value": "the value of a query parameter",
    "header-gone": "a header of a request that is missing",
    "header-new": "a header of a request that was not there",
    "header-value": "the value of a header of a request",
    "sdk-version": "the version of the client, in its user agent and in members such as `sdk_version`",
    "attempts": "how often a request is sent",
    "batches": "how events are split into requests",
    "order": "the order of requests and events",
    "reply-body": "a reply that is no longer JSON, or has another text",
    "reply-member-gone": "a member of a reply that is missing",
    "reply-member-new": "a member of a reply that was not there",
    "reply-member-type": "the JSON type of a member of a reply",
    "reply-member-value": "the value of a member of a reply",
    "reply-array-length": "the number of elements of an array in a reply",
    "reply-header-gone": "a header of a reply that is missing",
    "reply-header-new": "a header of a reply that was not there",
    "reply-header-value": "the value of a header of a reply",
}
"""What can differ, by its name; the most important first."""
_RANKS: Final = {kind: rank for rank, kind in enumerate(KINDS)}
FEW: Final = 10
"""Changes of one member's value that are told. One with more has values of its own each time."""
FREE: Final = 3
"""From so many events on, in which a member has another value each time, its values are not told."""
_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)+(?:[-+.][0-9A-Za-z]+)*")
_CLIENT_NAME: Final = re.compile("sdk|lib|client|agent", re.IGNORECASE)

Change: TypeAlias = "tuple[Json, Json]"
Where: TypeAlias = "tuple[str | None, str | None]"
"""The first exchange with the difference in each recording; None for the one that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference, in all places where it is.

    `place` is a pointer with `*` for any element, the name of a header or parameter, or a rule; several for the version
    of a client. `old` and `new` are the values; several changes of one member are lists. None is for what is not there.
    It is in `count` of `total` pairs of events or requests.
    """

    kind: str
    protocol: str
    operations: tuple[str, ...]
    events: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    old: Json = None
    new: Json = None
    where: Where = (None, None)
    count: int = 1
    total: int = 1
    rules: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return the difference as the command prints it."""
        return {
            "kind": self.kind,
            "protocol": self.protocol,
            "operations": list(self.operations),
            "events": list(self.events),
            "places": list(self.places),
            "old": self.old,
            "new": self.new,
            "where": {"old": self.where[0], "new": self.where[1]},
            "count": self.count,
            "total": self.total,
            "rules": list(self.rules),
        }


@dataclass(slots=True)
class _Seen:
    where: Where
    changes: dict[str, Change] = field(default_factory=dict)
    count: int = 0
    rules: dict[str, None] = field(default_factory=dict)


Key: TypeAlias = "tuple[str, str, str, str | None, str]"
"""Kind, protocol, operation, type of event (None: the request itself), place."""


class Differences:
    """Collects differences pair by pair, and puts equal ones together."""

    def __init__(self) -> None:
        self._seen: dict[Key, _Seen] = {}
        self._compared: dict[Key, int] = {}
        self._totals: dict[tuple[str, str, str | None], int] = {}
        self._whole: list[Difference] = []

    def add_pair(self, protocol: str, operation: str, event: str | None) -> None:
        """Count a pair of events, or of requests, that are compared."""
        key = (protocol, operation, event)
        self._totals[key] = self._totals.get(key, 0) + 1

    def add_equal(self, key: Key) -> None:
        """Count a value that is equal in a pair."""
        self._compared[key] = self._compared.get(key, 0) + 1

    def add(self, key: Key, change: Change, where: Where, rules: Iterable[str] = ()) -> None:
        """Add a difference of a pair."""
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(where)
        seen.count += 1
        if len(seen.changes) <= FEW:
            seen.changes.setdefault(f"{change[0]!r} {change[1]!r}", change)
        seen.rules.update(dict.fromkeys(rules))

    def explain(self, key: Key, rule: str) -> None:
        """Say that a difference that was added is why a rule is broken now, or no longer."""
        self._seen[key].rules[rule] = None

    def add_whole(self, difference: Difference) -> None:
        """Add a difference that is one already."""
        self._whole.append(difference)

    def found(self) -> list[Difference]:
        """Return the differences, each once, the most important first."""
        merged: dict[tuple[str, str, str, str], Difference] = {}
        for key, seen in self._seen.items():
            if not self._is_free(key, seen):
                self._merge(merged, key, seen)
        return sorted([*_with_versions(merged.values()), *self._whole], key=lambda known: _RANKS[known.kind])

    def _is_free(self, key: Key, seen: _Seen) -> bool:
        """Return whether a member has values of its own in each event, which no run has again."""
        if not key[0].endswith("member-value"):
            return False
        always_another = seen.count >= FREE and len(seen.changes) == seen.count and key not in self._compared
        olds, news = ({repr(change[side]) for change in seen.changes.values()} for side in (0, 1))
        return len(seen.changes) > FEW or (always_another and len(olds) == len(news) == seen.count)

    def _merge(self, merged: dict[tuple[str, str, str, str], Difference], key: Key, seen: _Seen) -> None:
        kind, protocol, operation, event, place = key
        changes = sorted(seen.changes)
        same = (kind, protocol, place, "\n".join(changes))
        olds, news = zip(*(seen.changes[change] for change in changes), strict=True)
        one = len(changes) == 1
        difference = Difference(
            kind=kind,
            protocol=protocol,
            operations=(operation,),
            events=() if event is None else (event,),
            places=(place,) if place else (),
            old=olds[0] if one else list(olds),
            new=news[0] if one else list(news),
            where=seen.where,
            count=seen.count,
            total=self._totals.get((protocol, operation, event), seen.count),
            rules=tuple(seen.rules),
        )
        known = merged.get(same)
        merged[same] = difference if known is None else _together(known, difference)


def _together(one: Difference, other: Difference) -> Difference:
    return replace(
        one,
        operations=tuple(dict.fromkeys((*one.operations, *other.operations))),
        events=tuple(dict.fromkeys((*one.events, *other.events))),
        places=tuple(dict.fromkeys((*one.places, *other.places))),
        count=one.count + other.count,
        total=one.total + other.total,
        rules=tuple(dict.fromkeys((*one.rules, *other.rules))),
    )


def _with_versions(differences: Iterable[Difference]) -> Iterator[Difference]:
    """Yield the differences, those that show the version of a client as one."""
    versions: dict[tuple[str, Change], Difference] = {}
    for difference in differences:
        change = _version_change(difference)
        if change is None:
            yield difference
            continue
        key = (difference.protocol, change)
        known = versions.get(key)
        if known is None:
            versions[key] = replace(difference, kind="sdk-version", old=change[0], new=change[1])
        else:
            most = max(known, difference, key=lambda one: one.count)
            versions[key] = replace(_together(known, difference), count=most.count, total=most.total)
    yield from versions.values()


def _version_change(difference: Difference) -> Change | None:
    """Return the versions of a client before and after, if that is what differs."""
    old, new, (place, *_) = difference.old, difference.new, (*difference.places, "")
    if difference.kind == "member-value":
        if "version" not in place.lower() or not _CLIENT_NAME.search(place):
            return None
    elif difference.kind != "header-value" or not _CLIENT_NAME.search(place):
        return None
    if not isinstance(old, str) or not isinstance(new, str):
        return None
    olds, news = _VERSION.findall(old), _VERSION.findall(new)
    if _VERSION.sub("", old) != _VERSION.sub("", new) or len(olds) != len(news):
        return None
    return next(((before, after) for before, after in zip(olds, news, strict=True) if before != after), None)
