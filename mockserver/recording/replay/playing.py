"""Playing a recording to one client: which exchange answers a request, and what is nearest where none does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, TypeAlias

from mockserver.contract.contract import Contract
from mockserver.core.wording import value as shown
from mockserver.jsonkit import Json
from mockserver.recording.replay.matching import Binding, Difference, NormalRequest, differences, fits
from mockserver.recording.replay.tape import Group, Index, Tape
from mockserver.settings import RecordMode

PLAYED: Final = "played"
IDS: Final = "ids"
DIFFERENT: Final = "different"
UNKNOWN: Final = "unknown"
Reason: TypeAlias = Literal["played", "ids", "different", "unknown"]
"""Why no exchange answers a request: it was played already, ids do not fit, it differs, nothing is like it."""
MOST_OPEN: Final = 500
MOST_COMPARED: Final = 60
"""Exchanges that are looked at to find the nearest one."""
MOST_BYTES: Final = 1024 * 1024
"""Bytes of exchanges that are looked at for that, except of the first one."""
MOST_DIFFERENCES: Final = 10
SHOWN_DIFFERENCES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The exchange that answers a request, and which values of the client stand for which of the recording."""

    number: int
    pairs: Mapping[Json, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """Why no exchange answers a request; `id` names the one that is nearest to it, if there is one."""

    reason: Reason
    id: str | None = None
    differences: tuple[Difference, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Return it as a JSON object."""
        return {
            "reason": self.reason,
            "nearest": self.id,
            "differences": [difference.as_json() for difference in self.differences],
        }

    def text(self) -> str:
        """Return it as a sentence."""
        if self.id is None:
            return "the recording has no request of this protocol"
        if self.reason == PLAYED:
            return f"the recording has this request ({self.id}), but it was sent more often than it was recorded"
        parts = [
            f"{difference.pointer or '/'} expected {shown(difference.expected)}, got {shown(difference.got)}"
            for difference in self.differences[:SHOWN_DIFFERENCES]
        ]
        more = len(self.differences) - len(parts)
        rest = f", and {more} more" if more > 0 else ""
        return f"the recording has no such request; the nearest is {self.id}: {'; '.join(parts)}{rest}"


class Playback:
    """A recording as one session plays it.

    Each exchange is played once, in the order of equal requests; with `repeats` the last of them again and again.
    `started` is the number of the newest request of the session when it began. `new` counts the requests that the
    recording does not have, `unmatched` those of them that were refused for that.
    """

    def __init__(self, tape: Tape, record: RecordMode = "none", *, repeats: bool = False, started: int = 0) -> None:
        self.tape = tape
        self.record: RecordMode = record
        self.repeats = repeats
        self.started = started
        self.binding = Binding()
        self.new = self.unmatched = 0
        self.searching = 0  # requests whose exchange is searched in a thread
        self._played: set[int] = set()
        self._next: dict[tuple[Group, bytes], int] = {}
        """Of equal exchanges, the position of the first that may not be played yet."""

    @property
    def protocols(self) -> frozenset[str]:
        """The protocols that the recording has exchanges of."""
        return self.tape.protocols

    @property
    def bytes(self) -> int:
        """About how many bytes of memory it takes, if no other session has the same recording."""
        return self.tape.bytes

    @property
    def played(self) -> int:
        """How many exchanges were played."""
        return len(self._played)

    @property
    def plays(self) -> bool:
        """Whether exchanges are played at all."""
        return self.record != "all" and not (self.record == "once" and not self.tape.parts)

    @property
    def records(self) -> bool:
        """Whether a request that the recording does not have is answered otherwise, and recorded."""
        return self.record in ("new_episodes", "all") or (self.record == "once" and not self.tape.parts)

    def as_json(self) -> dict[str, Json]:
        """Return what is shown of it."""
        return {
            "record": self.record,
            "repeats": self.repeats,
            "exchanges": len(self.tape),
            "played": self.played,
            "new": self.new,
            "unmatched": self.unmatched,
        }

    def effort(self, index: Index, live: NormalRequest) -> int:
        """Return how many exchanges `take` may look at."""
        return len(index.same.get((live.group, live.digest), ())) + len(index.open.get(live.group, ()))

    def take(self, index: Index, live: NormalRequest) -> Taken | None:
        """Return the exchange that answers a request, which is then played; None if there is none."""
        for number in self._candidates(index, live):
            recorded, part = index.forms[number], self.tape.part_of(number)
            pairs = self.binding.pairs(part, recorded, live)
            if pairs is not None:
                self.binding.bind(part, recorded, live)
                self._played.add(number)
                return Taken(number=number, pairs=pairs)
        return self._repeated(index, live) if self.repeats else None

    def _candidates(self, index: Index, live: NormalRequest) -> Iterator[int]:
        key = (live.group, live.digest)
        numbers = index.same.get(key, [])
        first = self._next.get(key, 0)
        while first < len(numbers) and numbers[first] in self._played:
            first += 1
        if numbers:
            self._next[key] = first
        yield from (number for number in islice(numbers, first, None) if number not in self._played)
        left = (number for number in index.open.get(live.group, ()) if number not in self._played)
        yield from (number for number in islice(left, MOST_OPEN) if fits(index.forms[number], live))

    def _repeated(self, index: Index, live: NormalRequest) -> Taken | None:
        """Return the last equal exchange again; its ids may be others now."""
        for number in self._like(index, live):
            recorded, part = index.forms[number], self.tape.part_of(number)
            for binding in (self.binding, Binding()):
                pairs = binding.pairs(part, recorded, live)
                if pairs is not None:
                    return Taken(number=number, pairs=pairs)
        return None

    def _like(self, index: Index, live: NormalRequest) -> Iterator[int]:
        """Yield the exchanges whose requests are equal except for their ids, the last first."""
        opened = (number for number in reversed(index.open.get(live.group, ())) if fits(index.forms[number], live))
        yield from islice(opened, MOST_COMPARED)
        yield from islice(reversed(index.same.get((live.group, live.digest), ())), MOST_COMPARED)

    def give_back(self, number: int, contract: Contract) -> None:
        """Let an exchange be played again, whose reply has not reached the client."""
        if number in self._played:
            self._played.discard(number)
            index = self.tape.index(contract)
            form = index.forms[number]
            key = (form.group, form.digest)
            if key in self._next and not form.open:
                self._next[key] = min(self._next[key], bisect_left(index.same[key], number))

    def nearest(self, live: NormalRequest, contract: Contract) -> Nearest:
        """Return which exchange is nearest to a request that none answers. The time is bounded, but long."""
        index = self.tape.index(contract)
        for number in self._candidates(index, live):  # equal, but other ids stand for its ids
            clashes = self.binding.clashes(self.tape.part_of(number), index.forms[number], live)
            found = tuple(islice(clashes, MOST_DIFFERENCES))
            return Nearest(reason=IDS, id=self.tape.exchange(number).id, differences=found)
        for number in self._like(index, live):
            return Nearest(reason=PLAYED, id=self.tape.exchange(number).id)
        best: tuple[int, tuple[Difference, ...]] | None = None
        room = MOST_BYTES
        for number in self._neighbours(index, live):
            if best is not None and room < 0:
                break
            room -= self.tape.size(number)
            found = tuple(differences(self.tape.form(number, contract), live, MOST_DIFFERENCES))
            if best is None or len(found) < len(best[1]):
                best = number, found
        if best is None:
            return Nearest(reason=UNKNOWN)
        return Nearest(reason=DIFFERENT, id=self.tape.exchange(best[0]).id, differences=best[1])

    def _neighbours(self, index: Index, live: NormalRequest) -> Iterator[int]:
        """Yield exchanges to compare a request with: of its operation first, and those that are not played."""
        own = index.groups.get(live.group, [])
        others = (number for group, found in index.groups.items() if group != live.group for number in found)
        unplayed = islice((number for number in own if number not in self._played), MOST_COMPARED // 2)
        played = islice((number for number in own if number in self._played), MOST_COMPARED // 4)
        yield from unplayed
        yield from played
        if not own:
            yield from islice(others, MOST_COMPARED // 4)
