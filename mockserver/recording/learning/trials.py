"""Trying changes: the contract with them, and how it answers every recorded request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, Protocol
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.recording.learning.changes import Learnt, patch_of
from mockserver.recording.learning.play_again import Played, play_again
from mockserver.recording.learning.recorded_answers import RecordedAnswer
from mockserver.settings import RateMode

MOST_KEPT: Final = 64
"""Trials that are kept: each has a reply to every exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the mock answers with some changes. `distances` are by exchange, in order; 0 is answered as recorded."""

    learnt: tuple[Learnt, ...]
    contract: Contract
    played: tuple[Played, ...]
    distances: tuple[int, ...]

    @property
    def facts(self) -> int:
        """How many facts the changes write."""
        return len({place for one in self.learnt for place in one.change.places})

    @property
    def cost(self) -> tuple[int, int, int]:
        """How far the answers are from the recorded ones, then how many facts are written."""
        return sum(distance > 0 for distance in self.distances), sum(self.distances), self.facts

    def worse_than(self, other: Trial) -> list[int]:
        """Return the exchanges that another trial answers better."""
        pairs = zip(self.distances, other.distances, strict=True)
        return [number for number, (own, others) in enumerate(pairs) if own > others]


class Trials:
    """Makes trials for one protocol, over a revision of its contract with a user's own patches."""

    def __init__(
        self,
        protocol: Protocol,
        recordings: Sequence[Sequence[RecordedAnswer]],
        *,
        revision: str | None,
        patches: Sequence[Patch],
        origin: str,
        rate_mode: RateMode,
        ignored: frozenset[str] = frozenset(),
    ) -> None:
        self.origin = origin
        self.ignored = ignored
        self.excluded: frozenset[int] = frozenset()
        self.keys: frozenset[str] | None = None
        self._protocol, self._recordings = protocol, recordings
        self._revision, self._patches, self._rate_mode = revision, patches, rate_mode
        self._contract = protocol.contract(revision, patches)
        self.documents = self._contract.documents
        self._known: dict[bytes, tuple[Contract, tuple[Played, ...]] | None] = {}

    @property
    def start(self) -> Trial:
        """The trial without a change."""
        trial = self.trial(())
        assert trial is not None, "the contract itself is valid"
        return trial

    def only(self, names: Collection[str]) -> Trials:
        """Return trials with some exchanges only, by their names."""
        kept = [[answer for answer in answers if answer.name in names] for answers in self._recordings]
        return Trials(
            self._protocol,
            kept,
            revision=self._revision,
            patches=self._patches,
            origin=self.origin,
            rate_mode=self._rate_mode,
        )

    def ignore(self, headers: frozenset[str]) -> None:
        """Compare some headers no longer; their names are in lower case."""
        self.ignored |= headers
        self._known.clear()

    def know(self, keys: frozenset[str] | None) -> None:
        """Let the sessions know some keys only; None for any."""
        self.keys = keys
        self._known.clear()

    def trial(self, learnt: Iterable[Learnt]) -> Trial | None:
        """Return how requests are answered with some changes; None if they make no valid contract."""
        changes = tuple(learnt)
        patch = patch_of(changes, self.documents, self.origin)
        key = render([[list(tokens), value] for one in changes for tokens, value in one.change.edits])
        if key not in self._known:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[key] = self._played(patch)
        known = self._known[key]
        if known is None:
            return None
        contract, played = known
        distances = tuple(0 if n in self.excluded else one.distance for n, one in enumerate(played))
        return Trial(learnt=changes, contract=contract, played=played, distances=distances)

    def _played(self, patch: Mapping[str, Json]) -> tuple[Contract, tuple[Played, ...]] | None:
        try:
            contract = self._protocol.tried(self._contract, patch) if patch else self._contract
        except ContractError:
            return None
        return contract, self.played(contract)

    def played(self, contract: Contract) -> tuple[Played, ...]:
        """Return how a contract answers the recorded requests."""
        return tuple(play_again(contract, self._recordings, self.ignored, self._rate_mode, self.keys))

    def certified(self, trial: Trial, *, ignored: frozenset[str], keys: frozenset[str] | None) -> tuple[Played, ...]:
        """Return how the mock answers with the patch of a trial as a file would have it. Raises ContractError."""
        patch = patch_of(trial.learnt, self.documents, self.origin)
        added = [Patch(name="learnt", patch=patch, source=f"docs: recorded {self.origin}")] if patch else []
        contract = self._protocol.contract(self._revision, [*self._patches, *added])
        return tuple(play_again(contract, self._recordings, ignored, self._rate_mode, keys))
