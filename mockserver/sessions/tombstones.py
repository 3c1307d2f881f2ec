"""What is left of evicted sessions: their names, what was lost and the counts. Bounded, and small."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from mockserver.core.wording import counted
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms

Limit = Literal["max_sessions", "memory_limit"]
"""The setting that a session was evicted for."""

KEPT: Final[Mapping[bool, int]] = MappingProxyType({True: 1_000, False: 4_000})
"""How many are kept of the sessions that somebody read or set up, and of others; each takes less than 1 kB,
and those of sessions with credentials less than 5 kB."""

MOST_CREDENTIALS: Final = 20
"""How many credentials of an evicted session are kept; if it had more, none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is remembered of an evicted session; the session goes on from here if it is named again.

    `at_ms` is real time, `lost` names what was set up (settings, faults, clock). `credentials` still select the
    session, unless another one was given them. `counts` are the numbers of requests and of events by verdict, `refused`
    is the number of requests that were refused or had a refused event. `newest` and `next_event` are the numbers of
    the newest request and of the next event.
    """

    limit: Limit
    at_ms: int
    lost: tuple[str, ...]
    credentials: tuple[str, ...]
    counts: tuple[int, int, int, int]
    refused: int
    newest: int
    next_event: int

    def as_json(self) -> dict[str, Json]:
        """Return the eviction as the control surface shows it."""
        at, requests = rfc3339_ms(self.at_ms), self.counts[0]
        return {"limit": self.limit, "at": at, "requests": requests, "refused": self.refused, "lost": list(self.lost)}

    def text(self) -> str:
        """Return the eviction as a sentence for a person."""
        flag = f"--{self.limit.replace('_', '-')}"
        return f"the session was evicted at {rfc3339_ms(self.at_ms)} because of {flag}; lost: {self.lost_text()}"

    def lost_text(self) -> str:
        """Return what was lost as a list for a person."""
        return ", ".join((counted(self.counts[0], "request"), *self.lost))


class Tombstones:
    """The tombstones by name of session. Those of sessions that somebody knew are not crowded out by others."""

    def __init__(self) -> None:
        self._by_use: dict[bool, OrderedDict[str, Tombstone]] = {known: OrderedDict() for known in KEPT}

    def add(self, name: str, tombstone: Tombstone, *, known: bool) -> tuple[str, Tombstone] | None:
        """Remember an evicted session, `known` if somebody read it or set it up; return what is forgotten instead."""
        kept = self._by_use[known]
        kept[name] = tombstone
        return kept.popitem(last=False) if len(kept) > KEPT[known] else None

    def get(self, name: str) -> Tombstone | None:
        """Return the tombstone of a session, if there is one."""
        return self._by_use[True].get(name) or self._by_use[False].get(name)

    def pop(self, name: str) -> Tombstone | None:
        """Forget a tombstone and return it."""
        return self._by_use[True].pop(name, None) or self._by_use[False].pop(name, None)

    def known(self) -> Iterator[tuple[str, Tombstone]]:
        """Yield the names and tombstones of sessions that somebody read or set up, the oldest eviction first."""
        yield from self._by_use[True].items()
