"""Learning from recordings: protocol by protocol, and again without what contradicts itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mockserver.contract.library import Library, Patch, Protocol, library
from mockserver.errors import SettingsError, unknown
from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.learning.changes import Learnt, Tokens, patch_of
from mockserver.recording.learning.contradictions import (
    Contradiction,
    are_of_one_fact,
    limits_taken_and_refused,
    twin_of,
)
from mockserver.recording.learning.known_keys import known_keys
from mockserver.recording.learning.learned import Fact, Learned, LearnedProtocol, Unanswered
from mockserver.recording.learning.learner import Search, search
from mockserver.recording.learning.play_again import HEADERS, Played
from mockserver.recording.learning.recorded_answers import FAILING, RecordedAnswer, answers_of
from mockserver.recording.learning.trials import Trial, Trials
from mockserver.recording.learning.working_set import representatives
from mockserver.recording.recordings import Recording, read_recording

MOST_ROUNDS: Final = 10
UNKNOWN_KEYS: Final = "some keys are unknown to the server: the mock refuses them in a session whose keys are others"
ABOVE_RATE: Final = "some requests were above a rate limit: the mock refuses them with --rate-limits enforce"
MOST_ADDED: Final = 30
"""Exchanges that are searched with too, of those for which what was learnt from others is not enough."""


def learn(
    *recordings: Path | str,
    protocol: str | None = None,
    revisions: Mapping[str, str] | None = None,
    contract_patches: Sequence[Path | str] = (),
    contracts: Sequence[Path | str] = (),
) -> Learned:
    """Return the smallest patches with which the mock answers as the servers in recordings did.

    `protocol` is the only one to learn of. Without a revision in `revisions`, a protocol is compared with the one that
    the recordings were judged by. Raises FormatError, ContractError, SettingsError, OSError.
    """
    known = Library(list(map(Path, contracts))) if contracts else library()
    read = {str(path): read_recording(Path(path)) for path in recordings}
    patches = [known.load_patch(Path(path)) for path in contract_patches]
    return learn_from(read, known, protocol=protocol, revisions=revisions or {}, patches=patches)


def learn_from(
    recordings: Mapping[str, Recording],
    known: Library,
    *,
    protocol: str | None = None,
    revisions: Mapping[str, str] | None = None,
    patches: Sequence[tuple[str, Patch]] = (),
) -> Learned:
    """Return the same of recordings that were read, by the names of their files.

    Raises ContractError, SettingsError.
    """
    found = dict.fromkeys(one.protocol for recording in recordings.values() for one in recording.exchanges)
    names = [name for name in found if protocol is None or name == protocol]
    if protocol is not None and protocol not in names:
        known.protocol(protocol)
        raise SettingsError(f"no exchange of {protocol} in {', '.join(recordings)}")
    if not names:
        raise SettingsError(f"no exchange in {', '.join(recordings)}")
    learned = []
    for name in names:
        if name not in known.protocols:
            raise SettingsError(unknown("protocol", name, known.protocols))
        own = [patch for patched, patch in patches if patched == name]
        learned.append(_of_protocol(recordings, known.protocol(name), (revisions or {}).get(name), own))
    return Learned(protocols=tuple(learned))


def _of_protocol(
    recordings: Mapping[str, Recording], protocol: Protocol, revision: str | None, patches: Sequence[Patch]
) -> LearnedProtocol:
    several = len(recordings) > 1
    answers = [
        answers_of(recording, protocol.name, Path(file).name if several else "")
        for file, recording in recordings.items()
    ]
    heads = [recording.head for recording in recordings.values() if recording.head.revision(protocol.name)]
    recorded = dict.fromkeys(head.revision(protocol.name) for head in heads)
    if revision is None:
        known = [name for name in recorded if name in protocol.revision_names()]
        if len(known) > 1:
            raise SettingsError(f"the recordings of {protocol.name} name several revisions; choose one with --revision")
        revision = known[0] if known else protocol.base
    urls = dict.fromkeys(head.upstreams[protocol.name] for head in heads if protocol.name in head.upstreams)
    dates = dict.fromkeys(str(head.row["created"])[:10] for head in heads)
    origin = f"{'from ' + ', '.join(urls) + ' ' if urls else ''}on {', '.join(dates)}"
    limited = _is_limited(protocol, revision, patches, answers)
    trials = Trials(
        protocol,
        answers,
        revision=revision,
        patches=patches,
        origin=origin,
        rate_mode="enforce" if limited else "warn",
    )
    start = trials.played(trials.start.contract)
    names = None if limited else representatives(start)
    for _ in range(MOST_ROUNDS):
        learning = _Learning(trials if names is None else trials.only(names))
        found = learning.found()
        played = trials.certified(found.trial, ignored=learning.trials.ignored, keys=learning.trials.keys)
        pairs = zip(played, start, strict=True)
        others = [one.answer.name for one, before in pairs if one.distance and one.answer.name not in (names or ())]
        if names is None or not others:
            break
        names |= set(others[:MOST_ADDED])
    notes = [*learning.notes, *([ABOVE_RATE] if limited else ()), *_hidden_values(found.trial)]
    compared = [one for one in played if not one.answer.problem]
    contradictory = {name for one in learning.unanswered for name in one.exchanges}
    return LearnedProtocol(
        protocol=protocol.name,
        revision=revision,
        origin=origin,
        patch=patch_of(found.trial.learnt, trials.documents, origin),
        facts=tuple(_facts(found.trial.learnt, trials)),
        unanswered=(
            *learning.unanswered,
            *(
                Unanswered(exchanges=(one.answer.name,), reason=_why(one))
                for one in compared
                if one.distance and one.answer.name not in contradictory
            ),
        ),
        notes=tuple(notes),
        exchanges=len(played),
        compared=len(compared),
        before=sum(not one.distance for one in start if not one.answer.problem),
        answered=sum(not one.distance for one in compared),
    )


def _is_limited(
    protocol: Protocol, revision: str, patches: Sequence[Patch], answers: Sequence[Sequence[RecordedAnswer]]
) -> bool:
    """Tell whether a server refused requests that were above a rate limit."""
    contract = protocol.contract(revision, patches)
    gates = [gate for operation in contract.operations.values() if (gate := operation.gate("rate")) is not None]
    reasons = {gate.reason("rate_limited") for gate in gates}
    statuses = {
        family.reasons[reason].status
        for family in contract.families.values()
        for reason in reasons & set(family.reasons)
    }
    return any(answer.reply.status in statuses for each in answers for answer in each)


class _Learning:
    """Searches again without what contradicts itself, until nothing does.

    `unanswered` are the contradictions, `notes` what else the mock needs.
    """

    def __init__(self, trials: Trials) -> None:
        self.trials = trials
        self.unanswered: list[Unanswered] = []
        self.notes: list[str] = []
        self._forbidden: frozenset[Tokens] = frozenset()

    def found(self) -> Search:
        """Return what was found."""
        trials = self.trials
        varying = _varying_headers(trials.start)
        trials.ignore(varying)
        self.notes += [
            f"the header {name} has another value in each reply, and is not compared" for name in sorted(varying)
        ]
        keys = known_keys(trials, trials.start)
        if keys is not None:
            trials.know(keys)
            self.notes.append(UNKNOWN_KEYS)
        self._leave_out(list(limits_taken_and_refused(trials.start.played)))
        for _ in range(MOST_ROUNDS):
            found = search(trials, self._forbidden)
            contradictions = _contradictions(found)
            if not contradictions:
                break
            self._leave_out(contradictions)
        return found

    def _leave_out(self, contradictions: Sequence[Contradiction]) -> None:
        """Learn nothing of some exchanges, nor of the facts that they contradict each other about."""
        played = self.trials.start.played
        for one in contradictions:
            names = played[one.first].answer.name, played[one.second].answer.name
            self.unanswered.append(Unanswered(exchanges=names, reason=one.reason(played), contradiction=True))
            self.trials.excluded |= {one.first, one.second}
            self._forbidden |= one.places


def _contradictions(found: Search) -> list[Contradiction]:
    """Return the contradictions that a search came upon, one for each exchange that is stuck."""
    contradictions: dict[int, Contradiction] = {}
    for number in found.stuck:
        played = found.trial.played
        rivals = (one for one in found.rivals if number in (one.first, one.second))
        both = twin_of(played, number) or next((one for one in rivals if are_of_one_fact(played, one)), None)
        if both is not None and both.first not in contradictions and both.second not in contradictions:
            contradictions[number] = both
    return list(contradictions.values())


def _facts(learnt: Iterable[Learnt], trials: Trials) -> Iterable[Fact]:
    found: dict[Tokens, Fact] = {}
    for one in learnt:
        for tokens, value in one.change.edits:
            before = pointer.get(trials.documents, tokens)
            found[tokens] = Fact(
                pointer=pointer.build(tokens),
                before=None if before is pointer.MISSING else before,
                now=value,
                source=one.source(trials.origin),
            )
    return found.values()


def _varying_headers(trial: Trial) -> frozenset[str]:
    """Return the headers that no contract states and of which hardly two replies have the same value."""
    values: dict[str, list[str]] = defaultdict(list)
    for one in trial.played:
        for difference in one.differences:
            if difference.pointer.startswith(HEADERS) and difference.expected is None:
                values[difference.pointer.removeprefix(HEADERS)].append(difference.got)
    return frozenset(
        name
        for name, found in values.items()
        if len(found) > 2 and len(set(found)) > len(found) / 2 and not all(map(str.isdecimal, found))
    )


def _hidden_values(trial: Trial) -> Iterable[str]:
    for one in trial.learnt:
        for tokens, value in one.change.edits:
            if isinstance(value, str) and value.startswith("<") and value.endswith(">") and ":" in value:
                yield f"the value of {pointer.build(tokens)} is hidden in the recording: write the real one"


def _why(played: Played) -> str:
    if played.answer.reply.status >= FAILING and not played.is_refusal:
        return f"the server failed with {played.answer.reply.status}"
    if played.answer.is_refusal and played.answer.body is MISSING and played.answer.reply.body:
        return f"refused with {played.answer.reply.status} and a body that is not JSON, by something before the API"
    parts = [f"{difference.pointer}: {difference.message}" for difference in played.differences[:3]]
    more = f" and {len(played.differences) - 3} others" if len(played.differences) > 3 else ""
    return f"no change of a fact gives this reply: {'; '.join(parts)}{more}"
